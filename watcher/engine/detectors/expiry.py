"""`expiry`: how long until something ends, judged at the reading's own time; nothing stores "days left"."""

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
from watcher.model.incident import Evidence
from watcher.model.rule import Severity
from watcher.model.time import DAY, SECOND, Instant, rfc3339
from watcher.model.words import span


class ExpiryParams(BaseModel):
    """When it is time to act."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Annotated[float, Field(gt=0, description="breach when less than this many days are left")] = 14.0
    critical_days: Annotated[
        float, Field(ge=0, description="critical when less than this many are left, or it is over")
    ] = 2.0


class Expiry:
    """The value is the end, in Unix seconds. The last one seen stands while its source is silent."""

    Params: ClassVar[type[BaseModel]] = ExpiryParams
    roles: Mapping[str, Role] = {"value": Role(carry=True)}

    def __init__(self, params: ExpiryParams) -> None:
        """With the days that are enough."""
        self.params = params

    def reach(self) -> Reach:
        """The reading alone."""
        return Reach()

    def usual(self, levels: Levels) -> Usual:
        """Nothing is usual: time is absolute."""
        del levels
        return {}

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where fewer days are left than are enough; `seen` is days left at the reading."""
        del usual
        ends = panel.value("value")
        left = (ends * SECOND - panel.start) / DAY
        reading = np.where(np.isnan(left), UNKNOWN, np.where(left < self.params.days, BREACH, CLEAR))
        expected = np.full(len(left), self.params.days)
        severity = np.where(left < self.params.critical_days, int(Severity.CRITICAL), 0).astype(np.int8)
        return Verdict(reading.astype(np.int8), left, expected, {"ends": ends}, severity)

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """When it ends, and how long that is from the reading."""
        left = float(verdict.seen[row])
        ends = rfc3339(round(float(verdict.extra["ends"][row])) * SECOND)
        away = span(abs(round(left * DAY)))
        text = f"expires in {away}, on {ends}" if left > 0 else f"expired {away} ago, on {ends}"
        return Evidence(
            start=min(since, panel.start),
            end=max(since, panel.end),
            seen=left,
            expected=self.params.days,
            text=text,
            words={"seen": away, "expected": f"{self.params.days:g} d", "ends": ends},
        )


DETECTOR: type[Detector] = Expiry
