"""What is usual for a count (requests), learned by slots: by hour of workdays and weekends, and lately.

The season is the mean rate of its hour, between the middles of two hours interpolated; days fade. What a row
makes of its season lately, and how far it strays from that, are learned from slots that are not lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.arrays import filled
from watcher.engine.detector import Levels, Memory, Slot, Usual
from watcher.engine.habit import HOURS, Array, begin, hour_of, remember
from watcher.engine.median import median
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE, Instant

SLOT: Final = 10 * MINUTE
DAY_KEEPS: Final = 0.7
"""What a day counts of the next one of its kind."""
TWICE: Final = 1.2 * HOUR
"""What of an hour must have been seen, for it to be more than one day's: that may have been a rush."""
LATELY_KEEPS: Final = 0.85
"""What a slot counts of the next one."""
MOST: Final = 3.0
"""A slot counts at most for so many times its season, and for no less than a `MOST`th of it."""
PRIOR_SPREAD: Final = 0.3
PRIOR_SLOTS: Final = 24.0
SPREAD_KEEPS: Final = 0.9993
"""A slot a week old counts half."""
OUTLIER: Final = 3.0
LEAST_SLOTS: Final = 3
"""Of the newest two hours, for them to say what is usual lately."""
DAYS_TO_MONDAY: Final = 3
"""The first day of 1970 was a Thursday."""
_STATE: Final = ("known", "lately", "square", "slots")


@dataclass(frozen=True, slots=True)
class RateMemory:
    """The arrays of the role `value`."""

    below: float
    """A slot is lost that lies below this share of what is usual."""

    def sizes(self) -> Mapping[str, int]:
        """Arrays and their numbers a row: 100 in all."""
        return {"value": 2 * HOURS, "time": 2 * HOURS, "state": len(_STATE)}

    def learn(self, memory: Memory, slot: Slot) -> None:
        """Take one final slot."""
        state = dict(zip(_STATE, memory["state"], strict=True))
        begin(dict(memory), state["known"])
        there = slot.known > 0
        rate = np.divide(slot.sums["value"], slot.known, out=np.zeros_like(slot.known), where=there)
        recalled = self.recall(memory, slot.start)
        season = recalled["season"]
        has_season = there & (season > 0)
        ratio = np.divide(rate, season, out=np.zeros_like(rate), where=has_season)
        lately = np.where(recalled["lately"] > 0, recalled["lately"], 1.0)
        kept = has_season & (ratio >= self.below * lately)
        self._learn_spread(state, np.log(np.maximum(ratio, 1e-9) / lately), kept)
        state["lately"][:] = np.where(
            kept, lately * LATELY_KEEPS + (1 - LATELY_KEEPS) * ratio, state["lately"]
        )
        counted = np.where(has_season, np.clip(rate, season / MOST, season * MOST), rate) * slot.known
        keep = float(DAY_KEEPS ** (slot.width / HOUR))
        kind = _kind(slot.start) * HOURS
        for name, column in (("value", counted), ("time", slot.known)):
            remember(memory[name][kind : kind + HOURS], slot.start, column, there, keep=keep)
        state["known"] += np.where(there, slot.known, 0)

    def _learn_spread(self, state: Mapping[str, Array], off: Floats, kept: NDArray[np.bool_]) -> None:
        most = OUTLIER**2 * _mean(state["square"], state["slots"])
        for name, column in (("square", np.minimum(off**2, most)), ("slots", np.ones_like(off))):
            state[name][:] = np.where(kept, state[name] * SPREAD_KEEPS + column, state[name])

    def recall(self, memory: Memory, at: Instant) -> Usual:
        """Events a millisecond of the season, 0 where it is not known; what of it came lately; the spread.

        `typical` is the mean of all hours; `seen` is how much of this hour has been seen, in milliseconds,
        days fading.
        """
        state = dict(zip(_STATE, filled(memory["state"]).astype(np.float64), strict=True))
        return {
            **{f"season{back}": self._season(memory, at - back * HOUR) for back in (1, 2)},
            "season": self._season(memory, at),
            "lately": state["lately"],
            "spread": np.sqrt(_mean(state["square"], state["slots"])),
            "known": state["known"],
            "typical": _typical(memory),
            "seen": np.maximum(*(_seen(memory, at, kind) for kind in (0, 1))),
        }

    def _season(self, memory: Memory, at: Instant) -> Floats:
        """Of this kind of day; while it was hardly seen, no more than of the other kind."""
        kind = _kind(at)
        own, other = _of_kind(memory, at, kind), _of_kind(memory, at, 1 - kind)
        few = np.where(own > 0, np.where(other > 0, np.minimum(own, other), own), other)
        return np.where(_seen(memory, at, kind) >= TWICE, own, few)

    def level(self, recalled: Usual, levels: Levels) -> Usual:
        """What is usual now, events a millisecond: the season, or less where there was less of it lately.

        NaN where the season is not known. `often` says that it is that of two days or more.
        """
        season, lately = recalled["season"], np.where(recalled["lately"] > 0, recalled["lately"], 1.0)
        if len(levels.starts):
            known = levels.known
            rates = np.divide(levels.sums["value"], known, out=np.full(known.shape, np.nan), where=known > 0)
            ago = np.clip((levels.until - levels.starts - 1) // HOUR, 0, 2)
            then = np.stack([season, recalled["season1"], recalled["season2"]])[ago]
            ratio = np.divide(rates, then, out=np.full(rates.shape, np.nan), where=then > 0)
            kept = np.where(ratio >= self.below * lately, ratio, np.nan)
            enough = (~np.isnan(kept)).sum(axis=0) >= LEAST_SLOTS
            lately = np.where(enough, median(kept), lately)
        return {
            "level": np.where(season > 0, season * np.minimum(lately, 1.0), np.nan),
            "spread": recalled["spread"],
            "often": (recalled["seen"] >= TWICE).astype(np.float64),
            "known": recalled["known"] + levels.known.sum(axis=0),
        }


def _kind(at: Instant) -> int:
    """0 of a workday, 1 of a weekend, UTC."""
    return int((at // DAY + DAYS_TO_MONDAY) % 7 >= 5)


def _typical(memory: Memory) -> Floats:
    """The mean rate of all hours; 0 where nothing is known."""
    value, time = (filled(memory[name].sum(axis=0)).astype(np.float64) for name in ("value", "time"))
    return np.divide(value, time, out=np.zeros_like(time), where=time > 0)


def _seen(memory: Memory, at: Instant, kind: int) -> Floats:
    """How much of this hour was seen on days of one kind, days fading: milliseconds."""
    seen: Floats = filled(memory["time"][kind * HOURS + hour_of(at)]).astype(np.float64)
    return seen


def _of_kind(memory: Memory, at: Instant, kind: int) -> Floats:
    """The mean rate of one kind of day, between the middles of two hours interpolated; 0: none known."""
    into = at % HOUR / HOUR
    hour, near = hour_of(at), (hour_of(at) + (1 if into >= 0.5 else -1)) % HOURS
    rates = []
    for one in (hour, near):
        place = kind * HOURS + one
        value, time = (filled(memory[name][place]).astype(np.float64) for name in ("value", "time"))
        rates.append(np.divide(value, time, out=np.zeros_like(time), where=time > 0))
    share = abs(into - 0.5)
    both = (rates[0] > 0) & (rates[1] > 0)
    return np.where(both, rates[0] * (1 - share) + rates[1] * share, rates[0])


def _mean(square: Floats | Array, slots: Floats | Array) -> Floats:
    found: Floats = (square + PRIOR_SLOTS * PRIOR_SPREAD**2) / (slots + PRIOR_SLOTS)
    return found
