"""Recorded batches as rows of the long format: what an import judges as the daemon judged it.

An import takes a bin for settled when it arrives. So a bin is written when it had settled, as arrived then,
and once more for each later change; what was read of it before is left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from watcher.model.labels import LabelSet
from watcher.model.sample import Floats, MetricKey, SampleBatch
from watcher.model.time import DAY, HOUR, Duration, Instant

REMEMBERED: Final[Duration] = DAY + 2 * HOUR
"""How long a bin is compared with what comes of it later; no verdict changes after that."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sample."""

    time: Instant
    width: Duration
    metric: str
    value: float | None
    """None withdraws."""
    fetched_at: Instant
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Bin:
    """A bin as it stands, with the tables of the batch that said it."""

    entities: tuple[LabelSet, ...]
    metrics: tuple[MetricKey, ...]
    values: Floats
    """`[metrics, entities]`."""

    def samples(self) -> Iterator[tuple[MetricKey, LabelSet, float]]:
        """What is known of it."""
        for metric, entity in np.argwhere(~np.isnan(self.values)).tolist():
            yield self.metrics[metric], self.entities[entity], float(self.values[metric, entity])


_NOTHING: Final = _Bin((), (), np.zeros((0, 0)))


@dataclass(slots=True)
class _Stream:
    """What has been read of one stream: bins that have settled as they were told, and those that wait."""

    told: dict[Instant, _Bin] = field(default_factory=dict)
    waiting: dict[Instant, _Bin] = field(default_factory=dict)
    settled: Instant = -(1 << 62)


class Rows:
    """Takes batches in the order of arrival."""

    def __init__(self) -> None:
        """Nothing has been read."""
        self._streams: dict[tuple[str, str, Duration], _Stream] = {}

    def of(self, batch: SampleBatch) -> Iterator[Row]:
        """What is to be written now that this batch has come."""
        stream = self._streams.setdefault((batch.source, batch.stream, batch.width), _Stream())
        for start, values in zip(batch.starts.tolist(), batch.values, strict=True):
            stream.waiting[start] = _Bin(batch.entities, batch.metrics, values)
        stream.settled = max(stream.settled, batch.settled_until)
        for start in sorted(at for at in stream.waiting if at + batch.width <= stream.settled):
            now = stream.waiting.pop(start)
            yield from _changes(stream.told.get(start, _NOTHING), now, batch, start)
            stream.told[start] = now
        for start in [at for at in stream.told if at < stream.settled - REMEMBERED]:
            del stream.told[start]


def _changes(was: _Bin, now: _Bin, batch: SampleBatch, start: Instant) -> Iterator[Row]:
    """Rows that make of a bin what it is now."""
    before = {(metric, entity): value for metric, entity, value in was.samples()}
    for metric, entity, value in now.samples():
        if before.pop((metric, entity), None) != value:
            yield _row(batch, start, metric, entity, value)
    for metric, entity in before:
        yield _row(batch, start, metric, entity, None)


def _row(batch: SampleBatch, start: Instant, metric: MetricKey, entity: LabelSet, value: float | None) -> Row:
    labels = {"source": batch.source, "vendor": batch.vendor, **dict(entity), **dict(metric[1])}
    return Row(start, batch.width, metric[0], value, batch.fetched_at, labels)
