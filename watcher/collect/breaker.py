"""When a failing stream may be asked again, and when rejected credentials may be used again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeVar

import anyio

from watcher.errors import AuthenticationFailed, CollectError, RejectedByClock
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

        What was refused twice will be refused again: that is asked for rarely at once.
        Rejected credentials do not count: `Credentials` guards these, and lets the stream go on at once
        when it is told to.
        """
        if isinstance(error, AuthenticationFailed):
            return self
        failures = self.failures + 1
        back_off = min(every * 2 ** min(failures - PATIENT, 20), LONGEST) if failures > PATIENT else 0
        if error.family == "request" and failures > 1:
            back_off = LONGEST
        return Breaker(failures, Pause(now, now + max(back_off, _asked_for(error))))


def _offset(now: Instant) -> Duration:
    return now - round(anyio.current_time() * SECOND)


def _asked_for(error: CollectError) -> Duration:
    return ceil(min(LONGEST_ASKED / SECOND, error.retry_after or 0) * SECOND)


class Credentials:
    """The right to use a source's credentials, shared by its streams; vendors ban for trying wrong ones.

    The first call is made alone: wrong credentials are tried once, not once a stream. Once it was answered,
    or failed for another reason, all are let through. A rejection ends every call that is under way, so that
    none of them logs in again. After it there is one probe an hour, or as much later as the vendor asks, at
    most three, then none until `renew`. Where the clock may be why, the probes go on, and come at once when
    our clock is set.
    """

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._open = False
        self._rejection: AuthenticationFailed | None = None
        self._probes = PROBES
        self._pause = Pause()
        self._offset: Duration = 0
        """How far our clock was ahead of the loop's when they were last tried."""
        self._under_way: set[anyio.CancelScope] = set()
        self._generation = 0
        """Of the credentials: a call that began with older ones says nothing of these."""

    @property
    def rejected(self) -> bool:
        """Whether only probes are let through."""
        return self._rejection is not None

    @property
    def next_probe(self) -> Instant:
        """When rejected ones are tried again; 0 when they are not rejected, or only a person can help."""
        return self._pause.until if self._rejection is not None and self._may_probe else 0

    @property
    def _may_probe(self) -> bool:
        return self._probes > 0 or isinstance(self._rejection, RejectedByClock)

    def renew(self) -> None:
        """They may have changed: the next poll tries them."""
        self._generation += 1
        self._rejection = None
        self._open = False

    async def use(self, call: Callable[[], Awaitable[T]], clock: Clock, *, proof: bool = True) -> T:
        """What the call answers; `proof` is whether its answer shows that the credentials are good.

        Without it, the call may not have used them at all: the next one is made alone still.

        Raises:
            AuthenticationFailed: this call was rejected, or another was: then it is not made, or cut short.
            CollectError: as the call does.
        """
        async with self._turn:
            if not self._open:
                self._admit(clock.now())
                return await self._judged(call, clock, proof=proof)
        return await self._judged(call, clock, proof=proof)

    def _admit(self, now: Instant) -> None:
        if self._rejection is None:
            return
        was_set = isinstance(self._rejection, RejectedByClock) and abs(_offset(now) - self._offset) > MINUTE
        if not self._may_probe or not (was_set or self._pause.is_over(now)):
            raise self._refusal(self._rejection)
        self._probes -= 1
        self._pause, self._offset = Pause(now, now + PROBE_EVERY), _offset(now)

    def _refusal(self, rejection: AuthenticationFailed) -> AuthenticationFailed:
        when = f"tried again at {rfc3339(self._pause.until // SECOND * SECOND)}"
        words = f"{rejection}; {when if self._may_probe else 'not tried again until told'}"
        return type(rejection)(words, status=rejection.status)

    async def _judged(self, call: Callable[[], Awaitable[T]], clock: Clock, *, proof: bool) -> T:
        generation = self._generation
        with anyio.CancelScope() as scope:
            self._under_way.add(scope)
            try:
                answer = await call()
            except AuthenticationFailed as error:
                self._under_way.remove(scope)
                if generation == self._generation:
                    self._reject(error, clock.now())
                raise
            except CollectError:
                if generation == self._generation:
                    self._open = self._open or (proof and self._rejection is None)
                raise
            finally:
                self._under_way.discard(scope)
            if generation == self._generation and not scope.cancel_called:
                # else there are others by now, or another call was rejected meanwhile, and that stands
                self._open, self._rejection = self._open or proof, None
            return answer
        if self._rejection is None:  # renewed in the moment between
            raise AuthenticationFailed("the credentials were rejected, and changed since")
        raise self._refusal(self._rejection)

    def _reject(self, error: AuthenticationFailed, now: Instant) -> None:
        if self._rejection is None:
            self._probes = PROBES
        self._open, self._rejection, self._offset = False, error, _offset(now)
        self._pause = Pause(now, now + max(PROBE_EVERY, _asked_for(error)))
        for scope in self._under_way:
            scope.cancel()
