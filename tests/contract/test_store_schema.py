"""Migrations on SQLite and on Postgres: what they make is what the code expects."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, text

from alembic import command
from tests.databases import NOON, HandClock, Server
from tests.store.building import batch, opened
from tests.store.recorded import Recorder
from watcher.errors import DatabaseUnusable
from watcher.model.time import MINUTE
from watcher.store import tables
from watcher.store.amend import begin
from watcher.store.database import Database
from watcher.store.journal import journal_values
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


def at_all_vendors(connection: Connection) -> None:
    """The schema as version 0002 made it, with an incident and two batches."""
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.attributes["connection"] = connection
    command.upgrade(config, "0002")
    values = incident_values(begin(opened(), "01"))
    connection.execute(insert(tables.incident).values({k: v for k, v in values.items() if k != "shadow"}))
    for number in range(2):
        connection.execute(insert(tables.journal).values(journal_values(batch(start=NOON + number * MINUTE))))


async def test_a_database_of_before_the_history_keeps_what_it_holds(empty_url: str) -> None:
    async with await Database.open(empty_url, clock=HandClock()) as database:
        await database.write(at_all_vendors)

        assert await upgrade(database) == "0002"
        async with Recorder.on(database) as recorder:
            assert [one.id for one in await recorder.store.journal.standing()] == ["01"]
            assert len([tick async for tick in recorder.store.journal.ticks(after=0)]) == 2
            await recorder.snapshot()
            await recorder.compact()
            assert [int(one.starts[0]) for one in await recorder.read()] == [NOON, NOON + MINUTE]
