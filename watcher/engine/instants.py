"""What one stream says of states, for one track: role columns at instants, where the last value may stand."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.arrays import widened
from watcher.engine.binding import Binding, Rows
from watcher.engine.cells import Cells
from watcher.engine.detector import Lasted, Role
from watcher.engine.episodes import Bin
from watcher.engine.judged import Judged
from watcher.engine.lane import Changed, lane_key
from watcher.engine.levels import Share
from watcher.engine.lifecycle import GONE, NEVER, SKIP, Codes
from watcher.engine.seats import NOBODY, Seats
from watcher.engine.view import View
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Floats, Instants
from watcher.model.time import DAY, Duration, Instant

LISTED_FOR: Final[Duration] = DAY
"""How long the last answer of a stream says of a row that it is there."""
_NOTHING: Final = Cells()


class InstantLane:
    """Bins of one width, sorted by start; a bin that never came is a bin whose cells are unknown.

    For states (`width` 0) a bin is a reading at an instant, and roles that `carry` keep the last value seen.
    """

    def __init__(self, stream: str, width: Duration, roles: Mapping[str, Role]) -> None:
        """An empty lane."""
        self.stream = stream
        self.key = lane_key(stream, width)
        self.width = width
        self.watermark: Instant = NEVER
        self.first: Instant = NEVER
        """Start of the first bin there was."""
        self.starts: list[Instant] = []
        self.member = np.zeros(0, np.bool_)
        """Rows this stream has ever fed."""
        self.judged = Judged(self.key, width)
        self.by_row = False
        self.answered_at: Instant | None = None
        """Start of the newest bin that the vendor answered."""
        self.bound: tuple[Binding, NDArray[np.intp]] | None = None
        """The binding of the stream's present layout, and the rows of its groups."""
        self.words: Sequence[str] = ()
        """States by their code, as the track knows them."""
        self._changed: list[Changed] = []
        self._roles = roles
        self._cells: dict[Instant, Cells] = {}
        seated = [role for role, spec in roles.items() if spec.carry or not (width or spec.state)]
        self._standing: dict[str, dict[Instant, Seats]] = {role: {} for role in seated}
        """By role and bin start: the last values, as of the bin. Made when they are asked for."""
        self._stood: dict[str, Seats] = {}
        """The same before the first bin."""
        self._known: dict[Instant, NDArray[np.bool_]] = {}
        """By bin start, where nothing stands for what is silent: windows ask for it again and again."""
        self._fill_from: Instant | None = None

    def bin(self, start: Instant) -> Bin:
        """The bin that begins there."""
        return Bin(start, start + self.width, self.key)

    def admit(self, rows: NDArray[np.intp]) -> None:
        """Learn that the stream feeds these rows."""
        self.member[rows] = True

    def feeds(self, row: int) -> bool:
        """Whether the stream has ever fed a row."""
        return row < len(self.member) and bool(self.member[row])

    def widen(self, rows: int) -> None:
        """Know of more rows, which this stream does not feed."""
        self.member = widened(self.member, rows, 0)

    def put(self, start: Instant, cells: Cells) -> None:
        """Take one bin, and remember whether it says something else than before."""
        changed = self._put(start, cells)
        if changed is None or changed.any():
            self._changed.append((start, None))

    def _put(self, start: Instant, cells: Cells) -> NDArray[np.bool_] | None:
        """Rows for which the bin says something else; None where it is new."""
        known_bin = start in self._cells
        before = {role: self._raw(start, role) for role in self._roles}
        was_answered, was_gone = self.answered(start), self.gone(start)
        seated = self._cells.get(start, _NOTHING).seats
        self._cells[start] = cells
        self._known.pop(start, None)
        self._restand(start)
        if cells.answered:
            self.answered_at = start if self.answered_at is None else max(start, self.answered_at)
        if not known_bin:
            insort(self.starts, start)
            self.first = start if self.first == NEVER else min(start, self.first)
            self._fill_from = start if self._fill_from is None else min(start, self._fill_from)
            return None
        changed: NDArray[np.bool_] = was_gone != self.gone(start)
        changed |= was_answered != self.answered(start)
        for role in self._roles:
            was, now = before[role], self._raw(start, role)
            changed |= ~((was == now) | (np.isnan(was) & np.isnan(now)))
            changed |= seated.get(role, NOBODY).differ(cells.seats.get(role, NOBODY), len(changed))
        return changed

    def _restand(self, start: Instant) -> None:
        """What stands from this bin on has to be found again."""
        for later in self.starts[bisect_left(self.starts, start) :]:
            for standing in self._standing.values():
                standing.pop(later, None)

    def settle(self, until: Instant, *, since: Instant, at_most: int) -> list[tuple[Instant, int]]:
        """Move the watermark; the bins now settled and not judged, each alone, missing ones included.

        A gap of more than `at_most` bins is represented by its last ones: unknown changes nothing but timers.
        """
        first = self._fill_from if self._fill_from is not None else self.watermark
        self.watermark = max(self.watermark, until)
        if self.width and self.starts:
            self._fill(first, at_most)
        last = bisect_right(self.starts, self.watermark - self.width)
        known = set(self.judged.starts.tolist())
        return [
            (start, 1) for start in self.starts[bisect_left(self.starts, since) : last] if start not in known
        ]

    def changed(self) -> list[Changed]:
        """What has changed since it was last asked, of bins that may have been judged."""
        changed, self._changed = self._changed, []
        return changed

    def panel(self, start: Instant, bins: int, rows: Rows | None) -> View:
        """One bin, of all rows."""
        assert bins == 1  # noqa: S101 - of instants each is judged by itself
        assert rows is None  # noqa: S101 - `by_row` says so
        return View(self, start, start + self.width, self.words)

    def mask(self, start: Instant, codes: Codes) -> Codes:
        """Codes of a bin, but for rows that another stream feeds, and those that are no longer there."""
        found = np.where(self.member, codes, SKIP).astype(np.int8)
        found[..., self.gone(start)] = GONE
        return found

    def came(self) -> tuple[Instant, Instant] | None:
        """States have no levels."""

    def lend(self, starts: Instants, width: Duration, rows: Rows | None) -> Share | None:
        """States have no levels."""
        del starts, width, rows
        return None

    def _fill(self, first: Instant, at_most: int) -> None:
        """Put an unknown bin wherever the grid has none, up to the watermark."""
        self._fill_from = None
        first = max(self.starts[0], first - self.width, self.watermark - at_most * self.width)
        first += (self.starts[0] - first) % self.width
        for start in range(first, self.watermark - self.width + 1, self.width):
            if start not in self._cells:
                insort(self.starts, start)
                self._cells[start] = _NOTHING

    # --- what a bin says

    def answered(self, start: Instant) -> bool:
        """Whether the vendor answered for a bin, whatever it said."""
        return self._cells.get(start, _NOTHING).answered

    def gone(self, start: Instant) -> NDArray[np.bool_]:
        """Rows of the stream that a complete listing lacks."""
        listed = self._cells.get(start, _NOTHING).listed
        if listed is None:
            return np.zeros(len(self.member), np.bool_)
        return self.member & ~widened(listed, len(self.member), 0)

    def holds(self, at: Instant) -> NDArray[np.bool_]:
        """Rows that are there by the stream's last answer at or before a time."""
        for start in self._back(at + 1):
            cells = self._cells[start]
            if start < at - LISTED_FOR:
                break
            if cells.answered:
                listed = cells.listed
                return self._said(start) if listed is None else widened(listed, len(self.member), 0)
        return np.zeros(len(self.member), np.bool_)

    def _said(self, start: Instant, but: str = "") -> NDArray[np.bool_]:
        """Rows of which a bin says anything, in another role than one."""
        said = np.zeros(len(self.member), np.bool_)
        for role in self._roles:
            if role != but:
                said |= ~np.isnan(self._raw(start, role))
        return said

    def column(self, start: Instant, role: str) -> Floats:
        """A role's values in one bin, over the rows; NaN where unknown.

        A role that carries takes the last value of what is silent. Otherwise a row is unknown when the series
        that would speak for it is a silent one.
        """
        column = self._raw(start, role)
        cells = self._cells.get(start, _NOTHING)
        if self._roles[role].carry:
            return self._stands(start, role).column(len(column))
        if role not in cells.seats:
            return column
        standing = self._stands(start, role).column(len(column))
        return np.where(column == standing, column, np.nan)

    def _raw(self, start: Instant, role: str) -> Floats:
        column = self._cells.get(start, _NOTHING).columns.get(role)
        if column is None:
            return np.full(len(self.member), np.nan)
        return widened(column, len(self.member), np.nan)

    def _stands(self, start: Instant, role: str) -> Seats:
        """The last values of a role as of a bin."""
        known, last = self._standing[role], bisect_right(self.starts, start)
        first = last
        while first > 0 and self.starts[first - 1] not in known:
            first -= 1
        standing = known[self.starts[first - 1]] if first else self._stood.get(role, NOBODY)
        for at in self.starts[first:last]:
            standing = known[at] = self._after(standing, at, role)
        return standing

    def _after(self, standing: Seats, start: Instant, role: str) -> Seats:
        """What stands after a bin. A complete listing ends what it lacks.

        A carried role that may be missing tells of the others: where a bin says these and not it, it is no
        longer known.
        """
        cells, spec = self._cells[start], self._roles[role]
        if not cells.answered:
            return standing
        if spec.carry and spec.optional:
            standing = standing.without(self._said(start, but=role))
        return standing.after(cells.seats.get(role, NOBODY), start, complete=cells.listed is not None)

    def needed_from(self) -> Instant | None:
        """The oldest bin that something stands of, and the last answer; None where nothing does."""
        if self.width or not self.starts:
            return None
        stands = [self._stands(self.starts[-1], role).oldest() for role in self._standing]
        return min((at for at in (*stands, self.answered_at) if at is not None), default=None)

    def _back(self, before: Instant) -> Iterator[Instant]:
        """Starts of the bins that begin before a time, the newest first."""
        for at in range(bisect_left(self.starts, before) - 1, -1, -1):
            yield self.starts[at]

    def lasted(self, start: Instant, role: str, window: Duration) -> Lasted:
        """For how long a role's value has been the same, as far back as a window."""
        now, first = self.column(start, role), start - window
        since = np.full(len(now), float(start))
        changed = np.zeros(len(now), np.bool_)
        going = ~np.isnan(now)
        for earlier in self._back(start):
            going &= (since > first) & ~self.gone(earlier)
            if not going.any():
                break
            value = self._raw(earlier, role)
            other = going & ~np.isnan(value) & (value != now)
            changed |= other
            going &= ~other
            since[going & (value == now)] = max(earlier, first)
        if role in self._stood:
            value = self._stood[role].column(len(now))
            going &= since > first
            changed |= going & ~np.isnan(value) & (value != now)
            since[going & (value == now)] = first
        return Lasted(np.where(np.isnan(now), np.nan, start + self.width - since), changed)

    def parts(self, role: str, row: int, starts: Sequence[Instant]) -> Mapping[LabelSet, float]:
        """Sums over some bins by the role's `detail`, for one row."""
        sums: dict[LabelSet, float] = {}
        for start in starts:
            detail = self._cells[start].details.get(role)
            for labels, value in detail.parts(row).items() if detail is not None else ():
                sums[labels] = sums.get(labels, 0.0) + value
        return sums

    def exemplars(self, row: int, after: Instant, until: Instant) -> Iterator[Exemplar]:
        """Raw records of one row in the bins of a time, the oldest first."""
        for start in self.window(after, until):
            yield from (exemplar for of, exemplar in self._cells[start].exemplars if of == row)

    def known(self, start: Instant) -> NDArray[np.bool_]:
        """Rows in which every role that must be there is known in this bin."""
        found = self._known.get(start)
        if found is not None and len(found) == len(self.member):
            return found
        known = np.ones(len(self.member), np.bool_)
        for role, spec in self._roles.items():
            if not (spec.optional or spec.witness):
                known &= ~np.isnan(self.column(start, role))
        if not self._standing:
            self._known[start] = known
        return known

    def weighed(self, start: Instant, role: str) -> Floats:
        """What a bin adds to sums over windows: a role's value, times what it is weighed by."""
        spec = self._roles[role]
        values = self.column(start, role)
        if spec.over_time:
            return values * self.width
        return values * self.column(start, spec.weighed_by) if spec.weighed_by else values

    def window(self, after: Instant, until: Instant) -> Sequence[Instant]:
        """Starts of the bins that begin at or after one time and end at or before another."""
        first = bisect_left(self.starts, after)
        last = bisect_right(self.starts, until - self.width)
        return self.starts[first:last]

    def forget(self, before: Instant) -> None:
        """Drop bins that end before a time, keeping what is carried on."""
        last = bisect_left(self.starts, before - self.width)
        if last == 0:
            return
        edge = self.starts[last - 1]
        self._stood = {role: self._stands(edge, role) for role in self._standing}
        for start in self.starts[:last]:
            for standing in self._standing.values():
                standing.pop(start, None)
            self._cells.pop(start, None)
        del self.starts[:last]

    def blank(self, rows: Rows) -> None:
        """Rows of states are never given up: a listing says what is gone."""

    def move(self, places: Rows, keys: Sequence[LabelSet]) -> None:
        """All states of a source are of one track: they are never joined to others."""
