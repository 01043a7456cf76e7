"""The bins of one stream for one track: role columns in event time, and the reading of each bin."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from watcher.engine.binding import Binding
from watcher.engine.detector import Readings, Role
from watcher.engine.episodes import Bin
from watcher.engine.lifecycle import NEVER, SKIP
from watcher.model.sample import Floats
from watcher.model.time import Duration, Instant

Scalar = TypeVar("Scalar", bound=np.generic)


def padded(column: NDArray[Scalar], rows: int, filler: float) -> NDArray[Scalar]:
    """The column over more rows."""
    missing = rows - column.shape[-1]
    if missing <= 0:
        return column
    shape = (*column.shape[:-1], missing)
    return np.concatenate([column, np.full(shape, filler, column.dtype)], axis=-1)


def lane_key(stream: str, width: Duration) -> str:
    """A stream whose bins get another width (own sight, at another cadence) goes on in another lane."""
    return f"{stream}@{width}"


class Lane:
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
        self.readings: dict[Instant, Readings] = {}
        """By bin start; only bins that have been judged."""
        self.bound: tuple[Binding, NDArray[np.intp]] | None = None
        """The binding of the stream's present layout, and the rows of its groups."""
        self._roles = roles
        self._values: dict[Instant, dict[str, Floats]] = {}
        self._carried: dict[str, Floats] = {}
        self._fill_from: Instant | None = None

    def bin(self, start: Instant) -> Bin:
        """The bin that begins there."""
        return Bin(start, start + self.width, self.key)

    def admit(self, rows: NDArray[np.intp]) -> None:
        """Learn that the stream feeds these rows."""
        self.member[rows] = True

    def widen(self, rows: int) -> None:
        """Know of more rows, which this stream does not feed."""
        self.member = padded(self.member, rows, 0)

    def put(self, start: Instant, columns: Mapping[str, Floats]) -> NDArray[np.bool_] | None:
        """Take one bin; the rows whose cells changed, or None where the bin is new.

        A role without a column is unknown in every row.
        """
        known_bin = start in self._values
        before = {role: self._raw(start, role) for role in self._roles}
        self._values[start] = dict(columns)
        if not known_bin:
            insort(self.starts, start)
            self.first = start if self.first == NEVER else min(start, self.first)
            self._fill_from = start if self._fill_from is None else min(start, self._fill_from)
            return None
        changed = np.zeros(len(self.member), np.bool_)
        for role in self._roles:
            was, now = before[role], self._raw(start, role)
            changed |= ~((was == now) | (np.isnan(was) & np.isnan(now)))
        return changed

    def settle(self, until: Instant, *, at_most: int) -> list[Instant]:
        """Move the watermark; the starts of bins now settled and not judged, missing ones included.

        A gap of more than `at_most` bins is represented by its last ones: unknown changes nothing but timers.
        """
        first = self._fill_from if self._fill_from is not None else self.watermark
        self.watermark = max(self.watermark, until)
        if self.width and self.starts:
            self._fill(first, at_most)
        last = bisect_right(self.starts, self.watermark - self.width)
        return [start for start in self.starts[:last] if start not in self.readings]

    def _fill(self, first: Instant, at_most: int) -> None:
        """Put an unknown bin wherever the grid has none, up to the watermark."""
        self._fill_from = None
        first = max(self.starts[0], first - self.width, self.watermark - at_most * self.width)
        first += (self.starts[0] - first) % self.width
        for start in range(first, self.watermark - self.width + 1, self.width):
            if start not in self._values:
                insort(self.starts, start)
                self._values[start] = {}

    def column(self, start: Instant, role: str) -> Floats:
        """A role's values in one bin, over the rows; NaN where unknown."""
        column = self._raw(start, role)
        return self._with_carry(start, role, column) if self._roles[role].carry else column

    def _raw(self, start: Instant, role: str) -> Floats:
        column = self._values.get(start, {}).get(role)
        if column is None:
            return np.full(len(self.member), np.nan)
        return padded(column, len(self.member), np.nan)

    def _with_carry(self, start: Instant, role: str, column: Floats) -> Floats:
        filled = column.copy()
        for earlier in reversed(self.starts[: bisect_left(self.starts, start)]):
            missing = np.isnan(filled)
            if not missing.any():
                return filled
            filled[missing] = self._raw(earlier, role)[missing]
        missing = np.isnan(filled)
        if role in self._carried:
            filled[missing] = padded(self._carried[role], len(filled), np.nan)[missing]
        return filled

    def known(self, start: Instant) -> NDArray[np.bool_]:
        """Rows in which every role is known in this bin."""
        known = np.ones(len(self.member), np.bool_)
        for role in self._roles:
            known &= ~np.isnan(self.column(start, role))
        return known

    def weighed(self, start: Instant, role: str) -> Floats:
        """What a bin adds to sums over windows: a role's value, times its weight where it has one."""
        weight = self._roles[role].weighed_by
        values = self.column(start, role)
        return values * self.column(start, weight) if weight else values

    def window(self, after: Instant, until: Instant) -> Sequence[Instant]:
        """Starts of the bins that begin at or after one time and end at or before another."""
        first = bisect_left(self.starts, after)
        last = bisect_right(self.starts, until - self.width)
        return self.starts[first:last]

    def reading(self, start: Instant) -> Readings:
        """The reading of a judged bin over the rows; SKIP for rows this stream does not feed."""
        return padded(self.readings[start], len(self.member), SKIP)

    def forget(self, before: Instant) -> None:
        """Drop bins that end before a time, keeping what is carried on."""
        last = bisect_left(self.starts, before - self.width)
        if last == 0:
            return
        edge = self.starts[last - 1]
        self._carried = {role: self.column(edge, role) for role, spec in self._roles.items() if spec.carry}
        for start in self.starts[:last]:
            self._values.pop(start, None)
            self.readings.pop(start, None)
        del self.starts[:last]
