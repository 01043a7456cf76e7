"""What a grid holds of a stream while the vendor's lists come and go."""

import numpy as np

from watcher.engine.grid import Grid
from watcher.model.labels import label_set
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
    grid = Grid("resources", MINUTE, frozenset({"cdn_requests"}))
    lists = [range(10), range(60), range(10), range(200), range(50, 90)]
    for day, names in enumerate(lists):
        grid.take(listing(day * 1_440, names))
        grid.settled(START + (day * 1_440 + 1) * MINUTE)
        grid.forget(START + (day * 1_440 - 10) * MINUTE)
        shown = grid.read(0, grid.high - 1, grid.high, slice(0, grid.size))[0]

        assert sorted(shown[~np.isnan(shown)].tolist()) == list(names)
