"""The same time of day, over the last days: a profile of slots of half an hour, learned bin by bin."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine import follow
from watcher.engine.median import median
from watcher.model.sample import Floats
from watcher.model.time import DAY, MINUTE, Duration, Instant

PLACE: Final[Duration] = 30 * MINUTE
PLACES: Final = DAY // PLACE
DAYS: Final = 7
AHEAD: Final = PLACES // 2
"""A slot's median is made half a day before its next turn: today's own value takes no part until then."""

Array = NDArray[np.float32]


def sizes() -> Mapping[str, int]:
    """What the profile needs of a detector's memory."""
    return {"days": DAYS * PLACES, "profile": PLACES, "gathered": 2, "gathering": 1}


def gather(memory: Mapping[str, Array], start: Instant, width: Duration, value: Floats) -> None:
    """Take one bin. A bin wider than a slot fills each that it covers."""
    first, last = start // PLACE, max(start // PLACE, (start + width - 1) // PLACE)
    now = np.full(value.shape, first % PLACES, np.float64)
    before = memory["gathering"][0].astype(np.float64)
    turned = np.isfinite(before) & (before != now)
    if turned.any():
        _keep(memory, turned)
    known = np.isfinite(value)
    own = np.stack([np.where(known, value, 0), known])
    memory["gathered"][:] = follow.filled(memory["gathered"].astype(np.float64)) + own
    memory["gathering"][0] = now
    for place in range(first + 1, last + 1):
        _keep(memory, known)
        memory["gathered"][:] = np.where(known, own, 0)
        memory["gathering"][0] = np.where(known, place % PLACES, memory["gathering"][0])


def _keep(memory: Mapping[str, Array], rows: NDArray[np.bool_]) -> None:
    """Put the slot that some rows have gathered among its days, and make the profile half a day ahead."""
    total, bins = follow.filled(memory["gathered"].astype(np.float64))
    found = np.flatnonzero(rows & (bins > 0))
    days = memory["days"].reshape(DAYS, PLACES, -1)
    for place in np.unique(memory["gathering"][0, found]).astype(np.intp).tolist():
        own = found[memory["gathering"][0, found] == place]
        days[1:, place, own] = days[:-1, place, own]
        days[0, place, own] = (total[own] / bins[own]).astype(np.float32)
        ahead = (place + AHEAD) % PLACES
        memory["profile"][ahead, own] = median(days[:, ahead, own].astype(np.float64))
    memory["gathered"][:, rows] = 0


def season(profile: NDArray[np.float32] | Floats, start: Instant, width: Duration) -> Floats:
    """The profile at a bin's time of day, between the middles of two slots; NaN where it has none."""
    middle = (start + width / 2) % DAY / PLACE - 0.5
    below = int(np.floor(middle))
    share = middle - below
    low = profile[below % PLACES].astype(np.float64)
    high = profile[(below + 1) % PLACES].astype(np.float64)
    between: Floats = np.where(np.isnan(high), low, np.where(np.isnan(low), high, low + share * (high - low)))
    return between
