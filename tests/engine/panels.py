"""A detector on plain columns: a panel of one bin, and learning without an engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from watcher.engine.detector import Detector, Levels, Memory, Slot, Usual
from watcher.model.labels import LabelSet
from watcher.model.sample import Floats
from watcher.model.time import HOUR, MINUTE, Duration, Instant

SLOT = 10 * MINUTE
MIDNIGHT: Instant = 1_767_225_600_000


@dataclass(frozen=True, slots=True)
class Bins:
    """A panel whose window totals are given: those of the bin for any that is not."""

    values: Mapping[str, Floats]
    totals: Mapping[tuple[str, Duration], Floats] = field(default_factory=dict)
    start: Instant = MIDNIGHT
    width: Duration = 5 * MINUTE
    named: Mapping[LabelSet, float] = field(default_factory=dict)
    """What any role with a `detail` is made of."""

    @property
    def end(self) -> Instant:
        """Of the bin."""
        return self.start + self.width

    def value(self, role: str) -> Floats:
        """As given."""
        return self.values[role]

    def total(self, role: str, window: Duration) -> Floats:
        """As given, or as if all was 0 before."""
        return self.totals.get((role, max(window, self.width)), self.values[role])

    def known(self, window: Duration) -> Floats:
        """All of it."""
        return np.full_like(next(iter(self.values.values())), float(max(window, self.width)))

    def parts(self, role: str, row: int, window: Duration) -> Mapping[LabelSet, float]:
        """As given, the largest first."""
        del role, row, window
        return dict(sorted(self.named.items(), key=lambda part: -part[1]))


def nothing(sums: Mapping[str, Floats], at: Instant) -> Levels:
    """No newest past."""
    rows = next(iter(sums.values())).shape[-1]
    empty = np.zeros((0, rows))
    return Levels(SLOT, at, np.zeros(0, np.int64), dict.fromkeys(sums, empty), empty, np.zeros(0))


def learned(
    detector: Detector, slots: list[dict[str, Floats]], *, start: Instant = MIDNIGHT
) -> tuple[Memory, Instant]:
    """What memory holds after these slots, and where they end."""
    rows = next(iter(slots[0].values())).shape[-1]
    memory = {
        name: np.full((size, rows), np.nan, np.float32) for name, size in detector.reach().memory.items()
    }
    for number, sums in enumerate(slots):
        known = np.full(rows, float(SLOT))
        detector.learn(memory, Slot(start + number * SLOT, SLOT, sums, known, float(SLOT)))
    return memory, start + len(slots) * SLOT


def usual(detector: Detector, slots: list[dict[str, Floats]]) -> tuple[Usual, Instant]:
    """What is usual two hours after these slots."""
    memory, end = learned(detector, slots)
    at = end + 2 * HOUR
    return detector.usual(detector.recall(memory, at), nothing(slots[0], at)), at
