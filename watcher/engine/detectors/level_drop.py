"""`level_drop`: a share (hit ratio) suddenly below its own level by hour of day, weighed by traffic."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from watcher.engine.arrays import filled
from watcher.engine.detector import (
    BREACH,
    CLEAR,
    UNKNOWN,
    URGENT,
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
from watcher.engine.few import where_also
from watcher.engine.level_memory import LAG, SLOT, LevelMemory, near_of
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE, Duration, Instant
from watcher.model.words import number, percent, span

SHORT: Final = 10 * MINUTE
"""What a cache that fills again is watched by."""
FILLS_FOR: Final = 90 * MINUTE
OVER: Final = 0.6
"""A shorter window that lies below the level by surely less than this much of the limit says it is over."""
CHANCE: Final = 1.0
SURELY: Final = 3.0
NIGHTS: Final = 2 * DAY
"""Known past from which a nightly purge would be a habit."""
WAITS: Final = 90 * MINUTE
"""How long a fall must have lasted before it is told of a row that may be purged, and could not show it."""
END: Final = 0.02
"""A share nearer to 0 or 1 is taken for no surer."""
HALF: Final = 30 * MINUTE
SHRINKS: Final = 0.25
"""By how much of itself a purge's fall shrinks in its first quarter of an hour at least."""
SOON: Final = 5 * MINUTE
"""A collapse is looked at in three steps of this: a quarter of an hour."""
KEPT: Final = (0.96, 0.9)
"""How much of the fall of one and of two steps before must be left, for no cache to be filling."""
CLOSELY: Final = (0.06, 0.2)
"""And how small, of the fall, two deviations of chance of both must be to see it."""
LATE: Final = (0.25, 0.9)
"""How much of the next step's fall the first one must have, for the next to lie in it wholly; and itself."""
KNOWS_WEEKS: Final = 7 * DAY
MILDER: Final = 0.6
"""By how much more a row is taken to stray of which nothing is known; by nothing more once a week is."""


class LevelDropParams(BaseModel):
    """Defaults suit a hit ratio at an edge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    drop: Annotated[float, Field(gt=0, lt=1, description="a smaller fall is never a breach")] = 0.06
    relative: Annotated[float, Field(ge=0, lt=1, description="nor one by less of the level")] = 0.08
    min_requests: Annotated[int, Field(ge=1, description="nor one on fewer requests in the window")] = 100
    evidence: Annotated[float, Field(gt=0, description="standard deviations below what is usual")] = 4.0
    sudden: Annotated[
        float, Field(ge=0, le=1, description="how much of the fall came within `recent`; 0: it may be slow")
    ] = 0.65
    refill: Annotated[
        float, Field(gt=0, le=1, description="a fall that shrank to less of its worst is a cache that fills")
    ] = 0.93
    collapse: Annotated[
        float, Field(gt=0, le=1, description="a fall by so much of the level waits for no `for`: see below")
    ] = 0.15
    windows: Annotated[tuple[DurationField, ...], Field(min_length=1)] = (
        SHORT, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR,
    )  # fmt: skip
    recent: Annotated[DurationField, Field(gt=0, description="what a fall is sudden against")] = 4 * HOUR
    half_life: Annotated[
        DurationField, Field(gt=0, description="after it a lasting change is half of what is usual")
    ] = 8 * HOUR
    wander: Annotated[float, Field(gt=0, description="spread beyond chance, until it is learned")] = 0.05
    min_history: Annotated[DurationField, Field(description="known past needed to call it usual")] = (
        30 * MINUTE
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """One window's questions; every column has the panel's shape."""

    window: Duration
    requests: Floats
    fall: Floats
    """By how much it lies below the level."""
    limit: Floats
    needed: Floats
    """By how much it must lie there to be no chance."""
    sudden: Floats
    """By how much it lies below the newest past, of a long window below what was before it."""
    by_chance: Floats
    """Standard deviation of its mean by chance alone."""

    def proven(self, params: LevelDropParams) -> NDArray[np.bool_]:
        """Whether it is a breach, were there no shorter window."""
        proven: NDArray[np.bool_] = (
            (self.window >= min(params.windows))
            & (self.requests >= params.min_requests)
            & (self.fall >= self.limit)
            & (self.fall >= self.needed)
            & (self.sudden >= params.sudden * self.fall)
        )
        return proven

    @property
    def is_over(self) -> NDArray[np.bool_]:
        """Whether it surely lies less below the level than a breach would."""
        over: NDArray[np.bool_] = self.fall + CHANCE * self.by_chance < OVER * self.limit
        return over


class LevelDrop(Plain):
    """Roles: `value` (a share, 0 to 1), `weight` (what it is a share of) and `requests` of the same bins."""

    Params: ClassVar[type[BaseModel]] = LevelDropParams
    version: ClassVar[int] = 2
    roles: Mapping[str, Role] = {
        "value": Role(weighed_by="weight"),
        "weight": Role(),
        "requests": Role(),
    }

    def __init__(self, params: LevelDropParams) -> None:
        """With its limits."""
        self.params = params
        self._memory = LevelMemory(params.half_life, params.wander)

    def reach(self) -> Reach:
        """The longest window, the newest past, and memory."""
        window = max(*self.params.windows, FILLS_FOR + SHORT)
        sizes = self._memory.sizes()
        return Reach(window=window, recent=self.params.recent, lag=LAG, slot=SLOT, memory=sizes, undated=True)

    def learn(self, memory: Memory, slot: Slot) -> None:
        """The slot's weighed mean."""
        self._memory.learn(memory, slot)

    def recall(self, memory: Memory, at: Instant) -> Usual:
        """What is usual at this hour and lately."""
        return self._memory.recall(memory, at)

    def usual(self, recalled: Usual, levels: Levels) -> Usual:
        """The level, its spreads and habits; NaN until `min_history` is known."""
        found = self._memory.level(recalled, levels)
        known = found["known"] >= self.params.min_history
        return {**found, "level": np.where(known, found["level"], np.nan)}

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where some window lies below the level, suddenly and surely, and no cache fills.

        Without a level or without traffic the reading is unknown.
        """
        value, level = panel.value("value"), usual["level"]
        breach, lasts = np.zeros(value.shape, np.bool_), np.ones(value.shape, np.bool_)
        for one in self._asked(panel, usual):
            breach |= lasts & one.proven(self.params)
            lasts &= ~one.is_over
        breach = where_also(breach, panel, usual, lambda few, own: ~self._fills(few, own))
        bad = np.where(where_also(breach, panel, usual, self._collapsed), URGENT, BREACH)
        unknown = np.isnan(value) | np.isnan(level) | ~(panel.value("weight") > 0)
        unknown |= np.isnan(panel.value("requests"))
        reading = np.where(unknown, UNKNOWN, np.where(breach, bad, CLEAR)).astype(np.int8)
        extra = {"spread": usual["spread"], "hour": usual["base"]}
        return Verdict(reading, value, level + np.zeros_like(value), extra, of=panel.value("requests"))

    def _asked(self, panel: Panel, usual: Usual) -> Iterator[Asked]:
        limit = np.maximum(self.params.drop, self.params.relative * usual["level"]) + usual["habit"]
        unsure = 1 + MILDER * np.maximum(0, 1 - usual["known"] / KNOWS_WEEKS)
        spread = np.fmin(unsure * usual["spread"], np.fmax(usual["spread"], self.params.wander))
        for window in sorted({panel.width, *(one for one in self.params.windows if one > panel.width)}):
            mean, requests = _mean(panel, window, 0)
            near = usual[near_of(window)]
            variance = usual["chance"] / np.maximum(requests, 1)
            yield Asked(
                window=window,
                requests=requests,
                fall=usual["level"] - mean,
                limit=limit,
                needed=self.params.evidence * np.sqrt(spread**2 + variance) + usual["habit"],
                sudden=np.where(np.isnan(near), 1.0, near) - mean,
                by_chance=_by_chance(usual, mean, requests),
            )

    def _fills(self, panel: Panel, usual: Usual) -> NDArray[np.bool_]:
        """Whether the fall has shrunk from its worst of late: the cache fills after a purge.

        A row whose nights are not known yet, and that has too few requests to show it, is waited for.
        """
        mean, requests = _mean(panel, SHORT, 0)
        worst, chance = np.full(mean.shape, -np.inf), np.zeros(mean.shape)
        step = max(panel.width, 5 * MINUTE)
        for back in range(step, FILLS_FOR, step):
            before, of = _mean(panel, SHORT, back)
            is_worst = usual["level"] - before > worst
            worst = np.where(is_worst, usual["level"] - before, worst)
            chance = np.where(is_worst, _by_chance(usual, before, of), chance)
        fall = usual["level"] - mean
        by_chance = np.hypot(_by_chance(usual, mean, requests), chance)
        fills: NDArray[np.bool_] = (fall < self.params.refill * worst) & (worst - fall >= SURELY * by_chance)
        lasted = usual["level"] - _mean(panel, HALF, WAITS - HALF)[0] >= OVER * fall
        cannot_tell = (usual["known"] < NIGHTS) & (SURELY * by_chance > SHRINKS * fall)
        return fills | (cannot_tell & ~lasted)

    def _collapsed(self, panel: Panel, usual: Usual) -> NDArray[np.bool_]:
        """Whether a large fall stays where it is so exactly that no cache is filling: it is no purge.

        That of a cache that fills within two hours (a time constant of 40 minutes) is left by 0.88 after
        five minutes and by 0.78 after ten.
        """
        step = max(panel.width, SOON)
        if 3 * step > FILLS_FOR:
            return np.zeros(panel.value("value").shape, np.bool_)
        found = [_mean(panel, SOON, back) for back in (0, step, 2 * step)]
        now, before, first = (usual["level"] - mean for mean, _ in found)
        chance = [_by_chance(usual, mean, requests) for mean, requests in found]
        # Of a young row neither its nights are known nor how far neighbouring slots differ by chance.
        is_large = np.minimum(now, before) >= self.params.collapse * usual["level"]
        is_large &= usual["known"] >= NIGHTS
        stays = (now >= KEPT[0] * before) & (now >= KEPT[1] * first) & (first >= LATE[0] * before)
        near, far = (
            2 * np.hypot(chance[0], other) <= of * now for other, of in zip(chance[1:], CLOSELY, strict=True)
        )
        collapsed: NDArray[np.bool_] = is_large & stays & np.where(first < LATE[1] * before, near, far)
        return collapsed

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """Every question about one row: of the window that came furthest, the shortest of equals."""
        value, level = float(panel.value("value")[row]), float(usual["level"][row])
        weight = float(panel.value("weight")[row])
        known = Gate(
            "known", bool(np.isfinite(value) and weight > 0), value, text="the bin has a value and traffic"
        )
        past = Gate("history", bool(np.isfinite(level)), level, text="enough is known to call a level usual")
        if not (known.passed and past.passed):
            return known, past
        every = list(self._asked(panel, usual))
        found = [self._questions(one, every[:place], row) for place, one in enumerate(every)]
        furthest = max(found, key=lambda gates: [*(gate.passed for gate in gates), False].index(False))
        fills = bool(self._fills(panel, usual)[row])
        return known, past, *furthest, Gate("refill", not fills, text="no cache is filling again")

    def _questions(self, one: Asked, shorter: Sequence[Asked], row: int) -> tuple[Gate, ...]:
        requests, fall, limit = (float(column[row]) for column in (one.requests, one.fall, one.limit))
        needed, sudden = float(one.needed[row]), float(one.sudden[row])
        within, least = span(one.window), self.params.min_requests
        over = any(before.is_over[row] for before in shorter)
        wanted = self.params.sudden * fall
        return (
            Gate("requests", requests >= least, requests, least, f"requests within {within}"),
            Gate("fall", fall >= limit, fall, limit, f"the mean of {within} is below the level by enough"),
            Gate(
                "evidence",
                fall >= needed,
                fall,
                needed,
                "and by more than chance and its own spread explain",
            ),
            Gate("sudden", sudden >= wanted, sudden, wanted, "most of the fall is new"),
            Gate("lasts", not over, text="the last bins do not say that it is over"),
        )

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The weighed mean over the breach so far, against the usual level and its range."""
        window = panel.end - min(since, panel.start)
        total, weight = panel.total("value", window)[row], panel.total("weight", window)[row]
        seen = float(total / weight) if weight > 0 else float(verdict.seen[row])
        expected = float(verdict.expected[row])
        reach = 3 * float(verdict.extra["spread"][row])
        requests = float(filled(panel.total("requests", window))[row])
        low, high = max(0.0, expected - reach), min(1.0, expected + reach)
        words = {
            "seen": percent(seen),
            "expected": percent(expected),
            "requests": number(requests),
            "range": f"{percent(low)} to {percent(high)}",
        }
        if self._is_lasting(verdict, row, seen):
            words["now_usual"] = words["seen"]
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

    def _is_lasting(self, verdict: Verdict, row: int, seen: float) -> bool:
        """Whether it is no breach only as a lower level has become usual: it is not what its hour was."""
        hour = float(verdict.extra["hour"][row])
        limit = max(self.params.drop, self.params.relative * hour)
        return bool(verdict.reading[row] == CLEAR and hour - seen >= limit)


def _by_chance(usual: Usual, mean: Floats, requests: Floats) -> Floats:
    """Standard deviation of a mean by chance: a share in the middle varies more than one near its end."""
    level, now = (np.clip(share, END, 1 - END) for share in (usual["level"], mean))
    more = np.maximum(1, now * (1 - now) / (level * (1 - level)))
    found: Floats = np.sqrt(usual["chance"] * more / np.maximum(requests, 1))
    return found


def _mean(panel: Panel, window: Duration, back: Duration) -> tuple[Floats, Floats]:
    """Weighed mean and requests of a window that ends so long ago."""
    value, weight, requests = (
        filled(panel.total(role, window + back)) - (filled(panel.total(role, back)) if back else 0)
        for role in ("value", "weight", "requests")
    )
    return np.divide(value, weight, out=np.full_like(value, np.nan), where=weight > 0), requests


DETECTOR: type[Detector] = LevelDrop
