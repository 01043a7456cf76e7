"""When a failing stream may be asked again, and when rejected credentials may be used again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio

from watcher.errors import AuthenticationFailed, CollectError
from watcher.model.ports import Clock
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration, Instant, rfc3339

T = TypeVar("T")

PATIENT: Final = 3
"""Failures in a row that change nothing about the cadence."""
LONGEST: Final[Duration] = 10 * MINUTE
PROBES: Final = 3
PROBE_EVERY: Final[Duration] = HOUR


@dataclass(frozen=True, slots=True)
class Breaker:
    """Closed it lets every planned poll through; open, only the probe at `probe_at` and after."""

    failures: int = 0
    probe_at: Instant = 0

    def lets_through(self, now: Instant) -> bool:
        """Whether a poll planned for now may ask the vendor."""
        return now >= self.probe_at

    def failed(self, error: CollectError, *, now: Instant, every: Duration) -> "Breaker":
        """After one more failure: not before `retry_after`, and from the fourth on ever more rarely.

        Rejected credentials do not count: `Credentials` guards these, and lets the stream go on at once
        when it is told to.
        """
        if isinstance(error, AuthenticationFailed):
            return self
        failures = self.failures + 1
        back_off = min(every * 2 ** min(failures - PATIENT, 20), LONGEST) if failures > PATIENT else 0
        asked_for = min(round((error.retry_after or 0) * SECOND), DAY)
        return Breaker(failures, now + max(back_off, asked_for))


class Credentials:
    """The right to use a source's credentials, shared by its streams; vendors ban for trying wrong ones.

    Until a call has succeeded, the streams take turns: wrong credentials are tried once, not once a stream.
    After a rejection there is one probe an hour, at most three, then none until `renew`.
    """

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._proven = False
        self._rejection: AuthenticationFailed | None = None
        self._rejections = 0
        self._probes = PROBES
        self._probe_at: Instant = 0

    def renew(self) -> None:
        """They may have changed: the next poll tries them."""
        self._rejection = None
        self._proven = False

    async def use(self, call: Callable[[], Awaitable[T]], clock: Clock) -> T:
        """What the call answers.

        Raises:
            AuthenticationFailed: the call was rejected, or was not made because an earlier one was.
            CollectError: as the call does.
        """
        if self._proven:
            return await self._judged(call, clock)
        async with self._turn:
            self._admit(clock.now())
            return await self._judged(call, clock)

    def _admit(self, now: Instant) -> None:
        if self._rejection is None:
            return
        if not self._probes:
            raise self._refusal("not tried again until told")
        if now < self._probe_at:
            raise self._refusal(f"tried again at {rfc3339(self._probe_at // SECOND * SECOND)}")
        self._probes -= 1
        self._probe_at = now + PROBE_EVERY

    def _refusal(self, when: str) -> AuthenticationFailed:
        status = None if self._rejection is None else self._rejection.status
        return AuthenticationFailed(f"{self._rejection}; {when}", status=status)

    async def _judged(self, call: Callable[[], Awaitable[T]], clock: Clock) -> T:
        before = self._rejections
        try:
            answer = await call()
        except AuthenticationFailed as error:
            self._reject(error, clock.now())
            raise
        if before == self._rejections:  # else another stream was rejected meanwhile, and that stands
            self._proven, self._rejection = True, None
        return answer

    def _reject(self, error: AuthenticationFailed, now: Instant) -> None:
        self._rejections += 1
        self._proven = False
        if self._rejection is None:
            self._probes = PROBES
            self._probe_at = now + PROBE_EVERY
        self._rejection = error
