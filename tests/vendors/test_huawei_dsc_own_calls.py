"""Asking for calls is a call: counted, it feeds on itself; taken off where it is not, it hides calls."""

import anyio
import pytest
import structlog

from tests.conftest import BASE, LoopClock
from tests.vendors.huawei_dsc_server import OWN, SETTINGS, Build, Feed, read, record, refused, values
from watcher.collect.collector import Collector
from watcher.errors import NetworkFailed, VendorFailed
from watcher.model.time import MINUTE, Instant

pytestmark = pytest.mark.looptime

FAST = {**SETTINGS, "limit": 100}
MINUTES = 40


@pytest.fixture
def feed(clock: LoopClock) -> Feed:
    return Feed(clock)


async def poll(
    collector: Collector, feed: Feed, clock: LoopClock, minutes: int, *, busy: int = 7
) -> dict[Instant, float]:
    """A poller's ticks, each over the overlap and a new minute; what was last said of each minute."""
    said: dict[Instant, float] = {}
    [stream] = await collector.streams()
    for _ in range(minutes):
        edge = clock.now() // MINUTE * MINUTE
        feed.records += [record(edge + number) for number in range(busy)]
        newest = (clock.now() - stream.settle) // MINUTE * MINUTE - MINUTE
        for start in range(newest - stream.overlap, newest + 1, MINUTE):
            said[start] = values(await read(collector, start))["succeeded"]
        await anyio.sleep((edge + 2 * MINUTE - MINUTE // 2 - clock.now()) / 1000)
    return said


def others(said: dict[Instant, float], since: Instant = BASE) -> set[float]:
    """What was said of minutes in which others called."""
    return {count for start, count in said.items() if start >= since}


@pytest.mark.parametrize("date", [True, False], ids=["with Date", "without Date"])
async def test_calls_that_the_feed_holds_are_taken_off(
    build: Build, feed: Feed, clock: LoopClock, *, date: bool
) -> None:
    feed.logs_reads, feed.date = True, date

    with structlog.testing.capture_logs() as logs:
        said = await poll(build("huawei_dsc", feed, **FAST), feed, clock, MINUTES)

    assert others(said) == {7}
    assert [(log["event"], log["holds"]) for log in logs] == [("own_calls_in_feed", True)]
    assert len(feed.requests) < MINUTES * 7


async def test_nothing_is_taken_off_where_the_feed_holds_none(
    build: Build, feed: Feed, clock: LoopClock
) -> None:
    with structlog.testing.capture_logs() as logs:
        said = await poll(build("huawei_dsc", feed, **FAST), feed, clock, MINUTES)

    assert others(said) == {7}
    assert [(log["event"], log["holds"]) for log in logs] == [("own_calls_in_feed", False)]
    assert feed.limits.count("1") == MINUTES * 6
    assert len(feed.requests) < MINUTES * 7


async def test_a_project_in_which_only_we_call_has_no_calls(
    build: Build, feed: Feed, clock: LoopClock
) -> None:
    feed.logs_reads = True

    assert others(await poll(build("huawei_dsc", feed, **FAST), feed, clock, MINUTES, busy=0)) == {0}


async def test_a_feed_that_begins_to_hold_them_is_believed_at_once_and_one_that_ends_within_an_hour(
    build: Build, feed: Feed, clock: LoopClock
) -> None:
    collector = build("huawei_dsc", feed, **FAST)
    await poll(collector, feed, clock, 20)
    feed.logs_reads = True
    began = clock.now()

    said = await poll(collector, feed, clock, 20, busy=0)
    assert others(said, began) == {0}

    feed.logs_reads = False
    ended = clock.now()
    said = await poll(collector, feed, clock, 90)
    assert others(said, ended + 75 * MINUTE) == {7}


async def test_after_a_restart_the_records_tell_what_was_ours(
    build: Build, feed: Feed, clock: LoopClock
) -> None:
    feed.logs_reads = True
    before = await poll(build("huawei_dsc", feed, **FAST), feed, clock, 15)

    after = await poll(build("huawei_dsc", feed, **FAST), feed, clock, 15)

    shared = {start: count for start, count in after.items() if start in before and start >= BASE}
    assert len(shared) >= 5
    assert set(shared.values()) == {7}
    assert others(after) == {7}


async def test_calls_of_ours_that_failed_are_taken_off_as_the_records_have_them(
    build: Build, feed: Feed
) -> None:
    start = BASE - 10 * MINUTE
    feed.records = [record(start, request_url=OWN, code="429", reason="throttled")] * 3
    feed.records += [record(start, request_url=f"{OWN}?limit=1"), record(start), record(start, "500")]

    found = values(await read(build("huawei_dsc", feed, **FAST), start))

    assert (found["succeeded"], found["failed"]) == (1, 1)
    assert len(found) == 3


async def test_counts_never_fall_below_zero(build: Build, feed: Feed, clock: LoopClock) -> None:
    """The feed holds some of our calls, not all."""
    feed.logs_reads = True
    collector = build("huawei_dsc", feed, **FAST)
    await poll(collector, feed, clock, 15)
    feed.records.clear()
    feed.logs_reads = False
    feed.records += [record(clock.now() - MINUTE, request_url=OWN)]

    minute = (clock.now() - MINUTE) // MINUTE * MINUTE
    assert values(await read(collector, minute))["succeeded"] == 0


@pytest.mark.parametrize(
    "lost", [NetworkFailed("reset"), refused(504, "APIG.0202", "Backend timeout"), VendorFailed("cut")]
)
async def test_a_minute_in_which_an_answer_was_lost_is_told_by_its_records(
    build: Build, feed: Feed, clock: LoopClock, lost: NetworkFailed
) -> None:
    """The vendor may have logged the call, or not."""
    feed.logs_reads = True
    collector = build("huawei_dsc", feed, **FAST)
    await poll(collector, feed, clock, 15)
    minute = clock.now() // MINUTE * MINUTE
    feed.replies = [lost]
    await read(collector, minute - 5 * MINUTE)
    feed.requests.clear()

    assert values(await read(collector, minute))["succeeded"] == 0
    assert feed.limits == ["1", "2000"]
