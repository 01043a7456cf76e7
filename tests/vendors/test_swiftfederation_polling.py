"""SwiftFederation under the daemon's own poller: an hour of it, after two months of backfill."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import anyio
import pytest

from tests.conftest import LoopClock
from tests.vendors.swiftfederation_server import SETTINGS, Build, Server, question
from watcher.collect.collector import Collector
from watcher.collect.line import Line
from watcher.collect.source import SourceReader
from watcher.model.sample import Poll, SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, parse_rfc3339

pytestmark = pytest.mark.looptime


def reader(collector: Collector, clock: LoopClock, polls: list[Poll]) -> SourceReader:
    """The daemon's own, which puts its polls into the list."""

    async def send(poll: Poll) -> None:
        polls.append(poll)

    line = Line(
        source="src",
        vendor="swiftfederation",
        collector=collector,
        clock=clock,
        rng=random.Random(1),  # noqa: S311 - spreads polls
        send=send,
    )
    return SourceReader(line, {})


async def test_days_come_first_then_bins_of_five_minutes_from_midnight_on_and_no_call_is_too_long(
    build: Build, clock: LoopClock
) -> None:
    server, polls = Server(), list[Poll]()
    server.unknown = {"old.test"}
    settings = {**SETTINGS, "domains": ["a.test", "old.test", "b.test"], "backfill": "60d"}

    with anyio.move_on_after(HOUR / SECOND):
        await reader(build("swiftfederation", server, **settings), clock, polls).run()

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
    assert sum("old.test" in each["serviceNames"] for each in asked) <= 6
    assert {poll.sight.up for poll in polls if poll.sight.message != "not asked yet"} == {True}


@pytest.mark.parametrize("minutes", [20, 95, 140])
async def test_after_a_time_in_which_the_vendor_knew_no_name_no_bin_lacks_one(
    build: Build, clock: LoopClock, minutes: int
) -> None:
    server, polls = Server(), list[Poll]()
    names = [f"n{number}.test" for number in range(4)]
    collector = build("swiftfederation", server, **{**SETTINGS, "domains": names, "overlap": "0s"})

    await with_unknown(set(names), minutes, reader(collector, clock, polls), server)

    assert all(batch.values[0, 0].all() for batch in batches(polls, "domains"))
    read = names_by_bin(polls)
    assert sorted(read) == [*range(min(read), clock.now() - 15 * MINUTE, 5 * MINUTE)]
    assert {*read.values()} == {frozenset(names)}


@pytest.mark.parametrize("minutes", [1, 12, 40, 59])
async def test_after_a_time_in_which_one_name_was_unknown_no_bin_lacks_it(
    build: Build, clock: LoopClock, minutes: int
) -> None:
    server, polls = Server(), list[Poll]()
    collector = build("swiftfederation", server, **SETTINGS)

    await with_unknown({"b.test"}, minutes, reader(collector, clock, polls), server)

    assert {*names_by_bin(polls).values()} == {frozenset({"a.test", "b.test"})}


async def with_unknown(names: set[str], minutes: int, source: SourceReader, server: Server) -> None:
    """Half an hour of polling, some minutes in which the vendor does not know the names, and an hour."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.run)
        await anyio.sleep(30 * MINUTE / SECOND)
        server.unknown = names
        await anyio.sleep(minutes * MINUTE / SECOND)
        server.unknown = set()
        await anyio.sleep(HOUR / SECOND)
        tasks.cancel_scope.cancel()


def batches(polls: Sequence[Poll], stream: str) -> list[SampleBatch]:
    return [batch for poll in polls for batch in poll.batches if batch.stream == stream]


def names_by_bin(polls: Sequence[Poll]) -> Mapping[int, frozenset[str]]:
    """What was read of each bin last: it stands in the place of what was read before."""
    return {
        start: frozenset(dict(entity)["resource"] for entity in batch.entities)
        for batch in batches(polls, "origin")
        for start in batch.starts.tolist()
    }
