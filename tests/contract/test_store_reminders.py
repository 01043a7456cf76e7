"""Reminders on SQLite and on Postgres: they go on while an incident is open, and end with it."""

from dataclasses import replace

import pytest

from tests.contract.outboxes import FIRST, OVER, REPEATED, claim, tell
from tests.databases import NOON
from tests.store.building import Store, owed, reopened, unjudged, withdrawn
from watcher.model.incident import Change
from watcher.model.message import Owed, Policy, Telling
from watcher.model.rule import Severity
from watcher.model.time import DAY, HOUR, MINUTE, Instant
from watcher.store.database import Database

LATER = NOON + 36_500 * DAY
"""Postgres has the time from its server."""


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def test_a_reminder_follows_each_telling_while_the_incident_is_open(store: Store) -> None:
    await store.apply(FIRST, owed=REPEATED)
    assert await tell(store, at=NOON) == [Telling.OPENED]
    assert await store.outbox.next_due("mail/0") == NOON + HOUR
    assert await tell(store, at=NOON + HOUR) == [Telling.REMINDER]
    assert await store.outbox.next_due("mail/0") == NOON + 2 * HOUR


def twice(due: Instant = NOON) -> list[Owed]:
    return [replace(owed(due=due, repeat=HOUR), policy=Policy(repeat_times=2))]


WORSE = replace(
    FIRST, change=Change.ROSE, severity=Severity.CRITICAL, was=FIRST.opened_at, decided_at=NOON + HOUR
)


async def test_reminders_end_after_as_many_as_the_route_allows(store: Store) -> None:
    await store.apply(FIRST, owed=twice())

    assert await tell(store, at=NOON) == [Telling.OPENED]
    assert await tell(store, at=NOON + HOUR) == [Telling.REMINDER]
    assert await tell(store, at=NOON + 2 * HOUR) == [Telling.REMINDER]
    assert await store.outbox.next_due("mail/0") is None


async def test_what_gets_worse_is_reminded_of_as_often_as_its_new_route_allows(store: Store) -> None:
    await store.apply(FIRST, owed=twice())
    await tell(store, at=NOON)
    await tell(store, at=NOON + HOUR)
    await store.apply(WORSE, owed=twice(NOON + HOUR))

    assert await tell(store, at=NOON + HOUR) == [Telling.ROSE]
    assert await tell(store, at=NOON + 2 * HOUR) == [Telling.REMINDER]
    assert await tell(store, at=NOON + 3 * HOUR) == [Telling.REMINDER]
    assert await store.outbox.next_due("mail/0") is None


async def test_reminders_go_on_when_a_recovery_was_taken_back_before_it_was_told(store: Store) -> None:
    await store.apply(FIRST, owed=REPEATED)
    await tell(store)
    await store.apply(OVER, owed=[owed()])
    await store.apply(reopened(FIRST, decided=NOON + HOUR), owed=[owed(due=NOON + 1, repeat=HOUR)])

    assert await tell(store, at=NOON + HOUR) == []
    assert await tell(store, at=NOON + HOUR + 1) == [Telling.REMINDER]
    assert await tell(store, at=NOON + 2 * HOUR + 1) == [Telling.REMINDER]


async def test_one_reminder_follows_when_the_opening_is_still_being_sent_as_its_end_is_taken_back(
    store: Store,
) -> None:
    await store.apply(FIRST, owed=REPEATED)
    sending = await claim(store)
    await store.apply(OVER, owed=[owed()])
    await store.apply(reopened(FIRST, decided=NOON + HOUR), owed=REPEATED)
    await store.outbox.done(sending, at=NOON, reason="told", detail="")

    assert await tell(store, at=NOON + HOUR) == [Telling.REMINDER]


@pytest.mark.parametrize("telling", [Telling.OPENED, Telling.REMINDER])
async def test_a_telling_that_dies_ends_no_reminders(store: Store, telling: Telling) -> None:
    await store.apply(FIRST, owed=REPEATED)
    at = NOON
    if telling is Telling.REMINDER:
        await tell(store)
        at += HOUR
    rows = await claim(store, at=at)
    await store.outbox.failed(rows, at=at, error="550 mailbox full", retry_at=None)

    assert [row.telling for row in rows] == [telling]
    assert await tell(store, at=at + HOUR) == [Telling.REMINDER]
    assert await store.outbox.next_due("mail/0") == at + 2 * HOUR


async def test_a_reminder_that_is_tried_again_is_the_only_one(store: Store) -> None:
    await store.apply(FIRST, owed=REPEATED)
    await tell(store)
    rows = await claim(store, at=NOON + HOUR)
    await store.outbox.failed(rows, at=NOON + HOUR, error="451 later", retry_at=NOON + HOUR + MINUTE)

    assert await tell(store, at=NOON + HOUR + MINUTE) == [Telling.REMINDER]
    assert await tell(store, at=NOON + 3 * HOUR) == [Telling.REMINDER]


async def test_a_reminder_whose_time_has_not_come_is_no_backlog(store: Store) -> None:
    await store.apply(FIRST, owed=REPEATED)
    await tell(store, at=LATER)

    assert await store.outbox.next_due("mail/0") == LATER + HOUR
    assert await store.history.backlog() == {}


async def test_who_heard_of_an_incident_by_a_reminder_alone_is_told_of_its_withdrawal(store: Store) -> None:
    await store.apply(FIRST, owed=REPEATED)
    await store.outbox.failed(await claim(store), at=NOON, error="550 mailbox full", retry_at=None)
    await tell(store, at=NOON + HOUR)
    await store.apply(withdrawn(FIRST, decided=NOON + HOUR), owed=[owed()])

    assert await tell(store, at=NOON + HOUR) == [Telling.WITHDRAWN]


async def test_no_reminder_outlives_its_incident(store: Store) -> None:
    await store.apply(FIRST, owed=REPEATED)
    await tell(store)
    await store.apply(OVER, owed=REPEATED)

    assert await tell(store) == [Telling.RESOLVED]
    assert await store.outbox.next_due("mail/0") is None


async def test_a_pending_reminder_holds_back_no_news(store: Store) -> None:
    await store.apply(FIRST, owed=REPEATED)
    await tell(store)
    await store.apply(unjudged(FIRST, decided=NOON + HOUR), owed=[owed()])

    assert await tell(store) == [Telling.UNJUDGED]
