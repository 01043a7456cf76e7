"""A series followed bin by bin: the level its season and the last hour ask for, and how far it strays.

A recursive filter over rows: one step a bin, in event order. Its whole state is arrays, so that it may live
in a detector's memory and be carried on through the newest bins by the very same step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.model.sample import Floats

State: TypeAlias = dict[str, Floats]
"""`[rows]` columns by the names of `COLUMNS`; NaN where a row has none yet."""

COLUMNS: Final = (
    "level", "spread", "slow_spread", "size", "power", "far_spread", "season", "negative", "bins",
    "since_gap", "last",
)  # fmt: skip
"""What a row's state is: the level expected of it, mean strays from it (of late, and of days) and from its
season, its mean size and the root of its mean square, its season when last seen, whether it was ever
negative, how many bins came, how many since the last gap, and the number of the last one."""

MODULUS: Final = 1 << 22
"""Bins are numbered modulo this, so that a 32-bit float holds the number."""
FIRST: Final = 20.0
"""Bins in which everything counts in full: nothing is known that it could stray from."""
CLIP: Final = 2.0
"""A bin moves the level by no more than so many of its spreads."""
CLIP_SPREAD: Final = 3.0
"""And the spread of late by no more than this."""
CLIP_SLOW: Final = 100.0
"""And those of days: what comes now and then, however far, is part of them."""
LEAST: Final = 12.0
"""Bins that make what is lately, at least."""
FAR_SHARE: Final = 0.4
"""Of the spread of days: the spread of late counts no smaller."""
GRAIN: Final = 0.01
"""Of a series' bulk: what it strays by less is nothing."""
TINY: Final = 1e-9
LARGEST: Final = 1e30
"""What is larger is no reading of anything, and would not fit into memory."""
SOME: Final = 0.05
"""Of a series' size: smaller seasons count as this when the level is moved in proportion to them."""
MOST_LIFT: Final = 5.0
"""So many times as far as the season moves the level at most."""
MOST_GROWTH: Final = 30.0
"""A bin counts as no larger than so many times the bulk: one that is absurd blinds nobody for weeks."""
DAYS: Final = 5.0
"""What is slow follows within so many days."""
MONTH: Final = 30.0
"""And how large a series is within so many: what comes once a week is remembered."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast it follows, in bins."""

    lately: float
    slowly: float
    hardly: float
    caution: float
    """How much slower while a bin strays beyond its limit."""

    @staticmethod
    def of(*, memory: float, day: float, caution: float) -> "Pace":
        """Of bins that make up what is lately, and bins a day."""
        slowly, hardly = (1 / max(50.0, days * day) for days in (DAYS, MONTH))
        return Pace(1 / max(LEAST, memory), slowly, hardly, caution)


def filled(column: Floats) -> Floats:
    """Nothing is none. `numpy.nan_to_num` looks for infinities too, at ten times the cost."""
    return np.where(np.isnan(column), 0.0, column)


def blank(rows: int) -> State:
    """The state of rows of which nothing has come."""
    return {name: np.full(rows, np.nan) for name in COLUMNS}


def carried(state: Mapping[str, Floats], season: Floats) -> Floats:
    """The level expected in a bin of some season: the last one, as the season moves it.

    In proportion to the larger season of the two: what goes up and down again never grows by it.
    """
    level, before = state["level"], state["season"]
    largest = np.maximum(np.maximum(before, season), SOME * state["size"]) + TINY
    lift = np.where(state["negative"] == 1, 1.0, np.clip(level / largest, 0.0, MOST_LIFT))
    moved: Floats = np.where(
        np.isfinite(season) & np.isfinite(before), level + lift * (season - before), level
    )
    return moved


def bulk(state: Mapping[str, Floats]) -> Floats:
    """The size of the bins that make up most of a series: its mean size, each bin weighed by its own.

    Of a steady series hardly more than its mean; of one that is nothing but for bursts, that of a burst.
    """
    size = state["size"]
    own: Floats = np.divide(state["power"] ** 2, size, out=np.zeros_like(size), where=size > 0)
    return own


def grain(state: Mapping[str, Floats]) -> Floats:
    """The spread a stray is measured by."""
    spread = np.fmax(state["spread"], FAR_SHARE * state["slow_spread"])
    return spread + GRAIN * bulk(state) + TINY


def far_grain(state: Mapping[str, Floats]) -> Floats:
    """The spread a stray from the season is measured by."""
    return state["far_spread"] + GRAIN * bulk(state) + TINY


def step(state: State, value: Floats, season: Floats, *, number: int, limit: Floats, pace: Pace) -> State:
    """The state after one bin. A bin that strays beyond `limit` spreads teaches less: it is no habit yet."""
    known = np.abs(value) <= LARGEST
    value = np.where(known, value, np.nan)
    bins = filled(state["bins"])
    level = np.where(known & np.isnan(state["level"]), value, carried(state, season))
    stray = value - level
    by, wide = np.abs(stray), grain(state)
    fresh = bins < FIRST
    rate = np.where(by > limit * wide, pace.lately * pace.caution, np.maximum(pace.lately, 1 / (bins + 1)))
    slowly, hardly = np.maximum(pace.slowly, 1 / (bins + 1)), np.maximum(pace.hardly, 1 / (bins + 1))
    moved = np.where(fresh, stray, np.clip(stray, -CLIP * wide, CLIP * wide))
    widest = np.where(fresh, by, np.minimum(by, CLIP_SPREAD * wide))
    slow_wide = np.fmax(state["slow_spread"], wide)
    far = np.abs(value - season)
    far_wide = np.where(np.isfinite(state["far_spread"]), far_grain(state), far)
    most = np.where(state["size"] > 0, MOST_GROWTH * bulk(state), LARGEST)
    size = np.minimum(np.abs(value), most)
    square = _toward(state["power"] ** 2, size**2, hardly, first=size**2)
    gap = (number - state["last"]) % MODULUS > 1
    came = {
        "level": level + rate * moved,
        "spread": _toward(state["spread"], widest, rate, first=np.where(bins >= 1, by, np.nan)),
        "slow_spread": _toward(
            state["slow_spread"], np.minimum(by, CLIP_SLOW * slow_wide), slowly, first=state["spread"]
        ),
        "size": _toward(state["size"], size, hardly, first=size),
        "power": np.sqrt(square),
        "far_spread": _toward(state["far_spread"], np.minimum(far, CLIP_SLOW * far_wide), slowly, first=far),
        "negative": np.where((state["negative"] == 1) | (value < 0), 1.0, 0.0),
        "bins": np.minimum(bins + 1, MODULUS),
        "since_gap": np.where(gap, 1.0, np.minimum(filled(state["since_gap"]) + 1, MODULUS)),
        "last": np.full_like(value, number % MODULUS),
    }
    after = {name: np.where(known, column, state[name]) for name, column in came.items()}
    after["far_spread"] = np.where(np.isfinite(after["far_spread"]), after["far_spread"], state["far_spread"])
    after["level"] = np.where(known, after["level"], level)
    after["season"] = np.where(np.isfinite(season), season, state["season"])
    return after


def _toward(before: Floats, value: Floats, rate: Floats, *, first: Floats) -> Floats:
    """An exponentially weighed mean, one value further."""
    return np.where(np.isnan(before), first, before + rate * (value - before))


def after_gap(state: Mapping[str, Floats], number: int | NDArray[np.int64], bins: float) -> NDArray[np.bool_]:
    """Whether a bin comes within so many bins after one or more that are not known."""
    first = (number - state["last"]) % MODULUS > 1
    soon: NDArray[np.bool_] = np.where(first, 0.0, state["since_gap"]) < bins
    return soon
