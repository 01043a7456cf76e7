"""Rows of the long format as arrivals: batches in the order in which they came, each a grid of columns."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.longformat.columns import Samples
from watcher.model.labels import LabelSet
from watcher.model.sample import WITHDRAWN, Arrival, Floats, Instants, MetricKey, SampleBatch
from watcher.model.time import HOUR, Duration, Instant, floor

SIGHT: Final = "watcher_"
"""What the names of the agent's own metrics begin with: own sight is a stream, beside what it sees."""
STREAM: Final = "import"
STATED: Final[Duration] = 6 * HOUR
"""How long what was said of an instant is remembered, to be said again with what comes of it later."""

Codes = NDArray[np.intp]


def sources(samples: Samples) -> Sequence[str]:
    """The sources there are samples of, sorted."""
    return sorted({series.source for series in samples.series})


def arrivals(samples: Samples, source: str, *, settle: Duration | None = None) -> Iterator[Arrival]:
    """What came from one source, in the order of arrival.

    Without `settle` every bin counts as settled when it arrives; with it a bin does when it is that old.
    """
    own = np.array([series.source == source for series in samples.series], np.bool_)
    rows = samples.take(np.flatnonzero(own[samples.of]))
    rows = rows.take(np.argsort(rows.fetched, kind="stable"))
    lanes = _lanes(rows, settle)
    news = _news(rows)
    lane_of = _lane_of(rows, lanes)
    for first, last in _runs(rows.fetched):
        at = int(rows.fetched[first])
        found = [
            lane.batch(rows.take(mine), at, news[mine])
            for number, lane in enumerate(lanes)
            if (mine := first + np.flatnonzero(lane_of[first:last] == number)).size
        ]
        yield Arrival(at, tuple(found))


def _runs(column: Instants) -> Iterator[tuple[int, int]]:
    """Where equal values begin and end."""
    if len(column):
        edges = np.flatnonzero(np.diff(column)) + 1
        yield from zip([0, *edges.tolist()], [*edges.tolist(), len(column)], strict=True)


def _news(rows: Samples) -> NDArray[np.bool_]:
    """Rows that say something else than the last one of the same sample: of what is read again, most do not.

    What came before its bin was over may have been refused then, and is no measure.
    """
    order = np.lexsort((np.arange(len(rows)), rows.times, rows.widths, rows.of))
    value = rows.values[order]
    same = np.zeros(len(rows), np.bool_)
    for column in (rows.of, rows.times, rows.widths):
        same[1:] |= column[order][1:] != column[order][:-1]
    before, now = value[:-1], value[1:]
    came = rows.fetched[order][:-1] >= rows.times[order][:-1] + rows.widths[order][:-1]
    repeated = came & ~same[1:] & ((before == now) | (np.isnan(before) & np.isnan(now)))
    news = np.ones(len(rows), np.bool_)
    news[order[1:][repeated]] = False
    return news


def _lanes(rows: Samples, settle: Duration | None) -> "list[_Lane]":
    keys = dict.fromkeys(
        (rows.series[code].metric[0].startswith(SIGHT), width) for code, width in _pairs(rows.of, rows.widths)
    )
    name = _name(rows)
    return [_Lane(rows, f"{name}.sight" if sight else name, width, settle) for sight, width in keys]


def _pairs(codes: NDArray[np.int32], widths: Instants) -> Sequence[tuple[int, Duration]]:
    """The distinct pairs, in the order of their first rows."""
    together = codes.astype(np.int64) * (1 << 40) + widths
    _, first = np.unique(together, return_index=True)
    return [(int(codes[at]), int(widths[at])) for at in np.sort(first).tolist()]


def _lane_of(rows: Samples, lanes: "Sequence[_Lane]") -> Codes:
    """The lane of each row, as an index."""
    if len(lanes) == 1:
        return np.zeros(len(rows), np.intp)
    is_sight = np.array([series.metric[0].startswith(SIGHT) for series in rows.series], np.bool_)[rows.of]
    found = np.zeros(len(rows), np.intp)
    for number, lane in enumerate(lanes):
        found[(is_sight == lane.is_sight) & (rows.widths == lane.width)] = number
    return found


def _name(rows: Samples) -> str:
    """What the source's streams are called: as its own sight calls the one it sees."""
    seen = {
        dict(series.entity).get("stream", "")
        for series in (rows.series[code] for code in np.unique(rows.of).tolist())
        if series.metric[0] == "watcher_up"
    } - {""}
    return next(iter(seen)) if len(seen) == 1 else STREAM


class _Lane:
    """One stream of an import, (source, width): its tables grow as series come, and never otherwise."""

    def __init__(self, rows: Samples, stream: str, width: Duration, settle: Duration | None) -> None:
        self.stream = stream
        self.width = width
        self.is_sight = stream.endswith(".sight")
        first = rows.series[int(rows.of[0])]
        self._source, self._vendor = first.source, first.vendor
        self._settle = settle
        self._newest = self._settled = self._said = -(1 << 62)
        self._stood: dict[Instant, Floats] = {}
        self._metrics: dict[MetricKey, int] = {}
        self._entities: dict[LabelSet, int] = {}
        self._metric = np.full(len(rows.series), -1, np.intp)
        self._entity = np.full(len(rows.series), -1, np.intp)
        self._tables: tuple[tuple[LabelSet, ...], tuple[MetricKey, ...]] = (), ()

    def batch(self, rows: Samples, at: Instant, news: NDArray[np.bool_]) -> SampleBatch:
        """What came at once; rows that are no news are left out, and move the watermark like the others."""
        self._newest = max(self._newest, int(rows.times.max()) + self.width)
        self._settled = max(self._settled, self._settled_by(at))
        self._admit(rows)
        if not news.all():
            rows = rows.take(news)
        entities, metrics = self._tables
        starts, bins = np.unique(rows.times, return_inverse=True)
        values = np.full((len(starts), len(metrics), len(entities)), np.nan)
        told = np.where(np.isneginf(rows.values), np.inf, rows.values)
        is_new = self._is_new(starts)
        if not is_new:  # what stands in these bins stands
            told = np.where(np.isnan(told), WITHDRAWN, told)
        # Of several rows of one sample the last one stands.
        values[bins, self._metric[rows.of], self._entity[rows.of]] = told
        return SampleBatch(
            source=self._source,
            vendor=self._vendor,
            stream=self.stream,
            width=self.width,
            fetched_at=at,
            settled_until=self._settled,
            entities=entities,
            metrics=metrics,
            starts=starts,
            values=values if self.width else self._whole(starts, values),
            partial=bool(self.width) and not is_new,
        )

    def _is_new(self, starts: Instants) -> bool:
        """Whether nothing was said of these bins before."""
        is_new = not len(starts) or int(starts[0]) > self._said
        self._said = max(self._said, int(starts[-1])) if len(starts) else self._said
        return is_new

    def _whole(self, starts: Instants, values: Floats) -> Floats:
        """Readings of an instant with what was said of it before: these are taken as a whole."""
        for at, start in enumerate(starts.tolist()):
            before = self._stood.get(start)
            if before is not None:
                known = values[at, : before.shape[0], : before.shape[1]]
                known[:] = np.where(np.isnan(known), before, known)
            values[at][np.isneginf(values[at])] = np.nan
            self._stood[start] = values[at]
        for start in [start for start in self._stood if start < self._newest - STATED]:
            del self._stood[start]
        return values

    def _settled_by(self, at: Instant) -> Instant:
        if self._settle is None:
            return self._newest
        return min(self._newest, floor(at - self._settle, self.width) if self.width else at - self._settle)

    def _admit(self, rows: Samples) -> None:
        """Give places to series that come for the first time."""
        if not (self._metric[rows.of] < 0).any():
            return
        for code in dict.fromkeys(rows.of[self._metric[rows.of] < 0].tolist()):
            series = rows.series[code]
            self._metric[code] = self._metrics.setdefault(series.metric, len(self._metrics))
            self._entity[code] = self._entities.setdefault(series.entity, len(self._entities))
        self._tables = tuple(self._entities), tuple(self._metrics)
