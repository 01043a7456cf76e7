"""Where a track stands, as a value: written with every tick, and what a restart begins from."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from watcher.engine.acting import ended
from watcher.engine.course import Course
from watcher.engine.episodes import Episode
from watcher.engine.lifecycle import INACTIVE, INSTANTS, Lifecycle
from watcher.engine.toll import Toll
from watcher.engine.track import Track
from watcher.model.incident import Incident, Resolution, Transition
from watcher.model.rule import Severity
from watcher.model.snapshot import EpisodeState, RowState, TrackState
from watcher.model.time import Instant


def state_of(track: Track, source: str) -> TrackState:
    """The track's frozen edge, and the groups that are not inactive there."""
    course = track.course
    rows = np.union1d(course.frozen.rows, sorted(course.ended)).astype(np.intp)
    life = course.frozen.life if len(rows) == len(course.frozen.rows) else course.frozen.take(rows)
    held = rows.tolist()
    # Columns at once: in a large outage this is asked of very many rows with every tick.
    columns = {name: getattr(life, name).tolist() for name in _COLUMNS}
    columns["labels"] = [track.keys[row] for row in held]
    columns["lanes"] = [_lanes(track, row) for row in held]
    columns["episode"] = [_episode_of(course, row) for row in held]
    columns |= {name: list(map(tuple, columns[name])) for name in ("calm", "slots")}
    each = zip(*columns.values(), strict=True)
    states = tuple(RowState(**dict(zip(columns, row, strict=True))) for row in each)
    return TrackState(track.rule.id, source, tuple(sorted(track.streams)), course.frozen_at, states)


def _episode_of(course: Course, row: int) -> EpisodeState | None:
    """What only the episode knows: that it is over and may come back, or how often it has."""
    held = course.settled.get(row)
    if not held:
        return None
    one = held[-1]
    toll = course.tolls.get((row, one.opened_at))
    if one.resolved_at is None and not one.returns and (toll is None or toll.seen is None):
        return None
    plain = EpisodeState(one.opened_at, one.resolved_at, int(one.highest or 0), one.returns, one.comebacks)
    if toll is None or toll.seen is None:
        return plain
    return replace(plain, hurt=toll.hurt, peak=(toll.seen, toll.expected, toll.start, toll.end))


_COLUMNS: Final = ("state", "noted", "level", "highest", "calm", "slots", *INSTANTS)


def _lanes(track: Track, row: int) -> tuple[str, ...]:
    return tuple(sorted(key for key, lane in track.lanes.items() if lane.feeds(row)))


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
    for at, row in enumerate(state.rows):
        if row.episode is not None:
            until = state.frozen_at if row.episode.resolved_at is None else row.episode.resolved_at
            toll = Toll(until, row.episode.hurt, *(row.episode.peak or ()))
            track.course.resume(int(rows[at]), _resumed(row.episode), toll)


def _resumed(state: EpisodeState) -> Episode:
    plain = Episode(state.opened_at, returns=state.returns, comebacks=tuple(state.comebacks))
    if state.resolved_at is not None:
        plain = plain.ended(state.resolved_at, Resolution.RECOVERED, None)
    highest = Severity(state.highest) if state.highest else None
    return plain if highest is None else plain.graded(highest, highest, None)


def expect(track: Track, row: int, incident: Incident, *, ended_with: Instant | None = None) -> None:
    """Take what the book says of a group for told, where judging from the edge on must find it again.

    What a person has ended after the edge is ended again; `ended_with` is when, of what explains it.
    """
    course = track.course
    if incident.resolution is Resolution.MANUAL and incident.resolved_at is not None:
        end_again(track, row, incident.resolved_at)
    if ended_with is not None and not incident.over:
        end_again(track, row, ended_with)
    life = course.frozen.take(np.array([row]))
    goes_on = life.state[0] > INACTIVE and life.opened[0] == incident.opened_at
    goes_on |= any(one.opened_at == incident.opened_at for one in course.settled.get(row, ()))
    if not incident.over or goes_on or incident.opened_at >= course.frozen_at:
        end = incident.resolved_at, incident.resolution
        episode = Episode(incident.opened_at, *end, returns=incident.returns, flapping=incident.flapping)
        episode = episode.graded(incident.severity, incident.severity, None)
        course.told.setdefault(row, []).append(episode)
        if incident.flapping:
            course.flapping.add(row)
    for episodes in (course.episodes, course.settled):
        if row in episodes:
            episodes[row] = [_of(incident, held) for held in episodes[row]]


def end_again(track: Track, row: int, at: Instant) -> None:
    """Before judging goes on from the edge: a person ends what goes on in a row at a time after it."""
    if at >= track.course.frozen_at:
        track.course.hands.add((at, row))


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
    return ended(incident, end, at, Resolution.UNJUDGED)
