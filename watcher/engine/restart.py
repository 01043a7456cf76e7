"""Where a track stands, as a value: written with every tick, and what a restart begins from."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from watcher.engine.episodes import Episode
from watcher.engine.lifecycle import FIRING, INACTIVE
from watcher.engine.track import Track
from watcher.model.incident import Change, Evidence, Incident, Resolution, Transition
from watcher.model.snapshot import RowState, TrackState
from watcher.model.time import Instant

_COLUMNS = ("opened", "held", "breached_until", "clear_from", "quiet", "known_at", "judged_at")


def state_of(track: Track, source: str) -> TrackState:
    """The track's frozen edge, and the groups that are not inactive there."""
    life = track.frozen
    rows = tuple(
        RowState(
            labels=track.keys[row],
            state=int(life.state[row]),
            noted=bool(life.noted[row]),
            lanes=tuple(sorted(key for key, lane in track.lanes.items() if lane.feeds(row))),
            **{name: int(getattr(life, name)[row]) for name in _COLUMNS},
        )
        for row in np.flatnonzero(life.state != INACTIVE).tolist()
    )
    return TrackState(track.rule.id, source, tuple(sorted(track.streams)), track.frozen_at, rows)


def restore(track: Track, state: TrackState) -> None:
    """Let a new track stand where the state says. Bins before its edge are history, and windows only."""
    track.streams.update(state.streams)
    track.frozen_at = state.frozen_at
    rows = track.rows([row.labels for row in state.rows])
    for at, row in zip(rows.tolist(), state.rows, strict=True):
        track.frozen.state[at], track.frozen.noted[at] = row.state, row.noted
        for name in _COLUMNS:
            getattr(track.frozen, name)[at] = getattr(row, name)
        for key in row.lanes:
            track.fed.setdefault(key, []).append(at)
        if row.state >= FIRING:
            track.episodes[at] = [Episode(row.opened)]
    track.present.put(rows, track.frozen.take(rows))


def expect(track: Track, row: int, incident: Incident) -> None:
    """Take what the book says of a group for told, where judging from the edge on must find it again."""
    life = track.frozen
    goes_on = life.state[row] > INACTIVE and life.opened[row] == incident.opened_at
    if not incident.over or goes_on or incident.opened_at >= track.frozen_at:
        end = incident.resolved_at, incident.resolution
        episode = Episode(incident.opened_at, *end, severity=incident.severity)
        track.told.setdefault(row, []).append(episode)
    track.episodes[row] = [_of(incident, held) for held in track.episodes.get(row, [])]


def _of(incident: Incident, held: Episode) -> Episode:
    """A restored episode with what only the book knows of it."""
    if held.opened_at != incident.opened_at or held.severity is not None:
        return held
    return replace(held, severity=incident.severity)


def closed(incident: Incident, states: Iterable[TrackState], at: Instant) -> Transition:
    """The end of an incident that no present rule or source can judge any more."""
    known: Sequence[Instant] = [
        row.breached_until
        for state in states
        if state.rule == incident.key.rule
        for row in state.rows
        if row.labels == incident.key.labels
    ]
    end = max([incident.opened_at, *known])
    return Transition(
        change=Change.RESOLVED,
        key=incident.key,
        severity=incident.severity,
        was=incident.opened_at,
        opened_at=incident.opened_at,
        resolved_at=end,
        decided_at=at,
        summary="",
        evidence=Evidence(incident.opened_at, end),
        resolution=Resolution.UNJUDGED,
    )
