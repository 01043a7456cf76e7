"""One target's lane: claims what is due, sends it in turn, and tells the outbox how that went.

A lane waits for nobody but its own target and the store; where its target fails, for others that fail, too.
What it claimed and could not finish it gives back.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final, Protocol, TypeAlias, TypeVar

import anyio
import structlog

from watcher.errors import DeliveryError, DeliveryFailed, DeliveryRejected, StoreUnavailable
from watcher.model.message import Due, Message
from watcher.model.ports import Clock, Outbox, Sender
from watcher.model.time import MINUTE, SECOND, Duration, Instant
from watcher.notify.backoff import Backoff
from watcher.notify.health import PROBE, Health, Outcomes, monotonic
from watcher.notify.manner import Manner, Terms
from watcher.notify.rate import Bucket
from watcher.notify.round import Round
from watcher.notify.stages import DIGEST_SIZE, TELL_WITHIN, Plan, Reason, View, decide

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T")
Report: TypeAlias = Callable[[], Awaitable[None]]
"""What the outbox is to hear of some rows; told again until it has heard."""

_LOOK_AT_LEAST: Final[Duration] = MINUTE
"""A wake-up is a hint; the outbox is the truth, and is asked this often anyway."""
_SHORTEST_WAIT: Final[Duration] = SECOND
_STORE_WAIT: Final[Duration] = 2 * SECOND
_CUT_SHORT: Final = "watcher stopped while it was sent: it may have arrived"
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
    grace: Duration = 5 * SECOND
    """How long lanes may go on telling once the courier is stopped."""
    tell_within: Duration = TELL_WITHIN
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all lanes have in common."""

    outbox: Outbox
    renderer: Renders
    clock: Clock
    rng: Random
    """Spreads retries, so that what failed together does not return together."""
    pace: Pace = field(default_factory=Pace)
    terms: Terms = field(default_factory=Terms)
    failing: anyio.Semaphore = field(default_factory=partial(anyio.Semaphore, 1))
    """Where lanes whose targets fail queue for the outbox: a hundred that time out at once hold up nobody."""


class Lane:
    """The only one that sends to its target."""

    def __init__(self, target: str, sender: Sender, shared: Shared) -> None:
        """In the manner that the terms give the target."""
        self._target = target
        self._sender = sender
        self._outbox = shared.outbox
        self._renderer = shared.renderer
        self._clock = shared.clock
        self._rng = shared.rng
        self._pace = shared.pace
        self._failing = shared.failing
        self._terms = shared.terms
        self._manner = shared.terms.manners.get(target, Manner())
        self._bucket = Bucket(self._manner.rate)
        self._health = Health(target)
        self._hurried_at: Instant | None = None
        self._woken = anyio.Event()
        self._stopping = False
        self._bug = ""
        self._store_lost = False
        self.looked_at: float | None = None
        """When it last began to look, in the loop's seconds; None before the first time."""
        self._log = structlog.get_logger().bind(target=target)

    def outcomes(self) -> Outcomes:
        """What became of attempts since this was last called."""
        return self._health.outcomes()

    def remember(self, ago: Iterable[Duration]) -> None:
        """Messages were sent so long ago: a restart gives no room that was used up before it."""
        now = _now()
        self._bucket.remember(now - each for each in ago)

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
            self.looked_at = anyio.current_time()
            wait = await self._look()
            if wait and self._stopping:
                return
            with anyio.move_on_after(wait / SECOND):
                await self._woken.wait()

    async def _look(self) -> Duration:
        """Work one claim; how long to wait before the next look."""
        if paused := self._health.paused(_now()):
            return min(paused, _LOOK_AT_LEAST)
        room = self._bucket.room(_now())
        try:
            rows = await self._claim(room)
            if not rows:
                return await self._until_due(room)
            view = await self._view(rows, room)
        except StoreUnavailable as error:
            self._on_store_lost(error)
            return _STORE_WAIT
        self._on_store_found()
        await self._work(rows, view)
        return self._health.paused(_now())

    async def _claim(self, room: int | None) -> Sequence[Due]:
        """As much as there is room to tell of; without any, what is critical."""
        limit = self._pace.claim
        if room is not None:
            limit = min(limit, max(room, 1) * (DIGEST_SIZE if self._manner.gathers else 1))
        at, lease = self._clock.now(), self._pace.lease
        urgent = room == 0
        return await self._asking(
            partial(self._outbox.claim, self._target, at=at, lease=lease, limit=limit, urgent=urgent)
        )

    async def _until_due(self, room: int | None) -> Duration:
        """How long there is nothing to do; what waits for more room says so."""
        if room == 0:
            noted = partial(self._outbox.noted, self._target, at=self._clock.now(), reason=Reason.AWAITS_RATE)
            await self._asking(noted)
        due = await self._asking(partial(self._outbox.next_due, self._target, urgent=room == 0))
        self._on_store_found()
        waits = [_LOOK_AT_LEAST]
        if due is not None:
            waits.append(max(due - self._clock.now(), _SHORTEST_WAIT))
        if room == 0:
            waits.append(max(self._bucket.next_at(_now()) - _now(), _SHORTEST_WAIT))
        return min(waits)

    async def _view(self, rows: Sequence[Due], room: int | None) -> View:
        now = self._clock.now()
        incidents = list({row.incident.id: row.incident for row in rows}.values())
        return View(
            now,
            self._pace.tell_within,
            self._terms.times,
            await self._terms.suppressing(incidents, now),
            self._manner.gathers,
            room,
            now + max(self._bucket.next_at(_now()) - _now(), _SHORTEST_WAIT),
        )

    async def _work(self, rows: Sequence[Due], view: View) -> None:
        """Tell, postpone, skip or give back every row of a claim."""
        decision = decide(rows, view)
        for reason, skipped in _gathered((skip.words, skip.rows) for skip in decision.skips):
            await self._report(self._skipped(skipped, reason))
        waits = (((wait.words, wait.until), wait.rows) for wait in decision.waits)
        for (reason, until), waiting in _gathered(waits):
            await self._report(self._postponed(waiting, reason, until))
        left = list(decision.plans)
        try:
            await self._tell(left)
        finally:
            if left:
                rest = [row for plan in left for row in plan.rows]
                await self._last_word(self._postponed(rest, "", self._clock.now()))

    async def _tell(self, left: list[Plan]) -> None:
        """Send plan after plan, taking each off the list, until too many have failed in a row."""
        last_start = anyio.current_time() + (self._pace.lease - self._pace.deadline) / SECOND
        sending = Round(left, tries=self._health.tries, last_start=last_start)
        hands = min(self._manner.abreast, len(left))
        if hands == 1:
            await self._send_on(sending)
        else:
            async with anyio.create_task_group() as tasks:
                for _ in range(hands):
                    tasks.start_soon(self._send_on, sending)
        if self._health.fails and not self._health.paused(_now()):
            wait = self._pace.backoff.wait(self._health.misses, chance=self._rng.random())
            self._health.pause(min(wait, PROBE), at=_now())

    async def _send_on(self, sending: Round) -> None:
        """Send what is next for as long as there is something; plans of one claim share no incident."""
        while not self._health.paused(_now()) and (plan := sending.take(anyio.current_time())) is not None:
            try:
                report = await self._attempt(plan)
            except anyio.get_cancelled_exc_class():
                sending.landed(plan, missed=False)
                await self._last_word(self._cut_short(plan))
                raise
            sending.landed(plan, missed=bool(self._health.misses))
            await self._report(report)

    async def _attempt(self, plan: Plan) -> Report:
        """Send one message once."""
        self._bucket.take(_now())
        try:
            with anyio.fail_after(self._pace.deadline / SECOND):
                answer = await self._send(plan)
        except TimeoutError:
            return self._missed(plan, f"no answer within {self._pace.deadline // SECOND} s")
        except DeliveryFailed as error:
            return self._missed(plan, str(error), retry_after=error.retry_after)
        except DeliveryRejected as error:
            self._health.missed(str(error), at=self._clock.now())
            return self._dead(plan, str(error))
        return self._arrived(plan, answer)

    async def _send(self, plan: Plan) -> str:
        """Render and deliver.

        Raises:
            DeliveryError: and nothing else but a timeout and cancellation.
        """
        try:
            message = self._renderer.message(plan, now=self._clock.now())
            answer = await self._sender.send(message)
        except (DeliveryError, TimeoutError):
            raise
        except Exception as error:
            self._on_bug(error)
            raise TellingBug(error) from error
        return f"{answer}; {message.flaw}" if message.flaw else answer

    def _arrived(self, plan: Plan, answer: str) -> Report:
        outage_ended, now = self._health.arrived(), self._clock.now()
        done = partial(
            self._outbox.done, plan.rows, at=now, reason=str(plan.reason), detail=f"{plan.reason}: {answer}"
        )
        if not outage_ended or self._hurried_lately(now):
            return done
        self._hurried_at = now
        return partial(_both, done, partial(self._outbox.hurry, self._target, at=now))

    def _hurried_lately(self, now: Instant) -> bool:
        """A few messages that nobody takes must not come back with each one that arrives."""
        return self._hurried_at is not None and now - self._hurried_at < self._pace.backoff.most

    def _missed(self, plan: Plan, error: str, *, retry_after: float | None = None) -> Report:
        """Try again later, or never when it has been tried for long enough."""
        now, backoff, attempts = self._clock.now(), self._pace.backoff, plan.attempts + 1
        self._health.missed(error, at=now)
        if backoff.exhausted(attempts, owed_at=min(row.created_at for row in plan.rows), now=now):
            return self._dead(plan, error)
        wait = backoff.wait(attempts, chance=self._rng.random(), retry_after=retry_after)
        if retry_after is not None:  # said of the target, not of the message
            self._health.pause(backoff.asked(retry_after), at=_now())
        return partial(self._outbox.failed, plan.rows, at=now, error=error, retry_at=now + wait)

    def _cut_short(self, plan: Plan) -> Report:
        """Due at once, and known to have been tried: it may have arrived."""
        now = self._clock.now()
        return partial(self._outbox.failed, plan.rows, at=now, error=_CUT_SHORT, retry_at=now)

    def _dead(self, plan: Plan, error: str) -> Report:
        self._health.gave_up(error, at=self._clock.now())
        incidents = [incident.id for incident in plan.every]
        self._log.error("message_given_up", incidents=incidents, error=error)
        return partial(self._outbox.failed, plan.rows, at=self._clock.now(), error=error, retry_at=None)

    def _skipped(self, rows: Sequence[Due], reason: str) -> Report:
        return partial(self._outbox.skipped, rows, at=self._clock.now(), reason=reason)

    def _postponed(self, rows: Sequence[Due], reason: str, until: Instant) -> Report:
        return partial(self._outbox.postponed, rows, at=self._clock.now(), reason=reason, until=until)

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

    async def _asking(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the outbox; who fails waits until the one before, who fails too, has its answer."""
        if not self._health.misses:
            return await ask()
        async with self._failing:
            return await ask()

    async def _heard(self, report: Report) -> bool:
        try:
            await self._asking(report)
        except StoreUnavailable as error:
            self._on_store_lost(error)
            return False
        self._on_store_found()
        return True

    async def _last_word(self, report: Report) -> None:
        """Once more in spite of cancellation; what the outbox does not hear, the lease ends."""
        with anyio.move_on_after(_LAST_WORD / SECOND, shield=True):
            await self._heard(report)

    def _on_bug(self, error: Exception) -> None:
        """One traceback for each bug, though every attempt meets it again."""
        bug = repr(error)
        if bug != self._bug:
            self._log.error("telling_bug", exc_info=error)
        self._bug = bug

    def _on_store_lost(self, error: StoreUnavailable) -> None:
        if not self._store_lost:
            self._log.warning("outbox_unavailable", error=str(error))
        self._store_lost = True

    def _on_store_found(self) -> None:
        if self._store_lost:
            self._log.info("outbox_available")
        self._store_lost = False


def _now() -> Instant:
    """By the event loop's clock: pauses and rates know no leap of the wall clock."""
    return monotonic(anyio.current_time())


def _gathered(parts: Iterable[tuple[Key, Sequence[Due]]]) -> Iterator[tuple[Key, Sequence[Due]]]:
    """Rows by what is said of them: one transaction says it of all."""
    gathered: dict[Key, list[Due]] = {}
    for key, rows in parts:
        gathered.setdefault(key, []).extend(rows)
    yield from gathered.items()


async def _both(first: Report, then: Report) -> None:
    await first()
    await then()
