"""`loss`: a count (requests, bytes) that falls to near nothing, against its own level by hour and lately."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from watcher.engine.detector import (
    BREACH,
    CLEAR,
    UNKNOWN,
    Detector,
    Gate,
    Levels,
    Memory,
    Panel,
    Plain,
    Reach,
    Role,
    Slot,
    Usual,
    Verdict,
    beside,
)
from watcher.engine.median import newest, quantile
from watcher.engine.rate_memory import SLOT, RateMemory
from watcher.engine.shares import lookback
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import HOUR, MINUTE, Instant
from watcher.model.words import number, span

STEADY: Final = 0.7
"""Without a yesterday only a fall from a steady level is a loss: its lower quartile over its upper one."""
STEADY_SLOTS: Final = 6
"""And so for the last slots in which there was anything."""
LEAST_SLOTS: Final = 3
NEAR_ZERO: Final = 0.01
"""And only a fall below this share of it: a first night cannot be told from a loss."""
ONCE: Final = 0.03
"""With one yesterday: it may have been a rush."""
STRAYS: Final = 4.0
"""Spreads by which a count may lie below its level by itself."""
RANGE: Final = 2.0
"""Spreads about the level that are called usual."""


class LossParams(BaseModel):
    """Defaults suit the requests of a resource."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    below: Annotated[float, Field(gt=0, lt=1, description="a breach below this share of the level")] = 0.15
    min_usual: Annotated[
        float, Field(gt=0, description="a minute: where the level is less, a bin alone is no breach")
    ] = 30.0
    hour_below: Annotated[
        float, Field(gt=0, lt=1, description="there an hour is one below this share of the level")
    ] = 0.05
    min_hourly: Annotated[
        float, Field(gt=0, description="an hour: where the level is less, nothing is a breach")
    ] = 300.0
    min_history: Annotated[DurationField, Field(description="known past needed to call it usual")] = HOUR


class Loss(Plain):
    """The value is a count. Known zero is a value; what the vendor does not say is unknown."""

    Params: ClassVar[type[BaseModel]] = LossParams
    roles: Mapping[str, Role] = {"value": Role()}

    def __init__(self, params: LossParams) -> None:
        """With its limits."""
        self.params = params
        self._memory = RateMemory(params.below)

    def reach(self) -> Reach:
        """An hour of bins, and memory."""
        return Reach(window=HOUR, slot=SLOT, memory=self._memory.sizes(), undated=True)

    def learn(self, memory: Memory, slot: Slot) -> None:
        """The slot's rate."""
        self._memory.learn(memory, slot)

    def recall(self, memory: Memory, at: Instant) -> Usual:
        """The season of this hour and the two before, and what came of it lately."""
        return self._memory.recall(memory, at)

    def usual(self, recalled: Usual, levels: Levels) -> Usual:
        """The level, events a minute, and whether this hour was ever seen; NaN until enough is known."""
        found = self._memory.level(recalled, levels)
        known = np.isfinite(found["level"])
        enough = found["known"] >= self.params.min_history
        level = np.where(known, found["level"] * MINUTE, _first(levels, recalled["typical"] * MINUTE))
        return {
            "level": np.where(enough, level, np.nan),
            "has_season": known.astype(np.float64),
            "often": found["often"],
            "spread": found["spread"],
        }

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach below a share of the level; where little is usual, only what is surely there is clear."""
        rate, level = panel.value("value") * (MINUTE / max(panel.width, 1)), usual["level"]
        limit = _share(usual, self.params) * level
        busy, slow = level >= self.params.min_usual, self._is_slow(usual)
        least = np.where(busy | slow, limit, self.params.below * self.params.min_usual)
        low = np.where(busy, BREACH, np.where(slow, self._of_hour(panel, usual), UNKNOWN))
        reading = np.where(np.isnan(rate), UNKNOWN, np.where(rate < least, low, CLEAR)).astype(np.int8)
        extra = {"spread": usual["spread"]}
        return Verdict(reading, rate, level + np.zeros_like(rate), extra, gauge=True)

    def _is_slow(self, usual: Usual) -> NDArray[np.bool_]:
        """Whether an hour must tell what a bin cannot."""
        level, has_season = usual["level"], usual["has_season"] > 0
        slow: NDArray[np.bool_] = (
            has_season & (level < self.params.min_usual) & (level * HOUR / MINUTE >= self.params.min_hourly)
        )
        return slow

    def _of_hour(self, panel: Panel, usual: Usual) -> NDArray[np.int8]:
        """Whether nearly nothing came in a whole hour."""
        known = panel.known(HOUR)
        gone = panel.total("value", HOUR) * MINUTE < self.params.hour_below * usual["level"] * known
        found: NDArray[np.int8] = np.where(gone & (known >= HOUR), BREACH, CLEAR).astype(np.int8)
        return found

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """Whether a level is known and high enough, and how far below it the bin and the hour are."""
        rate = float(panel.value("value")[row]) * MINUTE / max(panel.width, 1)
        level, limit = float(usual["level"][row]), float((_share(usual, self.params) * usual["level"])[row])
        known = Gate(
            "known", bool(np.isfinite(rate) and np.isfinite(level)), text="the bin and a level are known"
        )
        if not known.passed:
            return (known,)
        slow = bool(self._is_slow(usual)[row])
        least = self.params.min_hourly * MINUTE / HOUR if slow else self.params.min_usual
        found = [
            known,
            Gate("usual", level >= least, level, least, "enough comes a minute for silence to say something"),
            Gate("below", rate < limit, rate, limit, "a minute: the bin is far below what is usual"),
        ]
        if slow:
            gone = bool(self._of_hour(panel, usual)[row] == BREACH)
            found.append(Gate("hour", gone, text=f"and so is a whole {span(HOUR)}"))
        return found

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """Events a minute over the breach so far, against the level."""
        window = lookback(panel, since)
        total = float(np.nan_to_num(panel.total("value", window)[row]))
        seen, expected = total * MINUTE / max(window, 1), float(verdict.expected[row])
        level = number(round(expected)) if np.isfinite(expected) else ""
        words = {
            "seen": f"{number(round(seen, 1))} a minute",
            "expected": f"{level} a minute" if level else "",
        }
        usual = f", usually {level}" if level else ""
        times = float(np.exp(RANGE * verdict.extra["spread"][row]))
        return Evidence(
            start=panel.end - window,
            end=panel.end,
            seen=seen,
            expected=expected if np.isfinite(expected) else None,
            range=(expected / times, expected * times) if level else None,
            requests=total,
            text=f"{words['seen']}{usual}",
            words={**words, "requests": number(total)},
        )

    def worst(self, found: Evidence) -> Evidence:
        """The bin furthest below its level, in events a minute."""
        seen, level = number(round(found.seen or 0.0, 1)), number(round(found.expected or 0.0))
        return beside(found, f"{seen} a minute", level)


def _share(usual: Usual, params: LossParams) -> Floats:
    """The share of the level below which a bin is a breach: less for a row that strays far by itself."""
    own = np.minimum(params.below, np.exp(-STRAYS * usual["spread"]))
    own = np.where(usual["often"] > 0, own, np.minimum(own, ONCE))
    return np.where(usual["has_season"] > 0, own, NEAR_ZERO)


def _first(levels: Levels, typical: Floats) -> Floats:
    """The level before this hour was ever seen: the least of the newest past; NaN where it was not steady.

    Where there was nothing lately it is what was typical before: a loss goes on.
    """
    known = levels.known
    rates = np.divide(levels.sums["value"] * MINUTE, known, out=np.full(known.shape, np.nan), where=known > 0)
    is_there = rates >= NEAR_ZERO * np.fmax(quantile(rates, 0.9), typical)
    there = np.where(is_there, rates, np.nan)
    last = newest(there, STEADY_SLOTS)
    low = quantile(last, 0.25)
    steady = (low >= STEADY * quantile(last, 0.75)) & ((~np.isnan(last)).sum(axis=0) >= LEAST_SLOTS)
    found = np.where(steady, np.fmin(quantile(there, 0.25), low), np.nan)
    return np.where(is_there.any(axis=0) | (typical <= 0), found, typical)


DETECTOR: type[Detector] = Loss
