"""A panel made by hand: one bin of one row, for what `gates` and `explain` say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from watcher.engine.detector import Lasted
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Floats
from watcher.model.time import MINUTE, Duration, Instant


@dataclass
class OneBin:
    """What is not given is unknown; every window has the totals that are given for its role."""

    values: Mapping[str, float] = field(default_factory=dict)
    totals: Mapping[tuple[str, Duration], float] = field(default_factory=dict)
    knowns: Mapping[Duration, Duration] = field(default_factory=dict)
    width: Duration = MINUTE
    start: Instant = 1_700_000_400_000
    answered: bool = True
    words: Sequence[str] = ()
    age: Duration = 0
    changed: bool = False

    @property
    def end(self) -> Instant:
        return self.start + self.width

    @property
    def starts(self) -> Instant:
        return self.start

    def value(self, role: str) -> Floats:
        return np.array([self.values.get(role, np.nan)])

    def total(self, role: str, window: Duration) -> Floats:
        return np.array([self.totals.get((role, window), np.nan)])

    def known(self, window: Duration) -> Floats:
        return np.array([float(self.knowns.get(window, window))])

    def least(self, role: str, window: Duration) -> Floats:
        return self.total(role, window)

    def greatest(self, role: str, window: Duration) -> Floats:
        return self.total(role, window)

    def lasted(self, role: str, window: Duration) -> Lasted:
        del role, window
        return Lasted(np.array([float(self.age)]), np.array([self.changed]))

    def parts(self, role: str, row: int, window: Duration) -> Mapping[LabelSet, float]:
        del role, row, window
        return {}

    def exemplars(self, row: int, window: Duration) -> Sequence[Exemplar]:
        del row, window
        return ()
