"""`level_rise`: a level (latency) far above the series' own recent level."""

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
from watcher.engine.median import median, quantile, spread
from watcher.engine.shares import lookback
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.time import DAY, MINUTE, Instant
from watcher.model.words import number

BEST = 0.1
"""A level that a tenth of the slots keep is what is possible: a rise may last nine tenths of the history."""
LAG = 15 * MINUTE
"""The newest past is left out, so that a rise is not weighed against its own beginning."""


class LevelRiseParams(BaseModel):
    """Defaults suit a median latency in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    factor: Annotated[float, Field(gt=1, description="a breach from this many times the level on")] = 2.0
    rise: Annotated[float, Field(gt=0, description="and from this much above it, in the metric's unit")] = 0.2
    evidence: Annotated[float, Field(gt=0, description="and this many standard deviations above it")] = 6.0
    min_requests: Annotated[int, Field(ge=0, description="never on fewer requests in a bin")] = 50
    history: Annotated[DurationField, Field(description="how much of the past is usual")] = DAY
    min_history: Annotated[DurationField, Field(description="known past needed to call it usual")] = (
        30 * MINUTE
    )


class LevelRise:
    """Roles: `value` (a level that holds for its bin), and `requests` behind it where they are told."""

    Params: ClassVar[type[BaseModel]] = LevelRiseParams
    roles: Mapping[str, Role] = {
        "value": Role(over_time=True),
        "requests": Role(optional=True, wide=True),
    }

    def __init__(self, params: LevelRiseParams) -> None:
        """With its limits."""
        self.params = params

    def reach(self) -> Reach:
        """The bin alone, and the past up to shortly before it."""
        return Reach(baseline=self.params.history, lag=LAG)

    def usual(self, levels: Levels) -> Usual:
        """Median of the slots' means, and its spread; NaN until `min_history` is known.

        A slot above the best ones as a breach is left out: no rise becomes usual while it lasts.
        """
        known = levels.known
        means = np.divide(levels.sums["value"], known, out=np.full(known.shape, np.nan), where=known > 0)
        best = quantile(means, BEST)
        means[means >= np.maximum(self.params.factor * best, best + self.params.rise)] = np.nan
        enough = known.sum(axis=0) >= self.params.min_history
        return {"level": np.where(enough, median(means), np.nan), "spread": spread(means)}

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where a bin with enough requests lies far above the level; unknown without a level."""
        value, level = panel.value("value"), usual["level"]
        above = value - level
        high = (value >= self.params.factor * level) & (above >= self.params.rise)
        high &= above >= self.params.evidence * usual["spread"]
        thin = panel.value("requests") < self.params.min_requests
        unknown = np.isnan(value) | np.isnan(level) | (thin & high)
        reading = np.where(unknown, UNKNOWN, np.where(high, BREACH, CLEAR)).astype(np.int8)
        return Verdict(reading, value, level, {"spread": usual["spread"]})

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The bin's value against the level and its range."""
        seen, expected = float(verdict.seen[row]), float(verdict.expected[row])
        reach = 3 * float(verdict.extra["spread"][row])
        requests = float(panel.total("requests", lookback(panel, since))[row])
        words = {
            "seen": number(seen),
            "expected": number(expected),
            "range": f"{number(max(0.0, expected - reach))} to {number(expected + reach)}",
        }
        return Evidence(
            start=min(since, panel.start),
            end=panel.end,
            seen=seen,
            expected=expected,
            range=(max(0.0, expected - reach), expected + reach),
            requests=requests if np.isfinite(requests) else None,
            text=f"{words['seen']} s, usually {words['expected']} s",
            words=words,
        )


DETECTOR: type[Detector] = LevelRise
