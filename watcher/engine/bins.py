"""One stream's bins as one track sees them: rows of the track over columns of the shared grid."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from watcher.engine.arrays import scattered, widened
from watcher.engine.casting import Casting
from watcher.engine.columns import SPAN, Cast, Column
from watcher.engine.detector import Reach, Role
from watcher.engine.grid import Grid
from watcher.engine.judged import Judged, runs
from watcher.engine.lane import Changed, Run, lane_key
from watcher.engine.levels import Share
from watcher.engine.lifecycle import NEVER, SKIP, Codes, Rows
from watcher.engine.panels import BinPanel, exemplars
from watcher.engine.totals import FEW_CELLS, Afresh, Totals
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Floats, Instants
from watcher.model.time import Duration, Instant


class BinLane:
    """See the module's docstring. It holds no values itself."""

    by_row = True

    def __init__(
        self,
        grid: Grid,
        casting: Casting,
        roles: Mapping[str, Role],
        keys: Sequence[LabelSet],
        *,
        reach: Reach,
    ) -> None:
        """Without rows as yet; `keys` are the track's groups by row, as they come to be."""
        self.stream, self.width = grid.stream, grid.width
        self.key = lane_key(grid.stream, grid.width)
        self.grid = grid
        self.casting = casting
        self.watermark: Instant = NEVER
        self.first: Instant = NEVER
        self.judged = Judged(self.key, grid.width)
        self.member = np.zeros(0, np.bool_)
        self.rows: Rows = np.zeros(0, np.intp)
        """The track's rows of the casting's groups."""
        self.totals = Totals(reach.window)
        self._roles = roles
        self._longest = reach.window
        """Most windows that are asked for are no longer."""
        is_short = reach.window <= reach.slot and bool(reach.memory or not reach.window)
        self._span = reach.slot if is_short else SPAN
        """What looks at no more than a slot is summed over no more than that."""
        self._recasts = casting.recasts
        self._is_recast = False
        """Other series play the roles than when its bins were judged."""
        self._touched = NEVER
        """Number of the bin up to which levels have been told."""
        self.keys = keys
        self._cast = Cast(grid, roles, {}, keys, span=self._span)

    # --- rows

    def bind(self, rows: Rows) -> Rows:
        """Take the rows of the casting's groups; those that nothing speaks for any more."""
        left = rows[:0] if rows is self.rows else np.setdiff1d(self.rows, rows)
        self.rows = rows
        self.admit(rows)
        self._build()
        if self.casting.recasts != self._recasts:
            self._recasts, self._is_recast = self.casting.recasts, True
            self.totals.clear()
        return left

    def _build(self) -> None:
        total = len(self.keys)
        columns = {name: Column(part, self.rows, total) for name, part in self.casting.parts.items()}
        self._cast = Cast(self.grid, self._roles, columns, self.keys, span=self._span)

    @property
    def cast(self) -> Cast:
        """The role columns, over as many rows as the track has."""
        if self._cast.total != len(self.keys):
            self._build()
        return self._cast

    def admit(self, rows: Rows) -> None:
        """Learn that the stream feeds these rows."""
        self.member[rows] = True

    def feeds(self, row: int) -> bool:
        """Whether the stream has ever fed a row."""
        return row < len(self.member) and bool(self.member[row])

    def widen(self, rows: int) -> None:
        """Know of more rows, which this stream does not feed."""
        self.member = widened(self.member, rows, 0)

    def saw(self, starts: Instants) -> None:
        """Bins of the stream came."""
        if len(starts):
            first = int(starts.min())
            self.first = first if self.first == NEVER else min(self.first, first)

    # --- bins

    def settle(self, until: Instant, *, since: Instant, at_most: int) -> list[Run]:
        """Move the watermark; the bins that are settled now and not judged."""
        self.watermark = max(self.watermark, until)
        if self.first == NEVER:
            return []
        grid = self.grid
        last = grid.number(self.watermark)
        first = max(grid.number(self.first), grid.following(since) if since > NEVER else grid.low, grid.low)
        if first >= last:
            return []
        numbers = np.arange(first, last)
        is_wanted = grid.came(first, last) | (numbers >= last - at_most)
        starts = numbers[is_wanted] * self.width + grid.phase
        return runs(self.judged.lacked(starts), self.width)

    def came(self) -> tuple[Instant, Instant] | None:
        """The span of bins that are newly settled, or that have newly come; once."""
        grid = self.grid
        if self.first == NEVER:
            return None
        last = grid.number(self.watermark)
        told = grid.number(self.first) if self._touched == NEVER else min(self._touched, grid.news)
        first = max(told, grid.low)
        self._touched = max(self._touched, last)
        return (grid.start(first), grid.start(last)) if first < last else None

    def changed(self) -> list[Changed]:
        """What has changed since the last look, of bins that may have been judged."""
        if self._is_recast:
            self._is_recast = False
            return [(start, None) for start in self.judged.starts.tolist()]
        found: list[Changed] = [(self.grid.start(number), None) for number in self.grid.answers]
        for number, columns in self.grid.changes.items():
            if number not in self.grid.answers:
                rows = self.cast.rows_of(columns)
                if rows.size:
                    is_all = rows.size == len(self.keys)
                    found.append((self.grid.start(number), None if is_all else rows))
        return found

    def mend(self, rows: Rows) -> None:
        """Something has changed in the past of some rows."""
        self.cast.done()
        self.totals.mend(self.cast, rows)

    def panel(self, start: Instant, bins: int, rows: Rows | None) -> BinPanel:
        """What a detector sees of some bins that follow each other."""
        first = self.grid.number(start)
        cast = self.cast if rows is None else self.cast.narrowed(rows)
        cells = (bins + self._longest // self.width) * cast.total
        sums = self.totals if rows is None and cells > FEW_CELLS else Afresh(self._longest)
        return BinPanel(cast, sums, first=first, last=first + bins, longest=self._longest)

    def done(self) -> None:
        """What was gathered for one look is not kept: the next one may find other values."""
        self._cast.done()
        self.totals.done()

    def mask(self, start: Instant, codes: Codes) -> Codes:
        """Codes of bins over all rows, but for what another stream feeds."""
        del start
        if self.member.all():
            return codes
        masked: Codes = np.where(self.member, codes, np.int8(SKIP))
        return masked

    def holds(self, at: Instant) -> NDArray[np.bool_]:
        """Bins list nothing."""
        del at
        return np.zeros(len(self.member), np.bool_)

    def lend(self, starts: Instants, width: Duration, rows: Rows | None) -> Share | None:
        """What its settled bins add to slots that follow each other.

        A bin wider than a slot lends each slot its share.
        """
        low, high = self._within(starts, width)
        first, last = int(low.min()), int(high.max())
        came = self._counted(self.grid.came(first, last), low - first, high - first) if last > first else None
        if came is None or not came.any():
            return None
        lent = float(min(self.width, width))
        cast = self.cast if rows is None else self.cast.narrowed(rows)
        known = self._counted(cast.known(first, last), low - first, high - first)
        sums: dict[str, Floats] = {}
        for role in (name for name in cast.columns if not self._roles[name].detail):
            added = cast.weighed(role, first, last)
            total = self._counted(added.sums, low - first, high - first)
            sums[role] = total.astype(np.float64) * (cast.quantum(role) * lent / self.width)
            if added.holes is not None and added.holes.any():
                sums[role][self._counted(added.holes, low - first, high - first) > 0] = np.nan
        self.cast.done()
        return Share(sums, known.astype(np.float64) * lent, came.astype(np.float64) * lent)

    def _within(self, starts: Instants, width: Duration) -> tuple[Instants, Instants]:
        """Numbers of the first bin of each slot and of the one after its last."""
        grid = self.grid
        if self.width > width:
            low, high = (
                (starts - grid.phase) // self.width,
                (starts + width - 1 - grid.phase) // self.width + 1,
            )
        else:
            low, high = -((grid.phase - starts) // self.width), (starts + width - grid.phase) // self.width
        first, last = grid.low, max(grid.number(self.watermark), grid.low)
        return np.clip(low, first, last), np.clip(high, first, last)

    @staticmethod
    def _counted(values: NDArray[Any], low: Instants, high: Instants) -> NDArray[np.int64]:
        """Sums of bins by slot."""
        sums = np.zeros((len(values) + 1, *values.shape[1:]), np.int64)
        np.cumsum(values, axis=0, out=sums[1:])
        counted: NDArray[np.int64] = sums[np.maximum(high, low)] - sums[low]
        return counted

    def exemplars(self, row: int, after: Instant, until: Instant) -> Iterator[Exemplar]:
        """Raw records of one row in the bins of a time, the oldest first."""
        grid = self.grid
        yield from exemplars(self.cast, row, grid.following(after), grid.number(until))

    # --- forgetting

    def needed_from(self) -> Instant | None:
        """No bin stands for a later one."""
        return None

    def forget(self, before: Instant) -> None:
        """Verdicts only: bins are the grid's."""
        del before

    def blank(self, rows: Rows) -> None:
        """Some row numbers are free."""
        self.member[rows] = False
        self.judged.blank(rows)
        self.totals.clear()

    def move(self, places: Rows, keys: Sequence[LabelSet]) -> None:
        """Row `i` is now `places[i]`, of another track's rows."""
        self.keys = keys
        self.member = scattered(self.member, places, len(keys), 0)
        self.judged.move(places, len(keys))
        self.rows = places[self.rows]
        self.totals.clear()
        self._build()
