"""What a poller does when there is no good answer: sights, back-off, what is left out and what never is."""

from dataclasses import replace
from math import nan

import anyio
import pytest
from structlog.testing import capture_logs

from tests.collect.fakes import SPEC, Rig, at, minutes
from watcher.collect.collector import StreamSpec, Window
from watcher.errors import (
    AuthenticationFailed,
    ContractBroken,
    NetworkFailed,
    QuotaExceeded,
    RequestRefused,
    VendorFailed,
)
from watcher.model.ports import Clock
from watcher.model.sample import Poll, SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, SECOND

pytestmark = pytest.mark.looptime


async def test_a_failed_poll_is_a_sight_and_its_windows_are_due_again(clock: Clock) -> None:
    rig = Rig(clock)

    def down_at_first(_spec: StreamSpec, _window: Window) -> None:
        if clock.now() < at("03:02"):
            raise VendorFailed("HTTP 500", status=500)

    rig.vendor.judge = down_at_first
    await rig.poll(replace(SPEC, backfill=5 * MINUTE), 4 * MINUTE)
    sights = [poll.sight for poll in rig.sink.polls]

    assert rig.sink.read() == minutes("02:55", "02:59")
    assert [up for _, up in rig.sink.sights()] == [0, 0, 1, 1]
    assert (sights[0].up, sights[0].family, sights[0].message) == (False, "vendor", "HTTP 500")
    assert (sights[-1].up, sights[-1].family, sights[-1].message) == (True, "", "")
    delays = [float(batch.values[0, 1, 0]) for batch in rig.sink.batches("s.sight")]
    assert delays == pytest.approx([nan, nan, 180, 180], nan_ok=True)


async def test_a_vendor_that_is_down_for_long_is_asked_ever_more_rarely(clock: Clock) -> None:
    rig = Rig(clock)

    def down(_spec: StreamSpec, _window: Window) -> None:
        raise NetworkFailed("vendor.test:443: connection refused")

    rig.vendor.judge = down
    with capture_logs() as logs:
        await rig.poll(replace(SPEC, backfill=5 * MINUTE), HOUR)

    assert [moment for moment, _, _ in rig.vendor.asked] == [
        *minutes("03:00", "03:03"),
        *(at(text) for text in ("03:05", "03:09", "03:17", "03:27", "03:37", "03:47", "03:57")),
    ]
    assert rig.sink.sights() == [(moment, 0.0) for moment in minutes("03:00", "03:59")]
    assert [(line["event"], line["family"]) for line in logs] == [("stream_down", "network")]


async def test_down_and_up_are_logged_once_each_with_what_happened(clock: Clock) -> None:
    rig = Rig(clock)

    def down_for_a_while(_spec: StreamSpec, _window: Window) -> None:
        if at("03:01") <= clock.now() < at("03:03"):
            raise NetworkFailed("no answer in time")
        if at("03:03") <= clock.now() < at("03:04"):
            raise VendorFailed("HTTP 502")

    rig.vendor.judge = down_for_a_while
    with capture_logs() as logs:
        await rig.poll(replace(SPEC, width=0), 10 * MINUTE)

    assert [(line["event"], line.get("message")) for line in logs] == [
        ("stream_down", "no answer in time"),
        ("stream_down", "HTTP 502"),
        ("stream_up", None),
    ]
    assert {(line["source"], line["stream"]) for line in logs} == {("cdn", "s")}


async def test_what_the_vendor_asks_to_wait_is_waited(clock: Clock) -> None:
    rig = Rig(clock)

    def too_often(_spec: StreamSpec, _window: Window) -> None:
        if clock.now() < at("03:05"):
            raise QuotaExceeded("HTTP 429", retry_after=290)

    rig.vendor.judge = too_often
    await rig.poll(replace(SPEC, width=0), 7 * MINUTE)

    assert [moment for moment, _, _ in rig.vendor.asked] == [at("03:00"), *minutes("03:05", "03:06")]


async def test_a_vendor_that_hangs_is_given_up_at_the_deadline(clock: Clock) -> None:
    rig = Rig(clock)
    rig.vendor.takes = 10 * HOUR
    await rig.poll(replace(SPEC, width=0), 4 * MINUTE)

    assert [moment for moment, _, _ in rig.vendor.asked] == [at("03:00"), at("03:03")]
    assert rig.sink.polls[0].sight.message == "not answered within 2 min"
    assert [up for _, up in rig.sink.sights()] == [0, 0, 0]


async def test_an_answer_that_is_not_as_documented_is_asked_for_once_more_in_the_same_poll(
    clock: Clock,
) -> None:
    rig = Rig(clock)

    def once_broken(_spec: StreamSpec, _window: Window) -> None:
        if len(rig.vendor.asked) == 1:
            raise ContractBroken("text/html, 12 bytes")

    rig.vendor.judge = once_broken
    await rig.poll(replace(SPEC, width=0), MINUTE)

    assert len(rig.vendor.asked) == 2
    assert [poll.sight.up for poll in rig.sink.polls] == [True, True]


async def test_a_bug_in_a_parser_is_logged_with_its_traceback_once_and_the_stream_goes_on(
    clock: Clock,
) -> None:
    rig = Rig(clock)

    def buggy(_spec: StreamSpec, _window: Window) -> None:
        raise KeyError("missing")

    rig.vendor.judge = buggy
    with capture_logs() as logs:
        await rig.poll(replace(SPEC, width=0), 3 * MINUTE)
    sight = rig.sink.polls[-1].sight

    assert (sight.up, sight.family, sight.message) == (False, "contract", "unexpected KeyError: 'missing'")
    assert ["KeyError: 'missing'\n" in line["exception"] for line in logs] == [True]
    assert len(rig.vendor.asked) == 6


async def test_errors_that_a_collectors_task_group_gathered_keep_their_family(clock: Clock) -> None:
    rig = Rig(clock)

    def gathered(_spec: StreamSpec, _window: Window) -> None:
        raise ExceptionGroup("tasks", [ExceptionGroup("more", [VendorFailed("HTTP 503")])])

    rig.vendor.judge = gathered
    await rig.poll(replace(SPEC, width=0), MINUTE)

    assert rig.sink.polls[-1].sight.message == "HTTP 503"


async def test_a_secret_that_a_vendor_echoes_is_in_no_sight_and_no_log(clock: Clock) -> None:
    rig = Rig(clock, secrets=["s3cret"])

    def echoing(_spec: StreamSpec, _window: Window) -> None:
        raise RequestRefused("HTTP 422: invalid token s3cret")

    rig.vendor.judge = echoing
    with capture_logs() as logs:
        await rig.poll(replace(SPEC, backfill=HOUR), 10 * MINUTE)

    assert rig.sink.polls[0].sight.message == "HTTP 422: invalid token ***"
    assert "s3cret" not in repr(rig.sink.polls) + repr(logs)


async def test_one_window_that_is_refused_for_good_is_left_out_and_said(clock: Clock) -> None:
    rig = Rig(clock)

    def one_refused(_spec: StreamSpec, window: Window) -> None:
        if window.start == at("02:50"):
            raise RequestRefused("HTTP 422", status=422)

    rig.vendor.judge = one_refused
    with capture_logs() as logs:
        await rig.poll(replace(SPEC, backfill=15 * MINUTE, overlap=2 * MINUTE), 6 * MINUTE)
    read = rig.sink.read()

    assert sorted(set(read)) == [*minutes("02:45", "02:49"), *minutes("02:51", "03:01")]
    assert rig.vendor.windows().count(Window(at("02:50"), at("02:51"))) == 2
    assert [up for _, up in rig.sink.sights()] == [0, 1, 1, 1, 1, 1]
    left_out = "left out 2026-11-22T02:50:00Z to 2026-11-22T02:51:00Z: HTTP 422"
    assert rig.sink.polls[-1].sight.message == left_out
    assert [line["event"] for line in logs] == ["stream_down", "stream_up", "window_left_out"]


async def test_what_was_left_out_is_said_for_a_day(clock: Clock) -> None:
    rig = Rig(clock)

    def one_refused(_spec: StreamSpec, window: Window) -> None:
        if window.start == at("02:58"):
            raise RequestRefused("HTTP 422")

    rig.vendor.judge = one_refused
    await rig.poll(replace(SPEC, backfill=5 * MINUTE), 26 * HOUR)
    noted = [poll.sight.at for poll in rig.sink.polls if poll.sight.message.startswith("left out")]

    assert 23 * HOUR < noted[-1] - noted[0] < DAY
    assert rig.sink.polls[-1].sight.message == ""


async def test_a_learned_secret_is_in_no_sight_and_no_log(clock: Clock) -> None:
    rig = Rig(clock)

    def echoing(_spec: StreamSpec, _window: Window) -> None:
        rig.line.secrets.add("t0ken-learned")
        raise KeyError("t0ken-learned")

    rig.vendor.judge = echoing
    with capture_logs() as logs:
        await rig.poll(replace(SPEC, width=0), MINUTE)

    assert "KeyError" in repr(logs)
    assert "t0ken-learned" not in repr([poll.sight for poll in rig.sink.polls]) + repr(logs)


async def test_rejected_credentials_are_not_asked_for_once_more(clock: Clock) -> None:
    rig = Rig(clock)

    def rejected(_spec: StreamSpec, _window: Window) -> None:
        raise AuthenticationFailed("the login's answer cannot be read")

    rig.vendor.judge = rejected
    await rig.poll(replace(SPEC, backfill=5 * MINUTE), 3 * MINUTE)

    assert len(rig.vendor.asked) == 1


async def test_a_run_of_refused_windows_is_left_out_without_waiting_for_each(clock: Clock) -> None:
    rig = Rig(clock)

    def too_old(_spec: StreamSpec, window: Window) -> None:
        if window.start < at("02:30"):
            raise RequestRefused("HTTP 422")

    rig.vendor.judge = too_old
    with capture_logs() as logs:
        await rig.poll(replace(SPEC, backfill=HOUR), 4 * MINUTE)
    left_out = [(line["start"], line["end"]) for line in logs if line["event"] == "window_left_out"]

    assert rig.sink.read() == minutes("02:30", "02:59")
    assert left_out == [("2026-11-22T02:00:00Z", "2026-11-22T02:30:00Z")]


async def test_when_everything_is_refused_nothing_is_left_out(clock: Clock) -> None:
    rig = Rig(clock)
    mended = at("04:00")

    def wrong_config(_spec: StreamSpec, _window: Window) -> None:
        if clock.now() < mended:
            raise RequestRefused("HTTP 422")

    rig.vendor.judge = wrong_config
    await rig.poll(replace(SPEC, backfill=HOUR), 80 * MINUTE)

    assert rig.sink.read()[:5] == minutes("02:00", "02:04")


async def test_the_last_window_of_a_stream_that_ends_does_not_hold_it_for_ever(clock: Clock) -> None:
    rig = Rig(clock)

    def last_refused(_spec: StreamSpec, window: Window) -> None:
        if window.end == at("02:00"):
            raise RequestRefused("HTTP 422")

    rig.vendor.judge = last_refused
    poller = rig.poller(replace(SPEC, backfill=2 * HOUR, until=HOUR))
    with anyio.fail_after(10 * MINUTE / SECOND):
        await poller.run()

    assert rig.sink.read() == minutes("01:00", "01:58")


async def test_after_an_outage_every_bin_of_it_is_read(clock: Clock) -> None:
    rig = Rig(clock)

    def outage(_spec: StreamSpec, _window: Window) -> None:
        if clock.now() < at("05:00"):
            raise VendorFailed("HTTP 500") if clock.now() < at("03:30") else NetworkFailed("gone")

    rig.vendor.judge = outage
    await rig.poll(replace(SPEC, backfill=5 * MINUTE), 2 * HOUR + 11 * MINUTE)

    assert rig.sink.read() == minutes("02:55", "05:06")


async def test_a_window_that_could_not_be_handed_on_is_read_again(clock: Clock) -> None:
    rig = Rig(clock)
    send, refused = rig.line.send, list[Poll]()

    async def refuse_once(poll: Poll) -> None:
        if poll.cursor is not None and not refused:
            refused.append(poll)
            raise KeyError("a bug of ours")
        await send(poll)

    rig.line = replace(rig.line, send=refuse_once)
    poller = rig.poller(replace(SPEC, backfill=5 * MINUTE))
    with capture_logs(), anyio.move_on_after(119):
        await poller.sight.keep(poller.run)

    assert rig.sink.read() == minutes("02:55", "02:57")


async def test_what_an_answer_remarks_and_notes_is_said_while_it_is_up(clock: Clock) -> None:
    rig = Rig(clock)
    answer = rig.vendor.collect

    async def remarked(stream: StreamSpec, window: Window) -> SampleBatch:
        return replace(await answer(stream, window), remark="1 of 3 is silent", note="20 addresses")

    rig.vendor.collect = remarked  # type: ignore[method-assign]
    await rig.poll(replace(SPEC, width=0), MINUTE)
    sight = rig.sink.polls[-1].sight

    assert (sight.up, sight.message) == (True, "1 of 3 is silent; 20 addresses")
