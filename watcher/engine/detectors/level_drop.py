"""`level_drop`: a share (hit ratio) well below the series' own recent level, weighed by traffic."""

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
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.time import DAY, MINUTE, Instant
from watcher.model.words import number, percent

BEST = 0.9
"""A level that a tenth of the slots keep is what is possible: a drop may last nine tenths of the history."""


class LevelDropParams(BaseModel):
    """Defaults suit a hit ratio at an edge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    drop: Annotated[float, Field(gt=0, lt=1, description="a smaller fall is never a breach")] = 0.15
    min_requests: Annotated[int, Field(ge=1, description="nor one on fewer requests in the window")] = 200
    evidence: Annotated[float, Field(gt=0, description="standard deviations below what is usual")] = 4.0
    window: DurationField = 5 * MINUTE
    history: Annotated[DurationField, Field(description="how much of the past is usual")] = DAY
    min_history: Annotated[DurationField, Field(description="known past needed to call it usual")] = (
        30 * MINUTE
    )


class LevelDrop:
    """Roles: `value` (a share, 0 to 1), `weight` (what it is a share of) and `requests` of the same bins."""

    Params: ClassVar[type[BaseModel]] = LevelDropParams
    roles: Mapping[str, Role] = {
        "value": Role(weighed_by="weight"),
        "weight": Role(),
        "requests": Role(),
    }

    def __init__(self, params: LevelDropParams) -> None:
        """With its limits."""
        self.params = params

    def reach(self) -> Reach:
        """The window; the baseline ends before it."""
        return Reach(window=self.params.window, baseline=self.params.history, lag=self.params.window)

    def usual(self, levels: Levels) -> Usual:
        """Median of the slots' weighed means, and its spread; NaN until `min_history` is known.

        A slot surely below the best ones by `drop` is left out: a drop does not become usual while it lasts.
        """
        total, weight = levels.sums["value"], levels.sums["weight"]
        means = np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
        best = quantile(means, BEST)
        chance = np.clip(best * (1 - best), 1e-4, None) / np.maximum(levels.sums["requests"], 1)
        means = np.where(means >= best - self.params.drop - 3 * np.sqrt(chance), means, np.nan)
        known = levels.known.sum(axis=0) >= self.params.min_history
        return {"level": np.where(known, median(means), np.nan), "spread": spread(means)}

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where the bin and its window lie below the level by effect and by evidence.

        Without a baseline or without traffic the reading is unknown.
        """
        level = usual["level"]
        value, weight = panel.value("value"), panel.value("weight")
        behind, requests = (panel.total(role, self.params.window) for role in ("weight", "requests"))
        mean = np.divide(
            panel.total("value", self.params.window),
            behind,
            out=np.full(len(level), np.nan),
            where=behind > 0,
        )
        # Chance alone moves a share of n requests by sqrt(p(1-p)/n); the slots' own spread comes on top.
        chance = np.clip(level * (1 - level), 1e-4, None) / np.maximum(requests, 1)
        deviation = np.sqrt(usual["spread"] ** 2 + chance)
        low = (level - value >= self.params.drop) & (level - mean >= self.params.evidence * deviation)
        breach = low & (requests >= self.params.min_requests)
        unknown = np.isnan(value) | np.isnan(level) | ~(weight > 0) | np.isnan(panel.value("requests"))
        reading = np.where(unknown, UNKNOWN, np.where(breach, BREACH, CLEAR)).astype(np.int8)
        return Verdict(reading, value, level, {"spread": usual["spread"]})

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The weighed mean over the breach so far, against the usual level and its range."""
        window = panel.end - min(since, panel.start)
        total, weight = panel.total("value", window)[row], panel.total("weight", window)[row]
        seen = float(total / weight) if weight > 0 else float(verdict.seen[row])
        expected = float(verdict.expected[row])
        reach = 3 * float(verdict.extra["spread"][row])
        requests = float(np.nan_to_num(panel.total("requests", window)[row]))
        low, high = max(0.0, expected - reach), min(1.0, expected + reach)
        words = {
            "seen": percent(seen),
            "expected": percent(expected),
            "requests": number(requests),
            "range": f"{percent(low)} to {percent(high)}",
        }
        return Evidence(
            start=panel.end - window,
            end=panel.end,
            seen=seen,
            expected=expected,
            range=(low, high),
            requests=requests,
            text=f"{words['seen']} over {words['requests']} requests, usually {words['expected']}",
            words=words,
        )


DETECTOR: type[Detector] = LevelDrop
