"""When a failing stream is asked again, and how rarely rejected credentials are."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import pytest

from tests.conftest import LoopClock
from watcher.collect.breaker import LONGEST, Breaker, Credentials
from watcher.collect.http import Request, Response, chain
from watcher.collect.middlewares import deadline
from watcher.errors import (
    AuthenticationFailed,
    CollectError,
    NetworkFailed,
    QuotaExceeded,
    RejectedByClock,
    RequestRefused,
    VendorFailed,
)
from watcher.model.ports import Clock
from watcher.model.time import DAY, HOUR, MINUTE, SECOND


def waits(error: CollectError, times: int, *, every: int = MINUTE) -> list[int]:
    """How long after each of so many failures the next poll is let through, from time zero."""
    breaker, found = Breaker(), list[int]()
    for _ in range(times):
        breaker = breaker.failed(error, now=0, every=every)
        found.append(breaker.pause.until)
    return found


def test_the_first_failures_change_nothing_and_later_ones_back_off_to_ten_minutes() -> None:
    assert waits(VendorFailed("HTTP 500"), 9) == [
        *(0, 0, 0),
        *(2 * MINUTE, 4 * MINUTE, 8 * MINUTE, LONGEST, LONGEST, LONGEST),
    ]


def test_a_stream_that_is_asked_rarely_anyway_is_never_asked_more_often() -> None:
    assert max(waits(VendorFailed("HTTP 500"), 50, every=HOUR)) == LONGEST


def test_what_was_refused_twice_is_asked_for_rarely_at_once() -> None:
    assert waits(RequestRefused("HTTP 422"), 3) == [0, LONGEST, LONGEST]


@pytest.mark.parametrize(("asked", "waited"), [(90, 90 * SECOND), (HOUR / SECOND, HOUR), (float("inf"), DAY)])
def test_what_the_vendor_asks_for_is_waited_within_reason(asked: float, waited: int) -> None:
    assert waits(QuotaExceeded("HTTP 429", retry_after=asked), 1) == [waited]


def test_a_clock_that_was_set_back_does_not_prolong_a_pause() -> None:
    breaker = Breaker(9).failed(NetworkFailed("no connection"), now=10 * HOUR, every=MINUTE)

    assert not breaker.lets_through(10 * HOUR)
    assert breaker.lets_through(9 * HOUR)


def test_rejected_credentials_are_not_the_breakers_business() -> None:
    assert Breaker().failed(AuthenticationFailed("HTTP 401"), now=0, every=MINUTE) == Breaker()


class Login:
    """Counts how often credentials were tried, and accepts them or not."""

    def __init__(self, *, right: bool = False) -> None:
        self.right = right
        self.tried = 0

    async def __call__(self) -> str:
        self.tried += 1
        await anyio.sleep(0.1)
        if not self.right:
            raise AuthenticationFailed("HTTP 401", status=401)
        return "answer"


async def attempt(credentials: Credentials, call: Callable[[], Awaitable[str]], clock: Clock) -> str:
    try:
        return await credentials.use(call, clock)
    except AuthenticationFailed as error:
        return str(error)


@pytest.mark.looptime
async def test_wrong_credentials_are_tried_once_by_all_streams_together(clock: Clock) -> None:
    credentials, login = Credentials(), Login()
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(attempt, credentials, login, clock)

    assert login.tried == 1


@pytest.mark.looptime
async def test_rejected_credentials_are_probed_once_an_hour_three_times_then_never(clock: Clock) -> None:
    credentials, login = Credentials(), Login()
    tried = []
    for _ in range(20):
        await attempt(credentials, login, clock)
        tried.append(login.tried)
        await anyio.sleep(31 * MINUTE / SECOND)

    assert tried == [1, 1, 2, 2, 3, 3, *[4] * 14]
    assert await attempt(credentials, login, clock) == "HTTP 401; not tried again until told"


@pytest.mark.looptime
async def test_between_probes_the_message_says_when_the_next_one_is(clock: Clock) -> None:
    credentials, login = Credentials(), Login()
    await attempt(credentials, login, clock)

    assert await attempt(credentials, login, clock) == "HTTP 401; tried again at 2026-11-22T04:00:00Z"


@pytest.mark.looptime
async def test_renewed_credentials_are_tried_at_once(clock: Clock) -> None:
    credentials, login = Credentials(), Login()
    await attempt(credentials, login, clock)
    login.right = True
    credentials.renew()

    assert await attempt(credentials, login, clock) == "answer"
    assert login.tried == 2


@pytest.mark.looptime
async def test_a_probe_that_is_answered_opens_the_way_for_all(clock: Clock) -> None:
    credentials, login = Credentials(), Login()
    await attempt(credentials, login, clock)
    login.right = True
    await anyio.sleep(HOUR / SECOND)

    assert [await attempt(credentials, login, clock) for _ in range(3)] == ["answer"] * 3


@pytest.mark.looptime
async def test_proven_credentials_are_used_by_all_streams_at_once(clock: Clock) -> None:
    credentials, login = Credentials(), Login(right=True)
    await credentials.use(login, clock)
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(attempt, credentials, login, clock)

    assert anyio.current_time() - began == pytest.approx(0.1)


@pytest.mark.looptime
async def test_an_answer_that_was_under_way_does_not_undo_a_rejection(clock: Clock) -> None:
    credentials, right, wrong = Credentials(), Login(right=True), Login()
    await credentials.use(right, clock)

    async def slow() -> str:
        await anyio.sleep(1)
        return await right()

    async with anyio.create_task_group() as group:
        group.start_soon(attempt, credentials, slow, clock)
        group.start_soon(attempt, credentials, wrong, clock)
    await attempt(credentials, wrong, clock)

    assert wrong.tried == 1


@pytest.mark.looptime
async def test_another_failure_says_nothing_about_the_credentials(clock: Clock) -> None:
    credentials, login = Credentials(), Login(right=True)

    async def down() -> str:
        raise NetworkFailed("no connection")

    with pytest.raises(NetworkFailed):
        await credentials.use(down, clock)

    assert await credentials.use(login, clock) == "answer"


@pytest.mark.looptime
async def test_a_vendor_that_cannot_be_reached_is_found_so_by_all_streams_at_about_the_same_time(
    clock: Clock,
) -> None:
    credentials, ends = Credentials(), list[float]()

    async def black_hole() -> str:
        await anyio.sleep(120)
        raise NetworkFailed("not answered within 2 min")

    async def stream() -> None:
        with pytest.raises(NetworkFailed):
            await credentials.use(black_hole, clock)
        ends.append(anyio.current_time())

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(stream)

    assert max(ends) == pytest.approx(240)


class Queue:
    """A login behind a lock, as a vendor's, that leaves as soon as it is its turn."""

    def __init__(self) -> None:
        self.sent = 0
        self._lock = anyio.Lock()
        self._handler = chain([deadline(30 * SECOND)], self._exchange)

    async def _exchange(self, _request: Request) -> Response:
        self.sent += 1
        await anyio.sleep(0.1)
        raise AuthenticationFailed("HTTP 401", status=401)

    async def __call__(self) -> str:
        async with self._lock:
            await self._handler(Request("POST", "http://vendor/login", retry=False))
        return "answer"


@pytest.mark.looptime
async def test_a_rejected_login_ends_those_that_wait_for_their_turn_to_log_in(clock: Clock) -> None:
    credentials, queue, said = Credentials(), Queue(), list[str]()
    await credentials.use(Login(right=True), clock)

    async def stream() -> None:
        said.append(await attempt(credentials, queue, clock))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(stream)

    assert queue.sent == 1
    assert sorted(set(said)) == ["HTTP 401", "HTTP 401; tried again at 2026-11-22T04:00:00Z"]


@pytest.mark.looptime
async def test_after_a_probe_that_found_no_network_rejected_credentials_stay_guarded(clock: Clock) -> None:
    credentials, login = Credentials(), Login()

    async def down() -> str:
        raise NetworkFailed("no connection")

    await attempt(credentials, login, clock)
    await anyio.sleep(HOUR / SECOND)
    with pytest.raises(NetworkFailed):
        await credentials.use(down, clock)
    await attempt(credentials, login, clock)

    assert login.tried == 1


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("asked", "next_probe"), [(3 * HOUR / SECOND, "06:00"), (60, "04:00"), (1e300, None)]
)
async def test_a_vendor_may_ask_for_a_longer_wait_before_a_probe(
    asked: float, next_probe: str | None, clock: Clock
) -> None:
    credentials = Credentials()

    async def banned() -> str:
        raise AuthenticationFailed("HTTP 403", status=403, retry_after=asked)

    await attempt(credentials, banned, clock)
    moment = f"2026-11-22T{next_probe}:00Z" if next_probe else "2026-11-23T03:00:00Z"

    assert await attempt(credentials, banned, clock) == f"HTTP 403; tried again at {moment}"


@pytest.mark.looptime
async def test_credentials_rejected_while_the_clock_was_ahead_are_not_barred_for_longer(
    clock: LoopClock,
) -> None:
    credentials, login = Credentials(), Login()
    clock.shift = DAY
    await attempt(credentials, login, clock)
    clock.shift = 0
    tried = []
    for _ in range(20):
        await attempt(credentials, login, clock)
        tried.append(login.tried)
        await anyio.sleep(31 * MINUTE / SECOND)

    assert tried == [2, 2, 3, 3, *[4] * 16]


@pytest.mark.looptime
async def test_an_answer_that_proves_nothing_lets_nobody_else_in(clock: Clock) -> None:
    credentials, login = Credentials(), Login()

    async def known_without_asking() -> str:
        return "streams"

    await credentials.use(known_without_asking, clock, proof=False)
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(attempt, credentials, login, clock)

    assert login.tried == 1


@pytest.mark.looptime
async def test_after_our_clock_was_set_there_is_one_probe_at_once_and_then_one_an_hour(
    clock: LoopClock,
) -> None:
    credentials, tried = Credentials(), list[float]()

    async def misdated() -> str:
        tried.append(anyio.current_time())
        raise RejectedByClock("HTTP 401") if len(tried) == 1 else NetworkFailed("no connection")

    for minute in range(181):
        clock.shift = DAY if minute >= 10 else 0
        with suppress(NetworkFailed):
            await attempt(credentials, misdated, clock)
        await anyio.sleep(60)

    assert [round(moment / 60) for moment in tried] == [0, 10, 70, 130]


@pytest.mark.looptime
async def test_a_call_with_the_old_credentials_says_nothing_of_the_new_ones(clock: Clock) -> None:
    credentials, right = Credentials(), Login(right=True)
    await credentials.use(right, clock)

    async def revoked() -> str:
        await anyio.sleep(5)
        raise AuthenticationFailed("HTTP 401: revoked")

    async with anyio.create_task_group() as group:
        group.start_soon(attempt, credentials, revoked, clock)
        await anyio.sleep(1)
        credentials.renew()
        await credentials.use(right, clock)

    assert not credentials.rejected
    assert await attempt(credentials, right, clock) == "answer"
