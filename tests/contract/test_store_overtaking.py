"""What comes while a row waits or is looked at: nothing urgent waits with it."""

from dataclasses import replace

import pytest

from tests.contract.outboxes import FIRST, OVER, claim, tell
from tests.databases import NOON
from tests.store.building import Store, owed, reopened, withdrawn
from watcher.model.incident import Change, Transition
from watcher.model.message import Due, Owed, Telling
from watcher.model.ports import Tick
from watcher.model.rule import Severity
from watcher.model.time import DAY, HOUR, MINUTE, Instant
from watcher.store.database import Database

MIDNIGHT: Instant = NOON + 12 * HOUR


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


def rose(of: Transition = FIRST) -> Transition:
    return replace(of, change=Change.ROSE, severity=Severity.CRITICAL, was=of.opened_at)


async def put_off(store: Store, rows: list[Due], *, at: Instant = NOON, until: Instant = MIDNIGHT) -> None:
    """As a lane does with what waits for the digest."""
    await store.outbox.postponed(rows, at=at, reason="waits for the digest", until=until)


async def test_what_came_back_and_gets_worse_does_not_wait_with_its_reopening(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    await tell(store)
    await store.apply(OVER, owed=[owed()])
    await tell(store)
    await store.apply(reopened(FIRST, decided=NOON + HOUR), owed=[owed()])
    await put_off(store, await claim(store))

    await store.apply(rose(), owed=[owed()])

    assert await tell(store) == [Telling.REOPENED]
    assert await tell(store, at=MIDNIGHT) == []


async def test_what_gets_worse_while_its_opening_is_looked_at_does_not_wait_with_it(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    looked_at = await claim(store)
    await store.apply(rose(), owed=[owed()])
    await put_off(store, looked_at)

    assert await tell(store) == [Telling.ROSE]
    assert await tell(store, at=MIDNIGHT) == []


async def test_a_withdrawal_knows_that_an_opening_was_looked_at_and_never_tried(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    looked_at = await claim(store)
    await store.apply(withdrawn(FIRST, decided=NOON + HOUR), owed=[Owed("mail/0", NOON, follows=True)])
    await put_off(store, looked_at)

    assert [(row.telling, row.heard) for row in await claim(store)] == [(Telling.WITHDRAWN, False)]


async def test_what_was_tried_may_have_been_heard(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    await store.outbox.failed(await claim(store), at=NOON, error="no answer", retry_at=NOON)
    await store.apply(withdrawn(FIRST, decided=NOON + HOUR), owed=[Owed("mail/0", NOON, follows=True)])

    assert [(row.telling, row.heard) for row in await claim(store)] == [(Telling.WITHDRAWN, True)]


async def test_what_gets_worse_is_repeated_as_its_new_route_says(store: Store) -> None:
    await store.apply(FIRST, owed=[owed(repeat=DAY)])
    await tell(store)
    await store.apply(rose(), owed=[owed(repeat=HOUR)])
    await tell(store)

    assert await tell(store, at=NOON + HOUR) == [Telling.REMINDER]
    assert await tell(store, at=NOON + 2 * HOUR) == [Telling.REMINDER]
    assert await tell(store, at=NOON + DAY) == [Telling.REMINDER]


async def test_what_waits_for_the_digest_waits_on_when_its_source_has_caught_up(store: Store) -> None:
    await store.apply(FIRST, owed=[Owed("mail/0", NOON, held=True, ready_at=NOON)])
    await put_off(store, await claim(store))

    await store.book.commit(Tick(at=NOON + MINUTE, released=["cdnv"]))

    assert await claim(store, at=NOON + MINUTE) == []
    assert await tell(store, at=MIDNIGHT) == [Telling.OPENED]


async def test_a_clock_that_was_set_back_keeps_nobody_waiting(store: Store) -> None:
    """Neither what was owed nor what was claimed by the time as it was."""
    await store.apply(FIRST, owed=[owed(due=NOON + HOUR)], at=NOON + HOUR)

    assert [row.telling for row in await claim(store, at=NOON)] == [Telling.OPENED]
    assert await claim(store, at=NOON + 1) == []
    assert [row.attempts for row in await claim(store, at=NOON - HOUR)] == [1]


async def test_what_a_clock_that_was_set_back_has_hurried_is_put_off_by_the_new_time(store: Store) -> None:
    await store.apply(FIRST, owed=[owed(due=NOON + HOUR)], at=NOON + HOUR)
    await put_off(store, await claim(store), until=NOON + 30 * MINUTE)

    assert await claim(store, at=NOON + MINUTE) == []
    assert await tell(store, at=NOON + 30 * MINUTE) == [Telling.OPENED]
