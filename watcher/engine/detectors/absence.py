"""`absence`: a group that usually has data has none, though the vendor answers."""

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
    Several,
    Usual,
    Verdict,
)
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.time import DAY, HOUR, Instant
from watcher.model.words import percent, span


class AbsenceParams(BaseModel):
    """How steady data must be before their absence means anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usual: Annotated[float, Field(gt=0, le=1, description="share of the past with data; with less, no")] = 0.9
    history: Annotated[DurationField, Field(description="how much of the past is usual")] = DAY
    min_history: Annotated[DurationField, Field(description="answered past needed to call it usual")] = (
        3 * HOUR
    )


class Absence:
    """The value is a count or a level; any one of several series of a group is presence, known zero too."""

    Params: ClassVar[type[BaseModel]] = AbsenceParams
    roles: Mapping[str, Role] = {"value": Role(several=Several.GREATEST, counts=Several.GREATEST)}

    def __init__(self, params: AbsenceParams) -> None:
        """With what is steady enough."""
        self.params = params

    def reach(self) -> Reach:
        """The bin alone, and the past up to an hour before it."""
        return Reach(baseline=self.params.history, lag=HOUR)

    def usual(self, levels: Levels) -> Usual:
        """Share of the answered past in which there were data; NaN until enough of it is known."""
        answered = float(levels.answered.sum())
        rows = levels.known.shape[-1]
        if answered < self.params.min_history:
            return {"share": np.full(rows, np.nan)}
        return {"share": np.minimum(levels.known.sum(axis=0) / answered, 1.0)}

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where an answered bin lacks what is usually there; what was not answered is unknown."""
        value, share = panel.value("value"), usual["share"]
        is_usual = (share >= self.params.usual) & panel.answered
        absent = np.where(is_usual, BREACH, UNKNOWN)
        reading = np.where(np.isnan(value), absent, CLEAR).astype(np.int8)
        return Verdict(reading, value, share)

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """How long there have been none, and how steady they usually are."""
        share, start = float(verdict.expected[row]), min(since, panel.start)
        usual = f"usually there {percent(share)} of the time"
        gap = span(panel.end - start)
        is_absent = bool(np.isnan(verdict.seen[row]))
        return Evidence(
            start=start,
            end=panel.end,
            seen=None if is_absent else float(verdict.seen[row]),
            text=f"no data for {gap}, {usual}" if is_absent else "data are there",
            words={"seen": gap if is_absent else "data", "expected": percent(share), "usual": usual},
        )


DETECTOR: type[Detector] = Absence
