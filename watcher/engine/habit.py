"""What a series does at the same hour every day, learned slot by slot: sums by hour, and the worst of it.

Arrays are memory of a detector: `[24, rows]` by hour of day (UTC), written in event order, NaN before the
first slot. A worst is a habit once two days have shown it, so that one night's trouble is not; and it fades
by a fifth a day, so that a night without it, as on weekends, does not forget it.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.arrays import filled
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, Duration, Instant

Array: TypeAlias = NDArray[np.float32]

HOURS: Final = DAY // HOUR
FADES: Final = 0.8
"""What is left of a worst after a day without it."""


def hour_of(at: Instant) -> int:
    """Hour of day, UTC."""
    return int(at % DAY // HOUR)


def begin(arrays: dict[str, Array], first: Array) -> None:
    """Rows that were never learned of (NaN in the first of them) begin with zeros."""
    fresh = np.isnan(first)
    if fresh.any():
        for array in arrays.values():
            array[..., fresh] = 0


def remember(sums: Array, at: Instant, value: Floats, where: NDArray[np.bool_], *, keep: float) -> None:
    """Add to the sum of an hour, whose former days count `keep` times as much as before."""
    row = sums[hour_of(at)]
    row[:] = np.where(where, row * keep + value, row)


def note_worst(worst: Array, now: Array, at: Instant, value: Floats, where: NDArray[np.bool_]) -> None:
    """Take how bad a slot was: `worst` is `[48, rows]` (the last day's, then the habit), `now` `[2, rows]`.

    `now` holds the worst of the present hour and its number since the epoch. When a row's hour is over the
    last day's worst of it is the present one, and its habit what both days reached.
    """
    number = at // HOUR
    over = np.flatnonzero(where & (now[1] != number) & (now[1] > 0))
    if over.size:
        hour = (now[1, over].astype(np.int64) % HOURS).astype(np.intp)
        found, before = now[0, over], worst[hour, over]
        worst[HOURS + hour, over] = np.maximum(np.minimum(found, before), FADES * worst[HOURS + hour, over])
        worst[hour, over] = np.maximum(found, FADES * before)
    is_new = where & (now[1] != number)
    now[0] = np.where(is_new, value, np.where(where, np.maximum(now[0], value), now[0]))
    now[1] = np.where(where, number, now[1])


def used_to(worst: Array, at: Instant, slot: Duration) -> Floats:
    """The worst a row is used to: of a slot's hour and the one before, and of the next where that is near."""
    hour = hour_of(at)
    near = [hour, hour - 1] if at % HOUR < HOUR - slot else [hour, hour - 1, hour + 1]
    found: Floats = filled(worst[[HOURS + one % HOURS for one in near]].max(axis=0)).astype(np.float64)
    return found
