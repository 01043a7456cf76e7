"""Sums over trailing windows: running ones, which cost the same however long a window is, or made afresh."""

from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.arrays import widened
from watcher.engine.columns import Bools, Cast, Fixed
from watcher.engine.lifecycle import Rows
from watcher.model.sample import Floats
from watcher.model.time import Duration

Counts: TypeAlias = NDArray[np.integer[Any]]
FEW_CELLS: Final = 1 << 15
"""Bins of so few cells are sooner summed afresh than read once for each end of each window."""
_MOST_CELLS: Final = 1 << 21
"""Rows are summed from the bins themselves in pieces of so many cells."""
_WORTH: Final = 1 << 18
"""Up to so many cells all windows are summed from the bins of the longest."""


@dataclass(frozen=True, slots=True)
class Summed:
    """Of the window that ends with each bin: `[bins, rows]`."""

    sums: Fixed
    holes: Counts | None
    """Bins in which the role was missing; None: none."""
    known: Counts

    def total(self, quantum: float) -> Floats:
        """The sums; NaN where nothing is known, or where the role was missing."""
        is_unknown = self.known == 0
        if self.holes is not None:
            is_unknown |= self.holes > 0
        return np.where(is_unknown, np.nan, self.sums * quantum)


class Sums(Protocol):
    """Where a panel's sums come from."""

    def total(self, cast: Cast, role: str, window: Duration, *, first: int, last: int) -> Floats:
        """For each bin of a span the sum over the window that ends with it; NaN where nothing is known."""
        ...

    def known(self, cast: Cast, window: Duration, *, first: int, last: int) -> Counts:
        """How many bins of each window count."""
        ...


class Afresh:
    """Sums from the bins themselves, of one look at some rows: each bin is read once for all windows."""

    def __init__(self, longest: Duration) -> None:
        """Most windows are no longer than this."""
        self._longest = longest
        self._sums: dict[str, _Trail] = {}
        self._holes: dict[str, _Trail] = {}
        self._known: _Trail | None = None

    def total(self, cast: Cast, role: str, window: Duration, *, first: int, last: int) -> Floats:
        """See `Sums`."""
        return self.summed(cast, role, _bins(cast, window), first=first, last=last).total(cast.quantum(role))

    def known(self, cast: Cast, window: Duration, *, first: int, last: int) -> Counts:
        """See `Sums`."""
        bins = _bins(cast, window)
        if self._known is None or not self._known.holds(first - bins, last):
            low = self._low(cast, bins, first, last)
            self._known = _Trail(cast.known(low, last), low, np.int32)
        known: Counts = self._known.over(bins, first, last)
        return known

    def summed(self, cast: Cast, role: str, bins: int, *, first: int, last: int) -> Summed:
        """Over windows of so many bins."""
        known = self.known(cast, bins * cast.grid.width, first=first, last=last)
        if role not in self._sums or not self._sums[role].holds(first - bins, last):
            low = self._low(cast, bins, first, last)
            own = cast.weighed(role, low, last)
            self._sums[role] = _Trail(own.sums, low, np.int64)
            if own.holes is not None:
                self._holes[role] = _Trail(own.holes, low, np.int32)
        holes = self._holes[role].over(bins, first, last) if role in self._holes else None
        return Summed(self._sums[role].over(bins, first, last), holes, known)

    def _low(self, cast: Cast, bins: int, first: int, last: int) -> int:
        """The first bin to read: of the longest window, where these are not many."""
        most = max(bins, _bins(cast, self._longest))
        return first + 1 - (most if (most + last - first) * cast.total <= _WORTH else bins)


class _Trail:
    """Sums of a span of bins from its beginning."""

    def __init__(self, values: Fixed | Bools, low: int, dtype: type[np.integer[Any]]) -> None:
        """The values begin with the bin of a number."""
        self._low = low
        self._sums = np.zeros((len(values) + 1, values.shape[1]), dtype)
        np.cumsum(values, axis=0, out=self._sums[1:])

    def holds(self, before: int, last: int) -> bool:
        """Whether it reaches from behind one bin to before another."""
        return self._low <= before + 1 and last == self._low + len(self._sums) - 1

    def over(self, bins: int, first: int, last: int) -> NDArray[Any]:
        """Sums over the windows of so many bins that end in a span."""
        high, low = first + 1 - self._low, first + 1 - bins - self._low
        return self._sums[high : high + last - first] - self._sums[low : low + last - first]


@dataclass(slots=True)
class Running:
    """The sums of all rows over the window that ends with one bin."""

    last: int
    """Number of that bin."""
    sums: Fixed
    holes: Counts
    known: Counts

    @classmethod
    def of(cls, found: Summed, last: int, bins: int) -> "Running":
        """The last of some sums, held in little room."""
        kind = np.int16 if bins <= np.iinfo(np.int16).max else np.int64
        holes = np.zeros(found.known.shape[1]) if found.holes is None else found.holes[-1]
        return cls(last, found.sums[-1].copy(), holes.astype(kind), found.known[-1].astype(kind))

    def widen(self, total: int) -> None:
        """Over more rows, which have no past."""
        self.sums, self.holes = widened(self.sums, total, 0), widened(self.holes, total, 0)
        self.known = widened(self.known, total, 0)


class Totals:
    """Running sums by role and window length, each as of the newest bin it was asked for."""

    def __init__(self, longest: Duration = 0) -> None:
        """None; most windows are no longer than this."""
        self.running: dict[tuple[str, int], Running] = {}
        """By role, and how many bins the window has."""
        self._longest = longest
        self._fresh: dict[tuple[str, int], tuple[int, int, Summed]] = {}
        """Of the block that is looked at: several questions ask for the same sums."""
        self._afresh = Afresh(longest)
        """Of the same block, where it does not go on from the one before: its bins are read once."""

    def done(self) -> None:
        """The block has been judged."""
        self._fresh.clear()
        self._afresh = Afresh(self._longest)

    def total(self, cast: Cast, role: str, window: Duration, *, first: int, last: int) -> Floats:
        """See `Sums`."""
        return self._found(cast, role, window, first=first, last=last).total(cast.quantum(role))

    def known(self, cast: Cast, window: Duration, *, first: int, last: int) -> Counts:
        """See `Sums`."""
        return self._found(cast, next(iter(cast.roles)), window, first=first, last=last).known

    def _found(self, cast: Cast, role: str, window: Duration, *, first: int, last: int) -> Summed:
        bins = _bins(cast, window)
        if bins == 1:
            own = cast.weighed(role, first, last)
            holes = None if own.holes is None else own.holes.astype(np.int16)
            return Summed(own.sums, holes, own.known.astype(np.int16))
        fresh = self._fresh.get((role, bins))
        if fresh is not None and fresh[:2] == (first, last):
            return fresh[2]
        running = self.running.get((role, bins))
        if running is None or running.last != first - 1:
            is_small = (last - first + bins) * cast.total <= _MOST_CELLS
            summed = self._afresh.summed if is_small else _in_pieces
            found = summed(cast, role, bins, first=first, last=last)
        else:
            running.widen(cast.total)
            found = _continued(cast, role, bins, first=first, last=last, running=running)
        self._fresh[role, bins] = first, last, found
        self.running[role, bins] = Running.of(found, last - 1, bins)
        return found

    def mend(self, cast: Cast, rows: Rows) -> None:
        """The past of some rows has changed: sum them anew."""
        self.done()
        if len(rows) * 4 > cast.total:
            self.running.clear()
        if not self.running:
            return
        few, afresh = cast.narrowed(rows), Afresh(max(bins for _, bins in self.running) * cast.grid.width)
        for (role, bins), running in self.running.items():
            running.widen(cast.total)
            found = afresh.summed(few, role, bins, first=running.last, last=running.last + 1)
            running.sums[rows], running.known[rows] = found.sums[0], found.known[0]
            running.holes[rows] = 0 if found.holes is None else found.holes[0]

    def clear(self) -> None:
        """Forget all: rows mean something else."""
        self.running.clear()
        self.done()


def _bins(cast: Cast, window: Duration) -> int:
    return max(1, window // cast.grid.width)


def _in_pieces(cast: Cast, role: str, bins: int, *, first: int, last: int) -> Summed:
    """Of all rows, some at a time: they are many, and the window is long."""
    step = max(1, _MOST_CELLS // (last - first + bins))
    pieces = [
        Afresh(0).summed(
            cast.narrowed(np.arange(low, min(low + step, cast.total))), role, bins, first=first, last=last
        )
        for low in range(0, cast.total, step)
    ]
    holes = [piece.holes for piece in pieces if piece.holes is not None]
    return Summed(
        np.concatenate([piece.sums for piece in pieces], axis=1),
        np.concatenate(holes, axis=1) if holes else None,
        np.concatenate([piece.known for piece in pieces], axis=1),
    )


def _continued(cast: Cast, role: str, bins: int, *, first: int, last: int, running: Running) -> Summed:
    """From the sums of the bin before: what comes in, less what goes out."""
    new = cast.weighed(role, first, last)
    old = cast.weighed(role, first - bins, last - bins)
    holes = None
    if new.holes is not None and old.holes is not None:
        holes = _slid_on(running.holes, new.holes, old.holes)
    return Summed(
        _slid_on(running.sums, new.sums, old.sums), holes, _slid_on(running.known, new.known, old.known)
    )


def _slid_on(standing: Counts, new: Fixed | Bools, old: Fixed | Bools) -> NDArray[np.int64]:
    """`[bins, rows]`: sums that go on from those of the bin before."""
    moves = np.subtract(new, old, dtype=np.int64)
    if len(moves) > 1:
        np.cumsum(moves, axis=0, out=moves)
    moves += standing
    return moves
