"""What is usual for a share that lives high (hit ratio), learned slot by slot: by hour of day, and lately.

The level is the mean of its hour, between the middles of two hours interpolated, and how far the share was
from that lately. Beside it: how far the share strays from this level beyond chance, how much slots differ by
chance, and the worst that the same hours of two days have shown (a nightly purge).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.arrays import filled
from watcher.engine.detector import Levels, Memory, Slot, Usual
from watcher.engine.habit import HOURS, Array, begin, hour_of, note_worst, remember, used_to
from watcher.engine.median import quantile
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE, Duration, Instant

SLOT: Final = 10 * MINUTE
DAY_KEEPS: Final = 0.8
"""What a day counts of the one after it."""
HALF_WEIGHT: Final = 30.0
"""Requests with which a slot counts half."""
PRIOR_SLOTS: Final = 24.0
"""Slots that the prior spreads weigh as much as."""
PRIOR_CHANCE: Final = 1.0
"""Variance of a slot times its requests, until it is learned: that of a share is at most a quarter."""
SPREAD_HALF: Final = 5 * DAY
OUTLIER: Final = 3.0
"""Spreads beyond which a slot counts no more than that."""
MOST_SPREAD: Final = 0.3
LEAST_SPREAD: Final = 0.01
BEHIND: Final = 0.3
"""Share of a half-life's weight that must lie behind what is off lately, for it to count wholly."""
YOUNG: Final = DAY // 2
"""Known past from which the newest slots are no longer needed to tell what is usual."""
BEST: Final = 0.75
BELOW_BEST: Final = 0.15
"""Of the newest slots of a young row those are left out that lie this much below its best quarter."""
BEFORE: Final = (HOUR, 2 * HOUR)
"""Windows so long are compared with what lies before them, not with slots that they hold themselves."""
JUST: Final = HOUR
"""And with so much of it only: in a slow slide all that is older was better."""
LAG: Final = 2 * SLOT
"""The newest past is left out, so that a drop is not weighed against its own beginning."""
_STATE: Final = (
    "known", "off", "weight", "square", "slots", "chance", "steps", "last", "last_requests",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LevelMemory:
    """The arrays of the roles `value` (weighed by `weight`) and `requests`."""

    half_life: Duration
    wander: float

    def sizes(self) -> Mapping[str, int]:
        """Arrays and their numbers a row: 107 in all."""
        return {"value": HOURS, "weight": HOURS, "worst": 2 * HOURS, "now": 2, "state": len(_STATE)}

    def learn(self, memory: Memory, slot: Slot) -> None:
        """Take one final slot."""
        state = dict(zip(_STATE, memory["state"], strict=True))
        begin(dict(memory), state["known"])
        requests, weight = slot.sums["requests"], slot.sums["weight"]
        there = (slot.known > 0) & (weight > 0) & (requests > 0)
        mean = np.divide(slot.sums["value"], weight, out=np.zeros_like(weight), where=there)
        usual = self.level(self.recall(memory, slot.start), None)
        base = np.where(np.isnan(usual["base"]), mean, usual["base"])
        below = np.where(np.isnan(usual["level"]), 0, usual["level"] - mean)
        spread, by_chance = usual["spread"], usual["chance"] / np.maximum(requests, 1)
        self._learn_spread(
            state, np.clip(below, -OUTLIER * spread, OUTLIER * spread), by_chance, (spread, there)
        )
        self._learn_chance(state, mean, requests, there)
        trust = requests / (requests + HALF_WEIGHT)
        gone = float(0.5 ** (slot.width / self.half_life))
        for name, column in (("off", mean - base), ("weight", np.ones_like(mean))):
            state[name][:] = np.where(there, state[name] * gone + (1 - gone) * trust * column, state[name])
        surely = np.maximum(below - 2 * np.sqrt(by_chance), 0)
        note_worst(memory["worst"], memory["now"], slot.start, surely, there)
        keep = float(DAY_KEEPS ** (slot.width / HOUR))
        remember(memory["value"], slot.start, trust * mean, there, keep=keep)
        remember(memory["weight"], slot.start, trust, there, keep=keep)
        state["known"] += np.where(there, slot.known, 0)

    def _learn_spread(
        self,
        state: Mapping[str, Array],
        below: Floats,
        by_chance: Floats,
        of: tuple[Floats, NDArray[np.bool_]],
    ) -> None:
        """How far slots stray, from those whose chance does not drown it."""
        spread, there = of
        says = there & (by_chance < (2 * spread) ** 2)
        keep = float(0.5 ** (SLOT / SPREAD_HALF))
        for name, column in (("square", np.maximum(below**2 - by_chance, 0)), ("slots", np.ones_like(below))):
            state[name][:] = np.where(says, state[name] * keep + column, state[name])

    def _learn_chance(
        self, state: Mapping[str, Array], mean: Floats, requests: Floats, there: NDArray[np.bool_]
    ) -> None:
        """How far a slot lies from the one before, times the requests of both (their harmonic mean)."""
        before = state["last_requests"].astype(np.float64)
        both = there & (before > 0)
        of_both = 2 / (1 / np.maximum(requests, 1) + 1 / np.maximum(before, 1))
        most = OUTLIER**2 * _mean(state["chance"], state["steps"], PRIOR_CHANCE)
        square = np.minimum((mean - state["last"]) ** 2 / 2 * of_both, most)
        keep = float(0.5 ** (SLOT / SPREAD_HALF))
        for name, column in (("chance", square), ("steps", np.ones_like(mean))):
            state[name][:] = np.where(both, state[name] * keep + column, state[name])
        for name, column in (("last", mean), ("last_requests", requests)):
            state[name][:] = np.where(there, column, state[name])

    def recall(self, memory: Memory, at: Instant) -> Usual:
        """Sums of the two hours whose middles lie about a slot, of all hours, and the rest as it is."""
        into = at % HOUR / HOUR
        hour, other = hour_of(at), (hour_of(at) + (1 if into >= 0.5 else -1)) % HOURS
        value, weight = memory["value"], memory["weight"]
        state = dict(zip(_STATE, filled(memory["state"]).astype(np.float64), strict=True))
        spread = np.sqrt(_mean(state["square"], state["slots"], self.wander**2))
        sums = {
            "value": value[hour],
            "weight": weight[hour],
            "other_value": value[other],
            "other_weight": weight[other],
            "all_value": value.sum(axis=0),
            "all_weight": weight.sum(axis=0),
        }
        return {
            # Rows that were never learned of are NaN in every array.
            **{name: filled(column).astype(np.float64) for name, column in sums.items()},
            "other": np.full_like(state["known"], abs(into - 0.5)),
            # With little behind it, what is off lately is taken for less.
            "off": state["off"] / np.maximum(state["weight"], BEHIND),
            "spread": np.clip(spread, LEAST_SPREAD, MOST_SPREAD),
            "chance": _mean(state["chance"], state["steps"], PRIOR_CHANCE),
            "habit": used_to(memory["worst"], at, SLOT),
            "known": state["known"],
        }

    def level(self, recalled: Usual, levels: Levels | None) -> Usual:
        """The level with its base (that of the hour), means of the newest slots, spreads and habit.

        `near` is of all of them, `near_W` of those before a window of `W` milliseconds (see `near_of`). These
        and `level` are NaN where nothing is known.
        """
        young, near = _newest(recalled["known"], levels)
        every_weight = recalled["all_weight"] + young["weight"]
        every = np.divide(
            recalled["all_value"] + young["value"],
            every_weight,
            out=np.full_like(every_weight, np.nan),
            where=every_weight > 0,
        )
        # An hour without a past is as all of them; one with little is nearly so.
        of_hour = (recalled["value"] + every) / (recalled["weight"] + 1)
        of_other = (recalled["other_value"] + every) / (recalled["other_weight"] + 1)
        base = of_hour * (1 - recalled["other"]) + of_other * recalled["other"]
        off = recalled["off"]
        return {
            "base": base,
            # Half of what is better than ever is held for luck.
            "level": base + np.where(off < 0, off, off / 2),
            **near,
            "spread": recalled["spread"],
            "chance": recalled["chance"],
            "habit": recalled["habit"],
            "known": recalled["known"] + young["known"],
        }


def near_of(window: Duration) -> str:
    """Which mean of the newest slots a trailing window is compared with."""
    return f"near_{window}" if window in BEFORE else "near"


def _newest(known: Floats, levels: Levels | None) -> tuple[Mapping[str, Floats], Mapping[str, Floats]]:
    """Of rows of which little is known, sums over the newest slots; and means of these of all rows."""
    nothing, names = np.zeros_like(known), ["near", *map(near_of, BEFORE)]
    if levels is None or not len(levels.starts):
        return dict.fromkeys(("value", "weight", "known"), nothing), dict.fromkeys(names, nothing + np.nan)
    weight, requests = levels.sums["weight"], levels.sums["requests"]
    mean = np.divide(levels.sums["value"], weight, out=np.full_like(weight, np.nan), where=weight > 0)
    trust = np.where(np.isnan(mean), 0, requests / (requests + HALF_WEIGHT))
    near = _near(levels, filled(mean) * trust, trust)
    is_young = known < YOUNG
    if not is_young.any():
        return dict.fromkeys(("value", "weight", "known"), nothing), near
    usual = is_young & (mean >= quantile(mean, BEST) - BELOW_BEST)
    young = {
        "value": np.where(usual, filled(mean) * trust, 0).sum(axis=0),
        "weight": np.where(usual, trust, 0).sum(axis=0),
        "known": np.where(usual, levels.known, 0).sum(axis=0),
    }
    return young, near


def _near(levels: Levels, value: Floats, trust: Floats) -> Mapping[str, Floats]:
    """Means of all slots, and of those just before each long window; of all where none lies there."""
    # The newest slot ends where `until` says; what is judged begins `LAG` later.
    age = levels.until + LAG - (levels.starts + levels.width)
    total = trust.sum(axis=0)
    every = np.divide(value.sum(axis=0), total, out=np.full_like(total, np.nan), where=total > 0)
    found = {"near": every}
    for window in BEFORE:
        just = (age >= window) & (age < window + JUST)
        total = trust[just].sum(axis=0)
        found[near_of(window)] = np.divide(value[just].sum(axis=0), total, out=every.copy(), where=total > 0)
    return found


def _mean(total: Floats | Array, weight: Floats | Array, prior: float) -> Floats:
    """A fading mean, with its prior."""
    found: Floats = (total + PRIOR_SLOTS * prior) / (weight + PRIOR_SLOTS)
    return found
