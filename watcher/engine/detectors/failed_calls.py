"""`failed_calls`: calls of an API that fail more than usual, or that fail in a way never seen before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from pydantic import BaseModel, Field

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
)
from watcher.engine.parts import with_parts
from watcher.engine.share_memory import SLOT, ShareMemory, ShareParams
from watcher.engine.shares import (
    LAG,
    explain_share,
    gates_share,
    judge_share,
    lookback,
    with_history,
)
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.time import DAY, HOUR, MINUTE, Instant
from watcher.model.words import number, span

SAID_BY: Final = ("method", "url", "status", "reason")
"""What the text calls a signature by."""


class FailedCallsParams(ShareParams):
    """Defaults suit the API of a vendor: fewer calls than visitors make, and more failures."""

    floor: Annotated[float, Field(gt=0, lt=1, description="a lower share is never a breach")] = 0.05
    min_count: Annotated[int, Field(ge=1, description="nor one with fewer failed calls in the window")] = 5
    first_floor: Annotated[float, Field(gt=0, le=1, description="the floor until then")] = 0.25
    long_floor: Annotated[
        float, Field(gt=0, lt=1, description="the floor of windows of an hour and more")
    ] = 0.03
    never_usual: Annotated[float, Field(gt=0, le=1, description="a share above it never becomes usual")] = 0.5
    history: Annotated[
        DurationField, Field(description="by signature: one that was seen within it is not new")
    ] = DAY
    min_history: Annotated[DurationField, Field(description="past needed to call it usual")] = 30 * MINUTE
    mode: Annotated[
        Literal["rate", "signature"], Field(description="too many failures, or failures of a new kind")
    ] = "rate"
    new_for: Annotated[DurationField, Field(description="how long a signature seen is new")] = HOUR


class FailedCalls(Plain):
    """By rate: `part` failed of `whole` calls. By signature: `part` counts the calls of one signature."""

    Params: ClassVar[type[BaseModel]] = FailedCallsParams
    roles: Mapping[str, Role] = {
        "part": Role(),
        "whole": Role(wide=True),
        "signatures": Role(optional=True, detail=SAID_BY),
    }

    def __init__(self, params: FailedCallsParams) -> None:
        """With its limits. By signature, all calls only show that nothing failed while nothing is listed."""
        self.params = params
        self._is_rate = params.mode == "rate"
        self._memory = ShareMemory(params)
        if not self._is_rate:
            self.roles = {"part": Role(), "whole": Role(optional=True, witness=True)}

    def reach(self) -> Reach:
        """The longest window and memory; or the past in which a signature was never seen."""
        if not self._is_rate:
            return Reach(recent=self.params.history, lag=self.params.new_for)
        return Reach(window=max(self.params.windows), lag=LAG, slot=SLOT, memory=self._memory.sizes())

    def learn(self, memory: Memory, slot: Slot) -> None:
        """By rate, the share of the slot."""
        if self._is_rate:
            self._memory.learn(memory, slot)

    def recall(self, memory: Memory, at: Instant) -> Usual:
        """By rate, what is usual by hour and lately."""
        return self._memory.recall(memory, at) if self._is_rate else {}

    def usual(self, recalled: Usual, levels: Levels) -> Usual:
        """The usual share; or how often each signature was seen, and whether there is a past to tell by."""
        if self._is_rate:
            return with_history(self._memory.usual(recalled, levels), self.params)
        seen = levels.sums["part"].sum(axis=0)
        past = np.full_like(seen, levels.answered.sum())
        return {
            "seen": seen,
            "has_history": (past >= self.params.min_history).astype(np.float64),
            "past": past,
        }

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """By rate as `ratio_spike`; by signature a breach where one that was never seen before occurs."""
        if self._is_rate:
            return judge_share(panel, usual, self.params)
        count = panel.value("part")
        is_new = (usual["seen"] == 0) & (usual["has_history"] > 0)
        # The vendor lists the failures there were: what an answered bin lacks did not occur.
        clear = np.where(panel.answered, CLEAR, UNKNOWN)
        reading = np.where((count > 0) & is_new, BREACH, clear).astype(np.int8)
        return Verdict(reading, count, np.zeros_like(count), {"past": usual["past"]}, gauge=True)

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The share and the most frequent signatures; or how many calls failed so."""
        if not self._is_rate:
            return self._signature(panel, verdict, row, since)
        found = explain_share(panel, verdict, row, since, noun="calls")
        if verdict.reading[row] == CLEAR:
            return found
        return with_parts(found, panel, row, role="signatures", whole="part", words=SAID_BY)

    def _signature(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        window = lookback(panel, since)
        count = float(np.nan_to_num(panel.total("part", window)[row]))
        calls = f"{number(count)} {'call' if count == 1 else 'calls'}"
        past = span(round(min(float(verdict.extra["past"][row]), self.params.history)))
        return Evidence(
            start=panel.end - window,
            end=panel.end,
            seen=count,
            expected=0.0,
            requests=count,
            text=f"{calls}, not seen in {past} before" if count else "no such call",
            words={"seen": calls, "expected": "0", "requests": number(count)},
        )

    def worst(self, found: Evidence) -> Evidence:
        """The bin in which most calls failed so."""
        count = found.seen or 0.0
        calls = f"{number(count)} {'call' if count == 1 else 'calls'}"
        text = f"{calls} in {span(found.end - found.start)}"
        return replace(found, text=text, words={"seen": calls, "expected": "0"})

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """By rate those of the share; else whether there is such a call, a past, and no such call in it."""
        if self._is_rate:
            return gates_share(panel, usual, row, self.params)
        count, seen, past = (
            float(column[row]) for column in (panel.value("part"), usual["seen"], usual["past"])
        )
        least = self.params.min_history
        return (
            Gate("count", count > 0, count, 0.0, "calls of this signature failed in the bin"),
            Gate("history", past >= least, past, float(least), f"{span(round(past))} are known before it"),
            Gate("new", seen == 0, seen, 0.0, "no such call failed in that time"),
        )


DETECTOR: type[Detector] = FailedCalls
