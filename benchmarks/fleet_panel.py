"""A detector run over a fleet without an engine: the same learning, what is usual and judging, in one block.

For tuning: seconds where `watcher backtest` takes a minute. It hands over no restated bins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import Detector, Levels, Memory, Panel, Readings, Slot, Usual
from watcher.model.sample import Floats
from watcher.model.time import HOUR, Duration, Instant, floor

HORIZON = 2 * HOUR


@dataclass(frozen=True, slots=True)
class Block:
    """A panel of all bins of a fleet: `[bins, rows]`."""

    first: Instant
    width: Duration
    columns: Mapping[str, Floats]
    """Values by role; what is weighed, times its weight, under `name*`."""

    @property
    def start(self) -> Instant:
        """Of the first bin."""
        return self.first

    @property
    def end(self) -> Instant:
        """Of the last."""
        return self.first + self.width * len(next(iter(self.columns.values())))

    def value(self, role: str) -> Floats:
        """As given."""
        return self.columns[role]

    def total(self, role: str, window: Duration) -> Floats:
        """Sums over trailing bins."""
        column = np.nan_to_num(self.columns.get(f"{role}*", self.columns[role]))
        return self._trailing(np.where(self.there, column, 0), window)

    def known(self, window: Duration) -> Floats:
        """Milliseconds."""
        return self._trailing(self.there.astype(np.float64) * self.width, window)

    @property
    def there(self) -> NDArray[np.bool_]:
        """Bins in which every role is known."""
        there: NDArray[np.bool_] = np.logical_and.reduce(
            [~np.isnan(column) for column in self.columns.values()]
        )
        return there

    def _trailing(self, column: Floats, window: Duration) -> Floats:
        bins = max(1, window // self.width)
        sums = np.vstack([np.zeros((1, column.shape[1])), column.cumsum(axis=0)])
        ends = np.arange(1, len(sums))
        found: Floats = sums[ends] - sums[np.maximum(ends - bins, 0)]
        return found


def readings(detector: Detector, block: Block) -> tuple[Readings, Usual]:
    """What the detector reads in every bin, and what was usual."""
    reach, rows = detector.reach(), next(iter(block.columns.values())).shape[1]
    per = reach.slot // block.width
    sums, known = _slots(block, per)
    memory = {name: np.full((size, rows), np.nan, np.float32) for name, size in reach.memory.items()}
    behind = max(HORIZON, reach.recent) // reach.slot
    found = []
    for slot in range(len(known)):
        at = block.first + slot * reach.slot
        _learn(detector, memory, slot - behind - 1, (sums, known, at - (behind + 1) * reach.slot))
        lo, hi = max(0, slot - behind), max(0, slot - reach.lag // reach.slot)
        levels = Levels(
            reach.slot,
            floor(at - reach.lag, reach.slot),
            block.first + reach.slot * np.arange(lo, max(lo, hi)),
            {role: column[lo:hi] for role, column in sums.items()},
            known[lo:hi],
            np.full(max(0, hi - lo), float(reach.slot)),
        )
        found.append(detector.usual(detector.recall(memory, at), levels))
    bins = len(next(iter(block.columns.values())))
    of = np.minimum(np.arange(bins) // per, len(found) - 1)
    usual = {name: np.stack([one[name] for one in found])[of] for name in found[0]}
    # It asks for no part of a panel that a block lacks.
    return detector.judge(cast("Panel", block), usual).reading, usual


def _slots(block: Block, per: int) -> tuple[dict[str, Floats], Floats]:
    bins = len(next(iter(block.columns.values()))) // per * per

    def summed(column: Floats) -> Floats:
        found: Floats = column[:bins].reshape(bins // per, per, -1).sum(axis=1)
        return found

    there = block.there
    roles = [role for role in block.columns if not role.endswith("*")]
    sums = {
        role: summed(np.where(there, np.nan_to_num(block.columns.get(f"{role}*", block.columns[role])), 0))
        for role in roles
    }
    return sums, summed(there.astype(np.float64) * block.width)


def _learn(
    detector: Detector, memory: Memory, slot: int, past: tuple[dict[str, Floats], Floats, Instant]
) -> None:
    sums, known, at = past
    if slot >= 0:
        width = detector.reach().slot
        detector.learn(
            memory, Slot(at, width, {role: c[slot] for role, c in sums.items()}, known[slot], float(width))
        )
