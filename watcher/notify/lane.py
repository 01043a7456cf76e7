"""One target's lane: claims what is due, sends it in turn, and tells the outbox how that went.

A lane waits for nobody but its own target and the store. What it claimed and could not finish it gives back.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final, Protocol, TypeAlias

import anyio
import structlog

from watcher.errors import DeliveryError, DeliveryFailed, DeliveryRejected, StoreUnavailable
from watcher.model.message import Due, Message
from watcher.model.ports import Clock, Outbox, Sender
from watcher.model.time import MINUTE, SECOND, Duration, Instant
from watcher.notify.backoff import Backoff
from watcher.notify.stages import TELL_WITHIN, Plan, decide

Report: TypeAlias = Callable[[], Awaitable[None]]
"""What the outbox is to hear of some rows; told again until it has heard."""

_LOOK_AT_LEAST: Final[Duration] = MINUTE
"""A wake-up is a hint; the outbox is the truth, and is asked this often anyway."""
_SHORTEST_WAIT: Final[Duration] = SECOND
_STORE_WAIT: Final[Duration] = 2 * SECOND
_LAST_WORD: Final[Duration] = SECOND
"""How long a report may take once cancelled."""


class TellingBug(DeliveryFailed):
    """An exception that a sender or a renderer should have known: ours to mend, and its lane goes on.

    Its words are left to the log, which hides secrets: they may quote the target's address.
    """

    def __init__(self, error: Exception) -> None:
        """`error` is what came in place of a `DeliveryError`."""
        super().__init__(f"unexpected {type(error).__name__}, a bug in watcher; the log has its traceback")


class Renders(Protocol):
    """Makes messages of plans."""

    def message(self, plan: Plan, *, now: Instant) -> Message:
        """What the target is told."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How a lane works."""

    claim: int = 1_000
    """Rows claimed at once: only what is claimed together is told together."""
    lease: Duration = 90 * SECOND
    deadline: Duration = 30 * SECOND
    """Of one send. None starts that might outlast the lease."""
    misses: int = 3
    """Failed sends in a row, after which the rest of a round waits."""
    tell_within: Duration = TELL_WITHIN
    backoff: Backoff = field(default_factory=Backoff)


class Lane:
    """The only one that sends to its target."""

    def __init__(
        self,
        target: str,
        sender: Sender,
        outbox: Outbox,
        *,
        renderer: Renders,
        clock: Clock,
        rng: Random,
        pace: Pace,
    ) -> None:
        """`rng` spreads retries, so that what failed together does not return together."""
        self._target = target
        self._sender = sender
        self._outbox = outbox
        self._renderer = renderer
        self._clock = clock
        self._rng = rng
        self._pace = pace
        self._woken = anyio.Event()
        self._stopping = False
        self._misses = 0
        self._bug = ""
        self._store_lost = False
        self._log = structlog.get_logger().bind(target=target)

    def wake(self) -> None:
        """Look now: something may be due."""
        self._woken.set()

    def stop(self) -> None:
        """Tell what is due, then end."""
        self._stopping = True
        self.wake()

    async def run(self) -> None:
        """Until stopped or cancelled."""
        while True:
            self._woken = anyio.Event()  # before looking: what comes meanwhile ends the next wait
            wait = await self._look()
            if wait and self._stopping:
                return
            with anyio.move_on_after(wait / SECOND):
                await self._woken.wait()

    async def _look(self) -> Duration:
        """Work one claim; how long to wait before the next look."""
        now = self._clock.now()
        try:
            rows = await self._outbox.claim(
                self._target, at=now, lease=self._pace.lease, limit=self._pace.claim
            )
            due = None if rows else await self._outbox.next_due(self._target)
        except StoreUnavailable as error:
            self._on_store_lost(error)
            return _STORE_WAIT
        self._on_store_found()
        if rows:
            await self._work(rows)
            return 0
        return _LOOK_AT_LEAST if due is None else min(max(due - now, _SHORTEST_WAIT), _LOOK_AT_LEAST)

    async def _work(self, rows: Sequence[Due]) -> None:
        """Tell, skip or give back every row of a claim."""
        decision = decide(rows, now=self._clock.now(), tell_within=self._pace.tell_within)
        for skip in decision.skips:
            await self._report(self._skipped(skip.rows, skip.reason))
        left = list(decision.plans)
        try:
            await self._tell(left)
        finally:
            if left:
                await self._last_word(self._put_back(left))

    async def _tell(self, left: list[Plan]) -> None:
        """Send plan after plan, taking each off the list, until too many have failed in a row."""
        last_start = anyio.current_time() + (self._pace.lease - self._pace.deadline) / SECOND
        misses = 0
        while left and misses < self._pace.misses and anyio.current_time() <= last_start:
            report = await self._attempt(left[0])
            del left[0]
            await self._report(report)
            misses = misses + 1 if self._misses else 0

    async def _attempt(self, plan: Plan) -> Report:
        """Send one message once."""
        try:
            with anyio.fail_after(self._pace.deadline / SECOND):
                answer = await self._send(plan)
        except TimeoutError:
            return self._missed(plan, f"no answer within {self._pace.deadline // SECOND} s")
        except DeliveryFailed as error:
            return self._missed(plan, str(error), retry_after=error.retry_after)
        except DeliveryRejected as error:
            self._on_miss(str(error))
            return self._dead(plan, str(error))
        self._on_arrival()
        return partial(self._outbox.done, plan.rows, at=self._clock.now(), detail=f"{plan.reason}: {answer}")

    async def _send(self, plan: Plan) -> str:
        """Render and deliver.

        Raises:
            DeliveryError: and nothing else but a timeout and cancellation.
        """
        try:
            return await self._sender.send(self._renderer.message(plan, now=self._clock.now()))
        except (DeliveryError, TimeoutError):
            raise
        except Exception as error:
            self._on_bug(error)
            raise TellingBug(error) from error

    def _missed(self, plan: Plan, error: str, *, retry_after: float | None = None) -> Report:
        """Try again later, or never when it has been tried for long enough."""
        self._on_miss(error)
        now, backoff, attempts = self._clock.now(), self._pace.backoff, plan.attempts + 1
        if backoff.exhausted(attempts, owed_at=min(row.created_at for row in plan.rows), now=now):
            return self._dead(plan, error)
        wait = backoff.wait(attempts, chance=self._rng.random(), retry_after=retry_after)
        return partial(self._outbox.failed, plan.rows, at=now, error=error, retry_at=now + wait)

    def _dead(self, plan: Plan, error: str) -> Report:
        incidents = [incident.id for incident in plan.incidents]
        self._log.error("message_given_up", incidents=incidents, error=error)
        return partial(self._outbox.failed, plan.rows, at=self._clock.now(), error=error, retry_at=None)

    def _skipped(self, rows: Sequence[Due], reason: str) -> Report:
        return partial(self._outbox.skipped, rows, at=self._clock.now(), reason=str(reason))

    def _put_back(self, plans: Sequence[Plan]) -> Report:
        """Rows whose turn did not come: due at once, or after a while where the target fails."""
        now, rows = self._clock.now(), [row for plan in plans for row in plan.rows]
        wait = self._pace.backoff.wait(self._misses, chance=self._rng.random()) if self._misses else 0
        return partial(self._outbox.failed, rows, at=now, error="its turn did not come", retry_at=now + wait)

    async def _report(self, report: Report) -> None:
        """Tell the outbox until it has heard: what was sent must not be sent again for want of a mark."""
        try:
            while True:
                if await self._heard(report):
                    return
                await anyio.sleep(_STORE_WAIT / SECOND)
        except anyio.get_cancelled_exc_class():
            await self._last_word(report)
            raise

    async def _heard(self, report: Report) -> bool:
        try:
            await report()
        except StoreUnavailable as error:
            self._on_store_lost(error)
            return False
        self._on_store_found()
        return True

    async def _last_word(self, report: Report) -> None:
        """Once more in spite of cancellation; what the outbox does not hear, the lease ends."""
        with anyio.move_on_after(_LAST_WORD / SECOND, shield=True):
            await self._heard(report)

    def _on_miss(self, error: str) -> None:
        if not self._misses:
            self._log.warning("target_failing", error=error)
        self._misses += 1

    def _on_bug(self, error: Exception) -> None:
        """One traceback for each bug, though every attempt meets it again."""
        bug = repr(error)
        if bug != self._bug:
            self._log.error("telling_bug", exc_info=error)
        self._bug = bug

    def _on_arrival(self) -> None:
        if self._misses:
            self._log.info("target_recovered", misses=self._misses)
        self._misses = 0

    def _on_store_lost(self, error: StoreUnavailable) -> None:
        if not self._store_lost:
            self._log.warning("outbox_unavailable", error=str(error))
        self._store_lost = True

    def _on_store_found(self) -> None:
        if self._store_lost:
            self._log.info("outbox_available")
        self._store_lost = False
