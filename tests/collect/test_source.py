"""One source: its streams are found, started in order, and found again after a restart."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import anyio
import pytest
from structlog.testing import capture_logs

from tests.collect.fakes import Rig, at, minutes
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.source import SourceReader
from watcher.errors import AuthenticationFailed, CollectError, NetworkFailed, VendorFailed
from watcher.model.ports import Clock, Errand
from watcher.model.sample import Cursor
from watcher.model.time import HOUR, MINUTE, SECOND, Duration

pytestmark = pytest.mark.looptime

COARSE = StreamSpec(
    "coarse", 10 * MINUTE, MINUTE, settle=3 * MINUTE, backfill=3 * HOUR, until=HOUR, align=10 * MINUTE
)
FINE = StreamSpec("fine", MINUTE, MINUTE, settle=3 * MINUTE, backfill=HOUR, align=10 * MINUTE, after="coarse")
STATES = StreamSpec("states", 0, MINUTE)


async def read(rig: Rig, duration: Duration, cursors: Mapping[str, Cursor] | None = None) -> None:
    reader = SourceReader(rig.line, cursors or {})
    with anyio.move_on_after((duration - 1) / SECOND):
        await reader.run()


async def test_every_stream_is_read_and_the_source_has_a_sight_of_its_own(clock: Clock) -> None:
    rig = Rig(clock, STATES, replace(FINE, after=""))
    await read(rig, 3 * MINUTE)

    assert {poll.sight.stream for poll in rig.sink.polls} == {"streams", "states", "fine"}
    assert [up for _, up in rig.sink.sights("streams")] == [1, 1, 1]
    assert [up for _, up in rig.sink.sights("states")] == [1, 1, 1]


async def test_all_streams_are_known_before_the_first_is_read(clock: Clock) -> None:
    rig = Rig(clock, COARSE, FINE)
    await read(rig, MINUTE)
    opening = [(poll.sight.stream, poll.sight.caught_up) for poll in rig.sink.polls[:2]]

    assert opening == [("coarse", False), ("fine", False)]


async def test_a_stream_with_a_backlog_is_known_before_one_without(clock: Clock) -> None:
    """Else what is held until the source has caught up would be let go at a restart."""
    rig = Rig(clock, COARSE, FINE)
    end = clock.now() // HOUR * HOUR - HOUR
    complete = Cursor("cdn", "coarse", end, end - HOUR, until=end)
    await read(rig, MINUTE, {"coarse": complete})
    opening = [(poll.sight.stream, poll.sight.caught_up) for poll in rig.sink.polls[:2]]

    assert opening == [("fine", False), ("coarse", True)]


async def test_a_source_that_cannot_tell_its_streams_is_asked_again_at_its_cadence(clock: Clock) -> None:
    rig = Rig(clock, STATES)
    rig.vendor.refusal = NetworkFailed("no connection in time")
    reader = SourceReader(rig.line, {})
    with anyio.move_on_after(5 * MINUTE / SECOND - 1):
        async with anyio.create_task_group() as group:
            group.start_soon(reader.run)
            await anyio.sleep(150)
            rig.vendor.refusal = None

    assert len(rig.vendor.listed) == 4
    assert [up for _, up in rig.sink.sights("streams")] == [0, 0, 0, 1, 1]
    first = rig.sink.polls[0].sight
    assert (first.stream, first.family, first.message) == ("streams", "network", "no connection in time")
    assert (first.caught_up, rig.sink.polls[-1].sight.caught_up) == (False, True)
    assert rig.vendor.windows("states")[0].start == at("03:03")


async def test_a_stream_waits_until_the_earlier_one_has_caught_up(clock: Clock) -> None:
    rig = Rig(clock, FINE, COARSE)
    rig.vendor.takes = 20 * SECOND
    await read(rig, 30 * MINUTE)
    order = [poll.cursor.stream for poll in rig.sink.polls if poll.cursor]

    assert order == sorted(order)
    assert rig.sink.read("coarse") == list(range(at("00:00"), at("02:00"), 10 * MINUTE))
    assert rig.sink.read("fine")[0] == at("02:00")


async def test_a_stream_does_not_wait_for_one_that_is_not_answered_for_long(clock: Clock) -> None:
    rig = Rig(clock, COARSE, FINE)

    def coarse_down(spec: StreamSpec, _window: Window) -> None:
        if spec.name == "coarse" and clock.now() < at("03:30"):
            raise VendorFailed("HTTP 504")

    rig.vendor.judge = coarse_down
    with capture_logs() as logs:
        await read(rig, HOUR)
    began = min(moment for moment, stream, _ in rig.vendor.asked if stream == "fine")

    assert at("03:10") < began <= at("03:12")
    assert "not_waiting_longer" in [line["event"] for line in logs]
    assert rig.sink.read("fine")[0] == rig.sink.read("coarse")[-1] + 10 * MINUTE == at("02:00")


async def test_a_stream_waits_as_long_as_what_it_waits_for_is_getting_on(clock: Clock) -> None:
    rig = Rig(clock, COARSE, FINE, replace(STATES, name="last", after="fine"))
    rig.vendor.takes = 90 * SECOND
    with capture_logs() as logs:
        await read(rig, 30 * MINUTE)

    assert logs == []
    assert rig.vendor.windows("fine")
    assert rig.vendor.windows("last") == []


async def test_streams_that_wait_for_each_other_do_not_wait_for_ever(clock: Clock) -> None:
    rig = Rig(clock, replace(STATES, after="b"), replace(STATES, name="b", after="states"))
    await read(rig, 15 * MINUTE)

    assert rig.vendor.windows("states")
    assert rig.vendor.windows("b")


@pytest.mark.parametrize("stopped", [1, 15, 70, 130, 170, 400])
async def test_stopped_in_a_backfill_and_started_again_every_bin_is_read_once(
    stopped: int, clock: Clock
) -> None:
    rig = Rig(clock, COARSE, FINE)
    rig.vendor.takes = 10 * SECOND
    await read(rig, stopped * SECOND)
    kept = {name: cursors[-1] for name in ("coarse", "fine") if (cursors := rig.sink.cursors(name))}
    await anyio.sleep(20 * MINUTE / SECOND)
    await read(rig, 40 * MINUTE, kept)
    coarse, fine = rig.sink.read("coarse"), rig.sink.read("fine")

    assert coarse == list(range(coarse[0], fine[0], 10 * MINUTE))
    assert fine == list(range(fine[0], fine[-1] + 1, MINUTE))
    assert fine[-1] >= clock.now() - FINE.settle - 3 * MINUTE


async def test_new_streams_are_found_within_the_hour(clock: Clock) -> None:
    rig = Rig(clock, STATES)
    reader = SourceReader(rig.line, {})
    with anyio.move_on_after(90 * MINUTE / SECOND):
        async with anyio.create_task_group() as group:
            group.start_soon(reader.run)
            await anyio.sleep(10)
            rig.vendor.specs = (STATES, replace(STATES, name="new"))

    assert len(rig.vendor.listed) == 2
    assert rig.vendor.windows("new")[0].start == at("04:00")
    assert len(rig.sink.sights("states")) == 90


async def test_streams_go_on_while_the_list_of_them_fails(clock: Clock) -> None:
    rig = Rig(clock, STATES)
    reader = SourceReader(rig.line, {})
    with anyio.move_on_after(70 * MINUTE / SECOND):
        async with anyio.create_task_group() as group:
            group.start_soon(reader.run)
            await anyio.sleep(10)
            rig.vendor.refusal = VendorFailed("HTTP 500")

    assert {up for _, up in rig.sink.sights("states")} == {1.0}
    assert rig.sink.sights("streams")[-1] == (at("04:09"), 0.0)


async def test_rejected_credentials_are_tried_once_for_all_streams_until_renewed(clock: Clock) -> None:
    rig = Rig(clock, STATES, replace(STATES, name="more"), replace(FINE, after=""))
    wrong = True

    def login(_spec: StreamSpec, _window: Window) -> None:
        if wrong:
            raise AuthenticationFailed("HTTP 401: wrong password", status=401)

    rig.vendor.judge = login
    reader = SourceReader(rig.line, {})
    async with anyio.create_task_group() as group:
        group.start_soon(reader.run)
        await anyio.sleep(30 * MINUTE / SECOND + 1)
        asked = len(rig.vendor.asked)
        wrong = False
        reader.renew_credentials()
        await anyio.sleep(2 * MINUTE / SECOND)
        group.cancel_scope.cancel()

    assert asked <= 2  # of three; those under way together
    assert rig.sink.sights("states")[30:] == [(at("03:30"), 0.0), (at("03:31"), 1.0), (at("03:32"), 1.0)]
    said = [poll.sight.message for poll in rig.sink.polls if poll.sight.stream == "more"]
    assert said[2] == "HTTP 401: wrong password; tried again at 2026-11-22T04:00:00Z"


async def test_credentials_are_tried_alone_where_the_streams_are_known_without_them(clock: Clock) -> None:
    rig = Rig(clock, *(replace(STATES, name=f"s{number}") for number in range(5)))
    rig.vendor.takes = SECOND

    def wrong(_spec: StreamSpec, _window: Window) -> None:
        raise AuthenticationFailed("HTTP 401")

    rig.vendor.judge = wrong
    await read(rig, 30 * MINUTE)

    assert len(rig.vendor.asked) == 1


async def test_a_secret_that_cannot_be_read_for_a_while_has_not_changed(clock: Clock) -> None:
    rig = Rig(clock, STATES)

    def values() -> tuple[str, ...] | None:
        return None if clock.now() // (2 * MINUTE) % 2 else ("wr0ng",)

    def wrong(_spec: StreamSpec, _window: Window) -> None:
        raise AuthenticationFailed("HTTP 401")

    rig.line = replace(rig.line, credential_values=values)
    rig.vendor.judge = wrong
    await read(rig, 50 * MINUTE)

    assert len(rig.vendor.asked) == 1


async def test_a_bug_beside_the_streams_is_said_once_and_they_go_on(clock: Clock) -> None:
    rig = Rig(clock, STATES)

    async def errands() -> Sequence[Errand]:
        raise KeyError("kind")

    rig.line = replace(rig.line, errands=errands)
    with capture_logs() as logs:
        await read(rig, 10 * MINUTE)

    assert rig.sink.sights("states") == [(moment, 1.0) for moment in minutes("03:00", "03:09")]
    assert [line["event"] for line in logs] == ["source_bug"]


async def test_a_backfill_whose_stream_is_no_more_is_ended(clock: Clock) -> None:
    rig = Rig(clock, STATES)
    left = Cursor("cdn", "gone.backfill", at("01:00"), at("00:00"), at("02:00"))
    await read(rig, 3 * MINUTE, {"gone.backfill": left})
    [ended] = [poll for poll in rig.sink.polls if poll.sight.stream == "gone.backfill"]

    assert ended.cursor == replace(left, position=at("02:00"))
    assert (ended.sight.behind, ended.sight.family) == (0, "")


def buggy() -> CollectError:
    """An error that whoever counts failures stumbles over."""
    return VendorFailed("HTTP 503", retry_after=cast("float", "soon"))


async def test_a_bug_in_what_surrounds_a_stream_is_its_sight_and_others_go_on(clock: Clock) -> None:
    rig = Rig(clock, STATES, replace(STATES, name="buggy"))

    def one_buggy(spec: StreamSpec, _window: Window) -> None:
        if spec.name == "buggy" and clock.now() < at("03:05"):
            raise buggy()

    rig.vendor.judge = one_buggy
    with capture_logs() as logs:
        await read(rig, 10 * MINUTE)
    sights = [poll.sight for poll in rig.sink.polls if poll.sight.stream == "buggy"]

    assert rig.sink.sights("states") == [(moment, 1.0) for moment in minutes("03:00", "03:09")]
    assert rig.sink.sights("buggy") == [
        (moment, float(moment >= at("03:05"))) for moment in minutes("03:00", "03:09")
    ]
    assert (sights[1].family, sights[1].message[:21]) == ("contract", "unexpected TypeError:")
    assert [line["event"] for line in logs] == ["stream_down", "stream_up"]
    assert "Traceback" in logs[0]["exception"]


async def test_a_bug_in_what_surrounds_the_list_of_streams_is_its_sight_and_it_is_asked_again(
    clock: Clock,
) -> None:
    rig = Rig(clock, STATES)
    rig.vendor.refusal = buggy()
    reader = SourceReader(rig.line, {})
    with anyio.move_on_after(4 * MINUTE / SECOND - 1):
        async with anyio.create_task_group() as group:
            group.start_soon(reader.run)
            await anyio.sleep(90)
            rig.vendor.refusal = None

    assert [up for _, up in rig.sink.sights("streams")] == [0, 0, 1, 1]
    assert len(rig.sink.sights("states")) == 2


def test_a_stream_that_cannot_be_planned_is_refused() -> None:
    with pytest.raises(ValueError, match="stream states: a cadence is positive"):
        replace(STATES, every=0)
    with pytest.raises(ValueError, match="other times are not negative"):
        replace(STATES, settle=-1)
