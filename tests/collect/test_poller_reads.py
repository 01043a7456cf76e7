"""Streams whose answers hold several bins: long windows, and shorter ones where a long one fails."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collect.fakes import SPEC, Rig, at, minutes
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.windows import Caution, joined
from watcher.errors import CollectError, ContractBroken, NetworkFailed, RequestRefused, VendorFailed
from watcher.model.ports import Clock
from watcher.model.sample import Cursor
from watcher.model.time import DAY, HOUR, MINUTE

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

    assert max(soon) == bad
    if isinstance(error, RequestRefused):
        assert sorted(set(rig.sink.read())) == [
            start for start in range(at("03:00") - DAY, at("03:56"), MINUTE) if start != bad
        ]
        assert {cursor.position for cursor in rig.sink.cursors()} >= {at("03:56")}
    single = [window for window in rig.vendor.windows() if window.start <= bad < window.end]
    assert list(dict.fromkeys(lengths(single))) == [1437, 179, 22, 2, 1]


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
