"""What is asked of few rows alone is what is asked of all: narrowing a panel changes no verdict."""

from typing import Any

import numpy as np
import pytest

from watcher.engine.detector import BREACH, UNKNOWN, URGENT
from watcher.engine.engine import Engine
from watcher.engine.few import Narrows
from watcher.model.labels import LabelSet, label_set
from watcher.model.sample import MetricKey, SampleBatch
from watcher.model.time import HOUR, MINUTE, Instant
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, pack_files

START: Instant = 1_700_000_400_000
MINUTES, ROWS, BAD = 300, 40, 5


class Whole:
    """A panel that cannot be narrowed."""

    def __init__(self, panel: object) -> None:
        self._panel = panel

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the panel has
        if name == "narrowed":
            raise AttributeError(name)
        return getattr(self._panel, name)


def keys(tier: str) -> list[MetricKey]:
    return [
        ("cdn_requests", label_set({"tier": tier})),
        ("cdn_responses", label_set({"tier": tier, "status_class": "5xx"})),
    ]


def estate(*, bad: int) -> SampleBatch:
    """Five hours in which the last ten minutes of the first rows are bad: no hits, and 5xx at the origin."""
    rng = np.random.default_rng(3)
    metrics = [*keys("edge"), *keys("origin"), ("cdn_bytes", label_set({"tier": "edge"}))]
    metrics.append(("cdn_hit_ratio", label_set({"basis": "bytes"})))
    requests = rng.poisson(5_000, (MINUTES, ROWS)).astype(float)
    origin, failed = np.rint(requests / 10), rng.binomial(500, 0.002, (MINUTES, ROWS)).astype(float)
    ratio = 0.9 + rng.normal(0, 0.01, (MINUTES, ROWS))
    failed[-10:, :bad], ratio[-20:, :bad] = 200, 0.3
    edge_failed = np.zeros_like(requests)
    edge_failed[-10:, 0] = 900  # one of them is seen by visitors, and is told there
    values = np.stack([requests, edge_failed, origin, failed, requests * 30_000, ratio], axis=1)
    until = START + MINUTES * MINUTE
    starts = START + np.arange(MINUTES, dtype=np.int64) * MINUTE
    entities: tuple[LabelSet, ...] = tuple(label_set({"resource": f"r{at}"}) for at in range(ROWS))
    return SampleBatch("cdn", "test", "s", MINUTE, until, until, entities, tuple(metrics), starts, values)


@pytest.mark.parametrize("bad", [0, 1, BAD])
@pytest.mark.parametrize("bins", [1, 30])
@pytest.mark.parametrize("name", ["hit_ratio_drop", "origin_5xx_spike"])
def test_a_narrowed_panel_gives_the_verdict_of_the_whole_one(name: str, bins: int, bad: int) -> None:
    (rule,) = [bind(rule) for rule in load_rules([file for file in pack_files() if file.stem == name])]
    engine = Engine([rule], 2 * HOUR)
    engine.ingest(estate(bad=bad))
    engine.evaluate(START + MINUTES * MINUTE)
    (track,) = engine.tracks(name, "cdn")
    (lane,) = track.lanes.values()
    start = START + (MINUTES - bins) * MINUTE
    panel, usual = lane.panel(start, bins, None), track.judge.usual(lane, start, bins, None)
    narrowed = track.detector.judge(panel, usual).reading
    whole = track.detector.judge(Whole(panel), usual).reading

    assert isinstance(panel, Narrows)
    assert not isinstance(Whole(panel), Narrows)
    assert np.array_equal(narrowed, whole)
    is_origin = name == "origin_5xx_spike"  # and one of its rows is told at the edge
    assert bool(np.isin(narrowed, (BREACH, URGENT)).any()) is (bad > int(is_origin))
    assert bool((narrowed == UNKNOWN).any()) is (bad > 0 and is_origin)
