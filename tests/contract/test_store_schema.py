"""Migrations on SQLite and on Postgres: what they make is what the code expects."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Table, insert, inspect, text

from alembic import command
from tests.databases import NOON, HandClock, Server
from tests.store.building import Store, batch, opened
from tests.store.recorded import Recorder
from watcher.errors import DatabaseUnusable
from watcher.model.act import Act, ActKind
from watcher.model.incident import Status
from watcher.model.message import Telling
from watcher.model.time import MINUTE
from watcher.store import tables
from watcher.store.amend import begin
from watcher.store.database import Database
from watcher.store.journal import journal_values
from watcher.store.letter import DUE, Letter, letter_values
from watcher.store.migrate import current, scripts, upgrade
from watcher.store.rows import incident_values
from watcher.store.tables import SCHEMA, metadata


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: Server = request.getfixturevalue("postgres_server")
    name = await server.empty()
    yield server.named(name)
    await server.drop(name)


async def test_models_and_migrations_do_not_differ(database: Database) -> None:
    def differences(connection: Connection) -> object:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await database.read(differences) == []


def test_the_newest_migration_is_the_schema_the_code_names() -> None:
    assert ScriptDirectory(str(scripts())).get_heads() == [SCHEMA]


async def test_an_empty_database_is_upgraded_and_then_left_alone(empty_url: str) -> None:
    async with await Database.open(empty_url, clock=HandClock()) as database:
        assert await current(database) is None
        assert await upgrade(database) is None
        assert await upgrade(database) == SCHEMA
        assert await current(database) == SCHEMA


async def test_two_that_upgrade_at_once_do_not_disturb_each_other(empty_url: str) -> None:
    async with (
        await Database.open(empty_url, clock=HandClock()) as first,
        await Database.open(empty_url, clock=HandClock()) as second,
    ):
        assert set(await asyncio.gather(upgrade(first), upgrade(second))) == {None, SCHEMA}


async def test_a_newer_schema_is_refused(database: Database, database_url: str, hand: HandClock) -> None:
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await database.write(lambda connection: connection.execute(newer).rowcount)

    with pytest.raises(DatabaseUnusable, match="schema 9999 is newer than"):
        await Database.open(database_url, clock=hand)
    with pytest.raises(DatabaseUnusable, match="schema 9999 is newer than"):
        await upgrade(database)


async def test_a_reader_is_told_to_upgrade_an_empty_database(empty_url: str) -> None:
    await (await Database.open(empty_url, clock=HandClock())).close()

    with pytest.raises(DatabaseUnusable, match=r"no watcher schema.*watcher db upgrade"):
        await Database.open(empty_url, clock=HandClock(), create=False)


def filled(connection: Connection, schema: str) -> None:
    """The schema as an earlier version made it, with an incident, its story, a message, and two batches."""
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.attributes["connection"] = connection
    command.upgrade(config, schema)
    incident = begin(opened(), "01")
    write(connection, tables.incident, incident_values(incident))
    story = {"incident_id": "01", "at": NOON, "kind": "opened", "text": "5xx", "mark": "opened"}
    write(connection, tables.timeline, story)
    letter = Letter(None, "01", "mail/0", Telling.OPENED, DUE, sending=False, mark="opened")
    write(connection, tables.outbox, letter_values(letter, incident, "cdnv", NOON))
    for number in range(2):
        connection.execute(insert(tables.journal).values(journal_values(batch(start=NOON + number * MINUTE))))


def write(connection: Connection, table: Table, values: Mapping[str, object]) -> None:
    """As a watcher of that schema would have: without the columns it did not know."""
    known = {column["name"] for column in inspect(connection).get_columns(table.name)}
    row = {name: value for name, value in values.items() if name in known}
    connection.execute(insert(table).values(row))


@pytest.mark.parametrize("schema", ["0001", "0002", "0003", "0004"])
async def test_a_database_of_an_earlier_watcher_keeps_what_it_holds_and_goes_on(
    empty_url: str, schema: str
) -> None:
    async with await Database.open(empty_url, clock=HandClock()) as database:
        await database.write(partial(filled, schema=schema))

        assert await upgrade(database) == schema
        store = await Store.on(database)
        assert await store.history.incident("01") == begin(opened(), "01")
        assert [(one.text, one.who) for one in await store.history.timeline("01")] == [("5xx", "")]
        assert len(await store.outbox.claim("mail/0", at=NOON, lease=MINUTE, limit=9)) == 1
        act = Act("01", ActKind.ACKNOWLEDGE, "ada", NOON)
        await store.act(act)
        held = await store.history.incident("01")
        assert held is not None
        assert held.status is Status.ACKNOWLEDGED


async def test_a_database_of_before_the_history_keeps_what_it_holds(empty_url: str) -> None:
    async with await Database.open(empty_url, clock=HandClock()) as database:
        await database.write(partial(filled, schema="0002"))

        assert await upgrade(database) == "0002"
        async with Recorder.on(database) as recorder:
            assert [one.id for one in await recorder.store.journal.standing()] == ["01"]
            assert len([tick async for tick in recorder.store.journal.ticks(after=0)]) == 2
            await recorder.snapshot()
            await recorder.compact()
            assert [int(one.starts[0]) for one in await recorder.read()] == [NOON, NOON + MINUTE]
