"""The loop around a stream: cadence, backfill, cursors, failures, and its own sight."""

import random
from dataclasses import replace

import anyio
import pytest
from structlog.testing import capture_logs

from tests.collect.fakes import SPEC, Rig, at, minutes
from tests.conftest import LoopClock
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.poller import FIRST_TICK_SPREAD, Poller
from watcher.collect.windows import Span
from watcher.errors import ClockSkewed
from watcher.model.ports import Clock
from watcher.model.sample import Cursor
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Instant

pytestmark = pytest.mark.looptime


async def test_ticks_stay_on_the_grid_of_the_first_however_long_a_poll_takes(clock: Clock) -> None:
    rig = Rig(clock)
    rig.vendor.takes = 7 * SECOND
    await rig.poll(replace(SPEC, width=0), 4 * MINUTE)

    assert [moment for moment, _, _ in rig.vendor.asked] == minutes("03:00", "03:03")


async def test_polls_never_stack_and_each_tick_that_passed_leaves_its_sight(clock: Clock) -> None:
    rig = Rig(clock)
    rig.vendor.takes = 100 * SECOND
    await rig.poll(replace(SPEC, width=0), 10 * MINUTE)

    assert [moment for moment, _, _ in rig.vendor.asked] == [
        at(text) for text in ("03:00", "03:02", "03:04", "03:06", "03:08")
    ]
    assert rig.sink.sights() == [(moment, 1.0) for moment in minutes("03:00", "03:09")]


async def test_the_first_tick_is_spread_a_little(clock: Clock) -> None:
    rig = Rig(clock)
    rig.line = replace(rig.line, rng=random.Random(4))  # noqa: S311 - seeded on purpose
    await rig.poll(replace(SPEC, width=0), MINUTE)
    ((moment, _, window),) = rig.vendor.asked

    assert at("03:00") < moment <= at("03:00") + FIRST_TICK_SPREAD
    assert window == Window(moment, moment)


async def test_only_settled_windows_are_asked_for_each_once(clock: Clock) -> None:
    rig = Rig(clock)
    await rig.poll(replace(SPEC, backfill=5 * MINUTE), 4 * MINUTE)

    assert rig.sink.read() == minutes("02:55", "02:59")
    assert all(moment - window.end >= SPEC.settle for moment, _, window in rig.vendor.asked)


async def test_each_poll_asks_for_the_windows_of_the_overlap_again(clock: Clock) -> None:
    rig = Rig(clock)
    spec = replace(SPEC, backfill=5 * MINUTE, overlap=2 * MINUTE)
    await rig.poll(spec, 3 * MINUTE)

    assert rig.sink.read() == [
        *minutes("02:55", "02:56"),
        *minutes("02:55", "02:57"),
        *minutes("02:56", "02:58"),
    ]
    positions = [cursor.position for cursor in rig.sink.cursors()]
    assert positions == sorted(positions)


async def test_backfill_goes_oldest_first_and_is_committed_window_by_window(clock: Clock) -> None:
    rig = Rig(clock)
    rig.vendor.takes = SECOND
    await rig.poll(replace(SPEC, backfill=HOUR), 2 * MINUTE)
    reading = [poll for poll in rig.sink.polls if poll.cursor is not None]

    assert rig.sink.read() == minutes("02:00", "02:57")
    assert [poll.cursor.position for poll in reading if poll.cursor] == minutes("02:01", "02:58")
    assert all(poll.batches[0].settled_until == poll.cursor.position for poll in reading if poll.cursor)
    assert {cursor.since for cursor in rig.sink.cursors()} == {at("02:00")}


async def test_a_stream_counts_as_behind_until_its_backfill_is_read(clock: Clock) -> None:
    rig = Rig(clock)
    rig.vendor.takes = SECOND
    poller = rig.poller(replace(SPEC, backfill=HOUR))
    opening = poller.opening().sight
    with anyio.move_on_after(59):
        await poller.run()
    caught_up = [poll.sight.caught_up for poll in rig.sink.polls]

    assert (opening.caught_up, opening.behind, opening.message) == (False, 57 * MINUTE, "not asked yet")
    assert (opening.up, opening.family) == (False, "")
    assert caught_up == sorted(caught_up)
    assert (caught_up[0], caught_up[-1]) == (False, True)
    assert poller.caught_up.is_set()
    assert rig.sink.polls[-1].sight.behind == 0


async def test_a_backfill_of_several_cadences_leaves_a_sight_for_each(clock: Clock) -> None:
    rig = Rig(clock)
    rig.vendor.takes = 5 * SECOND
    await rig.poll(replace(SPEC, backfill=HOUR), 10 * MINUTE)

    assert rig.sink.sights() == [(moment, 1.0) for moment in minutes("03:00", "03:09")]
    first = rig.sink.batches("s.sight")[0]
    assert first.settled_until == at("03:01")
    assert 40 * MINUTE < first.values[0, 1, 0] * SECOND < HOUR


async def test_after_a_restart_reading_goes_on_where_the_cursor_is(clock: Clock) -> None:
    rig = Rig(clock)
    cursor = Cursor("cdn", "s", at("00:30"), at("00:00"))
    await rig.poll(replace(SPEC, backfill=HOUR), MINUTE, cursor)

    assert rig.sink.read() == minutes("00:30", "02:56")
    assert rig.sink.cursors()[-1] == Cursor("cdn", "s", at("02:57"), at("00:00"))


async def test_a_stream_that_ends_is_read_to_its_end_and_no_further(clock: Clock) -> None:
    rig = Rig(clock)
    spec = replace(SPEC, width=10 * MINUTE, backfill=2 * HOUR, until=HOUR)
    poller = rig.poller(spec)
    await poller.run()

    assert rig.sink.read() == list(range(at("01:00"), at("02:00"), 10 * MINUTE))
    assert rig.sink.cursors()[-1] == Cursor("cdn", "s", at("02:00"), at("01:00"), at("02:00"))
    assert rig.sink.polls[-1].sight.caught_up
    assert poller.caught_up.is_set()


async def test_a_complete_stream_asks_nothing_more(clock: Clock) -> None:
    rig = Rig(clock)
    cursor = Cursor("cdn", "s", at("02:00"), at("01:00"), at("02:00"))
    poller = rig.poller(replace(SPEC, until=HOUR), cursor)
    await poller.run()

    assert rig.vendor.asked == []
    assert poller.opening().sight.message == "complete"


async def test_states_are_read_at_the_planned_instant_of_each_tick(clock: Clock) -> None:
    rig = Rig(clock)
    await rig.poll(replace(SPEC, width=0, settle=0), 3 * MINUTE)

    assert rig.vendor.windows() == [Window(moment, moment) for moment in minutes("03:00", "03:02")]
    assert rig.sink.cursors() == []


async def test_cancelling_a_poll_passes_through_and_leaves_nothing_half_done(clock: Clock) -> None:
    rig = Rig(clock)
    rig.vendor.takes = 10 * SECOND
    await rig.poll(replace(SPEC, backfill=HOUR), 35 * SECOND)

    assert rig.sink.read() == minutes("02:00", "02:02")
    assert rig.sink.cursors()[-1].position == at("02:03")


class SetClock:
    """A clock that a person sets while the daemon runs."""

    def __init__(self, clock: Clock, when: Instant, by: int) -> None:
        self._clock = clock
        self._when = when
        self._by = by

    def now(self) -> Instant:
        now = self._clock.now()
        return now + self._by if now >= self._when else now


@pytest.mark.parametrize("by", [5 * HOUR, -5 * HOUR])
async def test_when_the_clock_is_set_polling_goes_on_at_its_cadence(by: int, clock: Clock) -> None:
    rig = Rig(SetClock(clock, at("03:02") + 30 * SECOND, by))
    await rig.poll(replace(SPEC, width=0), 6 * MINUTE)
    moments = [window.start for window in rig.vendor.windows()]

    assert moments[:3] == minutes("03:00", "03:02")
    assert moments[3:] == [at("03:03") + by + n * MINUTE for n in range(3)]


async def test_a_full_bus_holds_the_poller_back(clock: Clock) -> None:
    rig = Rig(clock)
    send, receive = anyio.create_memory_object_stream[object](2)
    rig.line = replace(rig.line, send=send.send)
    poller = Poller(rig.line, SPEC, Span(at("02:00")))
    with send, receive, anyio.move_on_after(HOUR / SECOND):
        await poller.run()

    assert len(rig.vendor.asked) == 3


async def test_what_was_read_before_it_had_happened_is_read_again_when_the_clock_is_right(
    clock: LoopClock,
) -> None:
    rig = Rig(clock)
    poller = rig.poller(replace(SPEC, backfill=5 * MINUTE))
    with anyio.move_on_after(20 * MINUTE / SECOND):
        async with anyio.create_task_group() as group:
            group.start_soon(poller.run)
            await anyio.sleep(150)
            clock.shift = HOUR
            await anyio.sleep(300)
            ahead = len(rig.sink.read())
            clock.shift = 0

    assert max(rig.sink.read()[:ahead]) == at("04:03")
    assert rig.sink.read()[ahead:] == minutes("03:05", "03:15")
    assert rig.sink.cursors()[-1].position == at("03:16")


async def test_a_stream_that_failed_while_the_clock_was_ahead_is_asked_as_soon_as_it_is_right(
    clock: LoopClock,
) -> None:
    rig = Rig(clock)

    def skewed(_spec: StreamSpec, _window: Window) -> None:
        if clock.shift:
            raise ClockSkewed("our clock is 1 h ahead of the vendor's")

    rig.vendor.judge = skewed
    poller = rig.poller(replace(SPEC, backfill=5 * MINUTE))
    with anyio.move_on_after(20 * MINUTE / SECOND):
        async with anyio.create_task_group() as group:
            clock.shift = HOUR
            group.start_soon(poller.run)
            await anyio.sleep(600)
            clock.shift = 0

    right = [moment for moment, _, _ in rig.vendor.asked if moment < at("04:00")]
    assert at("03:10") <= right[0] <= at("03:11")
    assert rig.sink.read()[-1] == at("03:15")


async def test_after_a_long_stop_the_last_day_is_read_and_the_rest_said_to_be_left_out(clock: Clock) -> None:
    rig = Rig(clock)
    stopped = clock.now() - 30 * DAY
    spec = replace(SPEC, backfill=HOUR)
    with capture_logs() as logs:
        await rig.poll(spec, MINUTE, Cursor("cdn", "s", stopped, stopped - HOUR))
    left_out = "left out 2026-10-23T03:00:00Z to 2026-11-21T02:00:00Z: stopped for long"

    assert rig.sink.read() == list(range(clock.now() // MINUTE * MINUTE - 25 * HOUR, at("02:57"), MINUTE))
    assert rig.sink.cursors()[-1] == Cursor("cdn", "s", at("02:57"), stopped - HOUR)
    assert {poll.sight.message for poll in rig.sink.polls} == {left_out}
    assert [(line["event"], line["end"]) for line in logs] == [("window_left_out", "2026-11-21T02:00:00Z")]


async def test_a_stream_that_ended_in_a_long_stop_is_complete(clock: Clock) -> None:
    rig = Rig(clock)
    end = clock.now() - 30 * DAY
    cursor = Cursor("cdn", "s", end - HOUR, end - 6 * HOUR, end)
    poller = rig.poller(replace(SPEC, backfill=6 * HOUR, until=HOUR), cursor)
    await poller.run()

    assert rig.vendor.asked == []
    assert poller.opening().sight.caught_up
    assert poller.opening().sight.message.startswith("left out 2026-10-23T02:00:00Z to 2026-10-23T03:00:00Z")


async def test_after_a_stop_of_less_than_a_day_every_bin_is_read(clock: Clock) -> None:
    rig = Rig(clock)
    stopped = clock.now() - DAY
    await rig.poll(SPEC, MINUTE, Cursor("cdn", "s", stopped, stopped))

    assert rig.sink.read() == list(range(stopped, at("02:57"), MINUTE))


async def test_what_is_read_again_comes_with_what_is_new_in_one_poll(clock: Clock) -> None:
    """Else a correction and the bin after it are judged apart, and an incident between them is told twice."""
    rig = Rig(clock)
    await rig.poll(replace(SPEC, overlap=2 * MINUTE), 8 * MINUTE)
    reads = [
        [int(batch.starts[0]) for batch in poll.batches if batch.width and batch.stream == "s"]
        for poll in rig.sink.polls
        if poll.cursor is not None
    ]

    assert reads[-1] == minutes("03:01", "03:03")
