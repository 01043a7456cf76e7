"""`level_rise`: a level (latency, bandwidth) far above its own level by hour of day, and by its habits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    Memory,
    Panel,
    Reach,
    Role,
    Slot,
    Usual,
    Verdict,
    beside,
)
from watcher.engine.habit import HOURS, note_worst, used_to
from watcher.engine.level_memory import SLOT, LevelMemory
from watcher.engine.shares import lookback
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import HOUR, MINUTE, Duration, Instant
from watcher.model.words import number

LAG: Final[Duration] = 2 * SLOT
"""The newest past is left out, so that a rise is not weighed against its own beginning."""
RECENT: Final[Duration] = 4 * HOUR
HALF_LIFE: Final[Duration] = 8 * HOUR
SPREAD: Final = 0.1
"""How far slots stray, relative to the level, until it is learned."""
UNTOLD: Final = 1000.0
"""Requests taken to be behind a level of which no vendor tells them."""
NEWS: Final = 0.6
"""A slot that is off as a breach counts as one with so few requests: a fiftieth of a usual one."""
LEAST: Final = 1e-9
"""Nothing is smaller: the level lives on a scale of ratios."""


class LevelRiseParams(BaseModel):
    """Defaults suit a median latency in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    factor: Annotated[float, Field(gt=1, description="a breach from this many times the level on")] = 2.0
    rise: Annotated[float, Field(ge=0, description="and from this much above it, in the metric's unit")] = 0.2
    evidence: Annotated[float, Field(gt=0, description="and this many standard deviations above it")] = 6.0
    min_requests: Annotated[int, Field(ge=0, description="never on fewer requests in a bin")] = 50
    min_history: Annotated[DurationField, Field(description="known past needed to call it usual")] = (
        30 * MINUTE
    )
    unit: Annotated[str, Field(description="what the figures are called in words")] = "s"


class LevelRise:
    """Roles: `value` (a level that holds for its bin), and `requests` behind it where they are told."""

    Params: ClassVar[type[BaseModel]] = LevelRiseParams
    roles: Mapping[str, Role] = {
        "value": Role(over_time=True),
        "requests": Role(optional=True, wide=True),
    }
    version: ClassVar[int] = 1

    def __init__(self, params: LevelRiseParams) -> None:
        """With its limits."""
        self.params = params
        self._memory = LevelMemory(HALF_LIFE, SPREAD)

    def reach(self) -> Reach:
        """The bin alone, the newest slots, and memory."""
        sizes = {**self._memory.sizes(), "rises": 2 * HOURS, "rises_now": 2}
        return Reach(recent=RECENT, lag=LAG, slot=SLOT, memory=sizes, undated=True)

    # --- what is usual

    def learn(self, memory: Memory, slot: Slot) -> None:
        """The slot's mean. One off as a breach hardly counts: a rise that lasts is usual after two days."""
        logs = _logs(slot.sums["value"], slot.known)
        above = self._above(self._memory.recall(memory, slot.start), logs)
        there = np.isfinite(logs)
        for name in ("rises", "rises_now"):
            memory[name][..., np.isnan(memory["rises_now"][1])] = 0
        note_worst(memory["rises"], memory["rises_now"], slot.start, np.maximum(above, 0), there)
        self._memory.learn(memory, replace(slot, sums=self._weighed(slot.sums, logs, above)))

    def _above(self, recalled: Usual, logs: Floats) -> Floats:
        """How far slots lie above the level that memory knows; 0 where it knows none."""
        level = self._memory.level(recalled, None)["level"]
        return np.where(np.isnan(level) | np.isnan(logs), 0, level - logs)

    def recall(self, memory: Memory, at: Instant) -> Usual:
        """What is usual at this hour and lately, and the rises that it is used to."""
        return {**self._memory.recall(memory, at), "rises": used_to(memory["rises"], at, SLOT)}

    def usual(self, recalled: Usual, levels: Levels) -> Usual:
        """Level, spread and habit; NaN until `min_history` is known. The level is in the metric's unit."""
        logs = _logs(levels.sums["value"], levels.known)
        newest = replace(levels, sums=self._weighed(levels.sums, logs, self._above(recalled, logs)))
        found = self._memory.level(recalled, newest)
        enough = found["known"] >= self.params.min_history
        level = np.where(enough, np.exp(-found["level"]), np.nan)
        return {
            "level": level,
            "hour": np.exp(-found["base"]),
            "spread": found["spread"],
            "chance": found["chance"],
            "habit": recalled["rises"],
        }

    def _weighed(self, sums: Mapping[str, Floats], logs: Floats, above: Floats) -> Mapping[str, Floats]:
        """Slots as level memory takes them: each weighs the same, whatever was asked in it; news hardly."""
        there = np.isfinite(logs)
        told = np.where(sums["requests"] > 0, sums["requests"], UNTOLD)
        requests = np.where(above >= np.log(self.params.factor), NEWS, told)
        return {
            "value": np.where(there, logs, 0),
            "weight": there * 1.0,
            "requests": np.where(there, requests, 0),
        }

    # --- verdicts

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where a bin with enough requests lies far above the level; unknown without a level."""
        value, level = panel.value("value"), usual["level"] + np.zeros_like(panel.value("value"))
        limit = self._limit(panel, usual)
        high = value >= limit
        thin = panel.value("requests") < self.params.min_requests
        unknown = np.isnan(value) | np.isnan(level) | (thin & high)
        reading = np.where(unknown, UNKNOWN, np.where(high, BREACH, CLEAR)).astype(np.int8)
        return Verdict(reading, value, level, {"limit": limit, "hour": usual["hour"]}, gauge=True)

    def _limit(self, panel: Panel, usual: Usual) -> Floats:
        """What a bin has to reach."""
        habit, level = usual["habit"], usual["level"]
        by_size = np.maximum(level * self.params.factor * np.exp(habit), level + self.params.rise)
        limit: Floats = np.maximum(by_size, level * np.exp(self._proof(panel, usual) + habit))
        return limit

    def _proof(self, panel: Panel, usual: Usual) -> Floats:
        """By how much, on the scale of ratios, chance and its own spread explain no more."""
        requests = panel.value("requests")
        told = np.maximum(np.where(np.isnan(requests), UNTOLD, requests), 1)
        proof: Floats = self.params.evidence * np.sqrt(usual["spread"] ** 2 + usual["chance"] / told)
        return np.minimum(proof, MOST_PROOF)

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """Whether it is known, and each limit in turn."""
        value, level = float(panel.value("value")[row]), float(usual["level"][row])
        known = Gate("known", bool(np.isfinite(value)), value, text="the bin has a value")
        past = Gate("history", bool(np.isfinite(level)), level, text="enough is known to call a level usual")
        if not (known.passed and past.passed):
            return known, past
        habit, least = float(usual["habit"][row]), self.params.min_requests
        proof = level * float(np.exp(self._proof(panel, usual)[row] + habit))
        times = level * self.params.factor * float(np.exp(habit))
        requests = float(panel.value("requests")[row])
        return (
            known,
            past,
            Gate("factor", value >= times, value, times, "times the level, and the rises it is used to"),
            Gate(
                "rise", value >= level + self.params.rise, value, level + self.params.rise, "far enough above"
            ),
            Gate("evidence", value >= proof, value, proof, "by more than chance and its own spread explain"),
            Gate("requests", not requests < least, requests, least, "requests behind the bin, where told"),
        )

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The bin's value against the level and what it takes."""
        seen, expected = float(verdict.seen[row]), float(verdict.expected[row])
        limit = float(verdict.extra["limit"][row])
        requests = float(panel.total("requests", lookback(panel, since))[row])
        unit = f" {self.params.unit}" if self.params.unit else ""
        words = {
            "seen": f"{number(seen)}{unit}",
            "expected": f"{_round(expected)}{unit}",
            "range": f"up to {_round(limit)}{unit}",
        }
        if self._is_lasting(verdict, row):
            words["now_usual"] = words["seen"]
        return Evidence(
            start=min(since, panel.start),
            end=panel.end,
            seen=seen,
            expected=expected,
            range=(0.0, limit),
            requests=requests if np.isfinite(requests) else None,
            text=f"{words['seen']}, usually {words['expected']}",
            words=words,
        )

    def worst(self, found: Evidence) -> Evidence:
        """The bin furthest above its level."""
        unit = f" {self.params.unit}" if self.params.unit else ""
        seen, level = number(found.seen or 0.0), _round(found.expected or 0.0)
        return beside(found, f"{seen}{unit}", f"{level}{unit}")

    def _is_lasting(self, verdict: Verdict, row: int) -> bool:
        """Whether it is no breach only as a higher level has become usual: it is not what its hour was."""
        hour = float(verdict.extra["hour"][row])
        limit = max(hour * self.params.factor, hour + self.params.rise)
        return bool(verdict.reading[row] == CLEAR and verdict.seen[row] >= limit)


MOST_PROOF: Final = 3.0
"""Twenty times the level is proof whatever its spread."""


def _logs(total: Floats, known: Floats) -> Floats:
    """Minus the logarithm of a mean: a rise is a fall here, and twice is as far as half; NaN is unknown."""
    mean = np.divide(total, known, out=np.full(known.shape, np.nan), where=known > 0)
    logs: Floats = -np.log(np.maximum(mean, LEAST))
    return logs


def _round(value: float) -> str:
    """Three figures are enough to tell by."""
    return number(float(f"{value:.3g}"))


DETECTOR: type[Detector] = LevelRise
