"""Role columns of one rule, gathered from a grid when they are asked for, and exact sums of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.casting import Part
from watcher.engine.detector import Role, Several
from watcher.engine.grid import Columns, Grid
from watcher.engine.layers import layers
from watcher.engine.layers import read as read_layers
from watcher.engine.lifecycle import Rows
from watcher.model.labels import LabelSet
from watcher.model.metrics import METRICS
from watcher.model.sample import Floats
from watcher.model.time import DAY, Duration

Bools: TypeAlias = NDArray[np.bool_]
Fixed: TypeAlias = NDArray[np.int64]
"""Multiples of a role's quantum: sums of them are exact, whatever the order."""

COARSE: Final = 2.0**-10
"""Quantum of counts, and of values times a weight or a time."""
WHOLE: Final = 1.0
"""Quantum of bytes, of which a day may have 10^18."""
FINE: Final = 2.0**-30
"""Quantum of shares and of seconds."""
WIDE: Final = 2.0**10
"""Quantum of bits a second times milliseconds."""
_FINE_UNITS: Final = frozenset({"ratio", "seconds", "boolean"})
MOST: Final = 2.0**62
"""No sum has more quanta: a bin counts as no more than its share of so many,"""
SPAN: Final[Duration] = 8 * DAY
"""where sums may be over windows of so long."""


class Column:
    """The values of one role over the rows of a track."""

    def __init__(self, part: Part, rows: Rows, total: int) -> None:
        """`rows` are the track's rows of the casting's groups, `total` is how many rows there are."""
        self.part = part
        self.row = rows[part.group]
        self._total = total
        self._layers = None if part.details else layers(part, self.row, total)
        order = np.argsort(self.row, kind="stable") if self._layers is None else self.row[:0]
        self._sorted = order, self.row[order]
        """Where there are no layers: the series by row."""

    def read(self, grid: Grid, first: int, last: int, rows: Rows | None) -> Floats:
        """`[bins, rows]` over a span of bin numbers; NaN where unknown."""
        if self._layers:
            return read_layers(self._layers, self.part.several, grid, (first, last), rows)
        order, row = self._sorted
        if rows is not None:
            inside = np.isin(row, rows)
            order, row = order[inside], row[inside]
        found = np.full((last - first, self._total), np.nan)
        if order.size:
            heads = np.flatnonzero(np.diff(row, prepend=-1))
            cells = self._cells(grid, first, last, order)
            found[:, row[heads]] = _COMBINE[self.part.several].reduceat(cells, heads, axis=1)
        return found if rows is None else found[:, rows]

    def _cells(self, grid: Grid, first: int, last: int, order: Columns) -> Floats:
        """Each series by itself."""
        plane, column = self.part.plane[order], self.part.column[order]
        cells = np.empty((last - first, len(order)))
        for one in np.unique(plane).tolist():
            own = plane == one
            cells[:, own] = grid.read(one, first, last, column[own])
        return cells

    def parts(self, grid: Grid, row: int, first: int, last: int) -> Mapping[LabelSet, float]:
        """Sums over a span by the series' own labels, for one row; nothing where there is nothing."""
        order, sorted_rows = self._sorted
        low, high = np.searchsorted(sorted_rows, [row, row + 1]).tolist()
        own = order[low:high]
        found: dict[LabelSet, float] = {}
        if self.part.details and own.size:
            sums = np.nansum(np.maximum(self._cells(grid, first, last, own), 0), axis=0)
            for at, value in zip(own.tolist(), sums.tolist(), strict=True):
                if value > 0:
                    labels = self.part.details[at]
                    found[labels] = found.get(labels, 0.0) + value
        return found

    def rows_of(self, columns: Bools) -> Rows:
        """Rows of which any of some columns of the grid is a series."""
        rows: Rows = self.row[columns[self.part.column]]
        return rows


_COMBINE: Final = {Several.SUM: np.add, Several.LEAST: np.fmin, Several.GREATEST: np.fmax}


@dataclass(frozen=True, slots=True)
class Weighed:
    """What bins add to sums over windows: `[bins, rows]`."""

    sums: Fixed
    known: Bools
    """Where every required role is known; elsewhere the bin adds nothing."""
    holes: Bools | None
    """Where the bin counts and this role, which may be missing, is not known, nor is its sum; None: never."""


class Cast:
    """All role columns of one rule over one grid; or those of some rows."""

    def __init__(
        self,
        grid: Grid,
        roles: Mapping[str, Role],
        columns: Mapping[str, Column],
        keys: Sequence[LabelSet],
        *,
        rows: Rows | None = None,
        span: Duration = SPAN,
    ) -> None:
        """Columns by role; a role without one is unknown everywhere. Sums are over no more than a `span`."""
        self.grid = grid
        self.roles = roles
        self.columns = columns
        self.keys = keys
        """The track's groups, by row; there may come to be more."""
        self.rows = rows
        """Of the track, in the order of the columns; None is all."""
        self.total = len(keys) if rows is None else len(rows)
        self._span = span
        self._required = [name for name, role in roles.items() if not (role.optional or role.witness)]
        self._values: dict[tuple[str, int, int], Floats] = {}
        self._weighed: dict[tuple[str, int, int], Weighed] = {}
        self._known: dict[tuple[int, int], Bools] = {}
        """Several windows and roles ask for the same spans while one block is judged."""

    def narrowed(self, rows: Rows) -> "Cast":
        """The same of some of the track's rows, with nothing gathered yet."""
        return Cast(self.grid, self.roles, self.columns, self.keys, rows=rows, span=self._span)

    def done(self) -> None:
        """The block has been judged."""
        self._values.clear()
        self._weighed.clear()
        self._known.clear()

    def value(self, role: str, first: int, last: int) -> Floats:
        """`[bins, rows]` of a role. Nobody writes into it."""
        if (role, first, last) not in self._values:
            self._values[role, first, last] = self._read(role, first, last)
        return self._values[role, first, last]

    def _read(self, role: str, first: int, last: int) -> Floats:
        column = self.columns.get(role)
        if column is not None:
            return column.read(self.grid, first, last, self.rows)
        return np.full((last - first, self.total), np.nan)

    def known(self, first: int, last: int) -> Bools:
        """Where every role that must be there is known."""
        if (first, last) not in self._known:
            unknown = [np.isnan(self.value(role, first, last)) for role in self._required]
            nowhere = np.zeros((last - first, self.total), np.bool_)
            self._known[first, last] = ~np.logical_or.reduce(unknown, axis=0) if unknown else ~nowhere
        return self._known[first, last]

    def weighed(self, role: str, first: int, last: int) -> Weighed:
        """What each bin adds to the role's sums: its value, times what it is weighed by."""
        if (role, first, last) not in self._weighed:
            self._weighed[role, first, last] = self._weigh(role, first, last)
        return self._weighed[role, first, last]

    def _weigh(self, role: str, first: int, last: int) -> Weighed:
        spec = self.roles[role]
        values = self.value(role, first, last)
        if spec.over_time:
            values = values * self.grid.width
        elif spec.weighed_by:
            values = values * self.value(spec.weighed_by, first, last)
        known = counted = self.known(first, last)
        holes = None
        if not {role, spec.weighed_by or role} <= {*self._required}:
            holes = known & np.isnan(values)
            counted = known & ~holes
        quanta = np.rint(np.where(counted, values, 0.0) * (1 / self.quantum(role)))
        most = MOST / max(1, self._span // self.grid.width)
        if quanta.size and max(quanta.max(), -quanta.min()) > most:
            quanta = np.clip(quanta, -most, most)
        return Weighed(quanta.astype(np.int64), known, holes)

    def quantum(self, role: str) -> float:
        """What sums of a role are multiples of."""
        spec = self.roles[role]
        unit = self._unit(spec.weighed_by or role)
        if spec.over_time:
            return COARSE if unit in _FINE_UNITS else WIDE
        if unit == "bytes":
            return WHOLE
        return FINE if unit in _FINE_UNITS and not spec.weighed_by else COARSE

    def _unit(self, role: str) -> str:
        """Of the metric that plays a role; nothing where none is known."""
        column = self.columns.get(role)
        if column is None or not len(column.part.plane):
            return ""
        metric = METRICS.get(self.grid.metrics[int(column.part.plane[0])][0])
        return "" if metric is None else metric.unit

    def rows_of(self, columns: Bools) -> Rows:
        """Rows that some columns of the grid play any role for that is judged."""
        found = [
            column.rows_of(columns) for role, column in self.columns.items() if not self.roles[role].detail
        ]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.intp)
