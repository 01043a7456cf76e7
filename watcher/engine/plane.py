"""One metric of a stream as a ring of bins over columns, in two bytes a value while these hold it exactly."""

from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.model.sample import Floats

Columns: TypeAlias = NDArray[np.intp]
Narrow: TypeAlias = NDArray[np.uint16]

UNKNOWN: Final = 65_535
"""What stands for NaN in two bytes."""
DIGITS: Final = 10_000
"""What a value that is no count is multiplied by in two bytes: shares mostly come with four digits."""


class Plane:
    """`[slot, column]`, unknown at first.

    The first value that two bytes do not hold exactly makes the whole plane wide: counts become float32,
    which holds them exactly up to 16.7 million and to 6 parts in 10^8 above, and everything else float64,
    since it is compared with limits that people write.
    """

    __slots__ = ("_ring", "_scale", "_wide")

    def __init__(self, slots: int, columns: int, *, counts: bool) -> None:
        """`counts` says which of the two it is."""
        self._scale = 1 if counts else DIGITS
        self._wide = np.dtype(np.float32 if counts else np.float64)
        self._ring: NDArray[Any] = np.full((slots, columns), UNKNOWN, np.uint16)

    @classmethod
    def of(cls, ring: NDArray[Any], *, counts: bool) -> Self:
        """One that goes on from the `ring` of another, and writes into it."""
        plane = cls(0, 0, counts=counts)
        plane._ring = ring
        return plane

    @property
    def ring(self) -> NDArray[Any]:
        """`[slots, columns]` as they are held."""
        return self._ring

    @property
    def columns(self) -> int:
        """How many there is room for."""
        return int(self._ring.shape[1])

    @property
    def nbytes(self) -> int:
        """Of the ring."""
        return int(self._ring.nbytes)

    @property
    def _is_narrow(self) -> bool:
        return self._ring.dtype == np.uint16

    # --- reading

    def read(self, slots: slice | Columns, columns: slice | Columns) -> Floats:
        """Values of some slots, a copy; NaN where unknown."""
        return self._values(self._ring[slots, columns])

    def _values(self, cells: NDArray[Any]) -> Floats:
        values = cells.astype(np.float64)
        if self._is_narrow:
            if self._scale != 1:
                values /= self._scale
            np.putmask(values, cells == UNKNOWN, np.nan)
        return values

    # --- writing

    def write(self, slots: Columns, columns: slice | Columns, values: Floats) -> None:
        """Write `[slots, columns]` values."""
        cells = self._fitting(values)
        if isinstance(columns, slice):
            self._ring[slots, columns] = cells
        else:
            self._ring[slots[:, None], columns] = cells

    def _fitting(self, values: Floats) -> NDArray[Any]:
        """As the ring holds them, which is made wide where it cannot."""
        if self._is_narrow:
            cells = _narrow(values, self._scale)
            if cells is not None:
                return cells
            self._ring = self._values(self._ring).astype(self._wide)
        return values

    def wipe(self, slots: Columns) -> None:
        """Nothing is known of these slots."""
        self._ring[slots] = self._nothing

    def wipe_columns(self, columns: Columns | list[int]) -> None:
        """Nothing is known of these columns."""
        self._ring[:, columns] = self._nothing

    @property
    def _nothing(self) -> float:
        return UNKNOWN if self._is_narrow else np.nan

    # --- room

    def resize(self, slots: int, old: Columns, new: Columns) -> None:
        """A ring of so many slots, into which some of the old ones go."""
        ring = np.full((slots, self.columns), self._nothing, self._ring.dtype)
        ring[new] = self._ring[old]
        self._ring = ring

    def widen(self, columns: int) -> None:
        """More columns; the last one, which stands for nothing, stays the last."""
        ring = np.full((len(self._ring), columns), self._nothing, self._ring.dtype)
        ring[:, : self.columns - 1] = self._ring[:, :-1]
        self._ring = ring


def _narrow(values: Floats, scale: int) -> Narrow | None:
    """The values in two bytes; None where one of them does not fit exactly."""
    is_unknown = np.isnan(values)
    steps = np.rint(values * scale)
    fits = (steps / scale == values) & (steps >= 0) & (steps < UNKNOWN)
    if not (fits | is_unknown).all():
        return None
    np.putmask(steps, is_unknown, UNKNOWN)
    return steps.astype(np.uint16)
