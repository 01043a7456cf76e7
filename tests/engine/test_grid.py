"""What a grid holds of a stream while the vendor's lists come and go."""

from dataclasses import replace

import numpy as np

from watcher.engine.grid import Grid
from watcher.model.labels import Matcher, Selector, label_set
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE

START = 1_795_305_600_000


def listing(minute: int, names: range) -> SampleBatch:
    """One bin: each series says its own number."""
    return SampleBatch(
        source="cdn",
        vendor="test",
        stream="resources",
        width=MINUTE,
        fetched_at=START + (minute + 1) * MINUTE,
        settled_until=START + (minute + 1) * MINUTE,
        entities=tuple(label_set({"resource": f"r{name}"}) for name in names),
        metrics=(("cdn_requests", ()),),
        starts=np.array([START + minute * MINUTE]),
        values=np.array([[list(names)]], np.float64),
    )


def test_series_that_come_back_with_many_new_ones_are_read_beside_them() -> None:
    grid = Grid("resources", MINUTE, [Selector("cdn_requests")])
    lists = [range(10), range(60), range(10), range(200), range(50, 90)]
    for day, names in enumerate(lists):
        grid.take(listing(day * 1_440, names))
        grid.settled(START + (day * 1_440 + 1) * MINUTE)
        grid.forget(START + (day * 1_440 - 10) * MINUTE)
        shown = grid.read(0, grid.high - 1, grid.high, slice(0, grid.size))[0]

        assert sorted(shown[~np.isnan(shown)].tolist()) == list(names)


def test_of_a_metric_only_what_a_rule_may_select_is_kept() -> None:
    """Labels of resources are not those of the metric: what they say of it is the casting's to see."""
    edge = (("tier", "edge"),)
    metrics = (
        ("cdn_responses", (*edge, ("status_class", "2xx"))),
        ("cdn_responses", (*edge, ("status_class", "5xx"))),
        ("cdn_bytes", edge),
    )
    reads = [
        Selector(
            "cdn_responses", (Matcher.parse("status_class", "~[45]xx"), Matcher.parse("resource", "r1"))
        ),
        Selector("cdn_requests"),
    ]
    grid = Grid("resources", MINUTE, reads)
    batch = replace(
        listing(0, range(3)), metrics=metrics, values=np.array([[[1.0] * 3, [2.0] * 3, [3.0] * 3]])
    )
    grid.take(batch)

    assert grid.metrics == [metrics[1]]
    assert grid.read(0, grid.low, grid.high, slice(0, 3)).tolist() == [[2, 2, 2]]


def test_a_late_row_changes_its_own_cells_and_no_others() -> None:
    grid = Grid("resources", MINUTE, [Selector("cdn_requests")])
    grid.take(listing(0, range(5)))
    grid.settled(START + MINUTE)
    late = replace(listing(0, range(3, 4)), values=np.array([[[70_000.0]]]), partial=True)
    grid.take(late)

    assert grid.read(0, grid.low, grid.high, slice(0, 5)).tolist() == [[0, 1, 2, 70_000, 4]]
    assert {number: np.flatnonzero(which).tolist() for number, which in grid.changes.items()} == {
        grid.low: [3]
    }
