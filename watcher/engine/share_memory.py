"""What is usual for a share of events, learned slot by slot: by hour of day, lately, and how far it strays.

Sums of bad and of all events are kept by hour of day, days fading, and as a recent level with a half-life. A
slot counts at most for what the usual share could reach: trouble moves what is usual slowly, and a lasting
change is usual after about a day. Two spreads are learned in the logarithm of seen over expected: of slots,
for short windows, and of blocks of three hours, for long ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from watcher.engine.arrays import filled
from watcher.engine.detector import Levels, Memory, Slot, Usual
from watcher.engine.habit import HOURS, Array, begin, hour_of, note_worst, remember, used_to
from watcher.engine.median import quantile
from watcher.model.fields import DurationField
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE, Instant

WINDOWS: Final = (5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR)
SLOT: Final = 10 * MINUTE
DAY_KEEPS: Final = 0.85
"""What a day counts of the one after it."""
PRIOR_EVENTS: Final = 300.0
"""Events that the prior share weighs as much as."""
HOUR_EVENTS: Final = 5.0
"""Bad events of the usual share that an hour of day begins with."""
RECENT_EVENTS: Final = 3.0
PRIOR_SLOTS: Final = 30.0
"""Slots that the prior spread weighs as much as."""
PRIOR_BLOCKS: Final = 6.0
BLOCK: Final = 3 * HOUR
SPREAD_HALF: Final = 7 * DAY
LEAST_MEAN: Final = 2.0
"""Bad events that are expected of a slot or block, for it to say anything about spread."""
CLIP: Final = 2.5
"""Spreads beyond which a slot is trouble, and says nothing of how far the usual strays."""
CAP: Final = 3.0
MARGIN: Final = 1.2
"""By how much more than it was a spread is taken for: what is ahead is further off than the next slot."""
MOST_SPREAD: Final = 1.2
MOST_REPEATED: Final = 0.6
"""A share above it is no habit, however often it comes at one hour."""
YOUNG: Final = DAY // 2
"""Known past from which the newest slots are no longer needed to tell what is usual."""
QUARTILE: Final = 0.25
SPANS: Final = (0, 1, 3, 6)
"""Hours before the present one, over which sums by hour are added up."""
_STATE: Final = (
    "known", "recent_part", "recent_whole", "recent_time", "square", "slots",
    "block_square", "blocks", "block", "block_part", "block_mean",
)  # fmt: skip


class ShareParams(BaseModel):
    """Defaults suit 5xx at an edge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    floor: Annotated[float, Field(gt=0, lt=1, description="a lower share is never a breach")] = 0.02
    factor: Annotated[float, Field(ge=1, description="nor one below this many times the usual share")] = 3.0
    long_floor: Annotated[
        float, Field(gt=0, lt=1, description="the floor of windows of an hour and more")
    ] = 0.01
    long_factor: Annotated[float, Field(ge=1, description="the factor of windows of an hour and more")] = 2.0
    min_count: Annotated[int, Field(ge=1, description="nor one with fewer bad events in the window")] = 6
    evidence: Annotated[
        float, Field(gt=0, description="deviations above what is usual; one less in long windows")
    ] = 4.5
    stray: Annotated[
        float, Field(ge=0, description="spreads by which the usual share may stray by itself")
    ] = 3.0
    wander: Annotated[
        float, Field(gt=0, description="spread of its logarithm beyond chance, until it is learned")
    ] = 0.5
    least_wander: Annotated[float, Field(ge=0, description="the least that it is ever taken for")] = 0.15
    windows: Annotated[tuple[DurationField, ...], Field(min_length=1)] = WINDOWS
    half_life: Annotated[DurationField, Field(gt=0, description="after it the recent past counts half")] = (
        10 * HOUR
    )
    min_history: Annotated[DurationField, Field(description="known past needed to call it usual")] = (
        10 * MINUTE
    )
    first_floor: Annotated[
        float,
        Field(gt=0, le=1, description="the floor until then, and the most that is usual before a day"),
    ] = 0.2
    never_usual: Annotated[float, Field(gt=0, le=1, description="a share above it never becomes usual")] = 0.3
    prior: Annotated[float, Field(gt=0, lt=1, description="the usual share until then")] = 0.003


@dataclass(frozen=True, slots=True)
class ShareMemory:
    """The arrays of one share: of the roles `part` and `whole`, under names that begin with `prefix`."""

    params: ShareParams
    part: str = "part"
    whole: str = "whole"
    prefix: str = ""

    def sizes(self) -> Mapping[str, int]:
        """Arrays and their numbers a row: 133 in all."""
        sizes = {"part": HOURS, "whole": HOURS, "time": HOURS, "worst": 2 * HOURS, "now": 2}
        return {self.prefix + name: size for name, size in {**sizes, "state": len(_STATE)}.items()}

    def learn(self, memory: Memory, slot: Slot) -> None:
        """Take one final slot. A share above `never_usual` is not learned, but may become a habit."""
        arrays = {
            name: memory[self.prefix + name] for name in ("part", "whole", "time", "worst", "now", "state")
        }
        state = dict(zip(_STATE, arrays["state"], strict=True))
        begin(arrays, state["known"])
        part, whole = slot.sums[self.part], slot.sums[self.whole]
        there = (slot.known > 0) & (whole > 0)
        surely = np.maximum(part - 2 * np.sqrt(part), 0) / np.maximum(whole, 1)
        is_habit = there & (part <= MOST_REPEATED * whole)
        note_worst(arrays["worst"], arrays["now"], slot.start, np.where(is_habit, surely, 0), there)
        there &= part <= self.params.never_usual * whole + 3
        usual = self.usual(self.recall(memory, slot.start), None)
        mean, spread = whole * usual["share"], usual["spread"]
        cap = np.maximum(mean * np.exp(CAP * spread), mean + 4 * np.sqrt(mean) + 3)
        counted = np.minimum(part, cap)
        self._learn_spread(state, slot.start, (part, counted, mean), spread, there)
        keep = float(DAY_KEEPS ** (slot.width / HOUR))
        lately = float(0.5 ** (slot.width / self.params.half_life))
        taken = {"part": counted, "whole": whole, "time": slot.known}
        for name, column in taken.items():
            remember(arrays[name], slot.start, column, there, keep=keep)
            recent = state[f"recent_{name}"]
            recent[:] = np.where(there, recent * lately + column, recent)
        state["known"] += np.where(there, slot.known, 0)

    def _learn_spread(
        self,
        state: Mapping[str, Array],
        at: Instant,
        counts: tuple[Floats, Floats, Floats],
        spread: Floats,
        there: NDArray[np.bool_],
    ) -> None:
        """The slot's own residual, and that of its block once the block is over."""
        part, counted, mean = counts
        number = at // BLOCK
        over = there & (state["block"] != number)
        said = over & (state["block_mean"] >= LEAST_MEAN)
        keep = float(0.5 ** (BLOCK / SPREAD_HALF))
        residual = _residual(state["block_part"], state["block_mean"], spread)
        _average(state, ("block_square", "blocks"), residual, said, keep=keep)
        for name, column in (("block_part", counted), ("block_mean", mean)):
            state[name][:] = np.where(over, 0, state[name]) + np.where(there, column, 0)
        state["block"][:] = np.where(there, number, state["block"])
        keep = float(0.5 ** (SLOT / SPREAD_HALF))
        residual = _residual(part, mean, spread)
        _average(state, ("square", "slots"), residual, there & (mean >= LEAST_MEAN), keep=keep)

    def recall(self, memory: Memory, at: Instant) -> Usual:
        """Sums by hour about a time, the recent ones, spreads and habit: what `usual` makes shares of."""
        # Rows that were never learned of are NaN in every array.
        state = dict(zip(_STATE, filled(memory[self.prefix + "state"]).astype(np.float64), strict=True))
        found = {name: state[name] for name in ("known", "recent_part", "recent_whole")}
        for name in ("part", "whole", "time"):
            by_hour = memory[self.prefix + name]
            if name != "time":
                found[f"all_{name}"] = _known(by_hour.sum(axis=0))
            for span in SPANS:
                of = [hour_of(at) - back for back in range(span + 1)] if span != 1 else [hour_of(at) - 1]
                found[f"{name}_{span}"] = _known(by_hour[of].sum(axis=0))
        prior = self.params.wander**2
        square = (state["square"] + PRIOR_SLOTS * prior) / (state["slots"] + PRIOR_SLOTS)
        blocks = (state["block_square"] + PRIOR_BLOCKS * prior) / (state["blocks"] + PRIOR_BLOCKS)
        least = self.params.least_wander
        found["spread"] = np.clip(MARGIN * np.sqrt(square), least, MOST_SPREAD)
        found["long_spread"] = np.clip(MARGIN * np.sqrt(blocks), least, MOST_SPREAD)
        found["habit"] = used_to(memory[self.prefix + "worst"], at, SLOT)
        return {self.prefix + name: column for name, column in found.items()}

    def usual(self, recalled: Usual, levels: Levels | None) -> Usual:
        """The usual share now, that over trailing windows, and bad events a millisecond by the same hours.

        A window of up to an hour may be usual as this hour, as the one before, as lately, or by habit: the
        highest counts. While little is known the newest slots count too.
        """
        of = {name: recalled[self.prefix + name] for name in _RECALLED}
        young = self._young(of["known"], levels)
        known = of["known"] + young["time"]
        every = (of["all_part"] + young["part"] + self.params.prior * PRIOR_EVENTS) / (
            of["all_whole"] + young["whole"] + PRIOR_EVENTS
        )
        lately = (of["recent_part"] + young["part"] + RECENT_EVENTS) / (
            of["recent_whole"] + young["whole"] + RECENT_EVENTS / every
        )
        shares, rates = {}, {}
        for span in SPANS:
            part, whole, time = (of[f"{name}_{span}"] for name in ("part", "whole", "time"))
            shares[span] = np.maximum((part + HOUR_EVENTS) / (whole + HOUR_EVENTS / every), lately)
            rates[span] = np.where(time > 0, part / np.maximum(time, 1), 0.0)
        now = np.maximum(np.maximum(shares[0], shares[1]), of["habit"])
        return {
            "seen": self._seen(of, young, every),
            "share": shares[0],
            "share_1": now,
            "share_3": shares[3],
            "share_6": shares[6],
            "rate_1": np.maximum(rates[0], rates[1]),
            "rate_3": rates[3],
            "rate_6": rates[6],
            "spread": of["spread"],
            "long_spread": of["long_spread"],
            "known": known,
        }

    def _seen(self, of: Usual, young: Mapping[str, Floats], every: Floats) -> Floats:
        """The usual share as it was seen, at this hour or lately; with hardly any events as all there is."""
        lately = of["recent_part"] + young["part"], of["recent_whole"] + young["whole"]
        found = [
            np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
            for part, whole in ((of["part_0"], of["whole_0"]), lately)
        ]
        return np.where(lately[1] > 0, np.maximum(*found), every)

    def _young(self, known: Floats, levels: Levels | None) -> Mapping[str, Floats]:
        """Sums over the newest slots, for rows of which little has been learned, but for slots surely bad."""
        if levels is None or not len(levels.starts) or not (known < YOUNG).any():
            return dict.fromkeys(("part", "whole", "time"), np.zeros_like(known))
        part, whole = levels.sums[self.part], levels.sums[self.whole]
        share = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
        low = filled(quantile(share, QUARTILE))
        most = np.maximum(self.params.floor, self.params.factor * low)
        allowed = np.minimum(most, self.params.never_usual) * whole
        counts = (known < YOUNG) & (part <= allowed + 3 * np.sqrt(allowed) + 1)
        columns = {"part": part, "whole": whole, "time": levels.known}
        return {name: np.where(counts, column, 0).sum(axis=0) for name, column in columns.items()}


_RECALLED: Final = (
    "known", "recent_part", "recent_whole", "spread", "long_spread", "habit", "all_part", "all_whole",
    *(f"{name}_{span}" for name in ("part", "whole", "time") for span in SPANS),
)  # fmt: skip


def _known(column: Array) -> Floats:
    return filled(column).astype(np.float64)


def _residual(seen: Floats | Array, mean: Floats | Array, spread: Floats) -> Floats:
    """The square of the logarithm of seen over expected, without what chance alone makes of it."""
    found = np.log((seen + 0.5) / (mean + 0.5))
    square: Floats = np.maximum(found**2 - 1 / np.maximum(mean, 1), 0)
    return np.where(np.abs(found) > CLIP * spread, (spread / MARGIN) ** 2, square)


def _average(
    state: Mapping[str, Array],
    names: tuple[str, str],
    value: Floats,
    where: NDArray[np.bool_],
    *,
    keep: float,
) -> None:
    """Add to a fading sum and to its weight."""
    total, weight = (state[name] for name in names)
    total[:] = np.where(where, total * keep + value, total)
    weight[:] = np.where(where, weight * keep + 1, weight)
