"""The concerns around every exchange, one middleware each, and the order they stand in.

Outermost first::

    retry      the whole attempt again, when another may succeed
    (own)      what the vendor adds: auth
    limit      the account's requests a second, no burst, logins included
    wait       while the vendor's `Retry-After` lasts, nothing is asked of it by any stream
    count      requests made, and refused for quota
    judge      a status that means an error becomes one; a skewed clock is named
    record     the last exchanges of a question, for an answer that is not as documented
    deadline   one attempt's time
"""

from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from math import inf
from typing import Final

import anyio
import anyio.lowlevel
import stamina
import stamina.instrumentation
import structlog

from watcher.collect.allowance import not_counted
from watcher.collect.evidence import record
from watcher.collect.http import LONGEST_WAIT, Handler, Middleware, Request, Response, chain
from watcher.collect.lookout import Lookout
from watcher.errors import (
    AuthenticationFailed,
    ClockSkewed,
    CollectError,
    NetworkFailed,
    QuotaExceeded,
    RejectedByClock,
    VendorFailed,
)
from watcher.model.ports import Clock
from watcher.model.time import MINUTE, SECOND, Duration, Instant
from watcher.model.words import span

ATTEMPTS: Final = 3
WAIT_FIRST: Final = 0.5
WAIT_MOST: Final = 5.0
"""Seconds before another attempt, where the vendor does not say how long."""
ANSWER: Final = 5.0
"""Seconds that must be left for the answer, or a wait is not begun."""
SKEW: Final[Duration] = 5 * MINUTE
"""A difference of clocks worth naming."""

_PUNCTUAL: Final = 0.001
"""Seconds by which a wait may end early: sleeping is not more exact."""
_PASSING: Final = (VendorFailed, NetworkFailed, QuotaExceeded)
_PERHAPS_CLOCK: Final = {"permission", "request"}
"""Families a vendor answers with when it does not say that it dislikes our time."""


def source_http(
    exchange: Handler,
    *,
    source: str,
    limit: float,
    timeout: Duration,
    clock: Clock,
    lookout: Lookout | None = None,
) -> Callable[[Sequence[Middleware]], Handler]:
    """What `Access.http` is: the transport of one source, all its handlers under one limit (a second).

    Every attempt is counted into the `lookout`, and whether it was refused for quota.
    """
    # stamina's own hook would log every retry with the error's repr; pollers log failures, on change.
    stamina.instrumentation.set_on_retry_hooks(())
    counted = counter(Lookout() if lookout is None else lookout)
    inner = [limiter(limit), waiter(), counted, judge(source, clock), record, deadline(timeout)]

    def build(own: Sequence[Middleware]) -> Handler:
        return chain([retry, *own, *inner], exchange)

    return build


async def retry(request: Request, call_next: Handler) -> Response:
    """Ask up to three times when the failure may pass, with jitter, or exactly as late as `Retry-After` says.

    A wait that would outlast the deadline around it is not begun: its error is better than a timeout's.
    """
    try:
        return await call_next(request)
    except CollectError as error:
        if not request.retry or not isinstance(error, _PASSING):
            raise
        failure: CollectError | None = error
    attempts = stamina.retry_context(
        on=_another,
        attempts=ATTEMPTS,
        timeout=None,
        wait_initial=WAIT_FIRST,
        wait_max=WAIT_MOST,
        wait_jitter=WAIT_FIRST,
    )
    async for attempt in attempts:
        with attempt:
            if failure is not None:
                first, failure = failure, None
                raise first  # the first attempt was made above: most need no other, nor what counts them
            return await call_next(request)
    raise AssertionError("stamina either answers or raises")


def _another(error: Exception) -> bool | float:
    """Whether to try again: no, yes, or after so many seconds."""
    if not isinstance(error, _PASSING):
        return False
    left = anyio.current_effective_deadline() - anyio.current_time()
    wait = error.retry_after
    if (WAIT_MOST if wait is None else wait) + ANSWER >= left:
        return False
    return True if wait is None else float(wait)


def waiter() -> Middleware:
    """Keep to the vendor's `Retry-After` in all that is asked of the account, not only where it was said.

    What would be asked too early fails as if it had been refused, with what is left to wait.
    """
    until, why = -inf, ""

    async def wait(request: Request, call_next: Handler) -> Response:
        nonlocal until, why
        left = until - anyio.current_time()
        if left > _PUNCTUAL:
            raise QuotaExceeded(f"the vendor asks to wait ({why})", retry_after=left)
        try:
            return await call_next(request)
        except (QuotaExceeded, VendorFailed) as error:
            asked = anyio.current_time() + min(error.retry_after or 0, LONGEST_WAIT)
            if error.retry_after and asked > until:
                until, why = asked, str(error)
            raise

    return wait


def counter(lookout: Lookout) -> Middleware:
    """Count every attempt."""

    async def count(request: Request, call_next: Handler) -> Response:
        try:
            response = await call_next(request)
        except CollectError as error:
            lookout.count(throttled=isinstance(error, QuotaExceeded))
            raise
        lookout.count(throttled=False)
        return response

    return count


def limiter(per_second: float) -> Middleware:
    """At most so many requests a second, evenly: a vendor that counts in short windows sees no burst.

    Requests go in the order they came. One that is given up while it waits takes nothing from the others.
    The wait is not of the time that a question may take.
    """
    interval, free, turn = 1 / per_second, -inf, anyio.Lock(fast_acquire=True)

    async def limit(request: Request, call_next: Handler) -> Response:
        nonlocal free
        with not_counted():
            async with turn:
                if (wait := free - anyio.current_time()) > 0:
                    await anyio.sleep(wait)
                free = max(free, anyio.current_time()) + interval
        return await call_next(request)

    return limit


def judge(source: str, clock: Clock) -> Middleware:
    """Answers that are errors by the request's `classify` are raised, as `ClockSkewed` where that may be why.

    A good answer is one too while our clock is ahead: what is asked for then is not settled, or has not
    happened yet, and must not count as read.

    Rejected credentials stay rejected, whatever the clocks say: only that keeps them from being tried again.
    A login (a request that must not be retried) is not signed with the time. A clock that differs is logged
    once when it begins to and once when it no longer does.
    """
    log = structlog.get_logger().bind(source=source)
    skewed = False

    async def judge_answer(request: Request, call_next: Handler) -> Response:
        nonlocal skewed
        response = await call_next(request)
        skew = clock_skew(response, clock.now())
        if (skew is not None) != skewed:
            skewed = skew is not None
            log.warning("clock_skew", state=_difference(skew) if skew is not None else "agrees again")
        error = request.classify(response)
        if skew is not None and request.retry:
            _check_clock(skew, error, dated=request.dated)
        if error is not None:
            raise error
        return response

    return judge_answer


def _check_clock(skew: Duration, error: CollectError | None, *, dated: bool) -> None:
    if error is None and skew < 0:
        raise ClockSkewed(_difference(skew))
    if isinstance(error, AuthenticationFailed):
        family = RejectedByClock if dated else AuthenticationFailed
        words = f"{error}; {_difference(skew)}"
        raise family(words, status=error.status, retry_after=error.retry_after) from error
    if error is not None and error.family in _PERHAPS_CLOCK:
        raise ClockSkewed(f"{error}; {_difference(skew)}", status=error.status) from error


def clock_skew(response: Response, now: Instant) -> Duration | None:
    """How far the vendor's clock is ahead of ours, by its `Date`; None within five minutes or unsaid.

    An answer out of a cache was dated when it went in there, its `Age` in seconds ago.
    """
    age = response.headers.get("age", "")
    try:
        theirs = parsedate_to_datetime(response.headers.get("date", ""))
        seconds = theirs.timestamp() + (float(age) if age.isascii() and age.isdigit() else 0)
        skew = round(seconds * SECOND) - now
    except (ValueError, OverflowError):
        return None
    return skew if abs(skew) > SKEW else None


def _difference(skew: Duration) -> str:
    return f"our clock is {span(abs(skew))} {'behind' if skew > 0 else 'ahead of'} the vendor's"


def deadline(timeout: Duration) -> Middleware:
    """One attempt's time, whatever the handler inside does.

    A call that was cancelled while it was handed what it waited for (the lock around a login) asks nothing.
    """

    async def limit_time(request: Request, call_next: Handler) -> Response:
        await anyio.lowlevel.checkpoint_if_cancelled()
        try:
            with anyio.fail_after(timeout / SECOND):
                return await call_next(request)
        except TimeoutError as error:
            raise request.late(f"no answer within {span(timeout)}") from error

    return limit_time
