"""Engines under rules that look back in every way there is, over streams of several widths."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from watcher.engine.detector import (
    BREACH,
    CLEAR,
    UNKNOWN,
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
from watcher.engine.detectors.ratio_spike import RatioSpike, RatioSpikeParams
from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import Change, Evidence, Transition
from watcher.model.labels import Matcher, Selector, label_set
from watcher.model.rule import Rule, Severity
from watcher.model.sample import Floats, SampleBatch
from watcher.model.time import HOUR, MINUTE, Duration, Instant

NAN = float("nan")
START: Instant = 1_700_006_400_000
NAMES = ("shop", "video", "api")
EDGE = Matcher("tier", ("edge",))
BAD = Selector("cdn_responses", (Matcher("status_class", ("5xx",)), EDGE))
ALL = Selector("cdn_requests", (EDGE,))


class TideParams(BaseModel):
    """How far above what is usual is a breach."""

    factor: Annotated[float, Field(gt=1)] = 2.0
    window: int = 5 * MINUTE


class Tide(Plain):
    """A count against what memory, levels and a window say: it looks back in every way a detector can."""

    Params: ClassVar[type[BaseModel]] = TideParams
    roles: Mapping[str, Role] = {"value": Role(), "whole": Role(optional=True)}

    def __init__(self, params: TideParams) -> None:
        self.params = params

    def reach(self) -> Reach:
        return Reach(window=self.params.window, lag=10 * MINUTE, memory={"mean": 2, "order": 1})

    def learn(self, memory: Memory, slot: Slot) -> None:
        rate = np.divide(
            slot.sums["value"], slot.known, out=np.full(slot.known.shape, NAN), where=slot.known > 0
        )
        known = ~np.isnan(rate)
        for k, weight in enumerate((0.5, 0.1)):
            mean = memory["mean"][k]
            mean[known] = np.where(np.isnan(mean), rate, mean + weight * (rate - mean))[known]
        memory["order"][0] = np.where(known, slot.start / HOUR, memory["order"][0])

    def recall(self, memory: Memory, at: Instant) -> Usual:
        return {
            "mean": np.fmin(memory["mean"][0], memory["mean"][1]),
            "at": np.full(memory["mean"][0].shape, float(at)),
        }

    def usual(self, recalled: Usual, levels: Levels) -> Usual:
        total, known = levels.sums["value"].sum(axis=0), levels.known.sum(axis=0)
        late = np.divide(total, known, out=np.full(known.shape, NAN), where=known > 0)
        return {"mean": np.fmin(recalled["mean"], late), "at": recalled["at"]}

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        seen = panel.total("value", self.params.window) / np.maximum(panel.known(self.params.window), 1)
        high = seen > self.params.factor * usual["mean"]
        unknown = np.isnan(seen) | np.isnan(usual["mean"]) | np.isnan(panel.value("value"))
        reading = np.where(unknown, UNKNOWN, np.where(high, BREACH, CLEAR)).astype(np.int8)
        severity = np.where(seen > 2 * self.params.factor * usual["mean"], int(Severity.CRITICAL), 0)
        return Verdict(reading, seen, usual["mean"], severity=severity.astype(np.int8))

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        return Evidence(since, panel.end, float(verdict.seen[row]), float(verdict.expected[row]))


def rules() -> list[BoundRule]:
    """Plain, windowed, recent and remembered."""
    limit, tide = ThresholdParams(above=5), TideParams()
    spike = RatioSpikeParams()
    by, both = ("resource",), {"part": BAD, "whole": ALL}
    return [
        BoundRule(Rule("high", "threshold", {"value": BAD}, by, limit, MINUTE, MINUTE), Threshold(limit)),
        BoundRule(Rule("tide", "tide", {"value": BAD, "whole": ALL}, by, tide, 0, 2 * MINUTE), Tide(tide)),
        BoundRule(Rule("spike", "ratio_spike", both, by, spike, 0, MINUTE), RatioSpike(spike)),
    ]


def engine(horizon: Duration = HOUR) -> Engine:
    """Under all of them."""
    return Engine(rules(), horizon)


def batch(
    start: Instant,
    bad: Floats,
    *,
    stream: str = "resources",
    width: Duration = MINUTE,
    names: Sequence[str] = NAMES,
    settled: Instant | None = None,
) -> SampleBatch:
    """Consecutive bins: the 5xx of each resource of 100 requests a minute."""
    values = np.full((len(bad), 2, len(names)), 100.0 * width / MINUTE)
    values[:, 1] = bad
    values[:, 0] = np.where(np.isnan(values[:, 1]), NAN, values[:, 0])
    until = start + len(bad) * width
    return SampleBatch(
        source="cdn",
        vendor="test",
        stream=stream,
        width=width,
        fetched_at=until,
        settled_until=until if settled is None else settled,
        entities=tuple(label_set({"account": "a", "resource": name}) for name in names),
        metrics=(
            ("cdn_requests", label_set({"tier": "edge"})),
            ("cdn_responses", label_set({"tier": "edge", "status_class": "5xx"})),
        ),
        starts=np.arange(start, until, width, dtype=np.int64),
        values=values,
    )


Row = tuple[str, str, Instant, Instant | None, Severity]


def book(transitions: Sequence[Transition]) -> list[Row]:
    """What the book holds in the end: rule, resource, start, end, severity; the withdrawn aside."""
    held: dict[tuple[object, Instant], Transition] = {}
    for one in transitions:
        held.pop((one.key, one.was), None)
        if one.change not in {Change.WITHDRAWN, Change.MERGED}:
            held[one.key, one.opened_at] = one
    return sorted(
        (one.key.rule, dict(one.key.labels).get("resource", ""), one.opened_at, one.resolved_at, one.severity)
        for one in held.values()
    )


def story(rng: np.random.Generator, bins: int, names: int = len(NAMES)) -> Floats:
    """5xx of some resources: a little chance, bursts, gaps, long raised spells."""
    bad = rng.poisson(2.0, (bins, names)).astype(np.float64)
    for _ in range(max(1, bins // 40)):
        at, row, length = rng.integers(bins), rng.integers(names), rng.integers(1, 25)
        bad[at : at + length, row] += rng.choice([4.0, 9.0, 40.0])
    bad[rng.random(bad.shape) < 0.05] = NAN
    return bad
