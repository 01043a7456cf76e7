"""`threshold`: a value above or below a fixed limit. The plainest detector there is."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

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
from watcher.model.time import DAY, Instant
from watcher.model.words import number


class ThresholdParams(BaseModel):
    """Exactly one limit, in the metric's own unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    above: Annotated[float | None, Field(description="breach where the value is greater")] = None
    below: Annotated[float | None, Field(description="breach where the value is less")] = None
    of: Annotated[
        Literal["least", "greatest"] | None,
        Field(description="which of several series of a group speaks, where they are no counts"),
    ] = None
    alone: Annotated[
        DurationField | None, Field(description="a bin wider than this breaches only with the one before it")
    ] = None
    says: Annotated[str, Field(description="what a breach means, in words")] = ""
    says_clear: Annotated[str, Field(description="what the absence of one means, in words")] = ""

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("write exactly one of above and below")
        return self

    @property
    def limit(self) -> float:
        """The one that was written."""
        return self.above if self.above is not None else self.below or 0.0


class Threshold:
    """The worst of several series speaks for a group. Of what `unless` marks (above 0) another rule tells."""

    Params: ClassVar[type[BaseModel]] = ThresholdParams
    roles: Mapping[str, Role] = {"value": Role(), "unless": Role(optional=True, several=Several.GREATEST)}

    def __init__(self, params: ThresholdParams) -> None:
        """With one limit."""
        self.params = params
        worst = Several.GREATEST if params.above is not None else Several.LEAST
        several = Several(params.of) if params.of is not None else worst
        self.roles = {**Threshold.roles, "value": Role(several=several)}

    def reach(self) -> Reach:
        """The bin alone, or with those before it."""
        return Reach(window=DAY if self.params.alone is not None else 0)

    def usual(self, levels: Levels) -> Usual:
        """Nothing is usual: the limit is absolute."""
        del levels
        return {}

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Compare; unknown where there is no value, and where something else tells of it."""
        del usual
        seen = panel.value("value")
        limit = self.params.limit
        breach = seen > limit if self.params.above is not None else seen < limit
        unknown = np.isnan(seen) | (panel.value("unless") > 0) | (breach & self._is_lonely(panel))
        reading = np.where(unknown, UNKNOWN, np.where(breach, BREACH, CLEAR)).astype(np.int8)
        return Verdict(reading, seen, np.full(len(seen), limit))

    def _is_lonely(self, panel: Panel) -> NDArray[np.bool_]:
        """Whether a bin too wide to prove anything alone is the first of its value."""
        width = panel.end - panel.start
        if self.params.alone is None or width <= self.params.alone:
            return np.zeros(len(panel.value("value")), np.bool_)
        lonely: NDArray[np.bool_] = panel.lasted("value", DAY).time <= width
        return lonely

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The value against its limit, or the rule's own words for it."""
        seen, limit = float(verdict.seen[row]), float(verdict.expected[row])
        side = "above" if self.params.above is not None else "below"
        breach = bool(verdict.reading[row] == BREACH)
        plain = f"{number(seen)}, {side} {number(limit)}" if breach else number(seen)
        text = (self.params.says if breach else self.params.says_clear) or plain
        return Evidence(
            start=since,
            end=max(panel.end, since),
            seen=seen,
            expected=limit,
            text=text,
            words={"seen": number(seen), "expected": number(limit)},
        )


DETECTOR: type[Detector] = Threshold
