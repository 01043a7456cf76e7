"""What a detector sees of one bin: the panel, read from a lane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from watcher.engine.detector import Lasted
from watcher.engine.lane import Lane
from watcher.model.labels import LabelSet
from watcher.model.sample import Floats
from watcher.model.time import Duration, Instant


@dataclass(frozen=True, slots=True)
class View:
    """A detector's panel: one bin of one lane."""

    lane: Lane
    start: Instant
    end: Instant
    words: Sequence[str]
    _totals: dict[tuple[str, Duration], Floats] = field(default_factory=dict)
    """What was asked for: one bin is judged once and explained for every row that fires."""

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

    def lasted(self, role: str, window: Duration) -> Lasted:
        """For how long a role's value has been the same."""
        return self.lane.lasted(self.start, role, window)

    def parts(self, role: str, row: int, window: Duration) -> Mapping[LabelSet, float]:
        """Sums over the trailing window by the role's `detail`, largest first."""
        sums = self.lane.parts(role, row, self._window(window))
        return dict(sorted(sums.items(), key=lambda part: (-part[1], part[0])))

    def _window(self, window: Duration) -> Sequence[Instant]:
        return self.lane.window(self.end - max(window, self.end - self.start), self.end)
