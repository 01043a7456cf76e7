"""SQLite behind `Database`: one writer with a thread of its own, and a few async readers.

One writer, because SQLite has one: `BEGIN IMMEDIATE` waits for other processes before it has read anything,
so no transaction is thrown away half done. It is a plain connection in a thread, since aiosqlite crosses
threads once a statement, which makes a tick's transaction several times slower.
"""

import sqlite3
from asyncio import wrap_future
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar

from anyio import CancelScope, fail_after, to_thread
from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from watcher.errors import DatabaseUnusable
from watcher.model.ports import Clock
from watcher.model.time import SECOND, Duration, Instant
from watcher.store.address import SqliteFile

T = TypeVar("T")

_STEPS: Final = 20_000
"""Virtual machine instructions between two looks at a deadline: some tenths of a millisecond."""
_READERS: Final = 4
_GUARD: Final = "guard"
_LOG: Final = 16 * 2**20
"""Bytes that the write-ahead log keeps once it has been written back."""


class InlineDriver:
    """Everything on one connection in the calling thread: deterministic, for tests on virtual time."""

    def __init__(self, address: SqliteFile, *, create: bool, patience: Duration) -> None:
        _prepare(address, create=create)
        self._engine = _writer(address.path, patience)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """One transaction."""
        return _transact(self._engine, work)

    async def read(self, work: Callable[[Connection], T], *, within: Duration) -> T:  # noqa: ARG002 - not waited for
        """The same as `write`: there is but one connection."""
        return _transact(self._engine, work)

    async def apart(self, work: Callable[[], T]) -> T:
        """At once."""
        return work()

    def now(self, connection: Connection, clock: Clock) -> Instant:  # noqa: ARG002 - the protocol's
        """The machine's clock: whoever shares a file shares the machine."""
        return clock.now()

    async def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


class ThreadedDriver:
    """The daemon's: transactions in one thread, queries through SQLAlchemy's async engine."""

    def __init__(self, address: SqliteFile, *, create: bool, patience: Duration) -> None:
        _prepare(address, create=create)
        self._engine = _writer(address.path, patience)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._readers = _readers(address.path, patience)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """One transaction; once begun it goes on to its commit, whatever becomes of the caller."""
        with fail_after(
            None, shield=True
        ):  # its deadline is SQLite's, on the lock; what follows only computes
            return await wrap_future(self._thread.submit(_transact, self._engine, work))

    async def read(self, work: Callable[[Connection], T], *, within: Duration) -> T:
        """A query in a snapshot of its own."""

        def guarded(connection: Connection) -> T:
            guard: _Guard = connection.info[_GUARD]
            guard.until = monotonic() + within / SECOND
            return work(connection)

        async with self._readers.connect() as connection:
            return await connection.run_sync(guarded)

    async def apart(self, work: Callable[[], T]) -> T:
        """In a worker thread."""
        return await to_thread.run_sync(work)

    def now(self, connection: Connection, clock: Clock) -> Instant:  # noqa: ARG002 - the protocol's
        """The machine's clock: whoever shares a file shares the machine."""
        return clock.now()

    async def close(self) -> None:
        """Close every connection; the thread ends with them."""
        with CancelScope(shield=True):
            await self._readers.dispose()
            await wrap_future(self._thread.submit(self._engine.dispose))
        self._thread.shutdown()


class _Guard:
    """The deadline of one reading connection, as SQLite's progress handler: true interrupts the statement."""

    def __init__(self) -> None:
        self.until = inf

    def __call__(self) -> bool:
        return monotonic() > self.until


def _prepare(address: SqliteFile, *, create: bool) -> None:
    folder = address.path.parent
    if not create:
        if not address.path.is_file():
            raise DatabaseUnusable(f"{address}: there is no such file; `watcher run` makes it")
        return
    if not folder.parent.is_dir():
        raise DatabaseUnusable(
            f"{address}: folder {folder.parent} does not exist; make it, or change the path"
        )
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise DatabaseUnusable(f"{address}: folder {folder} cannot be made: {error.strerror}") from error


def _transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


def _writer(path: Path, patience: Duration) -> Engine:
    def connect() -> sqlite3.Connection:
        # Used by one thread at a time, and closed by whichever is last.
        return sqlite3.connect(path, timeout=patience / SECOND, isolation_level=None, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL survives any death of the process, but a power cut may undo the last commits. Then a message
        # already sent would be sent again under a new id. FULL costs one fsync a tick, in this thread.
        connection.execute("PRAGMA synchronous = FULL")
        # A snapshot passes through the log whole; the log need not stay as large.
        connection.execute(f"PRAGMA journal_size_limit = {_LOG}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _readers(path: Path, patience: Duration) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"timeout": patience / SECOND, "isolation_level": None},
        pool_size=_READERS,
        max_overflow=0,
        pool_timeout=patience / SECOND,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, entry: ConnectionPoolEntry) -> None:  # noqa: ANN401 - SQLAlchemy's adapter
        guard = entry.info[_GUARD] = _Guard()
        connection.run_async(lambda raw: raw.set_progress_handler(guard, _STEPS))
        cursor = connection.cursor()
        cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    @event.listens_for(engine.sync_engine, "invalidate")
    def on_invalidate(_connection: object, entry: ConnectionPoolEntry, _error: BaseException | None) -> None:
        # A cancelled query goes on in its thread, and closing waits for it: this ends it at once.
        entry.info[_GUARD].until = -inf

    return engine
