"""What commands leave for the daemon, on SQLite and on Postgres: kept until a tick strikes it off."""

import pytest

from tests.databases import NOON
from tests.store.building import Store, poll
from watcher.model.ports import Errand, ErrandKind, Tick
from watcher.model.sample import Poll
from watcher.model.time import HOUR
from watcher.store.database import Database
from watcher.store.errands import SqlErrands


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def test_errands_wait_in_their_order_until_a_tick_strikes_them_off(store: Store) -> None:
    errands = SqlErrands(store.database)
    first = await errands.leave("cdnv", ErrandKind.BACKFILL, since=NOON, until=NOON + HOUR)
    second = await errands.leave("cdnv", ErrandKind.RENEW)
    other = await errands.leave("edge", ErrandKind.RENEW)

    assert await errands.waiting("cdnv") == [
        Errand(first, "cdnv", ErrandKind.BACKFILL, NOON, NOON + HOUR),
        Errand(second, "cdnv", ErrandKind.RENEW),
    ]
    await store.book.commit(Tick(at=NOON, polls=[Poll(poll().sight, errands=(first,)), poll()]))

    assert [errand.id for errand in await errands.waiting()] == [second, other]


async def test_an_errand_is_never_given_the_id_of_one_that_is_done(store: Store) -> None:
    errands = SqlErrands(store.database)
    first = await errands.leave("cdnv", ErrandKind.RENEW)
    await store.book.commit(Tick(at=NOON, polls=[Poll(poll().sight, errands=(first,))]))

    assert await errands.leave("cdnv", ErrandKind.RENEW) > first


async def test_a_sight_keeps_when_it_is_tried_again_and_what_settle_it_suggests(store: Store) -> None:
    await store.book.commit(Tick(at=NOON, polls=[poll()]))
    (sight,) = await store.history.sights()

    assert (sight.suggested_settle, sight.next_try) == (None, 0)
