"""Who may apply what people asked, on SQLite and Postgres: one daemon, or a command where there is none."""

import pytest

from tests.contract.acting import act, begun, held, story
from tests.databases import NOON, HandClock
from tests.store.building import Store, tick_of
from watcher.errors import LeaseLost
from watcher.model.act import ActKind
from watcher.model.incident import Status
from watcher.model.time import SECOND
from watcher.store import process, tables
from watcher.store.acts import SqlActs
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.identity import time_ordered
from watcher.store.lease import Lease, Vacancy


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def without_daemon(database: Database) -> SqlBook:
    return SqlBook(database, Vacancy(database), time_ordered())


async def test_beside_a_daemon_a_command_applies_nothing(store: Store, database: Database) -> None:
    incident = await begun(store)
    await store.acts.leave([act(incident, ActKind.ACKNOWLEDGE)])

    with pytest.raises(LeaseLost, match="owns it"):
        await (await without_daemon(database)).commit(tick_of(await store.acts.waiting(NOON), NOON))
    assert (await held(store, incident)).status is Status.OPEN


async def test_without_a_daemon_a_command_applies_it_and_holds_the_database_no_longer(
    store: Store, database: Database
) -> None:
    incident = await begun(store)
    await store.lease.release()
    await store.acts.leave([act(incident, ActKind.ACKNOWLEDGE)])
    await (await without_daemon(database)).commit(tick_of(await store.acts.waiting(NOON), NOON))

    assert (await held(store, incident)).status is Status.ACKNOWLEDGED
    await Lease(database).acquire()


async def test_a_daemon_that_vanished_is_fenced_off_by_the_command_that_acts_in_its_place(
    store: Store, database: Database, hand: HandClock
) -> None:
    """Another machine's: whether it lives cannot be known, only that its lease has run out."""
    incident = await begun(store)
    await store.lease.release()
    vanished = Lease(database, holder="elsewhere:1:1", ttl=SECOND)
    await vanished.acquire()
    await store.acts.leave([act(incident, ActKind.ACKNOWLEDGE)])
    seen = await store.acts.waiting(NOON)
    await until_over(database, hand)
    await (await without_daemon(database)).commit(tick_of(seen, NOON))

    assert (await held(store, incident)).status is Status.ACKNOWLEDGED
    with pytest.raises(LeaseLost):
        await SqlBook(database, vanished, time_ordered()).commit(tick_of(seen, NOON))
    assert len(await store.history.timeline(incident)) == 2


async def until_over(database: Database, hand: HandClock) -> None:
    """Let a lease of a second run out: by the hand clock, or where Postgres keeps time, by its row."""
    hand.at += 2 * SECOND
    await database.write(
        lambda connection: connection.execute(tables.lease.update().values(until=1)).rowcount
    )


async def test_a_daemon_that_hangs_on_this_machine_keeps_its_database(
    store: Store, database: Database, hand: HandClock
) -> None:
    """Its lease has run out, and its process is there: it will come to what was asked."""
    incident = await begun(store)
    await store.acts.leave([act(incident, ActKind.ACKNOWLEDGE)])
    await until_over(database, hand)
    assert process.alive(store.lease.holder)

    with pytest.raises(LeaseLost):
        await (await without_daemon(database)).commit(tick_of(await store.acts.waiting(NOON), NOON))
    await store.take_up()
    assert (await held(store, incident)).status is Status.ACKNOWLEDGED


async def test_two_that_apply_the_same_act_at_once_apply_it_once(
    store: Store, database: Database, database_url: str, hand: HandClock
) -> None:
    incident = await begun(store)
    await store.lease.release()
    await store.acts.leave([act(incident, ActKind.NOTE, "once")])
    async with await Database.open(database_url, clock=hand) as other:
        seen, there = await store.acts.waiting(NOON), await SqlActs(other).waiting(NOON)
        assert seen == there
        await (await without_daemon(database)).commit(tick_of(seen, NOON))
        await (await without_daemon(other)).commit(tick_of(there, NOON))

    assert [text for kind, _, text in await story(store, incident) if kind == "note"] == ["once"]
