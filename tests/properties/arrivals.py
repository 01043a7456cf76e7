"""How final bins may come: late, doubled, in part, wrong at first, taken back and given again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from tests.engine.estates import incidents
from tests.properties.days import NAN, Stream
from watcher.engine.engine import Engine
from watcher.model.incident import Incident, IncidentKey, Status, Transition
from watcher.model.rule import Severity
from watcher.model.sample import WITHDRAWN, SampleBatch
from watcher.model.time import MINUTE, Duration, Instant, floor

LATEST: Duration = 100 * MINUTE
"""Every version of a bin comes within this of its end; the horizon of two hours counts from its start."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What is judged at once."""

    at: Instant
    batches: Sequence[SampleBatch]


def ordered(streams: Iterable[Stream], *, every: Duration = MINUTE) -> Iterator[Tick]:
    """Each bin as it ends, once and for all; those of some time at once."""
    found = sorted(
        (batch for stream in streams for batch in stream.batches),
        key=lambda batch: (batch.fetched_at, batch.stream),
    )
    yield from _ticks((floor(batch.fetched_at - 1, every) + every, batch) for batch in found)


def shuffled(streams: Iterable[Stream], rng: np.random.Generator, *, every: Duration = MINUTE) -> list[Tick]:
    """Each bin as it may come, its last version the final one; nothing comes later than `LATEST`."""
    found: list[tuple[Instant, SampleBatch]] = []
    for stream in streams:
        is_own = stream.name.endswith(".sight")
        for batch in stream.batches:
            versions = [(0, batch)] if is_own else _versions(batch, rng)
            found += [(batch.fetched_at + delay, one) for delay, one in versions]
    found.sort(key=lambda one: one[0])  # versions of one bin stay in their order
    ends = {stream.name: [one.settled_until for one in stream.batches] for stream in streams}
    fetched = ((floor(at - 1, every) + every, batch) for at, batch in found)
    return list(_ticks((at, _settled(batch, at, ends)) for at, batch in fetched))


def _ticks(found: Iterable[tuple[Instant, SampleBatch]]) -> Iterator[Tick]:
    for at, batches in groupby(found, key=lambda one: one[0]):
        yield Tick(at, [batch for _, batch in batches])


def _settled(batch: SampleBatch, at: Instant, ends: dict[str, list[Instant]]) -> SampleBatch:
    """Fetched then, with the stream settled as far as it can be at the time."""
    own = ends[batch.stream]
    until = max(batch.settled_until, own[max(0, int(np.searchsorted(own, at, side="right")) - 1)])
    return replace(batch, fetched_at=at, settled_until=until)


def _versions(batch: SampleBatch, rng: np.random.Generator) -> list[tuple[Duration, SampleBatch]]:
    """Every version of one bin with its delay, in the order in which they come."""
    kind = rng.choice(["once", "late", "doubled", "partial", "wrong", "taken back"], p=_CHANCES)
    last = int(rng.choice([0, 3, 12, 40, LATEST // MINUTE], p=[0.3, 0.3, 0.2, 0.15, 0.05])) * MINUTE
    delays = sorted(int(rng.integers(0, last + 1)) for _ in range(2))
    match kind:
        case "once":
            return [(0, batch)]
        case "late":
            return [(last, batch)]
        case "doubled":
            return [*((delay, batch) for delay in delays), (last, batch)]
        case "partial" if batch.width:
            return list(zip([*delays, last], _pieces(batch, rng), strict=True))
        case "taken back":
            nothing = replace(batch, values=np.full_like(batch.values, NAN), complete=False)
            return list(zip([*delays, last], [batch, nothing, batch], strict=True))
        case _:
            return [*((delay, _wrong(batch, rng)) for delay in delays), (last, batch)]


_CHANCES = [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]


def _wrong(batch: SampleBatch, rng: np.random.Generator) -> SampleBatch:
    """Other counts, unknown ones, and fewer entities: what it first seemed."""
    values = batch.values.copy()
    rows = rng.random(values.shape[2]) < 0.3
    if batch.width and not batch.stream.startswith("calls"):
        bad = [at for at, (_, labels) in enumerate(batch.metrics) if ("status_class", "5xx") in labels]
        whole = [at for at, key in enumerate(batch.metrics) if key[0] == "cdn_requests"]
        values[:, bad] += np.where(rows, np.floor(values[:, whole[:1]] * rng.choice([0, 0.2, 0.9])), 0)
        values[:, whole] += np.where(rows, values[:, whole], 0)
    values[:, :, rng.random(values.shape[2]) < 0.2] = NAN
    kept = np.flatnonzero(rng.random(values.shape[2]) < rng.choice([0.6, 1]))
    return replace(
        batch,
        entities=tuple(batch.entities[at] for at in kept.tolist()),
        values=values[:, :, kept],
        complete=False,
    )


def _pieces(batch: SampleBatch, rng: np.random.Generator) -> list[SampleBatch]:
    """In three parts, by entity or by metric; the last two say what stands in the end."""
    final = np.where(np.isnan(batch.values), WITHDRAWN, batch.values)
    axis = int(rng.integers(1, 3))
    first = np.arange(final.shape[axis]) < final.shape[axis] // 2
    own = first[None, :, None] if axis == 1 else first[None, None, :]
    early = _wrong(batch, rng)
    return [
        replace(early, partial=True),
        replace(batch, values=np.where(own, final, NAN), partial=True),
        replace(batch, values=np.where(own, NAN, final), partial=True),
    ]


# --- what comes of it


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """What a book holds of one incident in the end, but for ids and when it was found."""

    rule: str
    labels: str
    opened_at: Instant
    resolved_at: Instant
    """0 while it is open."""
    resolution: str
    severity: Severity
    parent: str


def book(transitions: Sequence[Transition]) -> list[Row]:
    """What stands, in order."""
    held = incidents(transitions)
    by_id = {one.id: one for one in held}
    return sorted(_row(one, by_id.get(one.parent_id or "")) for one in held if one.status != Status.WITHDRAWN)


def _row(one: Incident, parent: Incident | None) -> Row:
    return Row(
        one.key.rule,
        _named(one.key),
        one.opened_at,
        one.resolved_at or 0,
        str(one.resolution or ""),
        one.severity,
        "" if parent is None else f"{_named(parent.key)}@{parent.opened_at}",
    )


def _named(key: IncidentKey) -> str:
    return ",".join(f"{name}={value}" for name, value in key.labels if name not in {"source", "vendor"})


def judged(engine: Engine, tick: Tick) -> list[Transition]:
    """What an engine makes of one."""
    for batch in tick.batches:
        engine.ingest(batch)
    return engine.evaluate(tick.at)
