"""`absence`: a group that usually has data has none, though the vendor answers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from watcher.engine.detector import (
    BREACH,
    CLEAR,
    UNKNOWN,
    Detector,
    Gate,
    Levels,
    Panel,
    Plain,
    Reach,
    Role,
    Several,
    Usual,
    Verdict,
)
from watcher.engine.median import median, newest
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.time import DAY, HOUR, SECOND, Instant
from watcher.model.words import number, percent, span

LATEST_SLOTS: Final = 6
"""Slots with data that say what was there lately."""
FIRST_NIGHT: Final = 5.0
"""How many times more must have been there lately, where no yesterday says how quiet nights are."""


class AbsenceParams(BaseModel):
    """How steady data must be before their absence means anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usual: Annotated[float, Field(gt=0, le=1, description="share of the past with data; with less, no")] = 0.9
    min_count: Annotated[
        float, Field(ge=0, description="events a bin usually has, yesterday and lately; with fewer, no")
    ] = 20.0
    history: Annotated[DurationField, Field(description="how much of the past is usual")] = DAY
    min_history: Annotated[DurationField, Field(description="answered past needed to call it usual")] = (
        3 * HOUR
    )


class Absence(Plain):
    """The value is a count or a level; any one of several series of a group is presence, known zero too."""

    Params: ClassVar[type[BaseModel]] = AbsenceParams
    roles: Mapping[str, Role] = {"value": Role(several=Several.GREATEST, counts=Several.GREATEST)}

    def __init__(self, params: AbsenceParams) -> None:
        """With what is steady enough."""
        self.params = params

    def reach(self) -> Reach:
        """The bin alone, and the past up to an hour before it."""
        return Reach(recent=self.params.history, lag=HOUR)

    def usual(self, recalled: Usual, levels: Levels) -> Usual:
        """Share of the answered past with data, and events a millisecond; NaN until enough is known.

        The least of the last hour with data and the same hours of yesterday; in a first night a fifth of it.
        """
        del recalled
        answered = float(levels.answered.sum())
        known, rows = levels.known, levels.known.shape[-1]
        past = np.full(rows, answered)
        if answered < self.params.min_history:
            return {"share": np.full(rows, np.nan), "rate": np.full(rows, np.nan), "past": past}
        counts = levels.sums["value"]
        rates = np.divide(counts, known, out=np.full(known.shape, np.nan), where=known > 0)
        lately = median(newest(rates, LATEST_SLOTS))
        then = median(rates[levels.until - levels.starts > DAY - 2 * HOUR])
        return {
            "share": np.minimum(known.sum(axis=0) / answered, 1.0),
            "rate": np.where(np.isnan(then), lately / FIRST_NIGHT, np.fmin(then, lately)),
            "past": past,
        }

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where an answered bin lacks what is usually there; what was not answered is unknown."""
        value, share = panel.value("value"), usual["share"]
        expected = usual["rate"] * panel.width
        is_usual = (share >= self.params.usual) & (expected >= self.params.min_count) & panel.answered
        absent = np.where(is_usual, BREACH, UNKNOWN)
        reading = np.where(np.isnan(value), absent, CLEAR).astype(np.int8)
        return Verdict(reading, value, share)

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """Was it answered without data; and is enough known, steady enough, and much enough to miss it?"""
        value, p = float(panel.value("value")[row]), self.params
        past, share = (float(usual[name][row]) for name in ("past", "share"))
        expected, is_absent = float(usual["rate"][row] * panel.width), bool(np.isnan(value))
        found = (
            Gate("answered", bool(np.all(panel.answered)), text="the vendor answered for the bin"),
            Gate("absent", is_absent, None if is_absent else value, text=_held(value)),
            Gate("history", past >= p.min_history, past / SECOND, p.min_history / SECOND, _known(past)),
        )
        if not found[-1].passed:
            return found
        steady = f"data are there {percent(share)} of the time, of at least {percent(p.usual)}"
        count = f"a bin usually holds {_round(expected)}, of at least {number(p.min_count)}"
        return (
            *found,
            Gate("steady", share >= p.usual, share, p.usual, steady),
            Gate("count", expected >= p.min_count, _figure(expected), p.min_count, count),
        )

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
            words={
                "seen": f"no data for {gap}" if is_absent else "data",
                "expected": f"data {percent(share)} of the time",
                "usual": usual,
            },
        )


def _held(value: float) -> str:
    return "the bin has no data" if np.isnan(value) else f"the bin has data: {_round(value)}"


def _known(past: float) -> str:
    return f"{span(round(past))} of the past were answered"


def _round(value: float) -> str:
    """Three figures are enough to tell by."""
    return "nothing known" if np.isnan(value) else number(float(f"{value:.3g}"))


def _figure(value: float) -> float | None:
    return value if np.isfinite(value) else None


DETECTOR: type[Detector] = Absence
