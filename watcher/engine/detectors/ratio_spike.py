"""`ratio_spike`: a share of events (5xx, 4xx, one code) far above the series' own recent level.

The test of counts behind it is in `watcher.engine.shares`. Two optional pairs of roles keep one trouble from
being told twice: what only drowns in its class, and what visitors see of it themselves.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

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
from watcher.engine.shares import (
    ShareParams,
    explain_share,
    judge_share,
    reach,
    share_of,
    spikes,
    usual_share,
)
from watcher.model.incident import Evidence
from watcher.model.time import Instant


class RatioSpikeParams(ShareParams):
    """Defaults suit 5xx at an edge."""

    alone: Annotated[
        float, Field(gt=0, le=1, description="of what is beyond usual `among` all, the least this part makes")
    ] = 0.8
    outer_floor: Annotated[
        float,
        Field(gt=0, lt=1, description="with `outer_part`: the floor of the rule that tells there"),
    ] = 0.02
    outer_first_floor: Annotated[
        float, Field(gt=0, le=1, description="and the floor of that rule until it has a past")
    ] = 0.1


class RatioSpike:
    """Roles: `part` (bad events) and `whole` (all events) of the same bins.

    With `among` (bad events of all kinds) a part breaches only where it is most of what is beyond usual. With
    `outer_part` and `outer_whole` (the same nearer to visitors) it is unknown while those spike themselves.
    """

    Params: ClassVar[type[BaseModel]] = RatioSpikeParams
    roles: Mapping[str, Role] = {
        "part": Role(),
        "whole": Role(wide=True),
        "among": Role(optional=True, wide=True),
        "outer_part": Role(optional=True),
        "outer_whole": Role(optional=True),
    }

    def __init__(self, params: RatioSpikeParams) -> None:
        """With its limits, and those of the rule that tells what is seen outside."""
        self.params = params
        floors = {"floor": params.outer_floor, "first_floor": params.outer_first_floor}
        self._outside = params.model_copy(update=floors)

    def reach(self) -> Reach:
        """The longest window; the baseline ends before it."""
        return reach(self.params)

    def usual(self, levels: Levels) -> Usual:
        """The usual share, of this series or of all there is; and those of the optional roles."""
        outer = {"part": levels.sums["outer_part"], "whole": levels.sums["outer_whole"]}
        outside = usual_share(replace(levels, sums=outer), self._outside)
        among, _, _ = share_of(levels, "among", "whole", self.params)
        return {
            **usual_share(levels, self.params),
            "among": among,
            **{f"outer_{name}": column for name, column in outside.items()},
        }

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where the bin's share is high and a window proves it; unknown without traffic."""
        found = judge_share(panel, usual, self.params)
        breach = found.reading == BREACH
        reading = np.where(breach & self._drowns(panel, usual), CLEAR, found.reading)
        reading = np.where(breach & self._told_outside(panel, usual), UNKNOWN, reading)
        return Verdict(reading.astype(np.int8), found.seen, found.expected, found.extra)

    def _drowns(self, panel: Panel, usual: Usual) -> NDArray[np.bool_]:
        """Whether other parts make too much of what is beyond usual."""
        window = max(self.params.windows)
        part, among, whole = (panel.total(role, window) for role in ("part", "among", "whole"))
        beyond = among - usual["among"] * whole
        drowns: NDArray[np.bool_] = part - usual["share"] * whole < self.params.alone * beyond
        return drowns

    def _told_outside(self, panel: Panel, usual: Usual) -> NDArray[np.bool_]:
        """Whether visitors see a spike themselves, by the very test of the rule that tells of it."""
        outside = {name: usual[f"outer_{name}"] for name in ("share", "events", "has_history")}
        return spikes(panel, ("outer_part", "outer_whole"), outside, self._outside)

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The share over the whole breach so far, of how many, against the usual."""
        return explain_share(panel, verdict, row, since, noun="requests")


DETECTOR: type[Detector] = RatioSpike
