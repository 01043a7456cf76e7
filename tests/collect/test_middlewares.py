"""What surrounds an exchange: retries, the limit, the judgement of answers, an attempt's time."""

from itertools import pairwise

import anyio
import pytest
from structlog.testing import capture_logs

from tests.conftest import LoopClock
from watcher.collect.allowance import allowed
from watcher.collect.http import Handler, Middleware, Request, Response, chain
from watcher.collect.lookout import Lookout
from watcher.collect.middlewares import clock_skew, deadline, judge, limiter, retry, source_http, waiter
from watcher.errors import (
    AuthenticationFailed,
    ClockSkewed,
    CollectError,
    ContractBroken,
    NetworkFailed,
    QuotaExceeded,
    RequestRefused,
    VendorFailed,
)
from watcher.model.ports import Clock
from watcher.model.time import HOUR, MINUTE, SECOND

GET = Request("GET", "http://vendor/")
OK = Response(200, {}, b"{}")
TOO_OFTEN = Response(429, {"retry-after": "7"}, b"")
DATE = "Sun, 22 Nov 2026 03:20:00 GMT"


class Script:
    """A handler that answers or raises what it is given, in turn; the last for ever."""

    def __init__(self, *answers: Response | CollectError) -> None:
        self._answers = list(answers)
        self.times: list[float] = []

    async def __call__(self, _request: Request) -> Response:
        self.times.append(round(anyio.current_time(), 3))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, CollectError):
            raise answer
        return answer


async def ask(handler: Handler) -> None:
    await handler(GET)


@pytest.mark.looptime
@pytest.mark.parametrize("family", [VendorFailed, NetworkFailed, QuotaExceeded])
async def test_a_failure_that_may_pass_is_asked_again_after_a_moment(family: type[CollectError]) -> None:
    script = Script(family("not now"), OK)

    assert await chain([retry], script)(GET) == OK
    assert len(script.times) == 2
    assert 0.5 <= script.times[1] - script.times[0] <= 1


@pytest.mark.looptime
async def test_after_three_attempts_the_last_error_stands() -> None:
    script = Script(VendorFailed("HTTP 500"))

    with pytest.raises(VendorFailed):
        await chain([retry], script)(GET)
    assert len(script.times) == 3


@pytest.mark.looptime
@pytest.mark.parametrize("family", [AuthenticationFailed, RequestRefused, ContractBroken, ClockSkewed])
async def test_a_failure_that_will_not_pass_is_asked_once(family: type[CollectError]) -> None:
    script = Script(family("no"), OK)

    with pytest.raises(family):
        await chain([retry], script)(GET)
    assert len(script.times) == 1


@pytest.mark.looptime
async def test_a_login_is_never_asked_again_by_itself() -> None:
    script = Script(VendorFailed("HTTP 500"), OK)

    with pytest.raises(VendorFailed):
        await chain([retry], script)(Request("POST", "http://vendor/login", retry=False))
    assert len(script.times) == 1


@pytest.mark.looptime
async def test_retry_after_is_honoured_to_the_second(clock: Clock) -> None:
    script = Script(TOO_OFTEN, Response(429, {"retry-after": "0"}, b""), OK)

    assert await chain([retry, judge("cdn", clock)], script)(GET) == OK
    assert script.times == [0, 7, 7]


@pytest.mark.looptime
async def test_a_retry_after_beyond_the_polls_deadline_is_left_to_the_poller(clock: Clock) -> None:
    script = Script(TOO_OFTEN, OK)

    with anyio.fail_after(5), pytest.raises(QuotaExceeded) as caught:
        await chain([retry, judge("cdn", clock)], script)(GET)
    assert caught.value.retry_after == 7
    assert script.times == [0]


@pytest.mark.looptime
async def test_a_retry_that_would_outlast_the_deadline_is_not_begun() -> None:
    script = Script(VendorFailed("HTTP 500"))

    with anyio.fail_after(3), pytest.raises(VendorFailed):
        await chain([retry], script)(GET)
    assert len(script.times) == 1


@pytest.mark.looptime
async def test_retries_log_nothing_and_show_no_secret(clock: Clock) -> None:
    script = Script(VendorFailed("token hidden"), OK)
    http = source_http(script, source="cdn", limit=10, timeout=30 * SECOND, clock=clock)

    with capture_logs() as logs:
        await http([])(GET)
    assert logs == []


@pytest.mark.looptime
async def test_the_limit_lets_no_burst_through() -> None:
    script = Script(OK)
    handler = chain([limiter(4)], script)
    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(ask, handler)

    assert script.times == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1.25], abs=0.002)


@pytest.mark.looptime
async def test_requests_that_were_given_up_while_they_waited_take_nothing_from_the_others() -> None:
    """Five a second are wanted and two allowed; each is given up after ten seconds."""
    script = Script(OK)
    handler = chain([limiter(2)], script)

    async def impatient() -> None:
        with anyio.move_on_after(10):
            await handler(GET)

    async with anyio.create_task_group() as group:
        for _ in range(500):
            group.start_soon(impatient)
            await anyio.sleep(0.2)
    gaps = [later - sooner for sooner, later in pairwise(script.times)]

    assert len(script.times) >= 200
    assert gaps == pytest.approx([0.5] * len(gaps), abs=0.002)


@pytest.mark.looptime
async def test_requests_go_in_the_order_they_came() -> None:
    gone: list[str] = []

    async def note(request: Request) -> Response:
        gone.append(request.url)
        return OK

    handler = chain([limiter(4)], note)

    async def one(number: int) -> None:
        await handler(Request("GET", f"{number}"))

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(one, number)

    assert gone == [f"{number}" for number in range(8)]


@pytest.mark.looptime
async def test_a_shorter_wait_that_is_asked_for_later_does_not_end_a_longer_one(clock: Clock) -> None:
    slow, fast = Request("GET", "http://vendor/slow"), Request("GET", "http://vendor/fast")

    async def busy(request: Request) -> Response:
        await anyio.sleep(2 if request == slow else 1)
        return Response(429, {"retry-after": "5" if request == slow else "3600"}, b"")

    handler = chain([waiter(), judge("cdn", clock)], busy)

    async def refused(request: Request) -> None:
        with pytest.raises(QuotaExceeded):
            await handler(request)

    async with anyio.create_task_group() as group:
        group.start_soon(refused, slow)
        group.start_soon(refused, fast)
    with pytest.raises(QuotaExceeded, match="asks to wait") as caught:
        await handler(GET)

    assert caught.value.retry_after == pytest.approx(3599, abs=1)


@pytest.mark.looptime
async def test_all_handlers_of_a_source_share_one_limit_and_every_attempt_counts(clock: Clock) -> None:
    script = Script(VendorFailed("HTTP 500"), VendorFailed("HTTP 500"), OK)
    http = source_http(script, source="cdn", limit=0.1, timeout=30 * SECOND, clock=clock)
    async with anyio.create_task_group() as group:
        for handler in (http([]), http([])):
            group.start_soon(ask, handler)

    assert script.times == pytest.approx([0, 10, 20, 30], abs=0.01)


@pytest.mark.looptime
async def test_a_vendors_own_middleware_runs_on_every_attempt_and_sees_errors_as_such(clock: Clock) -> None:
    seen: list[str] = []

    async def auth(request: Request, call_next: Handler) -> Response:
        seen.append("asked")
        try:
            return await call_next(request)
        except CollectError as error:
            seen.append(error.family)
            raise

    script = Script(Response(503, {}, b""), OK)
    http = source_http(script, source="cdn", limit=10, timeout=30 * SECOND, clock=clock)

    assert await http([auth])(GET) == OK
    assert seen == ["asked", "vendor", "asked"]


@pytest.mark.looptime
async def test_one_attempt_has_its_own_time() -> None:
    async def hang(_request: Request) -> Response:
        await anyio.sleep_forever()
        return OK

    with pytest.raises(NetworkFailed, match="no answer within 30 s"):
        await chain([deadline(30 * SECOND)], hang)(GET)
    assert anyio.current_time() == pytest.approx(30)


@pytest.mark.parametrize("status", [403, 400])
async def test_a_refusal_while_the_clocks_differ_is_named_for_what_it_is(status: int, clock: Clock) -> None:
    with pytest.raises(ClockSkewed, match="our clock is 20 min behind the vendor's") as caught:
        await chain([judge("cdn", clock)], Script(Response(status, {"date": DATE}, b"")))(GET)
    assert caught.value.status == status


@pytest.mark.parametrize(("dated", "family"), [(True, "clock"), (False, "auth")])
async def test_rejected_credentials_stay_rejected_whatever_the_clock_says(
    dated: bool,  # noqa: FBT001 - a parameter of the test
    family: str,
    clock: Clock,
) -> None:
    signed = Request("GET", "http://vendor/", dated=dated)
    with pytest.raises(AuthenticationFailed, match="our clock is 20 min behind the vendor's") as caught:
        await chain([judge("cdn", clock)], Script(Response(401, {"date": DATE}, b"")))(signed)
    assert (caught.value.family, caught.value.status) == (family, 401)


async def test_a_rejected_login_stays_a_rejected_login_whatever_the_clock(clock: Clock) -> None:
    login = Request("POST", "http://vendor/login", retry=False)
    with pytest.raises(AuthenticationFailed):
        await chain([judge("cdn", clock)], Script(Response(401, {"date": DATE}, b"")))(login)


async def test_a_vendors_outage_is_not_blamed_on_the_clock(clock: Clock) -> None:
    with pytest.raises(VendorFailed):
        await chain([judge("cdn", clock)], Script(Response(500, {"date": DATE}, b"")))(GET)


async def test_a_good_answer_does_not_count_while_our_clock_is_ahead(clock: LoopClock) -> None:
    clock.shift = HOUR
    answer = Response(200, {"date": "Sun, 22 Nov 2026 03:00:00 GMT"}, b"{}")

    with pytest.raises(ClockSkewed, match="our clock is 1 h ahead of the vendor's"):
        await chain([judge("cdn", clock)], Script(answer))(GET)
    login = Request("POST", "http://vendor/login", retry=False)
    assert await chain([judge("cdn", clock)], Script(answer))(login) == answer


async def test_a_good_answer_counts_while_our_clock_is_behind(clock: Clock) -> None:
    answer = Response(200, {"date": DATE}, b"{}")

    assert await chain([judge("cdn", clock)], Script(answer))(GET) == answer


async def test_a_skewed_clock_is_logged_once_on_change(clock: Clock) -> None:
    good = Response(200, {"date": "Sun, 22 Nov 2026 03:00:01 GMT"}, b"")
    skewed = Response(200, {"date": DATE}, b"")
    middleware: Middleware = judge("cdn", clock)

    with capture_logs() as logs:
        for answer in (good, skewed, skewed, good, good):
            await chain([middleware], Script(answer))(GET)

    assert [line["state"] for line in logs] == [
        "our clock is 20 min behind the vendor's",
        "agrees again",
    ]


def test_an_answer_out_of_a_cache_says_nothing_of_clocks(clock: Clock) -> None:
    cached = {"date": "Sun, 22 Nov 2026 02:00:00 GMT", "age": "3600"}

    assert clock_skew(Response(200, cached, b""), clock.now()) is None
    assert clock_skew(Response(200, cached | {"age": "9" * 400}, b""), clock.now()) is None


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        (DATE, 20 * MINUTE),
        ("Sun, 22 Nov 2026 02:00:00 GMT", -HOUR),
        ("Sun, 22 Nov 2026 03:04:59 GMT", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_difference_of_clocks_is_read_from_the_date(date: str, skew: int | None, clock: Clock) -> None:
    assert clock_skew(Response(200, {"date": date}, b""), clock.now()) == skew


@pytest.mark.looptime
async def test_while_the_vendor_asks_to_wait_nothing_is_asked_of_the_account(clock: Clock) -> None:
    script = Script(Response(429, {"retry-after": "300"}, b""), OK)
    build = source_http(script, source="cdn", limit=10, timeout=30 * SECOND, clock=clock)
    one, other = build([]), build([])

    with anyio.fail_after(120), pytest.raises(QuotaExceeded):
        await one(GET)
    await anyio.sleep(100)
    with anyio.fail_after(120), pytest.raises(QuotaExceeded, match=r"asks to wait \(HTTP 429\)") as caught:
        await other(GET)
    assert caught.value.retry_after == pytest.approx(200, abs=1)
    assert len(script.times) == 1

    await anyio.sleep(150)
    with anyio.fail_after(120):
        assert await other(GET) == OK
    assert script.times == [0, pytest.approx(300, abs=0.2)]
    assert script.times[1] >= 300


@pytest.mark.looptime
async def test_every_attempt_is_counted_and_whether_it_was_refused_for_quota(clock: Clock) -> None:
    lookout = Lookout()
    script = Script(VendorFailed("HTTP 500"), TOO_OFTEN, OK)
    build = source_http(script, source="cdn", limit=10, timeout=30 * SECOND, clock=clock, lookout=lookout)
    await build([])(GET)

    assert lookout.taken() == (3, 1)
    assert lookout.taken() == (0, 0)


@pytest.mark.looptime
@pytest.mark.parametrize("at_once", [True, False])
async def test_waiting_for_our_own_pace_is_not_of_the_time_that_a_question_may_take(
    at_once: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    script = Script(OK)
    handler = chain([limiter(1)], script)
    with allowed(10):
        if at_once:
            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(ask, handler)
        else:
            for _ in range(100):
                await ask(handler)

    assert len(script.times) == 100


@pytest.mark.looptime
async def test_all_other_time_is_of_the_question() -> None:
    async def slow(_request: Request) -> Response:
        await anyio.sleep(3)
        return OK

    handler = chain([limiter(10)], slow)

    async def many() -> None:
        with allowed(10):
            for _ in range(10):
                await ask(handler)

    with pytest.raises(TimeoutError):
        await many()
    assert anyio.current_time() == pytest.approx(10, abs=0.5)
