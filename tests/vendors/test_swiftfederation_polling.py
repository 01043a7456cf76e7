"""SwiftFederation under the daemon's own poller: an hour of it, after two months of backfill."""

import random
from collections import Counter

import anyio
import pytest

from tests.conftest import LoopClock
from tests.vendors.swiftfederation_server import SETTINGS, Build, Server, question
from watcher.collect.line import Line
from watcher.collect.source import SourceReader
from watcher.model.sample import Poll
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, parse_rfc3339

pytestmark = pytest.mark.looptime


async def test_days_come_first_then_bins_of_five_minutes_from_midnight_on_and_no_call_is_too_long(
    build: Build, clock: LoopClock
) -> None:
    server, polls = Server(), list[Poll]()
    server.unknown = {"old.test"}
    settings = {**SETTINGS, "domains": ["a.test", "old.test", "b.test"], "backfill": "60d"}

    async def send(poll: Poll) -> None:
        polls.append(poll)

    line = Line(
        source="src",
        vendor="swiftfederation",
        collector=build("swiftfederation", server, **settings),
        clock=clock,
        rng=random.Random(1),  # noqa: S311 - spreads polls
        send=send,
    )
    with anyio.move_on_after(HOUR / SECOND):
        await SourceReader(line, {}).run()

    asked = [question(request) for request in server.requests]
    starts, widths = dict[int, str](), Counter[str]()
    for batch in (batch for poll in polls for batch in poll.batches if batch.entities and batch.width):
        if batch.stream.startswith("origin") and not batch.stream.endswith(".sight"):
            widths[batch.stream] += 1
            starts.update(dict.fromkeys(batch.starts.tolist(), batch.stream))
    boundary = parse_rfc3339("2026-11-20T00:00:00Z")
    assert {stream for start, stream in starts.items() if start < boundary} == {"origin-1d"}
    assert {stream for start, stream in starts.items() if start >= boundary} == {"origin"}
    fine = sorted(start for start in starts if start >= boundary)
    assert fine == [*range(boundary, clock.now() - 15 * MINUTE, 5 * MINUTE)]
    assert widths["origin-1d"] == 2
    for each in asked:
        longest = 30 * DAY if each["interval"] == "day" else DAY
        assert 0 < parse_rfc3339(each["endTime"]) - parse_rfc3339(each["startTime"]) <= longest
    assert sum("old.test" in each["serviceNames"] for each in asked) <= 4
    assert {poll.sight.up for poll in polls if poll.sight.message != "not asked yet"} == {True}
