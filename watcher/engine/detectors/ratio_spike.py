"""`ratio_spike`: a share of bad events (5xx of all responses) far above what is usual for the series."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from watcher.engine.detector import (
    BREACH,
    CLEAR,
    STILL,
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
from watcher.engine.few import where_also
from watcher.engine.parts import with_parts
from watcher.engine.share_memory import SLOT, ShareMemory, ShareParams
from watcher.engine.shares import (
    LAG,
    explain_share,
    gates_share,
    judge_share,
    spikes,
    with_history,
)
from watcher.model.incident import Evidence
from watcher.model.time import MINUTE, Instant

OUTER: Final = "outer_"
RECENT: Final = 15 * MINUTE
"""Over which a part is compared with all kinds."""


class RatioSpikeParams(ShareParams):
    """Defaults suit 5xx at an edge."""

    alone: Annotated[
        float,
        Field(gt=0, le=1, description="with `among`: how much of what is beyond usual the part makes"),
    ] = 0.8
    outside: Annotated[
        bool, Field(description="unknown where `outer_part` of `outer_whole` would be a breach itself")
    ] = False
    outer_floor: Annotated[
        float, Field(gt=0, lt=1, description="with `outside`: `floor` of the rule that tells there")
    ] = 0.02
    outer_long_floor: Annotated[float, Field(gt=0, lt=1, description="and its `long_floor`")] = 0.01
    outer_first_floor: Annotated[float, Field(gt=0, le=1, description="and its `first_floor`")] = 0.2


class RatioSpike(Plain):
    """Roles: `part` (bad events) and `whole` (all events) of the same bins.

    With `among` (bad events of all kinds) a part breaches only where it is most of what is beyond usual.
    `detail` (bad events by `status`) is not judged: evidence names the codes from it.
    """

    Params: ClassVar[type[BaseModel]] = RatioSpikeParams
    roles: Mapping[str, Role] = {
        "part": Role(),
        "whole": Role(wide=True),
        "among": Role(optional=True, wide=True),
        "outer_part": Role(optional=True),
        "outer_whole": Role(optional=True),
        "detail": Role(optional=True, detail=("status",)),
    }

    def __init__(self, params: RatioSpikeParams) -> None:
        """With its limits, and those of the rule that tells what is seen outside."""
        self.params = params
        floors = {
            "floor": params.outer_floor,
            "long_floor": params.outer_long_floor,
            "first_floor": params.outer_first_floor,
        }
        self._outside = params.model_copy(update=floors)
        self._memory = ShareMemory(params)
        self._outer_memory = ShareMemory(self._outside, "outer_part", "outer_whole", OUTER)

    def reach(self) -> Reach:
        """The longest window; memory, and the newest slots while little is known."""
        memory = {**self._memory.sizes(), "among": 1}
        outer = self._outer_memory.sizes() if self.params.outside else {}
        return Reach(
            window=max(self.params.windows), lag=LAG, slot=SLOT, memory={**memory, **outer}, undated=True
        )

    def learn(self, memory: Memory, slot: Slot) -> None:
        """The share of the part, the recent share of all kinds, and with `outside` that seen there."""
        self._memory.learn(memory, slot)
        whole, among = slot.sums["whole"], memory["among"]
        keep = 0.5 ** (slot.width / self.params.half_life)
        share = np.divide(slot.sums["among"], whole, out=np.zeros_like(whole), where=whole > 0)
        lately = np.where(np.isnan(among[0]), share, keep * among[0] + (1 - keep) * share)
        among[0] = np.where((slot.known > 0) & (whole > 0), lately, among[0])
        if self.params.outside:
            self._outer_memory.learn(memory, slot)

    def recall(self, memory: Memory, at: Instant) -> Usual:
        """What is usual by hour and lately, and what all kinds made lately."""
        outer = self._outer_memory.recall(memory, at) if self.params.outside else {}
        among = np.nan_to_num(memory["among"][0]).astype(np.float64)
        return {**self._memory.recall(memory, at), "among": among, **outer}

    def usual(self, recalled: Usual, levels: Levels) -> Usual:
        """The usual shares; with `outside` also those seen there."""
        found = with_history(self._memory.usual(recalled, levels), self.params)
        found = {**found, "among": recalled["among"]}
        if not self.params.outside:
            return found
        outer = with_history(self._outer_memory.usual(recalled, levels), self._outside)
        return {**found, **{OUTER + name: column for name, column in outer.items()}}

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where a window proves it; unknown without traffic, and where it is told outside."""
        found = judge_share(panel, usual, self.params)
        breach = (found.reading == BREACH) | (found.reading == STILL)
        if not breach.any():
            return found
        reading = np.where(where_also(breach, panel, usual, self._drowns), CLEAR, found.reading)
        if self.params.outside:
            reading = np.where(where_also(breach, panel, usual, self._told_outside), UNKNOWN, reading)
        return replace(found, reading=reading.astype(np.int8))

    def _drowns(self, panel: Panel, usual: Usual) -> NDArray[np.bool_]:
        """Whether other parts make too much of what is beyond usual, in the newest quarter of an hour."""
        part, among, whole = (panel.total(role, RECENT) for role in ("part", "among", "whole"))
        beyond = among - usual["among"] * whole
        drowns: NDArray[np.bool_] = part - usual["share"] * whole < self.params.alone * beyond
        return drowns

    def _told_outside(self, panel: Panel, usual: Usual) -> NDArray[np.bool_]:
        """Whether visitors see a spike themselves, by the very test of the rule that tells of it."""
        outside = {name.removeprefix(OUTER): usual[name] for name in usual if name.startswith(OUTER)}
        return spikes(panel, ("outer_part", "outer_whole"), outside, self._outside) > 0

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The share over the whole breach so far, of how many, against the usual, and mostly which codes."""
        found = explain_share(panel, verdict, row, since, noun="requests")
        if verdict.reading[row] == CLEAR:
            return found
        return with_parts(found, panel, row, role="detail", whole="part", words=("status",))

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """Those of the share, whether it drowns among others, and whether it is told outside."""
        found = [*gates_share(panel, usual, row, self.params)]
        drowns = bool(self._drowns(panel, usual)[row])
        found.append(Gate("alone", not drowns, text="the part makes most of all that is beyond usual"))
        if self.params.outside:
            told = bool(self._told_outside(panel, usual)[row])
            found.append(Gate("outside", not told, text="visitors do not see it themselves"))
        return found


DETECTOR: type[Detector] = RatioSpike
