"""Streams whose answers hold several bins: long windows, and shorter ones where a long one fails."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import nan

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.collect.fakes import SPEC, Rig, at, minutes
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.windows import Caution, joined
from watcher.errors import (
    CollectError,
    ContractBroken,
    NetworkFailed,
    RequestRefused,
    TimedOut,
    VendorFailed,
)
from watcher.model.ports import Clock
from watcher.model.sample import Cursor, SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, Instant

LONG = replace(SPEC, backfill=2 * HOUR, reads=HOUR)


def lengths(windows: Sequence[Window]) -> list[int]:
    return [(window.end - window.start) // MINUTE for window in windows]


@given(
    st.lists(st.booleans(), max_size=40),
    st.integers(1, 12),
    st.integers(0, 40),
    st.integers(0, 12),
    st.integers(1, 5),
)
def test_joined_windows_are_the_same_bins_in_order_and_none_too_long(
    present: list[bool], most: int, first: int, length: int, bins: int
) -> None:
    wanted = [Window(n * MINUTE, (n + 1) * MINUTE) for n, there in enumerate(present) if there]
    caution = Caution(first * MINUTE, (first + length) * MINUTE, bins)
    windows = joined(wanted, most, caution)

    assert [s for w in windows for s in range(w.start, w.end, MINUTE)] == [w.start for w in wanted]
    assert max(lengths(windows), default=0) <= most
    inside = [w for w in windows if caution.start <= w.start < caution.end]
    assert all(window.end <= caution.end for window in inside)
    assert max(lengths(inside), default=0) <= bins


@pytest.mark.looptime
async def test_a_backlog_is_read_in_windows_as_long_as_one_answer_holds(clock: Clock) -> None:
    rig = Rig(clock)
    await rig.poll(LONG, MINUTE)

    assert lengths(rig.vendor.windows()) == [60, 57]
    assert rig.sink.read() == minutes("01:00", "02:56")
    assert [cursor.position for cursor in rig.sink.cursors()] == [at("02:00"), at("02:57")]


@pytest.mark.looptime
async def test_what_is_read_again_and_what_is_new_is_one_call_and_one_poll(clock: Clock) -> None:
    rig = Rig(clock)
    cursor = Cursor("cdn", "s", at("02:57"), at("01:00"))
    await rig.poll(replace(LONG, overlap=10 * MINUTE), 4 * MINUTE, cursor)

    assert lengths(rig.vendor.windows()) == [10, 11, 11, 11]
    read = [poll for poll in rig.sink.polls if poll.cursor]
    assert [batch.starts.tolist() for batch in read[0].batches[:1]] == [minutes("02:47", "02:57")]


@pytest.mark.looptime
@pytest.mark.parametrize("error", [RequestRefused("HTTP 422"), ContractBroken("odd"), VendorFailed("500")])
async def test_one_bad_bin_holds_up_no_more_than_itself(error: CollectError, clock: Clock) -> None:
    rig = Rig(clock)
    bad = at("02:13")

    def one_bad(_spec: StreamSpec, window: Window) -> None:
        if window.start <= bad < window.end:
            raise error

    rig.vendor.judge = one_bad
    spec = replace(LONG, overlap=10 * MINUTE, backfill=DAY, reads=DAY)
    await rig.poll(spec, HOUR)
    soon = [poll.cursor.position for poll in rig.sink.polls if poll.cursor and poll.sight.at < at("03:04")]

    assert max(soon) >= bad
    if isinstance(error, RequestRefused):
        assert sorted(set(rig.sink.read())) == [
            start for start in range(at("03:00") - DAY, at("03:56"), MINUTE) if start != bad
        ]
        assert {cursor.position for cursor in rig.sink.cursors()} >= {at("03:56")}
    single = [window for window in rig.vendor.windows() if window.start <= bad < window.end]
    assert list(dict.fromkeys(lengths(single))) == [1437, 179, 22, 2, 1]


@pytest.mark.looptime
async def test_a_place_that_was_bad_for_a_while_is_read_as_a_whole_again(clock: Clock) -> None:
    rig = Rig(clock)
    bad = at("02:50")

    def bad_for_five_minutes(_spec: StreamSpec, window: Window) -> None:
        if window.start <= bad < window.end and clock.now() < at("03:05"):
            raise ContractBroken("a bin that cannot be")

    rig.vendor.judge = bad_for_five_minutes
    await rig.poll(replace(LONG, overlap=90 * MINUTE, backfill=2 * HOUR, reads=DAY), HOUR)

    assert lengths(rig.vendor.windows()[-5:]) == [91] * 5


@pytest.mark.looptime
async def test_an_outage_makes_no_long_run_of_short_windows(clock: Clock) -> None:
    rig = Rig(clock)

    def down(_spec: StreamSpec, _window: Window) -> None:
        if clock.now() < at("04:00"):
            raise VendorFailed("HTTP 503")

    rig.vendor.judge = down
    await rig.poll(replace(LONG, backfill=DAY, reads=DAY), 2 * HOUR)
    answered = [window for moment, _, window in rig.vendor.asked if moment >= at("04:00")]

    assert sorted(rig.sink.read()) == list(range(at("03:00") - DAY, at("04:56"), MINUTE))
    assert len([one for one in answered if one.end - one.start > MINUTE or one.start < at("03:00")]) < 30


@pytest.mark.looptime
async def test_no_network_makes_no_window_shorter(clock: Clock) -> None:
    rig = Rig(clock)

    def down_at_first(_spec: StreamSpec, _window: Window) -> None:
        if clock.now() < at("03:02"):
            raise NetworkFailed("no connection in time")

    rig.vendor.judge = down_at_first
    await rig.poll(LONG, 3 * MINUTE)

    assert lengths(rig.vendor.windows()) == [60, 60, 60, 59]


@pytest.mark.looptime
async def test_a_window_too_long_to_be_answered_in_time_is_narrowed(clock: Clock) -> None:
    """A day takes five minutes, of which there are two."""
    rig = Rig(clock)
    answer = rig.vendor.collect

    async def slow(stream: StreamSpec, window: Window) -> SampleBatch:
        await anyio.sleep((window.end - window.start) / MINUTE * 0.2)
        return await answer(stream, window)

    rig.vendor.collect = slow  # type: ignore[method-assign]
    await rig.poll(replace(LONG, backfill=DAY, reads=DAY), HOUR)

    assert set(rig.sink.read()) >= {*range(at("03:00") - DAY, at("03:50"), MINUTE)}


@pytest.mark.looptime
async def test_one_bin_that_is_never_answered_in_time_is_left_out_in_the_end(clock: Clock) -> None:
    rig = Rig(clock)

    def hangs(_spec: StreamSpec, window: Window) -> None:
        if window.start <= at("02:13") < window.end:
            raise TimedOut("no answer within 30 s")

    rig.vendor.judge = hangs
    await rig.poll(LONG, 5 * HOUR)

    assert sorted(set(rig.sink.read())) == [
        *minutes("01:00", "02:12"),
        *range(at("02:14"), at("07:56"), MINUTE),
    ]


@pytest.mark.looptime
@pytest.mark.parametrize("reads", [0, HOUR])
async def test_what_fails_when_it_is_read_again_holds_up_nothing_new(reads: int, clock: Clock) -> None:
    rig = Rig(clock)
    bad = at("03:10")
    seen: list[Instant] = []

    def again_bad(_spec: StreamSpec, window: Window) -> None:
        if window.start <= bad < window.end:
            if bad in seen:
                raise VendorFailed("HTTP 504")
            seen.append(bad)

    rig.vendor.judge = again_bad
    with capture_logs() as logs:
        await rig.poll(replace(LONG, overlap=5 * MINUTE, reads=reads, backfill=5 * MINUTE), HOUR)

    assert {up for _, up in rig.sink.sights()} == {1.0}
    assert set(rig.sink.read()) == {*minutes("02:55", "03:55")}
    assert [cursor.position for cursor in rig.sink.cursors()][-59:] == minutes("02:58", "03:56")
    assert rig.sink.read().count(bad - MINUTE) >= 5
    assert logs == []


@pytest.mark.looptime
async def test_a_vendor_that_is_down_is_not_asked_for_every_bin_of_the_overlap(clock: Clock) -> None:
    rig = Rig(clock)

    def down(_spec: StreamSpec, _window: Window) -> None:
        if clock.now() >= at("03:10"):
            raise VendorFailed("HTTP 503")

    rig.vendor.judge = down
    await rig.poll(replace(SPEC, overlap=20 * MINUTE), 11 * MINUTE)

    assert len([moment for moment, _, _ in rig.vendor.asked if moment == at("03:10")]) == 2
    assert rig.sink.sights()[-1] == (at("03:10"), 0.0)


@pytest.mark.looptime
async def test_what_was_read_again_counts_though_what_is_new_fails(clock: Clock) -> None:
    rig = Rig(clock)

    def new_fails(_spec: StreamSpec, window: Window) -> None:
        if window.start == at("03:00") and clock.now() < at("03:10"):
            raise VendorFailed("HTTP 503")

    rig.vendor.judge = new_fails
    rig.vendor.value = lambda start: float(clock.now() - start)
    await rig.poll(replace(SPEC, overlap=2 * MINUTE, backfill=5 * MINUTE), 6 * MINUTE)
    newest = {int(batch.starts[0]): float(batch.values[0, 0, 0]) for batch in rig.sink.batches()}

    assert newest[at("02:59")] == at("03:05") - at("02:59")
    assert rig.sink.sights()[-1] == (at("03:05"), 0.0)


@pytest.mark.looptime
@pytest.mark.parametrize(("reads", "most"), [(0, 4), (HOUR, 3)])
async def test_bins_with_nothing_in_them_are_asked_for_until_something_comes(
    reads: int, most: int, clock: Clock
) -> None:
    """A vendor stalls for half an hour, and then has all of it."""
    rig = Rig(clock)

    def stalled(start: Instant) -> float:
        return nan if at("03:10") <= start and clock.now() < at("03:45") else 1.0

    rig.vendor.value = stalled
    await rig.poll(replace(SPEC, overlap=2 * MINUTE, reads=reads, backfill=5 * MINUTE), 2 * HOUR)
    said = {
        int(start)
        for batch in rig.sink.batches()
        for start, values in zip(batch.starts, batch.values, strict=True)
        if values[0, 0] == 1
    }
    polls = Counter(moment for moment, _, _ in rig.vendor.asked)

    assert said >= {*minutes("02:55", "04:50")}
    assert max(polls.values()) <= most + 4 * (reads == 0)


@pytest.mark.looptime
async def test_what_is_never_said_is_not_asked_for_for_ever_and_told_once(clock: Clock) -> None:
    rig = Rig(clock)
    rig.vendor.value = lambda start: nan if start == at("03:10") else 1.0
    await rig.poll(replace(SPEC, backfill=5 * MINUTE), 4 * HOUR)
    asked = [moment for moment, _, window in rig.vendor.asked if window.start == at("03:10")]

    assert at("05:05") < max(asked) <= at("05:10")
    assert rig.sink.read().count(at("03:10")) == 1
