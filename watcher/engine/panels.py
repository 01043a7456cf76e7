"""What a detector sees of a grid's bins: one bin, or a block of consecutive ones, of all rows or of some."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from watcher.engine.cells import agrees
from watcher.engine.columns import Cast
from watcher.engine.detector import Lasted
from watcher.engine.lifecycle import Rows
from watcher.engine.totals import Afresh, Sums
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Floats, Instants
from watcher.model.time import Duration, Instant


class BinPanel:
    """A detector's panel: columns are `[rows]` of one bin, and `[bins, rows]` of a block."""

    words: Sequence[str] = ()

    def __init__(self, cast: Cast, sums: Sums, *, first: int, last: int, longest: Duration = 0) -> None:
        """The bins of a span of numbers, over the rows of the cast; most windows are no longer than that."""
        self._longest = longest
        self._cast, self._sums = cast, sums
        self._first, self._last = first, last
        self._is_block = last - first > 1
        self._kept: dict[tuple[str, Duration], Floats] = {}
        self.width = cast.grid.width
        self.start: Instant = cast.grid.start(first)
        self.end: Instant = cast.grid.start(last)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its columns."""
        return (self._last - self._first, self._cast.total) if self._is_block else (self._cast.total,)

    @property
    def starts(self) -> Instant | Instants:
        """Start of each bin."""
        if not self._is_block:
            return self.start
        return np.arange(self.start, self.end, self.width, dtype=np.int64)[:, None]

    @property
    def answered(self) -> bool | NDArray[np.bool_]:
        """Whether the vendor answered for the bin."""
        came = self._cast.grid.came(self._first, self._last)
        return came[:, None] if self._is_block else bool(came[0])

    def value(self, role: str) -> Floats:
        """The bin's own value of a role."""
        return self._shaped(self._cast.value(role, self._first, self._last))

    def total(self, role: str, window: Duration) -> Floats:
        """Sum over the trailing window, of bins in which every required role is known; NaN where none is."""
        if (role, window) not in self._kept:
            found = self._sums.total(self._cast, role, window, first=self._first, last=self._last)
            self._kept[role, window] = self._shaped(found)
        return self._kept[role, window]

    def known(self, window: Duration) -> Floats:
        """Milliseconds of the trailing window in which every required role is known."""
        bins = self._sums.known(self._cast, window, first=self._first, last=self._last)
        return self._shaped(bins.astype(np.float64) * self.width)

    def least(self, role: str, window: Duration) -> Floats:
        """The least known value of the trailing window; NaN where none is."""
        return self._extreme(np.fmin, role, window)

    def greatest(self, role: str, window: Duration) -> Floats:
        """The greatest known value of the trailing window; NaN where none is."""
        return self._extreme(np.fmax, role, window)

    def _extreme(self, pick: np.ufunc, role: str, window: Duration) -> Floats:
        bins = self._bins(window)
        values = self._cast.value(role, self._first - bins + 1, self._last)
        slid = np.lib.stride_tricks.sliding_window_view(values, bins, axis=0)
        return self._shaped(pick.reduce(slid, axis=-1))

    def lasted(self, role: str, window: Duration) -> Lasted:
        """For how long a role's value has been the same."""
        bins = self._bins(window) + 1
        values = self._cast.value(role, self._first - bins, self._last)
        at = np.arange(len(values))[:, None]
        known = ~np.isnan(values)
        last = np.maximum.accumulate(np.where(known, at, -1))
        before = np.concatenate([np.full((1, values.shape[1]), -1), last[:-1]])
        former = np.take_along_axis(values, np.maximum(before, 0), axis=0)
        begins = known & ((before < 0) | (former != values))
        run = np.maximum.accumulate(np.where(begins, at, -1))[bins:]
        changed = np.take_along_axis(before, np.maximum(run, 0), axis=0) >= 0
        now = at[bins:]
        time = np.minimum((now - run) * self.width, max(window, 0)) + self.width
        inside = (now - run) * self.width < window
        is_known = known[bins:]
        return Lasted(
            self._shaped(np.where(is_known, time, np.nan)),
            self._shaped(changed & inside & is_known),
        )

    def narrowed(self, rows: Rows) -> "BinPanel":
        """The same of some of its rows, summed from the bins themselves."""
        own = rows if self._cast.rows is None else self._cast.rows[rows]
        sums = Afresh(self._longest)
        return BinPanel(
            self._cast.narrowed(own), sums, first=self._first, last=self._last, longest=self._longest
        )

    def parts(self, role: str, row: int, window: Duration) -> Mapping[LabelSet, float]:
        """Sums over the trailing window by the role's `detail`, largest first."""
        column = self._cast.columns.get(role)
        if column is None:
            return {}
        sums = column.parts(self._cast.grid, self._row(row), self._last - self._bins(window), self._last)
        return dict(sorted(sums.items(), key=lambda part: (-part[1], part[0])))

    def exemplars(self, row: int, window: Duration) -> Sequence[Exemplar]:
        """Raw records of one row in the trailing window, the newest last."""
        return exemplars(self._cast, self._row(row), self._last - self._bins(window), self._last)

    def _row(self, row: int) -> int:
        return row if self._cast.rows is None else int(self._cast.rows[row])

    def _bins(self, window: Duration) -> int:
        return max(1, window // self.width)

    def _shaped(self, column: NDArray[Any]) -> NDArray[Any]:
        return column if self._is_block else column[0]


Span = dict[Literal["first", "last"], int]


def exemplars(cast: Cast, row: int, first: int, last: int) -> list[Exemplar]:
    """Raw records of one row of the track in a span of bins, the oldest first."""
    found = cast.grid.exemplars
    column = next((cast.columns[role] for role in cast.roles if role in cast.columns), None)
    if column is None or not found:
        return []
    own = set(column.part.column[column.row == row].tolist())
    numbers = sorted(number for number in found if first <= number < last)
    records = (one for number in numbers for of, one in found[number] if of in own)
    return [one for one in records if agrees(one, cast.keys[row])]
