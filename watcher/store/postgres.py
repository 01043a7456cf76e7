"""Postgres behind `Database`: SQLAlchemy's async engine over asyncpg for everything."""

from collections.abc import Callable
from importlib import import_module
from typing import Final, TypeVar

from anyio import fail_after, to_thread
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from watcher.errors import DatabaseUnusable
from watcher.model.ports import Clock
from watcher.model.time import SECOND, Duration, Instant
from watcher.store.address import PostgresServer

T = TypeVar("T")

_CONNECTIONS: Final = 6
_TRANSACTION: Final[Duration] = 60 * SECOND
"""The longest a transaction may take, a storm of thousands of incidents included."""


class PostgresDriver:
    """A pool of connections; each transaction takes one."""

    def __init__(self, address: PostgresServer, *, patience: Duration) -> None:
        _require_asyncpg(address)
        settings = {"application_name": "watcher", "lock_timeout": str(patience)}
        arguments = {"timeout": patience / SECOND, "server_settings": settings}
        if address.ssl is not None:
            arguments["ssl"] = address.ssl
        self._patience = patience
        self._engine = create_async_engine(
            address.url,
            connect_args=arguments,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=patience / SECOND,
        )

    async def write(self, work: Callable[[Connection], T]) -> T:
        """One transaction; shielded, so that a cancelled caller does not leave its outcome open."""
        with fail_after(_TRANSACTION / SECOND, shield=True):
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)

    async def read(self, work: Callable[[Connection], T], *, within: Duration) -> T:
        """A query; asyncpg cancels it in the server when time or caller are gone."""
        with fail_after(within / SECOND):
            async with self._engine.connect() as connection:
                return await connection.run_sync(work)

    async def apart(self, work: Callable[[], T]) -> T:
        """In a worker thread."""
        return await to_thread.run_sync(work)

    def now(self, connection: Connection, clock: Clock) -> Instant:  # noqa: ARG002 - the protocol's
        """The server's clock: daemons on several machines share it."""
        milliseconds = text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)")
        return int(connection.scalar(milliseconds))

    async def close(self) -> None:
        """Close every connection."""
        with fail_after(self._patience / SECOND, shield=True):
            await self._engine.dispose()


def _require_asyncpg(address: PostgresServer) -> None:
    try:
        import_module("asyncpg")
    except ImportError as error:
        raise DatabaseUnusable(
            f"{address}: needs the package asyncpg; run `pip install 'watcher[postgres]'`"
        ) from error
