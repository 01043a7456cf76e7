"""What acts of people are to the engine: their event time, and the end of the episodes they end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from watcher.engine.lifecycle import NEVER
from watcher.engine.roster import Roster
from watcher.engine.telling import Occasion, tell
from watcher.engine.track import Track
from watcher.model.act import Act, ActKind
from watcher.model.incident import Asked, Change, End, Evidence, Incident, IncidentKey, Resolution, Transition
from watcher.model.time import Instant


def acted(
    asked: Sequence[Asked], at: Instant, reached: Mapping[IncidentKey, Instant] | None = None
) -> tuple[list[Act], list[Transition]]:
    """The acts with their event time, and the ends they ask for of what is not over.

    `reached` is how far the streams of some incidents are settled; the others' acts count as of `at`.
    """
    acts, ends = [], []
    for one in asked:
        effective_at = (reached or {}).get(one.incident.key, at)
        act = replace(one.act, effective_at=max(effective_at, one.incident.opened_at))
        acts.append(act)
        if act.kind is ActKind.RESOLVE and not one.incident.over:
            ends.append(ended_by_hand(one.incident, act, at))
    return acts, ends


def ended_by_hand(incident: Incident, act: Act, at: Instant) -> Transition:
    """The end of an incident at the time its act counts."""
    end = at if act.effective_at is None else act.effective_at
    return replace(ended(incident, end, at, Resolution.MANUAL), act=act)


def ended(incident: Incident, end: Instant, at: Instant, resolution: Resolution) -> Transition:
    """The end of an incident that no reading gave it, decided at a time."""
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
        resolution=resolution,
        shadow=incident.shadow,
    )


def settled(roster: Roster, key: IncidentKey) -> Instant | None:
    """How far the streams are settled that an incident is judged by; None where none is."""
    marks = [lane.watermark for track in _tracks(roster, key) for lane in track.lanes.values()]
    return max((mark for mark in marks if mark > NEVER), default=None)


def dismissed(roster: Roster, ends: Iterable[End], at: Instant) -> list[Transition]:
    """What becomes of incidents that people end, and of those that explain them or are explained by them.

    Who ends a wider incident ends all that it explains. An end that has been taken changes nothing.
    """
    affected: dict[tuple[str, str], dict[Track, set[int]]] = {}
    for end in ends:
        own = family(end.key)
        found = affected.setdefault(own, {track: set() for track in roster.tracks.get(own, ())})
        for track, rows in _rows(roster, end):
            found[track] |= track.course.dismiss(rows, end.at, track)
    return [
        transition
        for own, tracks in affected.items()
        if any(tracks.values())
        for transition in tell(
            roster.kin[own], list(tracks.items()), Occasion(at, roster.names.get(own[1], {}))
        )
    ]


def attributed(found: Sequence[Transition], ends: Iterable[Transition]) -> list[Transition]:
    """The transitions, with its act each end that was asked for; also such as the engine does not know."""
    told = list(found)
    for end in ends:
        own = (place for place, one in enumerate(told) if one.act is None and _is_by_hand(one, end.key))
        place = next(own, None)
        if place is None:
            told.append(end)
        else:
            told[place] = replace(told[place], act=end.act)
    return told


def _is_by_hand(transition: Transition, key: IncidentKey) -> bool:
    is_end = transition.change is Change.RESOLVED and transition.resolution is Resolution.MANUAL
    return is_end and transition.key == key


def _rows(roster: Roster, end: End) -> Iterator[tuple[Track, set[int]]]:
    """The row of a group; or those of what a wider incident explains, that go on."""
    found = roster.find(end.key)
    if found is not None:
        yield found[0], {found[1]}
        return
    kin = roster.kin.get(family(end.key))
    extents = [one for one in kin.extents if kin.key_of(one.group) == end.key] if kin is not None else ()
    keys = {leaf.key for one in extents for leaf in one.leaves.values() if leaf.episode.resolved_at is None}
    for track in roster.tracks.get(family(end.key), ()):
        yield track, {track.index[key] for key in keys & track.index.keys()}


def _tracks(roster: Roster, key: IncidentKey) -> Sequence[Track]:
    """The one that holds a group; of a wider incident all of its rule and source."""
    found = roster.find(key)
    return [found[0]] if found is not None else roster.tracks.get(family(key), ())


def family(key: IncidentKey) -> tuple[str, str]:
    """The rule and source of an incident."""
    return key.rule, dict(key.labels).get("source", "")
