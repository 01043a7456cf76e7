"""`expiry`: how long until something ends, judged at the reading's own time; nothing stores "days left"."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from watcher.engine.detector import (
    BREACH,
    CLEAR,
    UNKNOWN,
    Detector,
    Gate,
    Panel,
    Plain,
    Reach,
    Role,
    Usual,
    Verdict,
)
from watcher.model.incident import Evidence
from watcher.model.time import DAY, SECOND, Instant, rfc3339
from watcher.model.words import span


class ExpiryParams(BaseModel):
    """When it is time to act."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asks: Annotated[
        Literal["days", "overdue"], Field(description="few days left, or a renewal that should have come")
    ] = "days"
    days: Annotated[float, Field(ge=0, description="breach when less than this many days are left")] = 14.0


class Expiry(Plain):
    """The value is the end, in Unix seconds. The last one seen stands while its source is silent.

    `renewal` is 0 where it should have been renewed by now, by what is known of it.
    """

    Params: ClassVar[type[BaseModel]] = ExpiryParams
    roles: Mapping[str, Role] = {"value": Role(carry=True), "renewal": Role(optional=True)}

    def __init__(self, params: ExpiryParams) -> None:
        """With the days that are enough."""
        self.params = params

    def reach(self) -> Reach:
        """The reading alone."""
        return Reach()

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where fewer days are left than are enough, or a renewal is late; `seen` is days left."""
        del usual
        ends = panel.value("value")
        left = (ends * SECOND - panel.starts) / DAY
        renewal = panel.value("renewal")
        if self.params.asks == "overdue":
            breach, unknown = renewal < 1, np.isnan(renewal)
        else:
            breach, unknown = left < self.params.days, np.isnan(left)
        reading = np.where(unknown, UNKNOWN, np.where(breach, BREACH, CLEAR)).astype(np.int8)
        expected = np.full_like(left, self.params.days)
        return Verdict(reading, left, expected, {"ends": ends, "renewal": renewal})

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """Whether an end was ever seen, and whether it is near, or its renewal late."""
        verdict = self.judge(panel, usual)
        left, renewal = float(verdict.seen[row]), float(verdict.extra["renewal"][row])
        if self.params.asks == "overdue":
            known = Gate(
                "known", not np.isnan(renewal), text="it is known whether a renewal should have come"
            )
            text = "the renewal is late" if renewal < 1 else "no renewal is late"
            return known, Gate("overdue", renewal < 1, None if np.isnan(renewal) else renewal, 1.0, text)
        if np.isnan(left):
            return (Gate("known", passed=False, text="no end was ever seen"),)
        text = f"{left:.1f} days are left, of at least {self.params.days:g}"
        known = Gate("known", passed=True, text="an end was seen")
        return known, Gate("days", left < self.params.days, left, self.params.days, text)

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """When it ends, how long that is from the reading, and whether its renewal is late."""
        left, renewal = float(verdict.seen[row]), float(verdict.extra["renewal"][row])
        text, words = "no end was seen", {"seen": "unknown", "ends": "unknown"}
        if np.isfinite(left):
            ends = rfc3339(round(float(verdict.extra["ends"][row])) * SECOND)
            away = span(abs(round(left * DAY)))
            text = f"expires in {away}, on {ends}" if left > 0 else f"expired {away} ago, on {ends}"
            words = {"seen": away, "ends": ends}
        if renewal < 1:
            text = f"renewal is overdue, {text}"
        return Evidence(
            start=min(since, panel.start),
            end=max(since, panel.end),
            seen=left if np.isfinite(left) else None,
            expected=self.params.days,
            text=text,
            words={**words, "expected": f"{self.params.days:g} d", "limit": f"{self.params.days:g} d"},
        )


DETECTOR: type[Detector] = Expiry
