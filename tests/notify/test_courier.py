"""Delivery: each row told once where it can be, retried where it cannot, and no lane waits for another."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random

import anyio
import pytest
from structlog.testing import capture_logs

from tests.notify.doubles import OPEN, MemoryOutbox, RecordingSender, incident, resolved, withdrawn
from watcher.errors import DeliveryFailed, DeliveryRejected
from watcher.model.message import Message, Telling
from watcher.model.ports import Clock
from watcher.model.rule import Severity
from watcher.model.time import DAY, MINUTE, SECOND, Instant
from watcher.notify.backoff import Backoff
from watcher.notify.courier import Courier
from watcher.notify.render import Renderer
from watcher.notify.stages import Plan

pytestmark = pytest.mark.looptime

OPENED, RESOLVED = Telling.OPENED, Telling.RESOLVED


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


def courier_of(
    outbox: MemoryOutbox,
    clock: Clock,
    senders: Mapping[str, RecordingSender],
    renderer: Renderer | None = None,
) -> Courier:
    rng = Random(1)  # noqa: S311 - jitter, not a secret
    return Courier(outbox, senders, renderer=renderer or Renderer({}), clock=clock, rng=rng)


@asynccontextmanager
async def running(
    outbox: MemoryOutbox,
    clock: Clock,
    senders: Mapping[str, RecordingSender],
    renderer: Renderer | None = None,
) -> AsyncIterator[Courier]:
    """A courier at work; cancelled at the end."""
    courier = courier_of(outbox, clock, senders, renderer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        yield courier
        tasks.cancel_scope.cancel()


async def test_what_is_due_is_told_and_marked(outbox: MemoryOutbox, clock: Clock) -> None:
    row = outbox.owe(OPEN, OPENED, "mail/0", at=clock.now())
    sender = RecordingSender()

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(1)

    assert [message.key for message in sender.sent] == [row.due.key]
    assert (row.state, row.detail) == ("done", "told: accepted")


async def test_a_wake_up_is_followed_at_once_and_what_is_due_later_at_its_time(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    sender = RecordingSender()

    async with running(outbox, clock, {"mail/0": sender}) as courier:
        await anyio.sleep(5)
        outbox.owe(incident(id="now"), OPENED, "mail/0", at=clock.now())
        outbox.owe(incident(id="later"), OPENED, "mail/0", at=clock.now() + 20 * SECOND)
        courier.notify()
        await anyio.sleep(0.1)
        assert [message.facts["id"] for message in sender.sent] == ["now"]
        await anyio.sleep(20)

    assert [message.facts["id"] for message in sender.sent] == ["now", "later"]


async def test_an_idle_lane_asks_once_a_minute(outbox: MemoryOutbox, clock: Clock) -> None:
    async with running(outbox, clock, {"mail/0": RecordingSender()}):
        await anyio.sleep(10 * 60 + 1)

    assert outbox.claims == 11


async def test_a_refused_message_is_tried_again_later_and_told_once_with_the_same_key(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    row = outbox.owe(OPEN, OPENED, "mail/0", at=clock.now())
    sender = RecordingSender(DeliveryFailed("busy"), DeliveryFailed("busy"))

    with capture_logs() as logs:
        async with running(outbox, clock, {"mail/0": sender}):
            await anyio.sleep(60)

    assert [message.key for message in sender.tried] == [row.due.key] * 3
    assert len(sender.sent) == 1
    assert row.state == "done"
    assert [line["event"] for line in logs] == ["target_failing", "target_recovered"]


async def test_retry_after_is_honoured(outbox: MemoryOutbox, clock: Clock) -> None:
    row = outbox.owe(OPEN, OPENED, "mail/0", at=clock.now())
    sender = RecordingSender(DeliveryFailed("slow down", retry_after=120))

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(119)
        assert row.state == "due"
        await anyio.sleep(2)

    assert row.state == "done"


async def test_a_rejected_message_is_dead_at_once(outbox: MemoryOutbox, clock: Clock) -> None:
    row = outbox.owe(OPEN, OPENED, "mail/0", at=clock.now())
    sender = RecordingSender(DeliveryRejected("no such scheme"))

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(1)

    assert (row.state, row.detail) == ("dead", "no such scheme")


async def test_a_bug_in_a_sender_is_a_miss_told_by_one_traceback_and_ends_nothing(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    bad, well = (outbox.owe(OPEN, OPENED, target, at=clock.now()) for target in ("bad/0", "well/0"))
    broken = RecordingSender(*[AttributeError("no headers at https://user:secret@host")] * 5)

    with capture_logs() as logs:
        async with running(outbox, clock, {"bad/0": broken, "well/0": RecordingSender()}):
            await anyio.sleep(5)
            assert (bad.state, well.state) == ("due", "done")
            assert bad.detail == "unexpected AttributeError, a bug in watcher; the log has its traceback"
            await anyio.sleep(3600)

    assert bad.state == "done"
    assert [line["event"] for line in logs] == ["telling_bug", "target_failing", "target_recovered"]
    assert isinstance(logs[0]["exc_info"], AttributeError)


async def test_a_bug_in_the_renderer_holds_up_no_other_message(outbox: MemoryOutbox, clock: Clock) -> None:
    class Broken(Renderer):
        def message(self, plan: Plan, *, now: Instant) -> Message:
            if plan.incidents[0].id == "bad":
                raise ZeroDivisionError
            return super().message(plan, now=now)

    for name in ("bad", "good"):
        outbox.owe(incident(id=name), OPENED, "mail/0", at=clock.now())

    with capture_logs() as logs:
        async with running(outbox, clock, {"mail/0": RecordingSender()}, Broken({})):
            await anyio.sleep(3600)

    assert outbox.states() == ["due", "done"]
    assert [line["event"] for line in logs].count("telling_bug") == 1


async def test_a_target_that_fails_for_a_day_makes_the_message_dead_and_not_earlier(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    row = outbox.owe(OPEN, OPENED, "mail/0", at=clock.now())
    sender = RecordingSender(*[DeliveryFailed("down")] * 1_000)

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(23.9 * 3600)
        assert row.state == "due"
        await anyio.sleep(3600)

    assert row.state == "dead"
    assert len(sender.tried) > 90


async def test_a_message_owed_long_ago_is_not_given_up_at_its_first_failure(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    row = outbox.owe(OPEN, OPENED, "mail/0", at=clock.now() - 7 * DAY)

    async with running(outbox, clock, {"mail/0": RecordingSender(DeliveryFailed("busy"))}):
        await anyio.sleep(30)

    assert row.state == "done"


async def test_a_hanging_target_delays_no_other(outbox: MemoryOutbox, clock: Clock) -> None:
    stuck, well = RecordingSender(hangs=True), RecordingSender()
    for number in range(10):
        outbox.owe(incident(id=f"i{number}"), OPENED, "stuck/0", at=clock.now())
        outbox.owe(incident(id=f"i{number}"), OPENED, "well/0", at=clock.now())

    async with running(outbox, clock, {"stuck/0": stuck, "well/0": well}):
        await anyio.sleep(0.1)
        assert len(well.sent) == 10
        assert len(stuck.tried) == 1
        await anyio.sleep(3600)

    assert stuck.sent == []
    assert "no answer within 30 s" in {row.detail for row in outbox.rows}


async def test_a_message_its_target_will_not_take_holds_up_no_other(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    class Choosy(RecordingSender):
        async def send(self, message: Message) -> str:
            self.failures = [DeliveryFailed("too long")] if message.facts["id"] == "bad" else []
            return await super().send(message)

    for name in ("bad", "good-1", "good-2"):
        outbox.owe(incident(id=name), OPENED, "mail/0", at=clock.now())
    sender = Choosy()

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(1)

    assert outbox.states() == ["due", "done", "done"]


async def test_after_three_failures_in_a_row_the_rest_of_a_round_waits(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    for number in range(20):
        outbox.owe(incident(id=f"i{number}"), OPENED, "mail/0", at=clock.now())
    sender = RecordingSender(*[DeliveryFailed("down")] * 3)

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(1)
        assert len(sender.tried) == 3
        assert sorted(row.due.attempts for row in outbox.rows) == [0] * 17 + [1] * 3
        await anyio.sleep(120)

    assert len(sender.sent) == 20


async def test_a_slow_target_never_outlasts_its_lease(outbox: MemoryOutbox, clock: Clock) -> None:
    class Slow(RecordingSender):
        async def send(self, message: Message) -> str:
            await anyio.sleep(20)
            return await super().send(message)

    for number in range(20):
        outbox.owe(incident(id=f"i{number}"), OPENED, "mail/0", at=clock.now())
    sender = Slow()

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(20 * 20 + 1)

    assert len(sender.sent) == len({message.key for message in sender.sent}) == 20


async def test_opened_and_resolved_in_one_claim_are_one_message(outbox: MemoryOutbox, clock: Clock) -> None:
    outbox.owe(resolved(), OPENED, "mail/0", at=clock.now())
    outbox.owe(resolved(), RESOLVED, "mail/0", at=clock.now())
    sender = RecordingSender()

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(1)

    assert [message.kind for message in sender.sent] == ["resolved"]
    assert outbox.states() == ["done", "done"]


async def test_what_need_not_be_told_is_skipped_with_its_reason(outbox: MemoryOutbox, clock: Clock) -> None:
    row = outbox.owe(withdrawn(), OPENED, "mail/0", at=clock.now())
    sender = RecordingSender()

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(1)

    assert sender.tried == []
    assert (row.state, row.detail) == ("skipped", "withdrawn before it was told")


async def test_an_outbox_that_is_gone_for_a_while_loses_and_doubles_nothing(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    outbox.owe(OPEN, OPENED, "mail/0", at=clock.now())
    outbox.down = True
    sender = RecordingSender()

    with capture_logs() as logs:
        async with running(outbox, clock, {"mail/0": sender}):
            await anyio.sleep(300)
            outbox.down = False
            await anyio.sleep(5)

    assert len(sender.sent) == 1
    assert [line["event"] for line in logs] == ["outbox_unavailable", "outbox_available"]


async def test_a_mark_that_cannot_be_made_is_made_later_and_the_message_is_not_sent_again(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    row = outbox.owe(OPEN, OPENED, "mail/0", at=clock.now())
    outbox.marks_down = True
    sender = RecordingSender()

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(300)
        assert row.state == "due"
        outbox.marks_down = False
        await anyio.sleep(5)

    assert len(sender.tried) == 1
    assert row.state == "done"


async def test_stopping_tells_what_is_due_and_leaves_the_rest(outbox: MemoryOutbox, clock: Clock) -> None:
    sender = RecordingSender()
    courier = courier_of(outbox, clock, {"mail/0": sender})

    with anyio.fail_after(2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(courier.run)
            await anyio.sleep(1)
            outbox.owe(incident(id="due"), OPENED, "mail/0", at=clock.now())
            outbox.owe(incident(id="later"), OPENED, "mail/0", at=clock.now() + MINUTE)
            courier.stop()

    assert outbox.states() == ["done", "due"]


async def test_stopping_ends_within_the_grace_and_gives_back_what_was_claimed(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    for number in range(3):
        outbox.owe(incident(id=f"i{number}"), OPENED, "mail/0", at=clock.now())
    courier = courier_of(outbox, clock, {"mail/0": RecordingSender(hangs=True)})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        await anyio.sleep(1)
        stopped = clock.now()
        courier.stop()

    assert clock.now() - stopped == 5 * SECOND
    assert outbox.states() == ["due"] * 3
    assert all(max(row.not_before, row.leased_until) <= clock.now() for row in outbox.rows)


async def test_critical_incidents_are_told_first(outbox: MemoryOutbox, clock: Clock) -> None:
    for name, severity in (("c", Severity.INFO), ("b", Severity.WARNING), ("a", Severity.CRITICAL)):
        outbox.owe(incident(id=name, severity=severity), OPENED, "mail/0", at=clock.now())
    sender = RecordingSender()

    async with running(outbox, clock, {"mail/0": sender}):
        await anyio.sleep(1)

    assert [message.facts["id"] for message in sender.sent] == ["a", "b", "c"]


def test_backoff_doubles_up_to_its_cap_and_spreads_by_a_quarter() -> None:
    backoff = Backoff()

    waits = [backoff.wait(attempt, chance=0.5) // SECOND for attempt in range(1, 11)]

    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    assert backoff.wait(1, chance=0.0) == 3_750
    assert backoff.wait(10_000, chance=1.0) == 1.25 * 15 * MINUTE
    assert backoff.wait(1, chance=0.5, retry_after=86_400) == 60 * MINUTE
