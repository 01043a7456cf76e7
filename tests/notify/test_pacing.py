"""A lane keeps to its target's rate, leaves alone who asks for it, and notices when an outage ends."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import anyio
import pytest

from tests.notify.doubles import OPEN, MemoryOutbox, RecordingSender, incident
from watcher.errors import DeliveryFailed
from watcher.model.incident import Incident
from watcher.model.message import Message, Policy, Telling
from watcher.model.ports import Clock
from watcher.model.recurrence import Recurrence
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE, SECOND, Instant
from watcher.notify.courier import Courier
from watcher.notify.manner import Manner, Terms
from watcher.notify.rate import Rate
from watcher.notify.render import Renderer
from watcher.notify.stages import Suppressions

pytestmark = pytest.mark.looptime
OPENED = Telling.OPENED


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


@asynccontextmanager
async def running(
    outbox: MemoryOutbox, clock: Clock, sender: RecordingSender, terms: Terms | None = None
) -> AsyncIterator[Courier]:
    rng = Random(1)  # noqa: S311 - jitter, not a secret
    courier = Courier(
        outbox, {"mail/0": sender}, renderer=Renderer({}), clock=clock, rng=rng, terms=terms or Terms()
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        yield courier
        tasks.cancel_scope.cancel()


def storm(outbox: MemoryOutbox, count: int, at: Instant, severity: Severity = Severity.WARNING) -> None:
    for number in range(count):
        outbox.owe(incident(id=f"{severity}-{number:05}", severity=severity), OPENED, "mail/0", at=at)


def at_rate(count: int) -> Terms:
    return Terms({"mail/0": Manner(Rate(count, MINUTE))})


async def test_a_storm_is_a_few_messages_in_which_each_incident_stands(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    storm(outbox, 500, clock.now())
    sender = RecordingSender()

    async with running(outbox, clock, sender, at_rate(10)):
        await anyio.sleep(1)

    assert len(sender.sent) <= 10
    assert set(outbox.states()) == {"done"}
    words = "\n".join(message.text for message in sender.sent)
    assert all(row.due.incident.id in words for row in outbox.rows)
    assert {row.reason for row in outbox.rows} == {"told with others, for there were many"}


async def test_what_comes_when_the_rate_is_spent_waits_for_the_next_message_and_critical_does_not(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    storm(outbox, 2, clock.now())
    sender = RecordingSender()

    async with running(outbox, clock, sender, at_rate(2)) as courier:
        await anyio.sleep(1)
        storm(outbox, 40, clock.now(), Severity.INFO)
        outbox.owe(OPEN, OPENED, "mail/0", at=clock.now())
        courier.notify()
        await anyio.sleep(1)
        assert [message.severity for message in sender.sent[2:]] == [Severity.CRITICAL]
        await anyio.sleep(2 * 60)

    assert [message.kind for message in sender.sent[3:]] == ["digest"]
    assert set(outbox.states()) == {"done"}


async def test_what_waits_for_room_says_so_while_it_waits(outbox: MemoryOutbox, clock: Clock) -> None:
    storm(outbox, 1, clock.now())

    async with running(outbox, clock, RecordingSender(), at_rate(1)) as courier:
        await anyio.sleep(1)
        storm(outbox, 3, clock.now(), Severity.INFO)
        courier.notify()
        await anyio.sleep(1)
        waiting = {row.reason for row in outbox.rows[1:]}
        await anyio.sleep(2 * 60)

    assert waiting == {"waits, for there are many"}
    assert set(outbox.states()) == {"done"}


async def test_a_restart_gives_no_room_that_was_used_up_before_it(outbox: MemoryOutbox, clock: Clock) -> None:
    outbox.sent["mail/0"] = [clock.now() - 2 * SECOND] * 10
    storm(outbox, 40, clock.now())
    sender = RecordingSender()

    async with running(outbox, clock, sender, at_rate(10)):
        await anyio.sleep(3)
        assert sender.sent == []
        await anyio.sleep(60)

    assert [message.kind for message in sender.sent] == ["digest"]


async def test_what_a_clock_that_was_set_back_says_was_sent_later_takes_no_room(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    """An hour of messages, all of them ahead of now, would else be a debt of an hour."""
    outbox.sent["mail/0"] = [clock.now() + number * 6 * SECOND for number in range(1, 600)]
    storm(outbox, 1, clock.now())
    sender = RecordingSender()

    async with running(outbox, clock, sender, at_rate(10)):
        await anyio.sleep(3)

    assert [message.kind for message in sender.sent] == [Telling.OPENED]


async def test_a_target_that_asks_for_a_pause_is_left_alone_for_as_long(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    storm(outbox, 5, clock.now())
    sender = RecordingSender(DeliveryFailed("429 too many", retry_after=120))

    async with running(outbox, clock, sender) as courier:
        await anyio.sleep(1)
        outbox.owe(OPEN, OPENED, "mail/0", at=clock.now())
        courier.notify()
        await anyio.sleep(118)
        assert len(sender.tried) == 1
        await anyio.sleep(3)

    assert len({message.key for message in sender.sent}) == len(sender.sent) == 6


async def test_a_target_that_is_down_for_a_day_is_tried_once_a_minute_and_told_at_once_when_it_is_back(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    storm(outbox, 300, clock.now(), Severity.CRITICAL)
    sender = RecordingSender(*[DeliveryFailed("down")] * 1_000)

    async with running(outbox, clock, sender):
        await anyio.sleep(12 * 60 * 60)
        tried, sender.failures = len(sender.tried), []
        await anyio.sleep(61)

    assert 12 * 60 <= tried <= 13 * 60
    assert set(outbox.states()) == {"done"}


async def test_a_message_nobody_takes_does_not_come_back_with_each_that_arrives(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    class Picky(RecordingSender):
        async def send(self, message: Message) -> str:
            if "poison" in message.text:
                self.failures = [DeliveryFailed("500")]
            return await super().send(message)

    for number in range(3):
        outbox.owe(incident(id=f"poison-{number}"), OPENED, "mail/0", at=clock.now())
    sender = Picky()

    async with running(outbox, clock, sender) as courier:
        for number in range(60):
            outbox.owe(
                incident(id=f"fine-{number}", severity=Severity.INFO), OPENED, "mail/0", at=clock.now()
            )
            courier.notify()
            await anyio.sleep(60)

    poisoned = [message for message in sender.tried if "poison" in message.text]
    assert len(poisoned) <= 3 * 15
    assert [row.state for row in outbox.rows].count("done") >= 58


async def test_in_a_muted_time_nothing_is_sent_and_at_its_end_all_of_it(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    now = clock.now()
    minute = now % (24 * HOUR) // MINUTE
    times = {"lunch": (Recurrence(minute, minute + 60),)}
    storm(outbox, 3, now)
    for row in outbox.rows:
        row.due = replace(row.due, policy=Policy(mute=("lunch",)))
    sender = RecordingSender()

    async with running(outbox, clock, sender, Terms(times=times)):
        await anyio.sleep(58 * 60)
        assert (sender.tried, {row.reason for row in outbox.rows}) == ([], {"muted"})
        await anyio.sleep(3 * 60)

    assert [message.kind for message in sender.sent] == ["digest"]


async def test_what_suppresses_is_asked_for_at_each_look_with_the_incidents_at_hand(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    asked: list[list[str]] = []

    async def suppressing(incidents: Sequence[Incident], at: Instant) -> Suppressions:
        assert at == clock.now()
        asked.append([one.id for one in incidents])
        return Suppressions()

    storm(outbox, 2, clock.now())

    async with running(outbox, clock, RecordingSender(), Terms(suppressing=suppressing)):
        await anyio.sleep(1)

    assert asked == [["warning-00000", "warning-00001"]]
    assert set(outbox.states()) == {"done"}
