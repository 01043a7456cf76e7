"""The series of a test case as the batches that a source would send, as many bins at once as may be.

All series are one stream of one source, `test`; `watcher_up{stream=test}` and its kin are its own sight. What
comes corrected is sent again, whole, when the correction comes. States of which some are `stale` at some time
are complete listings: what they then lack is gone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.model.labels import LabelSet, label_set
from watcher.model.metrics import OF_THE_METRIC
from watcher.model.sample import Exemplar, Floats, MetricKey, SampleBatch
from watcher.model.time import HOUR, Duration, Instant
from watcher.rulebook.series import STALE, Series

SOURCE: Final = "test"
MOST: Final[Duration] = 12 * HOUR
"""Bins are sent together over so much time at most."""
_SIGHT: Final = "watcher_"
"""What the names of the agent's own metrics begin with: they come in a stream of their own."""


@dataclass(frozen=True, slots=True)
class Correction:
    """From a time on these series are said to be, and to have been, something else."""

    at: Instant
    series: Sequence[Series]


@dataclass(frozen=True, slots=True)
class Record:
    """A raw record of a series: its labels, when it is of, and what it says."""

    labels: LabelSet
    at: Instant
    facts: Mapping[str, str]


@dataclass(slots=True)
class Timeline:
    """Streams of one case; `send` goes on where it stopped."""

    series: Sequence[Series]
    width: Duration
    step: Duration
    corrections: Sequence[Correction] = ()
    records: Sequence[Record] = ()
    _streams: "list[_Stream]" = field(init=False)
    _sent: int = 0
    """Steps that have come."""
    _corrected: int = 0

    def __post_init__(self) -> None:
        """By what is given or corrected at any time: a stream's tables do not change."""
        every = [*self.series, *(one for correction in self.corrections for one in correction.series)]
        named = {(one.metric, label_set(one.labels)): one for one in every}
        sight = [one for one in named.values() if one.metric.startswith(_SIGHT)]
        told = [one for one in named.values() if not one.metric.startswith(_SIGHT)]
        streams = (_Stream(SOURCE, self.width, told), _Stream(f"{SOURCE}.sight", self.step, sight))
        self._streams = [stream for stream in streams if stream.metrics]
        for stream in self._streams:
            stream.say(self.series)
            stream.records = self.records

    @property
    def steps(self) -> int:
        """How many there are."""
        return max(len(one.values) for one in self.series)

    @property
    def lag(self) -> Duration:
        """From the start of a step to when it has settled."""
        return max(stream.width for stream in self._streams)

    def send(self, until: Instant) -> Iterator[tuple[Instant, list[SampleBatch]]]:
        """What comes by a time: when it has settled, and the batches to judge together."""
        for correction in self.corrections[self._corrected :]:
            if correction.at > until:
                break
            yield from self._bins(correction.at)
            self._corrected += 1
            for stream in self._streams:
                stream.say(correction.series)
            if self._sent:
                yield correction.at, list(self._batches(0, self._sent, correction.at))
        yield from self._bins(until)

    def rest(self) -> Iterator[tuple[Instant, list[SampleBatch]]]:
        """All that is left."""
        last = max([self.steps * self.step + self.lag, *(one.at for one in self.corrections)])
        return self.send(last)

    def all_at_once(self) -> list[SampleBatch]:
        """Every step in one batch a stream; nothing counts as sent."""
        return list(self._batches(0, self.steps, self.steps * self.step + self.lag))

    def _bins(self, until: Instant) -> Iterator[tuple[Instant, list[SampleBatch]]]:
        """Those that have settled by a time and were not sent before."""
        last = min(self.steps, max(0, (until - self.lag) // self.step + 1))
        most = max(1, MOST // self.step)
        while self._sent < last:
            first, self._sent = self._sent, min(last, self._sent + most)
            end = (self._sent - 1) * self.step + self.lag
            yield end, list(self._batches(first, self._sent, end))

    def _batches(self, first: int, last: int, at: Instant) -> Iterable[SampleBatch]:
        return (batch for stream in self._streams for batch in stream.batches(first, last, self.step, at))


class _Stream:
    """Series that come together, as the grid of a batch over all steps."""

    def __init__(self, name: str, width: Duration, series: Sequence[Series]) -> None:
        self.name = name
        self.width = width
        places = [_split(one) for one in series]
        self.metrics = tuple(dict.fromkeys(metric for metric, _ in places))
        self._entities = tuple(dict.fromkeys(entity for _, entity in places))
        self._cells: Mapping[tuple[MetricKey, LabelSet], tuple[int, int]] = {
            place: (self.metrics.index(place[0]), self._entities.index(place[1])) for place in places
        }
        self._values = np.zeros((0, len(self.metrics), len(self._entities)))
        self.records: Sequence[Record] = ()

    def say(self, series: Sequence[Series]) -> None:
        """Write series into the grid, in place of what was said before; one that is over is missing."""
        own = [(self._cells[place], one.values) for one in series if (place := _split(one)) in self._cells]
        steps = max([len(self._values), *(len(values) for _, values in own)])
        grown = np.full((steps, *self._values.shape[1:]), nan)
        grown[: len(self._values)] = self._values
        for (metric, entity), values in own:
            grown[:, metric, entity] = nan
            grown[: len(values), metric, entity] = values
        self._values = grown

    def batches(self, first: int, last: int, step: Duration, at: Instant) -> Iterator[SampleBatch]:
        """Some steps: one batch, or one a listing."""
        values = self._rows(first, last)
        over = (values == STALE).any(axis=1) & ~np.isfinite(values).any(axis=1)
        values = np.where(values == STALE, nan, values)
        if self.width or not self._has_stale:
            yield self._batch(first, values, step, at)
            return
        for begins, ends in self._listings(over):
            batch = self._batch(first + begins, values[begins:ends], step, at)
            there = ~over[begins]
            entities = tuple(name for name, kept in zip(self._entities, there, strict=True) if kept)
            yield replace(
                batch, entities=entities, values=batch.values[:, :, there], exemplars=(), complete=True
            )

    @property
    def _has_stale(self) -> bool:
        return bool((self._values == STALE).any())

    def _listings(self, over: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
        """Runs of steps in which the same is there."""
        changes = np.flatnonzero((over[1:] != over[:-1]).any(axis=1)) + 1
        return pairwise([0, *changes.tolist(), len(over)])

    def _batch(self, first: int, values: Floats, step: Duration, at: Instant) -> SampleBatch:
        last = first + len(values)
        return SampleBatch(
            source=SOURCE,
            vendor=SOURCE,
            stream=self.name,
            width=self.width,
            fetched_at=at,
            settled_until=(last - 1) * step + self.width,
            entities=self._entities,
            metrics=self.metrics,
            starts=np.arange(first, last, dtype=np.int64) * step,
            values=values,
            exemplars=tuple(self._exemplars(first * step, last * step)),
        )

    def _exemplars(self, since: Instant, until: Instant) -> Iterator[Exemplar]:
        for one in self.records:
            entity = label_set([pair for pair in one.labels if pair[0] not in OF_THE_METRIC])
            if since <= one.at < until and entity in self._entities:
                yield Exemplar(self._entities.index(entity), one.at, one.facts)

    def _rows(self, first: int, last: int) -> Floats:
        missing = max(0, last - len(self._values))
        rows = self._values[first:last]
        return np.concatenate([rows, np.full((missing, *rows.shape[1:]), nan)]) if missing else rows


def _split(series: Series) -> tuple[MetricKey, LabelSet]:
    own = {name: value for name, value in series.labels.items() if name in OF_THE_METRIC}
    rest = {name: value for name, value in series.labels.items() if name not in OF_THE_METRIC}
    return (series.metric, label_set(own)), label_set(rest)
