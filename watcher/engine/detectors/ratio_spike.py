"""`ratio_spike`: a share of events (5xx, 4xx, failed calls) far above the series' own recent level.

The test of counts behind it is in `watcher.engine.shares`.
"""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from watcher.engine.detector import Detector, Levels, Panel, Reach, Role, Usual, Verdict
from watcher.engine.shares import ShareParams, explain_share, judge_share, reach, usual_share
from watcher.model.incident import Evidence
from watcher.model.time import Instant


class RatioSpikeParams(ShareParams):
    """Defaults suit 5xx at an edge."""


class RatioSpike:
    """Roles: `part` (bad events) and `whole` (all events) of the same bins."""

    Params: ClassVar[type[BaseModel]] = RatioSpikeParams
    roles: Mapping[str, Role] = {"part": Role(), "whole": Role(wide=True)}

    def __init__(self, params: RatioSpikeParams) -> None:
        """With its limits."""
        self.params = params

    def reach(self) -> Reach:
        """The longest window; the baseline ends before it."""
        return reach(self.params)

    def usual(self, levels: Levels) -> Usual:
        """The usual share, of this series or of all there is."""
        return usual_share(levels, self.params)

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Breach where the bin's share is high and a window proves it; unknown without traffic."""
        return judge_share(panel, usual, self.params)

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The share over the whole breach so far, of how many, against the usual."""
        return explain_share(panel, verdict, row, since, noun="requests")


DETECTOR: type[Detector] = RatioSpike
