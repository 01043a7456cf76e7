"""What a book would hold after some transitions, and engines rebuilt from one."""

import itertools
from collections.abc import Sequence

from watcher.engine.engine import Engine
from watcher.model.incident import Change, Figures, Incident, Status, Transition
from watcher.model.sample import SampleBatch
from watcher.model.snapshot import TrackState
from watcher.model.time import Instant


def said(transitions: list[Transition]) -> list[tuple[str, Change]]:
    return [(dict(t.key.labels).get("resource", ""), t.change) for t in transitions]


def standing(transitions: list[Transition]) -> list[tuple[str, Instant, Instant | None]]:
    """What a book would hold: (resource, opened, resolved), without the withdrawn and merged."""
    return sorted(
        (dict(i.key.labels)["resource"], i.opened_at, i.resolved_at) for i in incidents(transitions)
    )


def incidents(transitions: list[Transition]) -> list[Incident]:
    held: dict[tuple[object, Instant], Incident] = {}
    number = itertools.count()
    for t in transitions:
        former = held.pop((t.key, t.was), None)
        if t.change in {Change.WITHDRAWN, Change.MERGED}:
            continue
        before = Figures() if former is None else Figures(former.peak, former.affected, former.returns)
        figures = before if t.figures is None else t.figures
        held[t.key, t.opened_at] = Incident(
            id=former.id if former else str(next(number)),
            key=t.key,
            severity=t.severity,
            status=Status.OPEN if t.resolved_at is None else Status.RESOLVED,
            summary=t.summary,
            opened_at=t.opened_at,
            detected_at=t.decided_at,
            evidence=t.evidence,
            resolution=t.resolution,
            resolved_at=t.resolved_at,
            peak=figures.peak,
            affected=figures.affected,
            returns=figures.returns,
        )
    return list(held.values())


def rebuilt(
    engine: Engine,
    batches: Sequence[SampleBatch],
    book: list[Incident],
    states: Sequence[TrackState],
    sources: tuple[str, ...] = ("cdn",),
) -> list[Transition]:
    """Restore, recall in pages of seven, rebuild."""
    engine.restore(states, sources)
    for first in range(0, len(batches), 7):
        engine.recall(batches[first : first + 7])
    return engine.rebuild(book, states, at=batches[-1].fetched_at)
