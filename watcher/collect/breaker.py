"""When a failing stream may be asked again, and when rejected credentials may be used again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeVar

import anyio

from watcher.errors import AuthenticationFailed, CollectError
from watcher.model.ports import Clock
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration, Instant, rfc3339

T = TypeVar("T")

PATIENT: Final = 3
"""Failures in a row that change nothing about the cadence."""
LONGEST: Final[Duration] = 10 * MINUTE
LONGEST_ASKED: Final[Duration] = DAY
"""What a vendor may ask for: up to then its `Retry-After` is kept to the millisecond."""
PROBES: Final = 3
PROBE_EVERY: Final[Duration] = HOUR


@dataclass(frozen=True, slots=True)
class Pause:
    """`[since, until)` by a clock that may be set: on one that shows a time before it, it is over."""

    since: Instant = 0
    until: Instant = 0

    def is_over(self, now: Instant) -> bool:
        """Whether it does not hold now."""
        return not self.since <= now < self.until


@dataclass(frozen=True, slots=True)
class Breaker:
    """Closed it lets every planned poll through; open, only the probe at the end of a pause and after."""

    failures: int = 0
    pause: Pause = Pause()

    def lets_through(self, now: Instant) -> bool:
        """Whether a poll planned for now may ask the vendor."""
        return self.pause.is_over(now)

    def failed(self, error: CollectError, *, now: Instant, every: Duration) -> "Breaker":
        """After one more failure: not before `retry_after`, and from the fourth on ever more rarely.

        Rejected credentials do not count: `Credentials` guards these, and lets the stream go on at once
        when it is told to.
        """
        if isinstance(error, AuthenticationFailed):
            return self
        failures = self.failures + 1
        back_off = min(every * 2 ** min(failures - PATIENT, 20), LONGEST) if failures > PATIENT else 0
        return Breaker(failures, Pause(now, now + max(back_off, _asked_for(error))))


def _asked_for(error: CollectError) -> Duration:
    return ceil(min(LONGEST_ASKED / SECOND, error.retry_after or 0) * SECOND)


class Credentials:
    """The right to use a source's credentials, shared by its streams; vendors ban for trying wrong ones.

    The first call is made alone: wrong credentials are tried once, not once a stream. Once it was answered,
    or failed for another reason, all are let through. A rejection ends every call that is under way, so that
    none of them logs in again. After it there is one probe an hour, or as much later as the vendor asks, at
    most three, then none until `renew`.
    """

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._open = False
        self._rejection: AuthenticationFailed | None = None
        self._probes = PROBES
        self._pause = Pause()
        self._under_way: set[anyio.CancelScope] = set()

    @property
    def rejected(self) -> bool:
        """Whether only probes are let through."""
        return self._rejection is not None

    @property
    def next_probe(self) -> Instant:
        """When rejected ones are tried again; 0 when they are not rejected, or only a person can help."""
        return self._pause.until if self._rejection is not None and self._probes else 0

    def renew(self) -> None:
        """They may have changed: the next poll tries them."""
        self._rejection = None
        self._open = False

    async def use(self, call: Callable[[], Awaitable[T]], clock: Clock) -> T:
        """What the call answers.

        Raises:
            AuthenticationFailed: this call was rejected, or another was: then it is not made, or cut short.
            CollectError: as the call does.
        """
        async with self._turn:
            if not self._open:
                self._admit(clock.now())
                return await self._judged(call, clock)
        return await self._judged(call, clock)

    def _admit(self, now: Instant) -> None:
        if self._rejection is None:
            return
        if not self._probes or not self._pause.is_over(now):
            raise self._refusal()
        self._probes -= 1
        self._pause = Pause(now, now + PROBE_EVERY)

    def _refusal(self) -> AuthenticationFailed:
        status = None if self._rejection is None else self._rejection.status
        when = f"tried again at {rfc3339(self._pause.until // SECOND * SECOND)}"
        return AuthenticationFailed(
            f"{self._rejection}; {when if self._probes else 'not tried again until told'}", status=status
        )

    async def _judged(self, call: Callable[[], Awaitable[T]], clock: Clock) -> T:
        with anyio.CancelScope() as scope:
            self._under_way.add(scope)
            try:
                answer = await call()
            except AuthenticationFailed as error:
                self._under_way.remove(scope)
                self._reject(error, clock.now())
                raise
            except CollectError:
                self._open = self._rejection is None
                raise
            finally:
                self._under_way.discard(scope)
            if not scope.cancel_called:  # else another was rejected meanwhile, and that stands
                self._open, self._rejection = True, None
            return answer
        raise self._refusal()

    def _reject(self, error: AuthenticationFailed, now: Instant) -> None:
        if self._rejection is None:
            self._probes = PROBES
        self._open, self._rejection = False, error
        self._pause = Pause(now, now + max(PROBE_EVERY, _asked_for(error)))
        for scope in self._under_way:
            scope.cancel()
