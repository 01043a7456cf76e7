"""`loss`: a count (requests, bytes) that falls to near nothing, against its own recent and daily level."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from watcher.engine.detector import (
    BREACH,
    CLEAR,
    UNKNOWN,
    Detector,
    Levels,
    Panel,
    Reach,
    Role,
    Usual,
    Verdict,
)
from watcher.engine.median import median, newest, quantile
from watcher.engine.shares import lookback
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE, Instant
from watcher.model.words import number

NEARBY = 30 * MINUTE
"""How far around the same time of yesterday its level is taken from."""
STEADY: Final = 0.7
"""Without a yesterday only a fall from a steady level is a loss: its lower quartile over its upper one."""
STEADY_SLOTS: Final = 6
"""And so for the last slots in which there was anything."""
LEAST_SLOTS: Final = 3
NEAR_ZERO: Final = 0.01
"""And only a fall below this share of it: a first night cannot be told from a loss."""


class LossParams(BaseModel):
    """Defaults suit the requests of a resource."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    below: Annotated[float, Field(gt=0, lt=1, description="a breach below this share of the level")] = 0.15
    min_usual: Annotated[float, Field(gt=0, description="never where the level per minute is less")] = 30.0
    recent: Annotated[DurationField, Field(description="the recent level is that of this past")] = 3 * HOUR
    min_history: Annotated[DurationField, Field(description="known past needed to call it usual")] = HOUR


class Loss:
    """The value is a count. Known zero is a value; what the vendor does not say is unknown."""

    Params: ClassVar[type[BaseModel]] = LossParams
    roles: Mapping[str, Role] = {"value": Role()}

    def __init__(self, params: LossParams) -> None:
        """With its limits."""
        self.params = params

    def reach(self) -> Reach:
        """The bin alone, and a day and some of levels."""
        return Reach(baseline=DAY + HOUR, lag=0)

    def usual(self, levels: Levels) -> Usual:
        """The level, per minute, and whether it has a yesterday.

        The least of what is usual by day, at this time, and lately. Slots near nothing are no part of what
        was lately: a loss does not become usual while it lasts. Without a yesterday see `_first`.
        """
        known = levels.known
        rates = np.divide(
            levels.sums["value"] * MINUTE, known, out=np.full(known.shape, np.nan), where=known > 0
        )
        age = levels.until - levels.starts
        day, lately = rates[age <= DAY], rates[age <= self.params.recent]
        by_day = self._lasting(day, quantile(day, 0.75))
        then = median(rates[np.abs(age - DAY) <= NEARBY])
        base = np.fmin(by_day, then)
        recent = self._lasting(lately, base)
        is_there = recent >= self.params.below * self.params.min_usual
        level = np.fmin(base, np.where(is_there, recent, by_day))
        has_day = ~np.isnan(then)
        enough = known.sum(axis=0) >= self.params.min_history
        return {
            "level": np.where(enough, np.where(has_day, level, self._first(day)), np.nan),
            "has_day": has_day.astype(np.float64),
        }

    def _first(self, day: Floats) -> Floats:
        """The level without a yesterday: the least of what there was; NaN where it was not steady of late."""
        there = np.where(day >= NEAR_ZERO * quantile(day, 0.9), day, np.nan)
        last = newest(there, STEADY_SLOTS)
        low = quantile(last, 0.25)
        steady = (low >= STEADY * quantile(last, 0.75)) & ((~np.isnan(last)).sum(axis=0) >= LEAST_SLOTS)
        return np.where(steady, np.fmin(quantile(there, 0.25), low), np.nan)

    def _lasting(self, rates: Floats, reference: Floats) -> Floats:
        """The median of the slots that are not near nothing themselves."""
        return median(np.where(rates >= self.params.below * reference, rates, np.nan))

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach below a share of the level; where little is usual, only what is surely there is clear."""
        rate = _rate(panel.value("value"), panel.end - panel.start)
        level = usual["level"]
        has_level = level >= self.params.min_usual
        below = np.where(has_level & (usual["has_day"] == 0), NEAR_ZERO, self.params.below)
        limit = below * np.where(has_level, level, self.params.min_usual)
        low = np.where(has_level, BREACH, UNKNOWN)
        reading = np.where(np.isnan(rate), UNKNOWN, np.where(rate < limit, low, CLEAR)).astype(np.int8)
        return Verdict(reading, rate, level)

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """Events a minute over the breach so far, against the level."""
        window = lookback(panel, since)
        total = float(np.nan_to_num(panel.total("value", window)[row]))
        seen, expected = total * MINUTE / max(window, 1), float(verdict.expected[row])
        level = number(round(expected)) if np.isfinite(expected) else ""
        words = {"seen": number(round(seen, 1)), "expected": level}
        usual = f", usually {level}" if level else ""
        return Evidence(
            start=panel.end - window,
            end=panel.end,
            seen=seen,
            expected=expected if np.isfinite(expected) else None,
            requests=total,
            text=f"{words['seen']} a minute{usual}",
            words={**words, "requests": number(total)},
        )


def _rate(count: Floats, width: int) -> Floats:
    return count * (MINUTE / max(width, 1))


DETECTOR: type[Detector] = Loss
