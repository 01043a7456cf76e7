"""How long after its end a bin still changes, as measured by reading bins again."""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.collect.collector import StreamSpec
from watcher.model.labels import LabelSet
from watcher.model.sample import Floats, MetricKey, SampleBatch
from watcher.model.time import MINUTE, Duration, Instant

MEASURED: Final = 500
"""Bins whose last change is remembered: the newest that are read no more."""
LEAST: Final = 30
"""Bins that must have been read again before anything is said."""
NEARLY_ALL: Final = 0.99
_MOST: Final = 2_048
"""Bins compared at once, whatever the overlap."""

_Hashes: TypeAlias = NDArray[np.uint64]
_FIRST: Final = np.uint64(0x9E3779B97F4A7C15)
_SECOND: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_SHIFT: Final = np.uint64(29)


@dataclass(slots=True)
class _Seen:
    """One bin as last read."""

    mark: int
    fresh: bool
    """Whether it was first read as soon as it was due: of others nobody knows when they last changed."""
    changed: Duration = 0
    """Its age when it was last seen to have changed; 0 while it is as it was first read."""
    again: bool = False
    last: bool = False
    """Whether it had changed when it was last read: then nobody knows whether it does so later still."""


class Lateness:
    """Of one stream. Bins that are not read again (`overlap` is 0) measure nothing."""

    def __init__(self, spec: StreamSpec) -> None:
        """`spec` says how young a bin is read, and how long again."""
        self._settle = spec.settle
        self._fresh = spec.settle + 2 * spec.every + spec.width
        self._most = min(_MOST, 2 + spec.overlap // spec.width) if spec.width else 0
        self._seen: dict[Instant, _Seen] = {}
        self._changes: deque[float] = deque(maxlen=MEASURED)
        """The ages of last changes; infinite where it is not known which was the last."""
        self._hashes = _Hasher()
        self.said_until: Instant | None = None
        """End of the newest bin in which the vendor said anything."""
        self.suggested_settle: Duration | None = None
        """The age, in whole minutes, by which nearly every bin had its last value.

        None while few were read again, or where bins still changed when they were last read: then a longer
        `overlap` would measure it.
        Never less than the configured one: what bins were before they were first read is not known.
        """

    def see(self, batch: SampleBatch, now: Instant) -> None:
        """A batch was read."""
        marks = self._hashes.of(batch)
        for place, start in enumerate(batch.starts.tolist()):
            end = start + batch.width
            self._compare(start, marks[place], now - end)
            if marks[place]:
                self.said_until = end if self.said_until is None else max(self.said_until, end)
        while len(self._seen) > self._most:
            self._retire(self._seen.pop(min(self._seen)))

    def _compare(self, start: Instant, mark: int, age: Duration) -> None:
        seen = self._seen.get(start)
        if seen is None:
            self._seen[start] = _Seen(mark, fresh=age <= self._fresh)
            return
        seen.again, seen.last = True, seen.mark != mark
        if seen.last:
            seen.mark, seen.changed = mark, max(0, age)

    def _retire(self, seen: _Seen) -> None:
        if not (seen.again and seen.fresh):
            return
        self._changes.append(inf if seen.last else seen.changed)
        if len(self._changes) >= LEAST:
            latest = sorted(self._changes)[ceil(NEARLY_ALL * len(self._changes)) - 1]
            self.suggested_settle = None if latest == inf else self._in_minutes(int(latest))

    def _in_minutes(self, age: Duration) -> Duration:
        return max(self._settle, -(-age // MINUTE) * MINUTE)


class _Hasher:
    """Marks of bins: equal when the same was said of the same series, in whatever order. 0: nothing was.

    Zeros say as little as silence where anything else is said: a code met for the first time brings a series,
    which is 0 in all the bins before it.
    """

    def __init__(self) -> None:
        self._tables: tuple[tuple[LabelSet, ...], tuple[MetricKey, ...]] = ((), ())
        self._labels: _Hashes = np.zeros((0, 0), np.uint64)

    def of(self, batch: SampleBatch) -> list[int]:
        """One a bin of the batch."""
        if self._tables != (batch.entities, batch.metrics):
            self._tables = (batch.entities, batch.metrics)
            metrics, entities = _hashed(batch.metrics) * _SECOND, _hashed(batch.entities) * _FIRST
            self._labels = metrics[:, None] ^ entities[None, :]
        return [self._mark(values) for values in batch.values]

    def _mark(self, values: Floats) -> int:
        known = ~np.isnan(values)
        told = known & (values != 0)
        mixed = (values[told].view(np.uint64) ^ self._labels[told]) * _FIRST
        mixed = (mixed ^ (mixed >> _SHIFT)) * _SECOND
        return int(mixed.sum(dtype=np.uint64)) or int(known.any())


def _hashed(keys: Sequence[Hashable]) -> _Hashes:
    return np.fromiter((hash(key) & 0xFFFFFFFFFFFFFFFF for key in keys), np.uint64, len(keys))
