"""`traffic_anomaly`: any series that leaves the level its season and the last hour say it should have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from watcher.engine import daily, follow, tails
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
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE, Instant
from watcher.model.words import number, span

CAUTION: Final = 0.3
"""What strays beyond its limit teaches this much slower."""
UNTOLD: Final = 3.0
"""The common tail of a series none of whose days has ended."""
FAR_WEIGHT: Final = 0.25
"""A stray from the season alone weighs so much; in full after a gap, as the last hour is not known."""
AFTER_GAP: Final = 2.0
"""Bins for which it does."""
FIRST_DAYS: Final = 0.5
"""By how much limits are wider on the first day; half of it on the second, a third on the third."""
HALF: Final = 0.5
"""Of narrower bins that are judged together at least so much must be known."""
AHEAD: Final = 4 * HOUR
"""How much of the profile before a bin goes with what memory says of it, to follow the newest bins by."""


class TrafficAnomalyParams(BaseModel):
    """One set for all series. Strays are told in spreads: mean strays of the series itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bin: Annotated[
        DurationField, Field(gt=0, description="how much is judged at once: a bin, or narrower ones together")
    ] = MINUTE
    strays: Annotated[float, Field(gt=0, description="a breach from so many spreads off the level on")] = 5.5
    habit: Annotated[
        float, Field(ge=0, description="and from so many times what its ordinary days go beyond")
    ] = 0.6
    effect: Annotated[float, Field(ge=0, description="and by so much of the level")] = 0.0
    direction: Annotated[
        Literal["both", "loss", "surge"], Field(description="whether less, more or either is a breach")
    ] = "both"
    lately: Annotated[DurationField, Field(gt=0, description="how much of the past says what is lately")] = (
        HOUR
    )
    per: Annotated[DurationField | None, Field(description="of a count: tell it as so many in this time")] = (
        None
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """How far off a panel's bins are."""

    level: Floats
    grain: Floats
    strays: Floats
    """In spreads, off the level; negative is a loss."""
    limit: Floats
    score: Floats
    """Strays over their limit, or what stands for it: a breach from 1 on."""
    by_season: NDArray[np.bool_]
    """Whether the season says more than the level."""


class TrafficAnomaly:
    """The value is a count, or a level; what the vendor does not say is unknown, zero is a value."""

    Params: ClassVar[type[BaseModel]] = TrafficAnomalyParams
    roles: Mapping[str, Role] = {"value": Role()}
    version: ClassVar[int] = 2

    def __init__(self, params: TrafficAnomalyParams) -> None:
        """With its limits."""
        self.params = params
        width = params.bin
        self._pace = follow.Pace.of(memory=params.lately / width, day=DAY / width, caution=CAUTION)

    def reach(self) -> Reach:
        """What is judged at once, and no more; memory learns by the same."""
        sizes = {"state": len(follow.COLUMNS), "day": 1, **daily.sizes()}
        return Reach(window=self.params.bin, slot=self.params.bin, memory={**sizes, **tails.sizes("near")})

    # --- memory

    def learn(self, memory: Memory, slot: Slot) -> None:
        """One bin: how far it strayed goes into the day's tails, the bin itself into profile and level."""
        value = self._value(slot.sums["value"], slot.known)
        season = daily.season(memory["profile"], slot.start, slot.width)
        state = {name: column.astype(np.float64) for name, column in _columns(memory["state"])}
        self._turn(memory, slot, np.isfinite(value))
        ready = state["bins"] >= follow.FIRST
        level = follow.carried(state, season)
        strays = np.abs(value - level) / follow.grain(state)
        limit, _ = self._limits(memory)
        tails.count(memory, "near", np.where(ready, strays, np.nan))
        daily.gather(memory, slot.start, slot.width, value)
        at = slot.start // self.params.bin
        after = follow.step(state, value, season, number=at, limit=limit, pace=self._pace)
        memory["state"][:] = np.stack([after[name] for name in follow.COLUMNS])

    def _turn(self, memory: Memory, slot: Slot, known: NDArray[np.bool_]) -> None:
        """End the day of rows whose bin is the first of another one."""
        today = slot.start // DAY
        turned = known & np.isfinite(memory["day"][0]) & (memory["day"][0] != today)
        if turned.any():
            tails.close(memory, "near", turned, bins_a_day=DAY / slot.width)
        memory["day"][0, known] = today

    def _limits(self, memory: Memory) -> tuple[Floats, Floats]:
        """What its days go beyond, off the level; and how much wider limits are so far."""
        common, worst, days = tails.limits(memory, "near")
        near = np.fmax(1 + np.where(np.isnan(common), UNTOLD, common), worst)
        return near, 1 + FIRST_DAYS / (1 + days)

    def recall(self, memory: Memory, at: Instant) -> Usual:
        """Where it stood, its limits, its season now, and the profile of the bins that are still to come."""
        near, wider = self._limits(memory)
        places = [(at - AHEAD) // daily.PLACE + place for place in range(AHEAD // daily.PLACE + 2)]
        return {
            **dict(_columns(memory["state"])),
            "near": near,
            "wider": wider,
            "now": daily.season(memory["profile"], at, self.params.bin),
            "profile": memory["profile"][np.array(places) % daily.PLACES],
        }

    def usual(self, recalled: Usual, levels: Levels) -> Usual:
        """The same, followed through the newest bins."""
        state = {name: recalled[name] for name in follow.COLUMNS}
        for place, start in enumerate(levels.starts.tolist()):
            value = self._value(levels.sums["value"][place], levels.known[place])
            season = self._season(recalled, start, levels.until)
            at = start // self.params.bin
            state = follow.step(state, value, season, number=at, limit=recalled["near"], pace=self._pace)
        return {**state, **{name: recalled[name] for name in ("near", "wider", "now")}}

    def _value(self, total: Floats, known: Floats) -> Floats:
        """A bin's value; NaN where it is not known."""
        value = _mean(total * self.params.bin, known)
        return np.where(np.abs(value) <= follow.LARGEST, value, np.nan)

    def _season(self, recalled: Usual, start: Instant, until: Instant) -> Floats:
        """The season of a bin of late, by the part of the profile that was recalled; unknown before it."""
        first = (until - AHEAD) // daily.PLACE
        places = start // daily.PLACE - 1 - first
        if places < 0:
            return np.full(recalled["near"].shape, np.nan)
        whole = np.full((daily.PLACES, recalled["near"].shape[0]), np.nan)
        own = (first + np.arange(len(recalled["profile"]))) % daily.PLACES
        whole[own] = recalled["profile"]
        return daily.season(whole, start, self.params.bin)

    # --- verdicts

    def _seen(self, panel: Panel) -> Floats:
        """What is judged: a bin, or the last of narrower ones together; NaN where that is not known."""
        alone, width = panel.value("value"), self.params.bin
        if panel.width == width:
            return np.where(np.abs(alone) <= follow.LARGEST, alone, np.nan)
        if not 0 < panel.width < width or width % panel.width:
            return np.full_like(alone, np.nan)
        known = panel.known(width)
        enough = np.isfinite(alone) & (known >= HALF * width)
        return np.where(enough, self._value(panel.total("value", width), known), np.nan)

    def _find(self, panel: Panel, usual: Usual) -> _Found:
        """Every figure of every bin; NaN where unknown."""
        value, state = self._seen(panel), {name: usual[name] for name in follow.COLUMNS}
        level = follow.carried(state, usual["now"]) + np.zeros_like(value)
        grain = follow.grain(state) + np.zeros_like(value)
        ready = state["bins"] >= follow.FIRST
        strays = np.where(ready, (value - level) / grain, np.nan)
        limit = np.maximum(self.params.strays, self.params.habit * usual["near"]) * usual["wider"]
        soon = follow.after_gap(state, np.asarray(panel.starts) // self.params.bin, AFTER_GAP)
        far = np.where(ready, np.abs(value - usual["now"]) / follow.far_grain(state), np.nan)
        far_limit = self.params.strays * (self.params.habit or 1.0) * usual["wider"]
        near_score, far_score = np.abs(strays) / limit, np.where(soon, 1.0, FAR_WEIGHT) * far / far_limit
        score = np.fmax(near_score, far_score)
        by_season = follow.filled(far_score) > follow.filled(near_score)
        return _Found(level, grain, strays, limit + np.zeros_like(value), score, by_season)

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where a bin is off by more than its own days explain; unknown until that is known."""
        found, value = self._find(panel, usual), self._seen(panel)
        expected = np.where(found.by_season, usual["now"], found.level)
        breach = (found.score >= 1) & self._counts(value, expected)
        unknown = np.isnan(value) | np.isnan(found.score)
        reading = np.where(unknown, UNKNOWN, np.where(breach, BREACH, CLEAR)).astype(np.int8)
        extra = {"strays": found.strays, "reach": found.limit * found.grain}
        return Verdict(reading, value, expected, extra, gauge=True)

    def _counts(self, value: Floats, expected: Floats) -> NDArray[np.bool_]:
        """Whether it strays to the side that is asked for, and by enough."""
        side = self._side(value, expected)
        counts: NDArray[np.bool_] = (side > 0) & (side >= self.params.effect * np.abs(expected))
        return counts

    def _side(self, value: Floats, expected: Floats) -> Floats:
        """How far it strays to the side that is asked for."""
        off = value - expected
        return {"both": np.abs(off), "loss": -off, "surge": off}[self.params.direction]

    # --- words

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The mean over the breach so far, against what it should be at this time."""
        window = max(panel.end - min(since, panel.start), self.params.bin)
        mean = self._value(panel.total("value", window), panel.known(window))[row]
        seen = float(mean if np.isfinite(mean) else verdict.seen[row])
        expected, reach = float(verdict.expected[row]), float(verdict.extra["reach"][row])
        seen, expected, reach = (figure * self._rate() for figure in (seen, expected, reach))
        when = "usually" if np.isfinite(expected) else ""
        words = {"seen": _round(seen), "expected": _round(expected) if when else ""}
        low, high = expected - reach, expected + reach
        usual = f", usually {words['expected']} at this time" if when else ""
        return Evidence(
            start=panel.end - window,
            end=panel.end,
            seen=seen,
            expected=expected if when else None,
            range=(low, high) if when and np.isfinite(reach) else None,
            text=f"{words['seen']}{self._unit()}{usual}",
            words={**words, "range": f"{_round(low)} to {_round(high)}" if np.isfinite(reach) else ""},
        )

    def _unit(self) -> str:
        if self.params.per in {None, MINUTE}:
            return "" if self.params.per is None else " a minute"
        return f" in {span(self.params.per or 0)}"

    def worst(self, found: Evidence) -> Evidence:
        """The bin furthest from what it should have been."""
        seen, expected = ((figure or 0.0) * self._rate() for figure in (found.seen, found.expected))
        told = replace(found, seen=seen, expected=expected)
        return beside(told, f"{_round(seen)}{self._unit()}", _round(expected))

    def _rate(self) -> float:
        return 1.0 if self.params.per is None else self.params.per / self.params.bin

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """Whether enough is known, how far off it is, and whether that is the side and size asked for."""
        found, verdict = self._find(panel, usual), self.judge(panel, usual)
        value, bins = float(self._seen(panel)[row]), float(follow.filled(usual["bins"])[row])
        known = Gate("known", bool(np.isfinite(value)), _figure(value), text="the bin has a value")
        least = follow.FIRST
        past = Gate("history", bins >= least, bins, least, "enough bins came to know how far it strays")
        if not (known.passed and past.passed):
            return known, past
        score, strays = float(found.score[row]), float(found.strays[row])
        limit, expected = float(found.limit[row]), float(verdict.expected[row])
        off = Gate("strays", abs(strays) >= limit, abs(strays), limit, "spreads off the level it should have")
        if not off.passed:
            text = "off its season, as a share of what that takes"
            off = Gate("strays", score >= 1, score, 1.0, text) if found.by_season[row] else off
        sides = self._side(verdict.seen, verdict.expected)
        counts = bool(self._counts(verdict.seen, verdict.expected)[row])
        side = {"both": "either way", "loss": "below", "surge": "above"}[self.params.direction]
        least_off = self.params.effect * abs(expected)
        return known, past, off, Gate("effect", counts, float(sides[row]), least_off, f"far enough, {side}")


def _columns(state: NDArray[np.float32]) -> Sequence[tuple[str, NDArray[np.float32]]]:
    return list(zip(follow.COLUMNS, state, strict=True))


def _mean(total: Floats, known: Floats) -> Floats:
    """By how much is known; NaN where nothing is."""
    mean: Floats = np.divide(total, known, out=np.full(np.shape(known), np.nan), where=known > 0)
    return mean


def _round(value: float) -> str:
    """Three figures are enough to tell by."""
    return number(float(f"{value:.3g}"))


def _figure(value: float) -> float | None:
    return value if np.isfinite(value) else None


DETECTOR: type[Detector] = TrafficAnomaly
