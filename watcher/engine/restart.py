"""Where a track stands, as a value: written with every tick, and what a restart begins from."""

from collections.abc import Iterable, Sequence

import numpy as np

from watcher.engine.episodes import Episode
from watcher.engine.lifecycle import INACTIVE, INSTANTS, Lifecycle
from watcher.engine.track import Track
from watcher.model.incident import Change, Evidence, Incident, Resolution, Transition
from watcher.model.snapshot import RowState, TrackState
from watcher.model.time import Instant


def state_of(track: Track, source: str) -> TrackState:
    """The track's frozen edge, and the groups that are not inactive there."""
    course = track.course
    life = course.frozen.life
    rows = tuple(
        RowState(
            labels=track.keys[row],
            state=int(life.state[at]),
            noted=bool(life.noted[at]),
            lanes=tuple(sorted(key for key, lane in track.lanes.items() if lane.feeds(row))),
            level=int(life.level[at]),
            highest=int(life.highest[at]),
            calm=tuple(life.calm[at].tolist()),
            slots=tuple(life.slots[at].tolist()),
            **{name: int(getattr(life, name)[at]) for name in INSTANTS},
        )
        for at, row in enumerate(course.frozen.rows.tolist())
    )
    return TrackState(track.rule.id, source, tuple(sorted(track.streams)), course.frozen_at, rows)


def restore(track: Track, state: TrackState) -> None:
    """Let a new track stand where the state says. Bins before its edge are history, and windows only."""
    track.streams.update(state.streams)
    rows = track.rows([row.labels for row in state.rows])
    life = Lifecycle.of(len(rows), track.course.holds.slots)
    for at, row in enumerate(state.rows):
        life.state[at], life.noted[at] = row.state, row.noted
        life.level[at], life.highest[at] = row.level, row.highest
        for name in INSTANTS:
            getattr(life, name)[at] = getattr(row, name)
        if row.calm:
            life.calm[at] = row.calm
        if len(row.slots) == life.slots.shape[1]:
            life.slots[at] = row.slots
        for key in row.lanes:
            track.fed.setdefault(key, []).append(int(rows[at]))
    order = np.argsort(rows)
    track.course.stand(rows[order], life.take(order), state.frozen_at)


def expect(track: Track, row: int, incident: Incident) -> None:
    """Take what the book says of a group for told, where judging from the edge on must find it again."""
    course = track.course
    life = course.frozen.take(np.array([row]))
    goes_on = life.state[0] > INACTIVE and life.opened[0] == incident.opened_at
    if not incident.over or goes_on or incident.opened_at >= course.frozen_at:
        end = incident.resolved_at, incident.resolution
        episode = Episode(incident.opened_at, *end).graded(incident.severity, incident.severity, None)
        course.told.setdefault(row, []).append(episode)
    if row in course.episodes:
        course.episodes[row] = [_of(incident, held) for held in course.episodes[row]]


def _of(incident: Incident, held: Episode) -> Episode:
    """A restored episode with what only the book knows of it."""
    if held.opened_at != incident.opened_at or held.severity is not None:
        return held
    return held.graded(incident.severity, incident.severity, None)


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
