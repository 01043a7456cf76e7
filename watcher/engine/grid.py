"""The bins of one stream at one width, as rings in event time that every rule over the source shares."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.binding import is_count, may_select
from watcher.engine.lifecycle import NEVER
from watcher.engine.plane import COUNTS, SHARES, Form, Plane
from watcher.model.labels import LabelSet, Selector
from watcher.model.sample import WITHDRAWN, Exemplar, Floats, MetricKey, SampleBatch
from watcher.model.time import DAY, HOUR, Duration, Instant

Columns: TypeAlias = NDArray[np.intp]

Planes: TypeAlias = list[tuple[int, int]]
"""The place of a metric in a batch, and its plane."""
NO_NEWS: Final = 1 << 62
_LEAST_SLOTS: Final = 64
_LEAST_COLUMNS: Final = 8
_SLACK: Final = 32
_PATIENCE: Final = 32
"""Looks at rings that are too large before they are made smaller."""
MOST_EXEMPLARS: Final = 60
"""Exemplars kept of one bin."""
MOST_EXEMPLARS_A_SERIES: Final = 3
"""And of one entity in it."""


class Grid:
    """Planes `[slot, entity]`, one a metric, NaN where unknown; a bin is known by its number in the stream.

    The last column of a plane is always unknown: it stands for a series that there is not.
    """

    def __init__(self, stream: str, width: Duration, reads: Collection[Selector]) -> None:
        """Nothing has come. Of metrics that none of `reads` may select nothing is kept."""
        self.stream = stream
        self.width = width
        self.phase: Duration = 0
        """What is left of a start by its width: bins of a day may begin at any hour."""
        self.entities: list[LabelSet] = []
        """By column; what is left of one that is free means nothing."""
        self.metrics: list[MetricKey] = []
        self.born = np.zeros(0, np.int64)
        """By column, when it was taken in, as a serial number; 0 is free."""
        self.serial = 0
        """Grows whenever an entity or a metric is taken in or given up."""
        self.low = self.high = 0
        """Numbers of the oldest bin that is kept, and of the one after the newest."""
        self.judged_to: Instant = NEVER
        """Where verdicts ended at the last look: what comes behind it changes them."""
        self.accept_from: Instant = NEVER
        """Bins that begin earlier come too late: what lies a horizon behind the stream's own watermark."""
        self.late = 0
        self.changes: dict[int, NDArray[np.bool_]] = {}
        """By number: columns of which a bin says something else than it did when it was judged."""
        self.answers: set[int] = set()
        """Numbers of bins that were answered only after they were judged."""
        self.news = NO_NEWS
        """Number of the oldest bin that has come for the first time since the last look."""
        self.keys: dict[LabelSet, LabelSet] = {}
        """Of groups that rules have made of what came last: those of several rules are one object."""
        self.exemplars: dict[int, list[tuple[int, Exemplar]]] = {}
        """By number: raw records with the column they are of."""
        self._reads = reads
        self._planes: list[Plane] = []
        self._came = np.zeros(_LEAST_SLOTS, np.bool_)
        self._said = np.zeros(0, np.int64)
        """By column: number of the newest bin that said anything of it, plus one."""
        self._column_of: dict[LabelSet, int] = {}
        self._plane_of: dict[MetricKey, int] = {}
        self._free: list[int] = []
        self._unused = 0
        """How often in a row the rings were larger than they have to be."""
        self._layout: tuple[Sequence[LabelSet], Columns] = ((), np.zeros(0, np.intp))
        self._plating: tuple[Sequence[MetricKey], Planes] = ((), [])

    # --- numbers

    def number(self, start: Instant) -> int:
        """Of the bin that begins there, or that holds the instant."""
        return (start - self._earliest) // self.width

    @property
    def _earliest(self) -> Instant:
        """When a bin may begin by its phase: a local day an hour before it, while clocks are set forward."""
        return self.phase - (HOUR if self.width >= DAY else 0)

    def following(self, instant: Instant) -> int:
        """Of the first bin that begins there or later."""
        return -((self.phase - instant) // self.width)

    def start(self, number: int) -> Instant:
        """Of the bin with a number."""
        return number * self.width + self.phase

    def came(self, first: int, last: int) -> NDArray[np.bool_]:
        """Whether the vendor answered for each bin of a span, whatever it said."""
        numbers = np.arange(first, last)
        is_held = (numbers >= self.low) & (numbers < self.high)
        came: NDArray[np.bool_] = self._came[numbers % len(self._came)] & is_held
        return came

    @property
    def size(self) -> int:
        """Columns, free ones included."""
        return len(self.entities)

    # --- reading

    def read(self, plane: int, first: int, last: int, columns: Columns | slice) -> Floats:
        """`[bins, columns]` of a metric over a span of numbers; column -1 is unknown."""
        held = self._planes[plane]
        low, high = max(first, self.low), min(last, self.high)
        pieces = [held.read(span, columns) for span in self._slots(low, high)]
        if high - low == last - first:
            return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
        width = held.read(slice(0), columns).shape[1]
        found = np.full((last - first, width), np.nan)
        if pieces:
            np.concatenate(pieces, out=found[low - first : high - first])
        return found

    def _slots(self, low: int, high: int) -> list[slice]:
        """Where a span of bins that are held lies in the rings: at their end they begin again."""
        if high <= low:
            return []
        first, last, ring = low % len(self._came), high % len(self._came), len(self._came)
        if first < last or last == 0:
            return [slice(first, last or ring)]
        return [slice(first, ring), slice(0, last)]

    def nbytes(self) -> int:
        """Bytes of the planes."""
        return sum(plane.nbytes for plane in self._planes)

    def held(self) -> tuple[list[NDArray[Any]], NDArray[np.bool_], NDArray[np.int64]]:
        """What `hold` takes: three arrays of each plane, which bins came, who spoke; they go on changing."""
        return [array for plane in self._planes for array in plane.held], self._came, self._said

    def hold(self, planes: Sequence[NDArray[Any]], came: NDArray[np.bool_], said: NDArray[np.int64]) -> None:
        """Begin with the rings of another grid, whose tables are already here: they become its own."""
        self._planes = [
            Plane.of(held, _form(metric))
            for *held, (metric, _) in zip(planes[::3], planes[1::3], planes[2::3], self.metrics, strict=True)
        ]
        self._came, self._said = came, said
        self._plane_of = {metric: plane for plane, metric in enumerate(self.metrics)}
        live = np.flatnonzero(self.born).tolist()
        self._column_of = {self.entities[column]: column for column in live}
        self._free = np.flatnonzero(self.born == 0).tolist()

    # --- taking in

    def take(self, batch: SampleBatch) -> None:
        """Take the bins of a batch; what comes too late is counted and left out."""
        starts = batch.starts
        if not self.serial and len(starts):
            self.phase = int(starts[0]) % self.width
            self.low = self.high = self.number(int(starts.min()))
        self.keys.clear()
        in_time = starts >= self.accept_from
        self.late += int((~in_time).sum())
        planes = self._plated(batch.metrics)
        columns = self._placed(batch.entities)
        kept = np.flatnonzero(in_time)
        if not kept.size:
            return
        numbers = (starts[kept] - self._earliest) // self.width
        self._make_room(int(numbers.min()), int(numbers.max()) + 1)
        if len(columns):
            np.maximum.at(self._said, columns, int(numbers.max()) + 1)
        values = batch.values[kept] if len(kept) < len(starts) else batch.values
        if int(starts[kept[0]]) >= self.judged_to and not batch.partial and (np.diff(numbers) > 0).all():
            self._write(numbers, values, columns, planes)
        else:
            for number, cells in zip(numbers.tolist(), values, strict=True):
                self._rewrite(number, cells, columns, planes, partial=batch.partial)
        slots = numbers % len(self._came)
        fresh = numbers[~self._came[slots]]
        self.news = min(self.news, int(fresh.min()) if fresh.size else NO_NEWS)
        self._came[slots] = True
        if batch.exemplars:
            self._attach(batch.exemplars, numbers, columns)

    def _write(self, numbers: Columns, values: Floats, columns: Columns, planes: Planes) -> None:
        """Write bins that nobody has looked at yet."""
        slots = numbers % len(self._came)
        for plane in set(range(len(self._planes))) - {plane for _, plane in planes}:
            self._planes[plane].wipe(slots)
        is_whole = len(columns) == self.size and (np.diff(columns) == 1).all()
        for place, plane in planes:
            held = self._planes[plane]
            if is_whole:
                held.write(slots, slice(0, len(columns)), values[:, place])
            else:
                held.wipe(slots)
                held.write(slots, columns, values[:, place])

    def _rewrite(
        self, number: int, cells: Floats, columns: Columns, planes: Planes, *, partial: bool
    ) -> None:
        """Write a bin that may have been judged, and remember what is new of it."""
        slot, changed = np.array([number % len(self._came)]), np.zeros(self.size, np.bool_)
        place_of = {plane: place for place, plane in planes}
        own = columns if partial else np.arange(self.size)
        for plane in place_of if partial else range(len(self._planes)):
            held = self._planes[plane]
            was = held.read(slot, own)
            now = was.copy() if partial else np.full_like(was, np.nan)
            if partial:
                said = cells[place_of[plane]]
                now[0] = np.where(np.isnan(said), was[0], said)
                now[now == WITHDRAWN] = np.nan
            elif plane in place_of:
                now[0, columns] = cells[place_of[plane]]
            held.write(slot, own, now)
            now = held.read(slot, own)  # as it is held, which may be less exact
            changed[own] |= ~((was == now) | (np.isnan(was) & np.isnan(now)))[0]
        if self.start(number) < self.judged_to:
            if not self._came[slot[0]]:
                self.answers.add(number)
            if changed.any():
                self.changes[number] = padded_or(self.changes.get(number), changed)

    def _attach(self, exemplars: Sequence[Exemplar], numbers: Columns, columns: Columns) -> None:
        """Keep raw records with the bin they lie in, else with the newest."""
        of_bin: dict[int, list[tuple[int, Exemplar]]] = {number: [] for number in numbers.tolist()}
        for exemplar in exemplars:
            number = self.number(exemplar.at)
            kept = of_bin[number if number in of_bin else int(numbers[-1])]
            column = int(columns[exemplar.entity])
            same = sum(other == column for other, _ in kept)
            if len(kept) < MOST_EXEMPLARS and same < MOST_EXEMPLARS_A_SERIES:
                kept.append((column, exemplar))
        self.exemplars.update({number: kept for number, kept in of_bin.items() if kept})

    def forget(self, before: Instant) -> None:
        """Bins that end before a time are needed no more."""
        self.low = min(max(self.low, self.number(before)), self.high)
        self._shrink()
        for number in [number for number in self.exemplars if number < self.low]:
            del self.exemplars[number]

    def close(self, until: Instant, horizon: Duration) -> None:
        """The stream is settled so far: what is older than the horizon comes too late from now on.

        However far other streams are: whoever reads several judges what is not yet final for it.
        """
        self.accept_from = max(self.accept_from, until - max(horizon, 3 * self.width))

    def settled(self, until: Instant) -> None:
        """Everything up to a time has been judged, and what had changed again."""
        self.judged_to = max(self.judged_to, until)
        self.news = NO_NEWS
        self.changes.clear()
        self.answers.clear()

    # --- room

    def _make_room(self, first: int, last: int) -> None:
        """Let the rings reach from the oldest bin to the newest."""
        if first < self.low:  # before the first bin there was, as long as nothing was forgotten
            self._resize(first, max(self.high, last))
            self.low = first
        if last <= self.high:
            return
        if last - self.low > len(self._came):
            if self.high <= self.low:
                self.low = self.high = first
            self._resize(self.low, last)
        slots = np.arange(max(self.high, last - len(self._came)), last) % len(self._came)
        self._came[slots] = False
        for plane in self._planes:
            plane.wipe(slots)
        self.high = last

    def _resize(self, low: int, high: int) -> None:
        """Rings that hold a span and a little more."""
        if high - low > len(self._came):
            self._remake(_room(high - low))
            return
        wiped = np.arange(low, min(self.low, high)) % len(self._came)
        self._came[wiped] = False
        for plane in self._planes:
            plane.wipe(wiped)

    def _shrink(self) -> None:
        """Give room back that many bins in a row have not needed: a block of many had grown it."""
        room = _room(self.high - self.low)
        self._unused = self._unused + 1 if len(self._came) > room else 0
        if self._unused >= _PATIENCE:
            self._unused = 0
            self._remake(room)

    def _remake(self, slots: int) -> None:
        """Rings of so many slots."""
        numbers = np.arange(self.low, self.high)
        old, new = numbers % len(self._came), numbers % slots
        came = np.zeros(slots, np.bool_)
        came[new] = self._came[old]
        for plane in self._planes:
            plane.resize(slots, old, new)
        self._came = came

    # --- tables

    def _plated(self, metrics: Sequence[MetricKey]) -> Planes:
        """The plane of each metric that is read, new ones added. Kept while the stream's layout stays."""
        if self._plating[0] is not metrics and self._plating[0] != metrics:
            for metric in metrics:
                if metric not in self._plane_of and any(may_select(one, metric) for one in self._reads):
                    self._plane_of[metric] = len(self.metrics)
                    self.metrics.append(metric)
                    columns = self._capacity() + 1
                    self._planes.append(Plane(len(self._came), columns, _form(metric[0])))
                    self.serial += 1
            places = self._plane_of
            self._plating = (
                metrics,
                [(place, places[metric]) for place, metric in enumerate(metrics) if metric in places],
            )
        return self._plating[1]

    def _placed(self, entities: Sequence[LabelSet]) -> Columns:
        """The column of each entity, new ones added. Kept while the stream's layout stays."""
        if self._layout[0] is not entities and self._layout[0] != entities:
            fresh = [entity for entity in dict.fromkeys(entities) if entity not in self._column_of]
            if fresh:
                self._admit(fresh, entities)
            self._layout = entities, np.array([self._column_of[one] for one in entities], np.intp)
        return self._layout[1]

    def _admit(self, fresh: Sequence[LabelSet], listed: Sequence[LabelSet]) -> None:
        if len(self._free) < len(fresh) and self.size + len(fresh) > self._capacity():
            self._reclaim(listed)
        self.serial += 1
        again = [self._free.pop() for _ in range(min(len(self._free), len(fresh)))]
        columns = [*again, *range(self.size, self.size + len(fresh) - len(again))]
        self._widen(self.size + len(fresh) - len(again))
        for column, entity in zip(columns, fresh, strict=True):
            self.entities[column] = entity
            self._column_of[entity] = column
        self.born[columns] = self.serial
        self._said[columns] = self.high
        for plane in self._planes if again else ():
            plane.wipe_columns(again)

    def _reclaim(self, listed: Sequence[LabelSet]) -> None:
        """Give up what has said nothing in all bins that are kept and was not listed last, nor is now."""
        silent = (self._said <= self.low) & (self.born > 0)
        silent[self._layout[1]] = False
        silent[[self._column_of[one] for one in listed if one in self._column_of]] = False
        gone: list[int] = np.flatnonzero(silent).tolist()
        for column in gone:
            del self._column_of[self.entities[column]]
        self.born[gone] = 0
        self._free += gone
        self.serial += bool(gone)

    def _capacity(self) -> int:
        return self._planes[0].columns - 1 if self._planes else max(_LEAST_COLUMNS, self.size)

    def _widen(self, size: int) -> None:
        """Room for so many columns, an eighth more where there was too little."""
        had, more = self.size, size - self.size
        self.entities += [()] * more
        self.born = np.concatenate([self.born, np.zeros(more, np.int64)])
        self._said = np.concatenate([self._said, np.zeros(more, np.int64)])
        if size <= self._capacity() and self._planes:
            return
        capacity = max(_LEAST_COLUMNS, size + size // 8 if had else size)
        for plane in self._planes:
            plane.widen(capacity + 1)

    def new_columns(self, since: int) -> Iterator[int]:
        """Columns that were taken in after a serial number."""
        yield from np.flatnonzero(self.born > since).tolist()


def _room(bins: int) -> int:
    """Slots of rings that hold so many bins."""
    return max(_LEAST_SLOTS, bins + bins // _SLACK)


def _form(metric: str) -> Form:
    return COUNTS if is_count(metric) else SHARES


def padded_or(one: NDArray[np.bool_] | None, other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where either says so; the first may be the shorter."""
    found = other.copy()
    if one is not None:
        found[: len(one)] |= one
    return found
