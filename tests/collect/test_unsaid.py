"""Bins that were answered with nothing in them are asked for until they say something, and once more."""

import numpy as np

from tests.conftest import BASE
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.unsaid import Unsaid
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE

SPEC = StreamSpec("s", MINUTE, MINUTE)
WINDOW = Window(BASE, BASE + MINUTE)


def batch(*values: float) -> SampleBatch:
    """One bin of two metrics."""
    return SampleBatch(
        source="src",
        vendor="fake",
        stream="s",
        width=MINUTE,
        fetched_at=BASE + 2 * MINUTE,
        settled_until=BASE + MINUTE,
        entities=((),),
        metrics=(("cdn_requests", ()), ("cdn_bytes", ())),
        starts=np.array([BASE], dtype=np.int64),
        values=np.array(values).reshape(1, 2, 1),
    )


def test_a_bin_whose_vendor_came_back_half_way_through_a_reading_is_asked_for_once_more() -> None:
    unsaid, now, later = Unsaid(SPEC), BASE + 2 * MINUTE, BASE + 5 * MINUTE
    unsaid.hear(WINDOW, batch(np.nan, np.nan), now)
    assert unsaid.again(later, now) == [WINDOW]

    unsaid.hear(WINDOW, batch(np.nan, 7.0), now)
    assert unsaid.again(later, now) == [WINDOW]

    unsaid.hear(WINDOW, batch(3.0, 7.0), now)
    assert unsaid.again(later, now) == []


def test_a_bin_that_says_something_at_once_is_not_asked_for_again() -> None:
    unsaid = Unsaid(SPEC)
    unsaid.hear(WINDOW, batch(3.0, np.nan), BASE + 2 * MINUTE)

    assert unsaid.again(BASE + 5 * MINUTE, BASE + 2 * MINUTE) == []
