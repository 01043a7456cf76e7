"""A track's own past as levels: sums over slots of equal width, from every lane, in event time."""

from collections.abc import Iterable, Mapping

import numpy as np

from watcher.engine.detector import Levels, Role
from watcher.engine.lane import Lane, padded
from watcher.model.sample import Floats
from watcher.model.time import MINUTE, Duration, Instant, floor

SLOT: Duration = 10 * MINUTE


class LevelStore:
    """Slots that are made anew from the lanes' bins whenever one of their bins changed.

    Sums are therefore the same whatever order the bins came in. A slot whose bins the lanes no longer hold is
    final: bins that old are no longer accepted.
    """

    def __init__(self, roles: Mapping[str, Role]) -> None:
        """No slots."""
        self._roles = roles
        self._sums: dict[Instant, dict[str, Floats]] = {}
        self._known: dict[Instant, Floats] = {}
        self._answered: dict[Instant, Duration] = {}
        self._stale: set[Instant] = set()

    def touch(self, start: Instant, width: Duration) -> None:
        """A bin came or changed."""
        self._stale.update(range(floor(start, SLOT), start + max(width, 1), SLOT))

    def refresh(self, lanes: Iterable[Lane], rows: int) -> Instant | None:
        """Make touched slots anew; the start of the earliest one."""
        if not self._stale:
            return None
        lanes = list(lanes)
        for slot in self._stale:
            self._make(slot, lanes, rows)
        earliest = min(self._stale)
        self._stale.clear()
        return earliest

    def _make(self, slot: Instant, lanes: list[Lane], rows: int) -> None:
        sums = {role: np.zeros(rows) for role in self._roles}
        known_for = np.zeros(rows)
        answered_for = 0
        for lane in lanes:
            # A bin wider than a slot lends each slot its share.
            for start in lane.window(
                slot - max(lane.width - SLOT, 0), slot + SLOT + max(lane.width - SLOT, 0)
            ):
                share = min(1.0, SLOT / lane.width) if lane.width else 0.0
                known = padded(lane.known(start), rows, 0)
                known_for[known] += min(lane.width, SLOT)
                answered_for += min(lane.width, SLOT) * lane.answered(start)
                for role in self._roles:
                    column = padded(lane.weighed(start, role), rows, np.nan)
                    sums[role][known] += column[known] * share
        self._sums[slot], self._known[slot] = sums, known_for
        self._answered[slot] = min(answered_for, SLOT)

    def view(self, after: Instant, until: Instant, rows: int) -> Levels:
        """The slots that begin at or after one time and end at or before another."""
        slots = [slot for slot in sorted(self._sums) if slot >= after and slot + SLOT <= until]
        empty = np.zeros((0, rows))
        return Levels(
            width=SLOT,
            until=until,
            starts=np.array(slots, np.int64),
            sums={
                role: np.stack([padded(self._sums[slot][role], rows, 0) for slot in slots])
                if slots
                else empty
                for role in self._roles
            },
            known=np.stack([padded(self._known[slot], rows, 0) for slot in slots]) if slots else empty,
            answered=np.array([self._answered[slot] for slot in slots], np.float64),
        )

    def forget(self, before: Instant) -> None:
        """Drop slots that end before a time."""
        for slot in [slot for slot in self._sums if slot + SLOT < before]:
            del self._sums[slot], self._known[slot], self._answered[slot]
