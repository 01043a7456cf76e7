"""A run of one stream's batches as one columnar chunk, and back: what came, when, in which order.

A row of a chunk is one bin as one poll gave it, kept only where the poll said something that did not stand
already. Bins are mostly said once; a restated one has a row for each version, with the poll in which it
arrived, so that what is read again is what was known when. Rows stand by bin and version: a version differs
little from the one before, and so costs little.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from watcher.model.labels import LabelSet
from watcher.model.sample import Floats, Instants, MetricKey, SampleBatch
from watcher.model.time import DAY, Duration, Instant

MOST_CELLS: Final = 8_000_000
"""Rows times series of one chunk: 64 MB while it is made."""
SPAN: Final[Duration] = DAY
"""Of bins in one chunk, where they are not too many."""

Indexes: TypeAlias = NDArray[np.int32]
Tables: TypeAlias = tuple[tuple[LabelSet, ...], tuple[MetricKey, ...]]
"""A batch's entities and metrics."""
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the journal."""

    id: int
    at: Instant
    """When its tick was judged."""
    batch: SampleBatch


@dataclass(frozen=True, slots=True)
class Layout:
    """Which of a chunk's entities and metrics a poll spoke of, in its order."""

    entities: Indexes
    metrics: Indexes


@dataclass(frozen=True, slots=True)
class Polls:
    """The polls of a chunk, in commit order."""

    ids: Instants
    """Journal rows."""
    at: Instants
    fetched: Instants
    settled: Instants
    layout: Instants
    """Which of the chunk's layouts."""
    flags: Instants
    """`COMPLETE` and `PARTIAL`."""


COMPLETE: Final = 1
PARTIAL: Final = 2


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a run of batches of one stream comes to."""

    source: str
    vendor: str
    stream: str
    width: Duration
    entities: tuple[LabelSet, ...]
    metrics: tuple[MetricKey, ...]
    layouts: tuple[Layout, ...]
    polls: Polls
    starts: Instants
    """`[rows]`, ascending: the bin of each row."""
    arrived: Instants
    """`[rows]`: the poll that brought it."""
    values: Floats
    """`[rows, metrics, entities]`; NaN where nothing was said."""
    names: Mapping[str, str] = field(default_factory=dict)

    def entries(self, known: dict[Tables, Tables] | None = None) -> Iterator[Entry]:
        """The batches, as they came, but for bins that were said again as they stood.

        Tables that are `known` are the same objects again, and others become so: whoever takes batch after
        batch compares tables each time, which is long work where they are equal and not the same.
        """
        known = {} if known is None else known
        by_poll = np.argsort(self.arrived, kind="stable")
        edges = np.searchsorted(self.arrived[by_poll], np.arange(len(self.polls.ids) + 1)).tolist()
        tables = [known.setdefault(own, own) for own in map(self._tables, self.layouts)]
        is_whole = [self._is_whole(layout) for layout in self.layouts]
        names = self.names
        columns = zip(*(getattr(self.polls, name).tolist() for name in _COLUMNS), strict=True)
        for poll, (id_, at, fetched, settled, layout, flags) in enumerate(columns):
            rows = _together(by_poll[edges[poll] : edges[poll + 1]])
            values = self._values(rows, None if is_whole[layout] else self.layouts[layout])
            entities, metrics = tables[layout]
            batch = SampleBatch(
                source=self.source,
                vendor=self.vendor,
                stream=self.stream,
                width=self.width,
                fetched_at=fetched,
                settled_until=settled,
                entities=entities,
                metrics=metrics,
                starts=self.starts[rows],
                values=values,
                names=names,
                complete=bool(flags & COMPLETE),
                partial=bool(flags & PARTIAL),
            )
            names = {}
            yield Entry(id_, at, batch)

    def _tables(self, layout: Layout) -> Tables:
        entities = tuple(self.entities[at] for at in layout.entities.tolist())
        return entities, tuple(self.metrics[at] for at in layout.metrics.tolist())

    def _is_whole(self, layout: Layout) -> bool:
        """Whether it is all of the chunk's series in the chunk's order."""
        return all(
            len(chosen) == len(every) and bool((chosen == np.arange(len(every))).all())
            for chosen, every in ((layout.entities, self.entities), (layout.metrics, self.metrics))
        )

    def _values(self, rows: NDArray[np.intp] | slice, layout: Layout | None) -> Floats:
        found = self.values[rows]
        return found if layout is None else found[:, layout.metrics[:, None], layout.entities]


def _together(rows: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Rows, which ascend, as a slice where they follow each other, as most polls' do: it needs no copy."""
    if not len(rows):
        return slice(0)
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first == len(rows) - 1 else rows


_COLUMNS: Final = ("ids", "at", "fetched", "settled", "layout", "flags")
_LAYOUT: Final = _COLUMNS.index("layout")


class Gathering:
    """Takes a stream's journal rows in commit order until they fill a chunk."""

    def __init__(self, span: Duration = SPAN) -> None:
        """Nothing was taken; bins of about `span` make a chunk."""
        self._most = span
        self._polls: list[tuple[int, Instant, Instant, Instant, int, int]] = []
        self._first: SampleBatch | None = None
        self._names: dict[str, str] = {}
        self._entities: dict[LabelSet, int] = {}
        self._metrics: dict[MetricKey, int] = {}
        self._layouts: list[Layout] = []
        self._known: dict[tuple[tuple[LabelSet, ...], tuple[MetricKey, ...]], int] = {}
        self._rows: list[tuple[Instant, int, int, Floats]] = []
        """Bin, poll, layout, values."""
        self._standing: dict[Instant, int] = {}
        """By bin: the row of its newest version."""
        self._span: tuple[Instant, Instant] | None = None

    def __len__(self) -> int:
        return len(self._polls)

    @property
    def is_full(self) -> bool:
        """Whether what it holds is a chunk's worth."""
        cells = len(self._rows) * len(self._entities) * len(self._metrics)
        return cells >= MOST_CELLS or (self._span is not None and self._span[1] - self._span[0] >= self._most)

    def take(self, entry: Entry) -> None:
        """One more row of the journal."""
        batch = entry.batch
        self._first = self._first or batch
        self._names.update(batch.names)
        layout, poll = self._layout(batch), len(self._polls)
        flags = COMPLETE * batch.complete + PARTIAL * batch.partial
        self._polls.append((entry.id, entry.at, batch.fetched_at, batch.settled_until, layout, flags))
        for start, values in zip(batch.starts.tolist(), batch.values, strict=True):
            standing = self._standing.get(start)
            if standing is None or not self._says(standing, poll, values):
                first, last = self._span or (start, start)
                self._span = min(first, start), max(last, start)
                self._standing[start] = len(self._rows)
                self._rows.append((start, poll, layout, values.copy()))  # a view would keep the batch

    def chunk(self) -> Chunk:
        """What was taken; at least one row was."""
        if self._first is None:
            raise ValueError("a chunk holds at least one batch")
        order = sorted(range(len(self._rows)), key=lambda at: (self._rows[at][0], self._rows[at][1]))
        rows = [self._rows[at] for at in order]
        polls = np.array(self._polls, np.int64).reshape(-1, len(_COLUMNS)).T
        return Chunk(
            source=self._first.source,
            vendor=self._first.vendor,
            stream=self._first.stream,
            width=self._first.width,
            entities=tuple(self._entities),
            metrics=tuple(self._metrics),
            layouts=tuple(self._layouts),
            polls=Polls(*polls),
            starts=np.array([row[0] for row in rows], np.int64),
            arrived=np.array([row[1] for row in rows], np.int64),
            values=self._grid([(layout, values) for _start, _poll, layout, values in rows]),
            names=self._names,
        )

    def _layout(self, batch: SampleBatch) -> int:
        key = batch.entities, batch.metrics
        if key not in self._known:
            self._known[key] = len(self._layouts)
            self._layouts.append(
                Layout(_interned(self._entities, batch.entities), _interned(self._metrics, batch.metrics))
            )
        return self._known[key]

    def _says(self, standing: int, poll: int, values: Floats) -> bool:
        """Whether the bin's newest version is this one, which a poll of the same layout and flags brought."""
        _start, stood, _layout, before = self._rows[standing]
        is_alike = self._polls[stood][_LAYOUT:] == self._polls[poll][_LAYOUT:]
        return is_alike and np.array_equal(before, values, equal_nan=True)

    def _grid(self, rows: Sequence[tuple[int, Floats]]) -> Floats:
        grid = np.full((len(rows), len(self._metrics), len(self._entities)), np.nan)
        for at, (layout, values) in enumerate(rows):
            if values.shape == grid.shape[1:] and layout == 0:
                grid[at] = values  # the first layout gave the tables their order
            else:
                where = self._layouts[layout]
                grid[at, where.metrics[:, None], where.entities] = values
        return grid


def _interned(known: dict[Key, int], keys: Iterable[Key]) -> Indexes:
    """The places of some keys in a table that grows with them."""
    return np.array([known.setdefault(key, len(known)) for key in keys], np.int32)
