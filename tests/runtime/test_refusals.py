"""Bad input is told when it begins and when it is over, and shown by `watcher status` meanwhile."""

from dataclasses import replace

import numpy as np
from structlog.testing import capture_logs

from watcher.engine.guard import Guard
from watcher.model.sample import Poll, SampleBatch, Sight
from watcher.model.time import MINUTE, Instant
from watcher.runtime.refusals import Refusals

START: Instant = 1_700_000_400_000
SIGHT = Sight("cdn", "test", "s", START, up=True)


def batch(minute: int, requests: float) -> SampleBatch:
    start = START + minute * MINUTE
    return SampleBatch(
        source="cdn",
        vendor="test",
        stream="s",
        width=MINUTE,
        fetched_at=start + MINUTE,
        settled_until=start + MINUTE,
        entities=((("resource", "shop"),),),
        metrics=(("cdn_requests", ()),),
        starts=np.array([start], np.int64),
        values=np.array([[[requests]]]),
    )


def test_an_hour_of_negative_counts_is_two_lines() -> None:
    guard = Guard()
    refusals = Refusals(guard)
    with capture_logs() as logs:
        for minute in range(120):
            guard.admit(batch(minute, -5.0 if 10 <= minute < 70 else 5.0))
            refusals.tell()

    assert [(line["event"], line["log_level"], line["state"], line["count"]) for line in logs] == [
        ("input_refused", "warning", "begins", 1),
        ("input_refused", "info", "over", 60),
    ]
    assert (logs[0]["source"], logs[0]["stream"], logs[0]["reason"]) == ("cdn", "s", "negative")


def test_what_is_refused_is_part_of_how_a_stream_stands() -> None:
    guard = Guard()
    refusals = Refusals(guard)
    guard.admit(batch(0, float("inf")))

    shown = refusals.remarked(Poll(replace(SIGHT, message="one page of two")))
    assert shown.sight.message == "one page of two; refused 1 infinite values"
    down, other = Poll(replace(SIGHT, up=False, message="no route")), Poll(replace(SIGHT, stream="t"))
    assert (refusals.remarked(down), refusals.remarked(other)) == (down, other)
