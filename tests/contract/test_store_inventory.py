"""The inventory on SQLite and on Postgres: what listings make of it, once, whatever dies."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import Connection, text

from alembic import command
from tests.databases import NOON, HandClock, Server
from tests.store.building import Store, batch, opened, poll
from watcher.model.inventory import Item, ItemChange, ItemEvent, ItemKind, Known, Listing
from watcher.model.ports import Tick
from watcher.model.sample import Cursor, Poll, Sight
from watcher.model.time import HOUR, MINUTE, Instant
from watcher.store import tables
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.identity import time_ordered
from watcher.store.inventory import SqlInventory, Stock
from watcher.store.migrate import current, scripts, upgrade

DOMAIN = ItemKind.DOMAIN


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


def item(name: str, **facts: str) -> Item:
    return Item(DOMAIN, name, facts)


def said(*items: Item, at: Instant = NOON, complete: bool = True) -> Poll:
    """A poll whose batch came with a listing of domains."""
    listing = Listing(DOMAIN, items, complete)
    return poll(replace(batch(), fetched_at=at, listings=(listing,)))


async def items(store: Store) -> Sequence[Known]:
    return await SqlInventory(store.database).items()


async def events(store: Store) -> list[tuple[str, str, str, str, str]]:
    """Oldest first: id, change, fact, before, after."""
    found = await SqlInventory(store.database).changes()
    return [(one.id, one.change.value, one.fact, one.before, one.after) for one in reversed(found)]


async def test_an_item_is_kept_as_its_listing_gave_it(store: Store) -> None:
    await store.book.commit(Tick(NOON, [said(item("a.example", status="online", cname="a.cdn"))]))

    (known,) = await items(store)
    assert known == Known("cdnv", "cdnvideo", item("a.example", cname="a.cdn", status="online"), NOON, NOON)
    assert await SqlInventory(store.database).changes() == [
        ItemEvent("cdnv", "cdnvideo", DOMAIN, "a.example", NOON, ItemChange.APPEARED)
    ]


async def test_what_changed_is_kept_fact_by_fact(store: Store) -> None:
    await store.book.commit(Tick(NOON, [said(item("a", status="online", cname="old", type="web"))]))
    await store.book.commit(
        Tick(NOON, [said(item("a", status="offline", cname="new", origins="o"), at=NOON + MINUTE)])
    )

    (known,) = await items(store)
    assert dict(known.item.facts) == {"status": "offline", "cname": "new", "origins": "o"}
    assert (known.first_seen, known.last_seen) == (NOON, NOON + MINUTE)
    assert (await events(store))[1:] == [
        ("a", "changed", "cname", "old", "new"),
        ("a", "changed", "origins", "", "o"),
        ("a", "changed", "status", "online", "offline"),
        ("a", "changed", "type", "web", ""),
    ]


async def test_what_a_complete_listing_lacks_is_gone_and_may_return(store: Store) -> None:
    await store.book.commit(Tick(NOON, [said(item("a"), item("b", status="online"))]))
    await store.book.commit(Tick(NOON, [said(item("a"), at=NOON + MINUTE)]))
    gone = {one.item.id: one.gone_at for one in await items(store)}
    await store.book.commit(Tick(NOON, [said(item("a"), item("b", status="offline"), at=NOON + HOUR)]))

    assert gone == {"a": None, "b": NOON + MINUTE}
    (_, back) = await items(store)
    assert (back.gone_at, back.first_seen, back.last_seen) == (None, NOON, NOON + HOUR)
    assert (await events(store))[2:] == [
        ("b", "gone", "", "", ""),
        ("b", "returned", "", "", ""),
        ("b", "changed", "status", "online", "offline"),
    ]


async def test_what_an_incomplete_listing_lacks_is_not_gone(store: Store) -> None:
    await store.book.commit(Tick(NOON, [said(item("a"))]))
    await store.book.commit(Tick(NOON, [said(item("c"), complete=False)]))

    assert [(one.item.id, one.gone_at) for one in await items(store)] == [("a", None), ("c", None)]


async def test_what_a_newer_version_knows_and_this_one_does_not_is_left_alone(
    store: Store, database: Database
) -> None:
    await store.book.commit(Tick(NOON, [said(item("a"))]))
    await database.write(_of_a_newer_version)

    assert [one.item.id for one in await items(store)] == ["a"]
    assert len(await events(store)) == 1


def _of_a_newer_version(connection: Connection) -> None:
    for table in ("inventory", "inventory_change"):
        connection.execute(text(f"UPDATE {table} SET kind = 'cell'"))  # noqa: S608 - ours
    wrong = "INSERT INTO inventory VALUES ('cdnv', 'domain', 'a', 'cdnvideo', '{}', 1, 1, NULL)"
    connection.execute(text(wrong))
    connection.execute(
        text(
            "INSERT INTO inventory_change (source, vendor, kind, item, at, change, fact, before, after) "
            "VALUES ('cdnv', 'cdnvideo', 'domain', 'a', 1, 'appeared', '', '', '')"
        )
    )


async def test_several_listings_of_one_tick_count_as_the_last_complete_one_and_what_followed(
    store: Store,
) -> None:
    await store.book.commit(Tick(NOON, [said(item("old"))]))
    more = [said(item("c", n="1"), complete=False), said(item("d"), complete=False)]
    await store.book.commit(Tick(NOON, [said(item("a")), said(item("b"), item("c")), *more]))

    assert {one.item.id for one in await items(store) if one.gone_at is None} == {"b", "c", "d"}
    assert ("a", "appeared", "", "", "") not in await events(store)


async def test_a_tick_applied_again_changes_nothing_even_by_one_who_does_not_remember(
    store: Store, database: Database
) -> None:
    """A commit whose answer was lost is repeated; a killed daemon's successor remembers nothing."""
    first = Tick(NOON, [said(item("a", status="online"), item("b"))])
    second = Tick(NOON, [said(item("a", status="offline"), at=NOON + MINUTE)])
    await store.book.commit(first)
    forgetful = Stock()
    forgetful.load(await items(store))
    await store.book.commit(second)
    before = await items(store), await events(store)

    await store.book.commit(second)
    await SqlBook(database, store.lease, time_ordered(), forgetful).commit(second)
    await SqlBook(database, store.lease, time_ordered()).commit(second)

    assert (await items(store), await events(store)) == before


async def test_a_tick_that_failed_is_not_remembered_as_written(store: Store) -> None:
    wrong = Tick(NOON, [said(item("a"))], [(opened(), [None])])  # type: ignore[list-item]  # no Owed
    with pytest.raises(AttributeError):
        await store.book.commit(wrong)
    assert not await items(store)

    await store.book.commit(Tick(NOON, [said(item("a"))]))
    assert [one.item.id for one in await items(store)] == ["a"]


async def test_nothing_new_writes_nothing_but_a_sign_of_life_each_hour(store: Store) -> None:
    seen = []
    for minutes in (0, 5, 59, 61, 119, 122):
        await store.book.commit(Tick(NOON, [said(item("a"), at=NOON + minutes * MINUTE)]))
        seen.append((await items(store))[0].last_seen - NOON)

    assert seen == [0, 0, 0, 61 * MINUTE, 61 * MINUTE, 122 * MINUTE]
    assert len(await events(store)) == 1


async def test_words_that_no_database_takes_do_not_stop_the_tick(store: Store) -> None:
    odd = [item(""), item("a\0b"), item("x" * 9_000), item("ok", cname="a\0\ud800b", type="y" * 9_000)]
    await store.book.commit(Tick(NOON, [said(*odd)]))

    (known,) = await items(store)
    assert dict(known.item.facts) == {"cname": "a  b", "type": "y" * 1_000}
    assert len(await events(store)) == 1


async def test_the_memory_of_a_book_is_what_the_database_holds(store: Store, database: Database) -> None:
    stock = Stock()
    book = SqlBook(database, store.lease, time_ordered(), stock)
    await book.commit(Tick(NOON, [said(item("a"), item("b"))]))
    await book.commit(Tick(NOON, [said(item("b", status="online"), at=NOON + 1)]))

    assert [one for one in await items(store) if one.gone_at is None] == list(stock.present())
    assert [one.item.id for one in stock.present()] == ["b"]


async def test_changes_are_read_newest_first_within_bounds(store: Store) -> None:
    for minute in range(5):
        await store.book.commit(Tick(NOON, [said(item(f"d{minute}"), at=NOON + minute * MINUTE)]))
    reader = SqlInventory(store.database)

    assert [one.id for one in await reader.changes(since=NOON + 3 * MINUTE)] == ["d3", "d4", "d2", "d3"]
    assert len(await reader.changes(limit=2)) == 2


def at_first_light(connection: Connection) -> None:
    """The schema as version 0001 made it, with a row in tables that grew since."""
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    connection.execute(text("INSERT INTO cursor VALUES ('cdnv', 'traffic', 7, 3, NULL)"))
    connection.execute(
        text("INSERT INTO sight VALUES ('cdnv', 's', 'cdnvideo', 7, true, '', 'well', true, 0, 5)")
    )


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def bare(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database without a schema."""
    if request.param == "sqlite":
        async with await Database.open(f"sqlite:///{tmp_path / 'old.db'}", clock=HandClock()) as database:
            yield database
        return
    server: Server = request.getfixturevalue("postgres_server")
    name = await server.empty()
    async with await Database.open(server.named(name), clock=HandClock()) as database:
        yield database
    await server.drop(name)


async def test_a_database_of_first_light_keeps_what_it_holds(bare: Database) -> None:
    await bare.write(at_first_light)

    assert await upgrade(bare) == "0001"

    assert await current(bare) == tables.SCHEMA
    store = await Store.on(bare)
    assert await store.journal.cursors() == {("cdnv", "traffic"): Cursor("cdnv", "traffic", 7, since=3)}
    assert await store.history.sights() == [
        Sight("cdnv", "cdnvideo", "s", at=7, up=True, message="well", since=5)
    ]
    await store.book.commit(Tick(NOON, [said(item("a"))]))
    assert [one.item.id for one in await items(store)] == ["a"]
