"""What a detector sees of one bin: the panel, read from a lane."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import Lasted
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Floats
from watcher.model.time import Duration, Instant


class Held(Protocol):
    """A lane of instants, as far as a panel reads it."""

    width: Duration
    member: NDArray[np.bool_]

    def answered(self, start: Instant) -> bool:
        """Whether the vendor answered for a bin."""
        ...

    def column(self, start: Instant, role: str) -> Floats:
        """A role in one bin."""
        ...

    def known(self, start: Instant) -> NDArray[np.bool_]:
        """Rows in which what must be there is known."""
        ...

    def weighed(self, start: Instant, role: str) -> Floats:
        """What a bin adds to sums."""
        ...

    def lasted(self, start: Instant, role: str, window: Duration) -> Lasted:
        """How long a value has been the same."""
        ...

    def parts(self, role: str, row: int, starts: Sequence[Instant]) -> Mapping[LabelSet, float]:
        """Sums by the role's own labels."""
        ...

    def exemplars(self, row: int, after: Instant, until: Instant) -> Iterator[Exemplar]:
        """Raw records of a row."""
        ...

    def window(self, after: Instant, until: Instant) -> Sequence[Instant]:
        """Starts of the bins of a time."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """A detector's panel: one bin of one lane."""

    lane: Held
    start: Instant
    end: Instant
    words: Sequence[str]
    _totals: dict[tuple[str, Duration], Floats] = field(default_factory=dict)
    """What was asked for: one bin is judged once and explained for every row that fires."""

    @property
    def width(self) -> Duration:
        """Of the bin."""
        return self.lane.width

    @property
    def starts(self) -> Instant:
        """Start of the bin."""
        return self.start

    @property
    def answered(self) -> bool:
        """Whether the vendor answered for this bin."""
        return self.lane.answered(self.start)

    def value(self, role: str) -> Floats:
        """The bin's own value of a role."""
        return self.lane.column(self.start, role)

    def total(self, role: str, window: Duration) -> Floats:
        """Sum over the trailing window, of bins in which every role is known; NaN where none is."""
        if (role, window) not in self._totals:
            self._totals[role, window] = self._total(role, window)
        return self._totals[role, window]

    def _total(self, role: str, window: Duration) -> Floats:
        total = np.zeros(len(self.lane.member))
        any_known = np.zeros(len(total), np.bool_)
        for start in self._window(window):
            known = self.lane.known(start)
            total[known] += self.lane.weighed(start, role)[known]
            any_known |= known
        total[~any_known] = np.nan
        return total

    def known(self, window: Duration) -> Floats:
        """Milliseconds of the trailing window in which every required role is known."""
        starts = self._window(window)
        lasted = [self.lane.known(start) * float(self.lane.width) for start in starts]
        return np.sum(lasted, axis=0) if lasted else np.zeros(len(self.lane.member))

    def least(self, role: str, window: Duration) -> Floats:
        """The least known value of the trailing window; NaN where none is."""
        least: Floats = np.fmin.reduce([self.lane.column(start, role) for start in self._window(window)])
        return least

    def greatest(self, role: str, window: Duration) -> Floats:
        """The greatest known value of the trailing window; NaN where none is."""
        greatest: Floats = np.fmax.reduce([self.lane.column(start, role) for start in self._window(window)])
        return greatest

    def exemplars(self, row: int, window: Duration) -> Sequence[Exemplar]:
        """Raw records of one row in the trailing window, the newest last."""
        return list(self.lane.exemplars(row, self.end - max(window, self.width), self.end))

    def lasted(self, role: str, window: Duration) -> Lasted:
        """For how long a role's value has been the same."""
        return self.lane.lasted(self.start, role, window)

    def parts(self, role: str, row: int, window: Duration) -> Mapping[LabelSet, float]:
        """Sums over the trailing window by the role's `detail`, largest first."""
        sums = self.lane.parts(role, row, self._window(window))
        return dict(sorted(sums.items(), key=lambda part: (-part[1], part[0])))

    def _window(self, window: Duration) -> Sequence[Instant]:
        return self.lane.window(self.end - max(window, self.end - self.start), self.end)
