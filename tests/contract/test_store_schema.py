"""Migrations on SQLite and on Postgres: what they make is what the code expects."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from tests.databases import HandClock, Server
from watcher.errors import DatabaseUnusable
from watcher.store.database import Database
from watcher.store.migrate import current, scripts, upgrade
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
