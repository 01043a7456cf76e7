"""The series of one role as layers: one series a row at most, all of one plane, so reading is slicing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.casting import Part
from watcher.engine.detector import Several
from watcher.engine.grid import Columns, Grid
from watcher.engine.lifecycle import Rows
from watcher.model.sample import Floats

SPARSE: Final = 2
"""So many times more places than series are too many: a layer would be holes for the most part."""
FEW: Final = 16
WORTH: Final = 64
"""Series that each layer must have on average, where there are more than a few: reading one costs a call."""
_JOIN: Final = {Several.SUM: np.add, Several.LEAST: np.fmin, Several.GREATEST: np.fmax}


@dataclass(frozen=True, slots=True)
class Layer:
    """One series a row, or none."""

    plane: int
    columns: Columns | slice
    """Of the grid, by row: -1 where the row has none; a slice where row and column are one number."""
    has: NDArray[np.bool_] | None
    """Which rows have one; None is all."""

    def read(self, grid: Grid, first: int, last: int, rows: Rows | None) -> Floats:
        """`[bins, rows]`, NaN where unknown; the reader's own to write."""
        if rows is None:
            return grid.read(self.plane, first, last, self.columns)
        columns = rows if isinstance(self.columns, slice) else self.columns[rows]
        return grid.read(self.plane, first, last, columns)

    def holes(self, rows: Rows | None) -> NDArray[np.bool_] | None:
        """Which of some rows have none; None where all have one."""
        if self.has is None:
            return None
        return ~(self.has if rows is None else self.has[rows])


def layers(part: Part, row: Rows, total: int) -> Sequence[Layer] | None:
    """The layers of a part whose series are of these rows; None where they would be sparse."""
    planes = int(part.plane.max(initial=0)) + 1
    place = row * planes + part.plane
    order = np.argsort(place, kind="stable")
    begins = np.flatnonzero(np.diff(place[order], prepend=-1))
    repeated = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
    layer = repeated * planes + part.plane[order]
    kinds = np.unique(layer)
    is_sparse = len(kinds) * total > SPARSE * len(order) + total
    if is_sparse or (len(kinds) > FEW and len(order) < WORTH * len(kinds)):
        return None
    return [_layer(part, row, order[layer == kind], total) for kind in kinds.tolist()]


def _layer(part: Part, row: Rows, own: Columns, total: int) -> Layer:
    columns = np.full(total, -1, np.intp)
    columns[row[own]] = part.column[own]
    is_same = bool((columns == np.arange(total)).all())
    has = None if len(own) == total else columns >= 0
    return Layer(int(part.plane[own[0]]), slice(0, total) if is_same else columns, has)


def read(
    found: Sequence[Layer], several: Several, grid: Grid, span: tuple[int, int], rows: Rows | None
) -> Floats:
    """`[bins, rows]` of all layers: a sum is unknown where one of its series is, an extreme where all are."""
    if len(found) == 1:
        return found[0].read(grid, *span, rows)
    first, *others = (_filled(layer, several, grid, span, rows) for layer in found)
    for cells in others:
        _JOIN[several](first, cells, out=first)
    empty = [holes for layer in found if (holes := layer.holes(rows)) is not None]
    if several is Several.SUM and len(empty) == len(found):
        first[:, np.logical_and.reduce(empty)] = np.nan
    return first


def _filled(layer: Layer, several: Several, grid: Grid, span: tuple[int, int], rows: Rows | None) -> Floats:
    """A layer's values; where a row has none it adds nothing."""
    cells = layer.read(grid, *span, rows)
    if several is Several.SUM and (holes := layer.holes(rows)) is not None:
        cells[:, holes] = 0.0
    return cells
