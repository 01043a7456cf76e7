"""One metric of a stream as a ring of bins over columns, in as few bytes a value as hold it exactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.model.sample import Floats

Columns: TypeAlias = NDArray[np.integer[Any]]
Slots: TypeAlias = slice | Columns


MOST_BEYOND: Final = 4
"""One column in so many may be wider than the ring, before the whole ring is made wider."""
_SLACK: Final = 8
_NO_COLUMNS: Final = np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class Form:
    """How values of one kind are held."""

    scale: float
    """What they are multiplied by to be whole numbers, in most cases."""
    types: tuple[np.dtype[Any], ...]
    """From the narrowest on; the last one holds whatever comes."""


COUNTS: Final = Form(1, (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)))
"""The last one exact up to 16.7 million, and to 6 parts in 10^8 above."""
SHARES: Final = Form(10_000, (np.dtype(np.uint16), np.dtype(np.float64)))
"""And whatever else is no count: compared with limits that people write, to the last digit."""
TIMES: Final = Form(1 / 1000, (np.dtype(np.uint16), np.dtype(np.float32)))
"""Milliseconds, mostly whole seconds."""


class Ring:
    """`[slot, column]` of one type, unknown at first: whole numbers of one or two bytes, or floats.

    The largest whole number of a type stands for NaN.
    """

    __slots__ = ("cells", "scale")

    def __init__(self, cells: NDArray[Any], scale: float) -> None:
        """Go on from some cells. A value is `scale` times as large where it is held as a whole number."""
        self.cells = cells
        self.scale = scale

    @classmethod
    def empty(cls, slots: int, columns: int, dtype: np.dtype[Any], scale: float) -> Self:
        """Nothing is known."""
        return cls(np.full((slots, columns), _unknown(dtype), dtype), scale)

    def like(self, slots: int, columns: int) -> "Ring":
        """An empty one of another size."""
        return Ring.empty(slots, columns, self.cells.dtype, self.scale)

    def read(self, slots: Slots, columns: slice | Columns) -> Floats:
        """Values, a copy; NaN where unknown."""
        if not (isinstance(slots, slice) or isinstance(columns, slice)):
            slots = slots[:, None]
        cells = self.cells[slots, columns]
        values = cells.astype(np.float64)
        if cells.dtype.kind == "u":
            if self.scale != 1:
                values /= self.scale
            np.putmask(values, cells == _unknown(cells.dtype), np.nan)
        return values

    def fitting(self, values: Floats) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Values as they are held, and which of them are not so exactly: held as unknown; None: all are."""
        if self.cells.dtype.kind != "u":
            return values, None
        steps = np.rint(values * self.scale)
        unknown = _unknown(self.cells.dtype)
        fits = (steps >= 0) & (steps < unknown)
        fits &= steps / self.scale == values if self.scale != 1 else steps == values
        if fits.all():
            return steps.astype(self.cells.dtype), None
        beyond = ~(fits | np.isnan(values))
        np.putmask(steps, ~fits, unknown)
        return steps.astype(self.cells.dtype), beyond if beyond.any() else None

    def write(self, slots: Columns, columns: slice | Columns, cells: NDArray[Any]) -> None:
        """Write cells as `fitting` gives them."""
        if isinstance(columns, slice):
            self.cells[slots, columns] = cells
        else:
            self.cells[slots[:, None], columns] = cells

    def wipe(self, slots: Slots, columns: slice | Columns | list[int] = slice(None)) -> None:
        """Nothing is known of these."""
        self.cells[slots, columns] = _unknown(self.cells.dtype)


class Plane:
    """A ring of the narrowest type of a form, and a wider one for what that does not hold.

    A column with a value that the ring does not hold exactly is held in the ring beside it, of the next type
    or, where one of these columns needs it, of the last. Where many columns are beyond, the whole ring is
    made wider.
    """

    __slots__ = ("_beyond", "_columns", "_place", "_ring", "_types")

    def __init__(self, slots: int, columns: int, form: Form) -> None:
        """For values of one kind."""
        self._types = form.types
        self._ring = Ring.empty(slots, columns, form.types[0], form.scale)
        self._beside(_NO_COLUMNS, Ring.empty(slots, 0, form.types[1], form.scale))

    def _beside(self, columns: NDArray[np.int32], ring: Ring) -> None:
        """Columns that are held in a ring of their own; there may be room for more."""
        self._columns, self._beyond = columns, ring
        self._place = _NO_COLUMNS
        if len(columns):
            self._place = np.full(self.columns, -1, np.int32)
            self._place[columns] = np.arange(len(columns))

    @classmethod
    def of(cls, held: Sequence[NDArray[Any]], form: Form) -> Self:
        """One that goes on from what another held, and writes into it."""
        ring, columns, beyond = held
        plane = cls(0, 0, form)
        plane._ring = Ring(ring, plane._ring.scale)
        plane._beside(columns, Ring(beyond, plane._ring.scale))
        return plane

    @property
    def held(self) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[Any]]:
        """The ring, the columns that are beyond it, and theirs."""
        return self._ring.cells, self._columns, self._beyond.cells

    @property
    def columns(self) -> int:
        """How many there is room for."""
        return int(self._ring.cells.shape[1])

    @property
    def nbytes(self) -> int:
        """Of the rings."""
        return sum(cells.nbytes for cells in self.held) + self._place.nbytes

    # --- reading

    def read(self, slots: Slots, columns: slice | Columns) -> Floats:
        """Values of some slots, a copy; NaN where unknown. A slice of columns begins with the first."""
        values = self._ring.read(slots, columns)
        count = len(self._columns)
        if not count:
            return values
        if isinstance(columns, slice) and columns.indices(self.columns)[1] > self._columns.max():
            values[:, self._columns] = self._beyond.read(slots, slice(0, count))
            return values
        places = self._place[columns]
        found = np.flatnonzero(places >= 0)
        if found.size:
            values[:, found] = self._beyond.read(slots, places[found])
        return values

    # --- writing

    def write(self, slots: Columns, columns: slice | Columns, values: Floats) -> None:
        """Write `[slots, columns]` values."""
        cells, beyond = self._ring.fitting(values)
        self._ring.write(slots, columns, cells)
        if beyond is not None or len(self._columns):
            every = np.arange(self.columns)[columns] if isinstance(columns, slice) else columns
            self._write_beyond(slots, every, values, beyond)

    def _write_beyond(
        self, slots: Columns, columns: Columns, values: Floats, beyond: NDArray[np.bool_] | None
    ) -> None:
        """Write what the ring does not hold, beside it."""
        if beyond is not None:
            wide = columns[beyond.any(axis=0)]
            fresh = wide[self._place[wide] < 0] if len(self._columns) else wide
            if fresh.size and not self._admit(fresh):
                self._make_wider()
                self.write(slots, columns, values)
                return
        places = self._place[columns]
        own = np.flatnonzero(places >= 0)
        if not own.size:
            return
        cells, more = self._beyond.fitting(values[:, own])
        if more is not None:
            self._beyond = _cast(self._beyond, self._types[-1])
            cells = values[:, own]
        self._beyond.write(slots, places[own], cells)

    def _admit(self, columns: Columns) -> bool:
        """Hold more columns beside the ring; not where they are too many."""
        had, total = len(self._columns), len(self._columns) + len(columns)
        if total * MOST_BEYOND > self.columns:
            return False
        beyond = self._beyond
        if total > beyond.cells.shape[1]:
            beyond = beyond.like(len(beyond.cells), total + total // _SLACK)
            beyond.cells[:, :had] = self._beyond.cells[:, :had]
        own = Ring(self._ring.cells[:, columns], beyond.scale)
        beyond.cells[:, had:total] = _cast(own, beyond.cells.dtype).cells
        self._beside(np.concatenate([self._columns, columns.astype(np.int32)]), beyond)
        return True

    def _make_wider(self) -> None:
        """The next type for the whole ring; what that does not hold either stays beside it."""
        wider = self._types[self._types.index(self._ring.cells.dtype) + 1]
        ring = _cast(self._ring, wider)
        columns, values = self._columns, self._beyond.read(slice(None), slice(0, len(self._columns)))
        cells, beyond = ring.fitting(values)
        ring.cells[:, columns] = cells
        kept = np.zeros(0, np.intp) if beyond is None else np.flatnonzero(beyond.any(axis=0))
        beside = Ring.empty(len(ring.cells), len(kept), self._types[-1], ring.scale)
        beside.cells[:] = values[:, kept]
        self._ring = ring
        self._beside(columns[kept], beside)

    def wipe(self, slots: Columns) -> None:
        """Nothing is known of these slots."""
        for ring in (self._ring, self._beyond):
            ring.wipe(slots)

    def wipe_columns(self, columns: Columns | list[int]) -> None:
        """Nothing is known of these columns."""
        self._ring.wipe(slice(None), columns)
        if len(self._columns):
            places = self._place[columns]
            self._beyond.wipe(slice(None), places[places >= 0])

    # --- room

    def resize(self, slots: int, old: Columns, new: Columns) -> None:
        """Rings of so many slots, into which some of the old ones go."""
        for ring in (self._ring, self._beyond):
            fresh = ring.like(slots, ring.cells.shape[1])
            fresh.cells[new] = ring.cells[old]
            ring.cells = fresh.cells

    def widen(self, columns: int) -> None:
        """More columns; the last one, which stands for nothing, stays the last."""
        fresh = self._ring.like(len(self._ring.cells), columns)
        fresh.cells[:, : self.columns - 1] = self._ring.cells[:, :-1]
        self._ring = fresh
        self._beside(self._columns, self._beyond)


def _cast(ring: Ring, dtype: np.dtype[Any]) -> Ring:
    """The same values in a type that is as wide or wider."""
    if dtype == ring.cells.dtype:
        return ring
    cells = ring.cells.astype(dtype)
    if dtype.kind == "f" and ring.scale != 1:
        cells /= ring.scale
    np.putmask(cells, ring.cells == _unknown(ring.cells.dtype), _unknown(dtype))
    return Ring(cells, ring.scale)


def _unknown(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind == "u" else np.nan
