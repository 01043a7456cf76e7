"""What commands leave to do: credentials that are good again, and spans that are read once more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import anyio
import pytest
from structlog.testing import capture_logs

from tests.collect.fakes import SPEC, Rig, at, minutes
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.source import SourceReader
from watcher.errors import AuthenticationFailed, NetworkFailed, RequestRefused
from watcher.model.ports import Clock, Errand, ErrandKind
from watcher.model.sample import Cursor, Poll
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration, Instant

pytestmark = pytest.mark.looptime

RECENT = replace(SPEC, backfill=10 * MINUTE)
COARSE = StreamSpec(
    "coarse", 10 * MINUTE, MINUTE, settle=3 * MINUTE, backfill=3 * HOUR, until=HOUR, align=10 * MINUTE
)
FINE = StreamSpec("fine", MINUTE, MINUTE, settle=3 * MINUTE, backfill=HOUR, align=10 * MINUTE, after="coarse")


class Board:
    """Where commands leave errands; struck off as the polls that say so are committed."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._left: list[Errand] = []

    def leave(self, kind: ErrandKind, since: Instant = 0, until: Instant | None = None) -> None:
        self._left.append(Errand(len(self._left) + 1, "cdn", kind, since, until))

    async def waiting(self) -> Sequence[Errand]:
        return [errand for errand in self._left if errand.id not in self.done]

    @property
    def done(self) -> list[int]:
        return [errand for poll in self._rig.sink.polls for errand in poll.errands]


def rigged(clock: Clock, *specs: StreamSpec) -> tuple[Rig, Board]:
    rig = Rig(clock, *specs)
    board = Board(rig)
    rig.line = replace(rig.line, errands=board.waiting)
    return rig, board


async def read(
    rig: Rig,
    duration: Duration,
    cursors: Mapping[str, Cursor] | None = None,
    *,
    then: Callable[[], None] | None = None,
) -> None:
    """Read for so long; half a minute after the beginning something happens."""
    with anyio.move_on_after((duration - 1) / SECOND):
        async with anyio.create_task_group() as group:
            group.start_soon(SourceReader(rig.line, cursors or {}).run)
            await anyio.sleep(30)
            if then is not None:
                then()


async def test_a_span_is_read_once_more_oldest_first_while_what_is_new_is_read_too(clock: Clock) -> None:
    rig, board = rigged(clock, RECENT)
    rig.vendor.takes = SECOND
    await read(rig, 10 * MINUTE, then=lambda: board.leave(ErrandKind.BACKFILL, at("01:00")))
    again = [window.start for moment, _, window in rig.vendor.asked if window.start < at("02:50")]
    cursors = rig.sink.cursors("s.backfill")

    assert again == minutes("01:00", "02:49")
    assert cursors[0] == Cursor("cdn", "s.backfill", at("01:00"), at("01:00"), at("02:57"))
    assert cursors[-1] == Cursor("cdn", "s.backfill", at("02:57"), at("01:00"), at("02:57"))
    assert board.done == [1]
    assert [cursor.position for cursor in rig.sink.cursors()] == sorted(set(minutes("02:51", "03:06")))
    assert all(poll.sight.caught_up for poll in rig.sink.polls if poll.sight.stream == "s.backfill")


async def test_it_says_how_much_is_left(clock: Clock) -> None:
    rig, board = rigged(clock, RECENT)
    rig.vendor.takes = SECOND
    await read(rig, 4 * MINUTE, then=lambda: board.leave(ErrandKind.BACKFILL, at("03:00") - DAY))
    said = [poll.sight for poll in rig.sink.polls if poll.sight.stream == "s.backfill"]

    assert said[-1].message == "reading again, 20 h 28 min to read, about 20 min left"
    assert said[-1].behind == at("02:57") - rig.sink.cursors("s.backfill")[-1].position


async def test_only_what_has_been_read_is_read_again_and_only_up_to_its_end(clock: Clock) -> None:
    rig, board = rigged(clock, RECENT)

    def leave() -> None:
        board.leave(ErrandKind.BACKFILL, at("02:40"), at("02:45"))
        board.leave(ErrandKind.BACKFILL, at("02:59"))

    await read(rig, 4 * MINUTE, then=leave)

    assert sorted(rig.sink.read()) == [*minutes("02:40", "02:44"), *minutes("02:50", "02:59")]
    assert board.done == [1, 2]


async def test_streams_of_different_width_stay_apart(clock: Clock) -> None:
    rig, board = rigged(clock, COARSE, FINE, StreamSpec("states", 0, MINUTE))
    await read(rig, 5 * MINUTE, then=lambda: board.leave(ErrandKind.BACKFILL, at("03:00") - DAY))
    coarse, fine = rig.sink.cursors("coarse.backfill")[-1], rig.sink.cursors("fine.backfill")[-1]

    assert (coarse.since, coarse.until) == (at("03:00") - DAY, at("02:00"))
    assert (fine.since, fine.until) == (at("02:00"), at("02:57"))
    assert rig.sink.cursors("states.backfill") == []


async def test_stopped_in_the_middle_the_next_daemon_goes_on(clock: Clock) -> None:
    rig, board = rigged(clock, RECENT)
    rig.vendor.takes = SECOND
    await read(rig, 90 * SECOND, then=lambda: board.leave(ErrandKind.BACKFILL, at("01:00")))
    kept = {name: rig.sink.cursors(name)[-1] for name in ("s", "s.backfill")}
    rig.vendor.asked.clear()
    await read(rig, 10 * MINUTE, kept)
    again = [window.start for window in rig.vendor.windows() if window.start < at("02:50")]

    assert at("01:00") < kept["s.backfill"].position < at("02:50")
    assert again == list(range(kept["s.backfill"].position, at("02:50"), MINUTE))


async def test_another_span_while_one_is_read_makes_one_of_both(clock: Clock) -> None:
    rig, board = rigged(clock, RECENT)
    rig.vendor.takes = SECOND

    async def twice() -> None:
        await anyio.sleep(60)
        board.leave(ErrandKind.BACKFILL, at("00:00"), at("00:30"))

    with anyio.move_on_after(20 * MINUTE / SECOND):
        async with anyio.create_task_group() as group:
            group.start_soon(twice)
            await read(rig, 20 * MINUTE, then=lambda: board.leave(ErrandKind.BACKFILL, at("01:00")))
    last = rig.sink.cursors("s.backfill")[-1]

    assert (last.since, last.position, last.until) == (at("00:00"), at("02:57"), at("02:57"))
    assert set(rig.sink.read()) >= {*minutes("00:00", "03:10")}


async def test_a_bin_that_is_refused_is_left_out_and_a_long_window_is_narrowed_to_it(clock: Clock) -> None:
    rig, board = rigged(clock, replace(RECENT, reads=HOUR))

    def one_refused(_spec: StreamSpec, window: Window) -> None:
        if window.start <= at("01:30") < window.end:
            raise RequestRefused("HTTP 422")

    rig.vendor.judge = one_refused
    with capture_logs() as logs:
        await read(rig, 15 * MINUTE, then=lambda: board.leave(ErrandKind.BACKFILL, at("01:00")))

    assert sorted(set(rig.sink.read())) == [*minutes("01:00", "01:29"), *minutes("01:31", "03:10")]
    assert rig.sink.cursors("s.backfill")[-1].position == at("02:57")
    assert [line["start"] for line in logs if line["event"] == "window_left_out"] == ["2026-11-22T01:30:00Z"]


@pytest.mark.parametrize("reads", [0, DAY])
async def test_what_a_vendor_has_no_more_is_left_out_at_once_in_one_span(reads: int, clock: Clock) -> None:
    rig, board = rigged(clock, replace(RECENT, reads=reads))
    kept = at("03:00") - 2 * DAY

    def too_old(_spec: StreamSpec, window: Window) -> None:
        if window.start < kept:
            raise RequestRefused("HTTP 422")

    rig.vendor.judge = too_old
    with capture_logs() as logs:
        await read(rig, 4 * MINUTE, then=lambda: board.leave(ErrandKind.BACKFILL, at("03:00") - 30 * DAY))
    left_out = [(line["start"], line["end"]) for line in logs if line["event"] == "window_left_out"]

    assert left_out == [("2026-10-23T03:00:00Z", "2026-11-20T03:00:00Z")]
    assert set(rig.sink.read()) >= {*range(kept, at("02:57"), MINUTE)}
    assert len([window for window in rig.vendor.windows() if window.start < kept]) < 40


async def test_where_nothing_is_answered_nothing_of_a_backfill_is_left_out(clock: Clock) -> None:
    rig, board = rigged(clock, RECENT)

    def outage(_spec: StreamSpec, _window: Window) -> None:
        if at("03:01") <= clock.now() < at("03:40"):
            raise RequestRefused("HTTP 400")

    async def later() -> None:
        await anyio.sleep(90)
        board.leave(ErrandKind.BACKFILL, at("01:00"))

    rig.vendor.judge = outage
    async with anyio.create_task_group() as group:
        group.start_soon(later)
        await read(rig, 2 * HOUR)

    assert {window.start for window in rig.vendor.windows()} >= {*minutes("01:00", "02:49")}
    assert set(rig.sink.read()) >= {*minutes("01:00", "02:49")}


async def test_a_window_that_is_held_up_when_another_span_comes_is_read_in_it(clock: Clock) -> None:
    rig, board = rigged(clock, RECENT)
    opened = anyio.Event()
    opened.set()

    async def send(poll: Poll) -> None:
        if poll.batches and poll.sight.stream == "s.backfill":
            await opened.wait()
        await rig.sink.send(poll)

    async def hold_up() -> None:
        nonlocal opened
        await anyio.sleep(30)
        opened = anyio.Event()
        board.leave(ErrandKind.BACKFILL, at("02:00"))
        await anyio.sleep(10)
        board.leave(ErrandKind.BACKFILL, at("02:50"))
        await anyio.sleep(10)
        opened.set()

    rig.line = replace(rig.line, send=send)
    async with anyio.create_task_group() as group:
        group.start_soon(hold_up)
        await read(rig, 4 * MINUTE)

    assert set(rig.sink.read()) >= {*minutes("02:00", "02:49")}


async def test_a_bug_in_reading_again_ends_nothing_else(clock: Clock) -> None:
    rig, board = rigged(clock, RECENT)

    async def send(poll: Poll) -> None:
        if poll.batches and poll.sight.stream == "s.backfill" and clock.now() < at("03:05"):
            raise KeyError("a bug of ours")
        await rig.sink.send(poll)

    rig.line = replace(rig.line, send=send)
    with capture_logs():
        await read(rig, 10 * MINUTE, then=lambda: board.leave(ErrandKind.BACKFILL, at("02:00")))
    sights = [poll.sight for poll in rig.sink.polls if poll.sight.stream == "s.backfill"]

    assert "contract" in {sight.family for sight in sights}
    assert all(sight.caught_up for sight in sights)
    assert set(rig.sink.read()) >= {*minutes("02:00", "03:05")}


async def test_what_cannot_be_read_now_is_read_later(clock: Clock) -> None:
    rig, board = rigged(clock, RECENT)

    def away(_spec: StreamSpec, window: Window) -> None:
        if window.start < at("02:00") and clock.now() < at("03:20"):
            raise NetworkFailed("gone")

    rig.vendor.judge = away
    await read(rig, HOUR, then=lambda: board.leave(ErrandKind.BACKFILL, at("01:00")))
    sights = [poll.sight for poll in rig.sink.polls if poll.sight.stream == "s.backfill"]

    assert set(rig.sink.read()) >= {*minutes("01:00", "02:49")}
    assert (sights[1].up, sights[1].family, sights[-1].up) == (False, "network", True)
    assert rig.line.lookout.up == 1


async def test_rejected_credentials_are_tried_again_when_a_command_found_them_good(clock: Clock) -> None:
    rig, board = rigged(clock, StreamSpec("s", 0, MINUTE))
    good = False

    def login(_spec: StreamSpec, _window: Window) -> None:
        if not good:
            raise AuthenticationFailed("HTTP 401")

    def mended() -> None:
        nonlocal good
        good = True
        board.leave(ErrandKind.RENEW)

    rig.vendor.judge = login
    await read(rig, 3 * MINUTE, then=mended)

    assert [up for _, up in rig.sink.sights()] == [0, 1, 1]
    assert board.done == [1]


async def test_rejected_credentials_are_tried_again_when_a_secrets_value_changes(clock: Clock) -> None:
    rig, _ = rigged(clock, StreamSpec("s", 0, MINUTE))
    value = "wr0ng-password"
    rig.line = replace(rig.line, credential_values=lambda: (value,))

    def login(_spec: StreamSpec, _window: Window) -> None:
        if value != "r1ght-password":
            raise AuthenticationFailed(f"HTTP 401: {value}")

    def mended() -> None:
        nonlocal value
        value = "r1ght-password"

    rig.vendor.judge = login
    with capture_logs() as logs:
        await read(rig, 4 * MINUTE, then=mended)

    assert [up for _, up in rig.sink.sights()] == [0, 1, 1, 1]
    assert [moment for moment, _, _ in rig.vendor.asked] == minutes("03:00", "03:03")
    assert "credentials_changed" in [line["event"] for line in logs]
    assert "r1ght" not in repr(logs)
    assert "r1ght-password" in rig.line.secrets
