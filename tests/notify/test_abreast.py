"""Several messages at once: of different incidents, no more than may fail; and who fails holds up nobody."""

from collections.abc import Mapping, Sequence
from random import Random

import anyio
import pytest

from tests.notify.doubles import MemoryOutbox, RecordingSender, incident
from watcher.errors import DeliveryFailed
from watcher.model.message import Due, Message, Telling
from watcher.model.ports import Clock
from watcher.model.time import SECOND, Duration, Instant
from watcher.notify.courier import Courier
from watcher.notify.manner import Manner, Terms
from watcher.notify.rate import UNLIMITED
from watcher.notify.render import Renderer

pytestmark = pytest.mark.looptime

TARGET = "hook/0"


class SlowSender:
    """Takes a second for each message, and notes how many it was given at once."""

    def __init__(self, *, failing: bool = False) -> None:
        self.failing = failing
        self.flying: list[str] = []
        self.most = 0
        self.tried: list[str] = []

    async def send(self, message: Message) -> str:
        one = str(message.facts["id"])
        assert one not in self.flying, "two messages about one incident at once"
        self.flying.append(one)
        self.tried.append(one)
        self.most = max(self.most, len(self.flying))
        try:
            await anyio.sleep(1)
        finally:
            self.flying.remove(one)
        if self.failing:
            raise DeliveryFailed("busy")
        return "accepted"


class OneAtATime(MemoryOutbox):
    """An outbox whose database does one thing after the other, each in a tenth of a second."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = anyio.Lock()

    async def claim(
        self, target: str, *, at: Instant, lease: Duration, limit: int, urgent: bool = False
    ) -> Sequence[Due]:
        async with self._thread:
            await anyio.sleep(0.1)
            return await super().claim(target, at=at, lease=lease, limit=limit, urgent=urgent)

    async def failed(self, rows: Sequence[Due], *, at: Instant, error: str, retry_at: Instant | None) -> None:
        async with self._thread:
            await anyio.sleep(0.1)
            await super().failed(rows, at=at, error=error, retry_at=retry_at)


def courier_of(
    outbox: MemoryOutbox, clock: Clock, senders: Mapping[str, SlowSender | RecordingSender]
) -> Courier:
    """Each target takes three messages at once."""
    manners = dict.fromkeys(senders, Manner(UNLIMITED, abreast=3))
    rng = Random(1)  # noqa: S311 - jitter, not a secret
    terms = Terms(manners=manners)
    return Courier(outbox, senders, renderer=Renderer({}), clock=clock, rng=rng, terms=terms)


def owe(outbox: MemoryOutbox, clock: Clock, count: int) -> None:
    """So many incidents, each opened and reopened."""
    for number in range(count):
        one = incident(id=f"i{number:02}")
        for telling in (Telling.OPENED, Telling.REOPENED):
            outbox.owe(one, telling, TARGET, at=clock.now())


async def test_as_many_as_the_target_takes_are_sent_at_once_each_of_another_incident(clock: Clock) -> None:
    outbox, sender = MemoryOutbox(), SlowSender()
    owe(outbox, clock, 9)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier_of(outbox, clock, {TARGET: sender}).run)
        await anyio.sleep(3.5)
        tasks.cancel_scope.cancel()

    assert sender.most == 3
    assert sender.tried == [f"i{number:02}" for number in range(9)]
    assert outbox.states() == ["done"] * 18


async def test_no_more_fail_in_a_row_than_if_they_were_sent_one_by_one(clock: Clock) -> None:
    outbox, sender = MemoryOutbox(), SlowSender(failing=True)
    owe(outbox, clock, 9)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier_of(outbox, clock, {TARGET: sender}).run)
        await anyio.sleep(2)
        assert len(sender.tried) == 3
        sender.most = 0
        await anyio.sleep(3600)
        tasks.cancel_scope.cancel()

    assert sender.most == 1


async def test_what_was_under_way_when_the_courier_is_cancelled_is_given_back_as_tried(clock: Clock) -> None:
    outbox, sender = MemoryOutbox(), SlowSender()
    owe(outbox, clock, 9)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier_of(outbox, clock, {TARGET: sender}).run)
        await anyio.sleep(1.5)
        tasks.cancel_scope.cancel()

    assert outbox.states() == ["done"] * 6 + ["due"] * 12
    assert {row.leased_until for row in outbox.rows if row.state == "due"} == {0}
    assert [row.due.attempts for row in outbox.rows] == [0] * 6 + [1] * 6 + [0] * 6


async def test_a_hundred_targets_that_time_out_at_once_hold_up_no_other(clock: Clock) -> None:
    outbox = OneAtATime()
    stuck = {f"stuck/{number}": RecordingSender(hangs=True) for number in range(100)}
    fine = RecordingSender()
    courier = courier_of(outbox, clock, {**stuck, "fine/0": fine})
    for target in stuck:
        outbox.owe(incident(id=target), Telling.OPENED, target, at=clock.now())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        await anyio.sleep(45)  # by now all of them have timed out, and wait for the database in turn
        assert any(not row.due.attempts for row in outbox.rows)
        outbox.owe(incident(id="news"), Telling.OPENED, "fine/0", at=clock.now() - SECOND)
        courier.notify()
        await anyio.sleep(0.5)
        assert len(fine.sent) == 1
        tasks.cancel_scope.cancel()
