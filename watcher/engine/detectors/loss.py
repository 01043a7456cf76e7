"""`loss`: a count (requests, bytes) that falls to near nothing, against its own recent and daily level."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

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
from watcher.engine.median import median
from watcher.engine.shares import lookback
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE, Instant
from watcher.model.words import number

NEARBY = 30 * MINUTE
"""How far around the same time of yesterday its level is taken from."""


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
        """The level, per minute: the least of what is usual by day, at this time, and lately.

        Slots near nothing are no part of what was lately: a loss does not become usual while it lasts.
        """
        known = levels.known
        rates = np.divide(
            levels.sums["value"] * MINUTE, known, out=np.full(known.shape, np.nan), where=known > 0
        )
        age = levels.until - levels.starts
        day, lately = rates[age <= DAY], rates[age <= self.params.recent]
        by_day = self._lasting(day, _peak(day))
        then = median(rates[np.abs(age - DAY) <= NEARBY])
        base = np.where(np.isnan(then), np.nan, np.fmin(by_day, then))
        recent = self._lasting(lately, np.where(np.isnan(base), _peak(lately), base))
        is_there = recent >= self.params.below * self.params.min_usual
        level = np.fmin(base, np.where(is_there, recent, by_day))
        enough = known.sum(axis=0) >= self.params.min_history
        return {"level": np.where(enough, level, np.nan)}

    def _lasting(self, rates: Floats, reference: Floats) -> Floats:
        """The median of the slots that are not near nothing themselves."""
        return median(np.where(rates >= self.params.below * reference, rates, np.nan))

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach below a share of the level; where little is usual, only what is surely there is clear."""
        rate = _rate(panel.value("value"), panel.end - panel.start)
        level = usual["level"]
        has_level = level >= self.params.min_usual
        limit = self.params.below * np.where(has_level, level, self.params.min_usual)
        low = np.where(has_level, BREACH, UNKNOWN)
        reading = np.where(np.isnan(rate), UNKNOWN, np.where(rate < limit, low, CLEAR)).astype(np.int8)
        return Verdict(reading, rate, level)

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """Events a minute over the breach so far, against the level."""
        window = lookback(panel, since)
        total = float(np.nan_to_num(panel.total("value", window)[row]))
        seen, expected = total * MINUTE / max(window, 1), float(verdict.expected[row])
        words = {"seen": number(round(seen, 1)), "expected": number(round(expected))}
        usual = f", usually {words['expected']}" if np.isfinite(expected) else ""
        return Evidence(
            start=panel.end - window,
            end=panel.end,
            seen=seen,
            expected=expected if np.isfinite(expected) else None,
            requests=total,
            text=f"{words['seen']} a minute{usual}",
            words={**words, "requests": number(total)},
        )


def _peak(rates: Floats) -> Floats:
    peak: Floats = np.fmax.reduce(np.vstack([rates, np.zeros((1, rates.shape[1]))]), axis=0)
    return peak


def _rate(count: Floats, width: int) -> Floats:
    return count * (MINUTE / max(width, 1))


DETECTOR: type[Detector] = Loss
