"""What the book forgets, and what it never does, on SQLite and on Postgres."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection, Table, func, insert, select

from tests.databases import NOON
from tests.store.building import Store, key, opened, owed, resolved, standing_at, withdrawn
from watcher.errors import LeaseLost
from watcher.model.act import Act, ActKind
from watcher.model.incident import Change, Wider
from watcher.model.message import Due
from watcher.model.ports import Tick
from watcher.model.snapshot import Kept
from watcher.model.time import DAY, HOUR, MINUTE, Instant
from watcher.store import retention, tables
from watcher.store.database import Database
from watcher.store.lease import Lease
from watcher.store.retention import Forgotten, Retaining, Retention

KEPT = Retention(
    incidents=40 * DAY,
    timeline=20 * DAY,
    deliveries=10 * DAY,
    acts=30 * DAY,
    silences=40 * DAY,
    inventory_changes=10 * DAY,
)
NONE = Forgotten(0, 0, 0, 0, 0, 0)


async def told(store: Store, at: Instant) -> list[Due]:
    """All that is due has been told."""
    rows = [*await store.outbox.claim("mail/0", at=at, lease=MINUTE, limit=999)]
    await store.outbox.done(rows, at=at, reason="told", detail="ok")
    return rows


async def over(store: Store, name: str = "shop", *, at: Instant = NOON) -> str:
    """An incident that was told, was ended and is told to be over; its id."""
    begun = opened(key(name), at=at)
    [first] = await store.apply(begun, owed=[owed(due=at)], at=at)
    await told(store, at)
    await store.apply(resolved(begun, end=at + HOUR), owed=[owed(due=at)], at=at + HOUR)
    await told(store, at + HOUR)
    return first.incident.id


async def rows(store: Store, table: Table) -> int:
    def counted(connection: Connection) -> int:
        return connection.scalar(select(func.count()).select_from(table)) or 0

    return await store.database.read(counted)


async def forgotten(store: Store, at: Instant) -> Forgotten:
    return await Retaining(store.database, KEPT, store.lease).round(at)


async def test_what_is_over_goes_kind_by_kind(database: Database) -> None:
    store = await Store.on(database)
    incident_id = await over(store)

    assert await forgotten(store, NOON + 9 * DAY) == NONE
    assert await forgotten(store, NOON + 11 * DAY) == replace(NONE, deliveries=2)
    assert await forgotten(store, NOON + 21 * DAY) == replace(NONE, timeline=2)
    assert await store.history.incident(incident_id) is not None
    assert await forgotten(store, NOON + 41 * DAY) == replace(NONE, incidents=1)
    assert await store.history.incident(incident_id) is None


async def test_with_an_incident_goes_all_that_belongs_to_it(database: Database) -> None:
    store = await Store.on(database)
    incident_id = await over(store)
    thread = {"target": "chat/0", "incident_id": incident_id, "token": "{}"}
    await database.write(lambda one: one.execute(insert(tables.thread).values(thread)).rowcount)
    keeps_rows = Retention(incidents=40 * DAY)

    done = await Retaining(database, keeps_rows, store.lease).round(NOON + 41 * DAY)

    assert done == replace(NONE, incidents=1)
    for table in (tables.timeline, tables.outbox, tables.thread, tables.act):
        assert await rows(store, table) == 0, table.name


async def test_what_stands_keeps_all_that_belongs_to_it(database: Database) -> None:
    store = await Store.on(database)
    await store.apply(opened(), owed=[owed()])
    await told(store, NOON)

    assert await forgotten(store, NOON + 1000 * DAY) == NONE


async def test_what_is_owed_or_asked_keeps_its_incident(database: Database) -> None:
    store = await Store.on(database)
    begun = opened()
    [first] = await store.apply(begun)
    await store.apply(resolved(begun, end=NOON + HOUR), owed=[owed()])
    await store.acts.leave([Act(first.incident.id, ActKind.NOTE, "ada", NOON, text="a bad day")])
    much_later = NOON + 1000 * DAY

    assert (await forgotten(store, much_later)).incidents == 0
    await told(store, NOON)
    assert (await forgotten(store, much_later)).incidents == 0
    await store.take_up(NOON + HOUR)
    assert (await forgotten(store, much_later)).incidents == 0, "a restart would miss the act"
    await store.book.commit(Tick(NOON, kept=Kept("token", 1)))
    assert (await forgotten(store, much_later)).incidents == 1


async def test_what_a_late_correction_may_still_change_stays(database: Database) -> None:
    store = await Store.on(database)
    await over(store)
    much_later = NOON + 1000 * DAY

    await store.book.commit(Tick(NOON, engine=[standing_at(NOON + HOUR)]))
    assert await forgotten(store, much_later) == NONE
    await store.book.commit(Tick(NOON, engine=[standing_at(NOON + HOUR, source="other")]))
    assert (await forgotten(store, much_later)).incidents == 1


async def test_a_wider_incident_stays_while_a_leaf_of_it_stands(database: Database) -> None:
    store = await Store.on(database)
    wide, leaf = opened(key("account")), opened(key("shop"))
    await store.apply(wide, leaf)
    joined = replace(leaf, change=Change.JOINED, wider=Wider(wide.key, wide.opened_at))
    await store.apply(joined, at=NOON + MINUTE)
    await store.apply(resolved(wide, end=NOON + HOUR))

    assert (await forgotten(store, NOON + 1000 * DAY)).incidents == 0
    await store.apply(resolved(leaf, end=NOON + HOUR))
    assert (await forgotten(store, NOON + 1000 * DAY)).incidents == 2


async def test_a_withdrawn_one_goes_by_the_time_it_was_seen(database: Database) -> None:
    store = await Store.on(database)
    begun = opened()
    await store.apply(begun)
    await store.apply(withdrawn(begun, decided=NOON + HOUR))

    assert (await forgotten(store, NOON + 39 * DAY)).incidents == 0
    assert (await forgotten(store, NOON + 41 * DAY)).incidents == 1


async def test_many_go_bite_by_bite(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BITE", 3)
    store = await Store.on(database)
    begun = [opened(key(f"r{number}")) for number in range(10)]
    await store.apply(*begun)
    await store.apply(*(resolved(one, end=NOON + HOUR) for one in begun))
    await store.apply(opened(key("standing")))

    assert (await forgotten(store, NOON + 41 * DAY)).incidents == 10
    assert await rows(store, tables.incident) == 1


async def test_silences_and_changes_of_the_inventory_go_too(database: Database) -> None:
    store = await Store.on(database)
    silence = {"matchers": "[]", "starts_at": NOON, "author": "ada", "reason": "", "created_at": NOON}
    silences = [
        {**silence, "id": "ended", "ends_at": NOON + HOUR, "ended_at": None},
        {**silence, "id": "by hand", "ends_at": None, "ended_at": NOON + HOUR},
        {**silence, "id": "for good", "ends_at": None, "ended_at": None},
    ]
    about = {"source": "s", "vendor": "v", "kind": "domain", "item": "a", "before": "", "after": ""}
    changes = [{**about, "at": NOON + day * DAY, "change": "new", "fact": ""} for day in range(3)]

    def fill(connection: Connection) -> None:
        connection.execute(insert(tables.silence), silences)
        connection.execute(insert(tables.inventory_change), changes)

    await database.write(fill)

    assert await forgotten(store, NOON + 11 * DAY + HOUR) == replace(NONE, inventory_changes=2)
    assert (await forgotten(store, NOON + 41 * DAY)).silences == 2
    assert await rows(store, tables.silence) == 1


async def test_who_was_replaced_forgets_nothing(database: Database) -> None:
    store = await Store.on(database)
    await over(store)
    await store.lease.release()
    await Lease(database).acquire()

    with pytest.raises(LeaseLost):
        await forgotten(store, NOON + 41 * DAY)
    assert await rows(store, tables.incident) == 1
