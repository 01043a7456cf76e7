"""SQLite behind `Database`: one writer with a thread of its own (`together`), and a few readers with theirs.

One writer, because SQLite has one: `BEGIN IMMEDIATE` waits for other processes before it has read anything,
so no transaction is thrown away half done. All are plain connections in threads: aiosqlite crosses threads
once a statement, which makes a transaction several times slower, and a query of it that is cancelled leaves a
task behind that may never end.
"""

import os
import sqlite3
from asyncio import wrap_future
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar

from anyio import CancelScope, Semaphore, fail_after, get_cancelled_exc_class, to_thread
from sqlalchemy import Connection, Engine, QueuePool, StaticPool, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from watcher.errors import DatabaseUnusable, StoreReplaced
from watcher.model.ports import Clock
from watcher.model.time import SECOND, Duration, Instant
from watcher.store.address import SqliteFile
from watcher.store.together import Together

T = TypeVar("T")

_STEPS: Final = 20_000
"""Virtual machine instructions between two looks at a deadline: some tenths of a millisecond."""
_READERS: Final = 4
_LOG: Final = 16 * 2**20
"""Bytes that the write-ahead log keeps once it has been written back."""


class InlineDriver:
    """Everything on one connection in the calling thread: deterministic, for tests on virtual time."""

    def __init__(self, address: SqliteFile, *, create: bool, patience: Duration) -> None:
        _prepare(address, create=create)
        self._engine = _writer(address, patience)

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
    """The daemon's: transactions in one thread, queries in a few others."""

    def __init__(self, address: SqliteFile, *, create: bool, patience: Duration) -> None:
        _prepare(address, create=create)
        self._engine = _writer(address, patience)
        self._writing = Together(self._engine)
        self._readers = _readers(address.path, patience, immutable=not create and _is_at_rest(address.path))
        self._reading = ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="reading")
        self._patience = patience
        self._free = Semaphore(_READERS)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """In one transaction with what else waits; it goes on to its commit, whoever is gone by then."""
        with fail_after(
            None, shield=True
        ):  # its deadline is SQLite's, on the lock; what follows only computes
            return await wrap_future(self._writing.submit(work))

    async def read(self, work: Callable[[Connection], T], *, within: Duration) -> T:
        """A query in a snapshot of its own."""
        with fail_after(self._patience / SECOND):
            await self._free.acquire()
        guard = _Guard(within)
        try:
            return await wrap_future(self._reading.submit(_query, self._readers, work, guard))
        except get_cancelled_exc_class():
            guard.is_left = True
            raise
        finally:
            self._free.release()

    async def apart(self, work: Callable[[], T]) -> T:
        """In a worker thread."""
        return await to_thread.run_sync(work)

    def now(self, connection: Connection, clock: Clock) -> Instant:  # noqa: ARG002 - the protocol's
        """The machine's clock: whoever shares a file shares the machine."""
        return clock.now()

    async def close(self) -> None:
        """Close every connection; the threads end with them."""
        with CancelScope(shield=True):
            await wrap_future(self._writing.end(self._end))
        self._writing.shutdown()

    def _end(self) -> None:
        self._reading.shutdown()
        self._readers.dispose()
        self._engine.dispose()


class _Guard:
    """The deadline of one query, as SQLite's progress handler: true interrupts the statement."""

    def __init__(self, within: Duration) -> None:
        self._within = within
        self._until = inf
        self.is_left = False
        """Nobody waits for its answer any more."""

    def start(self) -> None:
        """Its time runs from now."""
        self._until = monotonic() + self._within / SECOND

    def __call__(self) -> bool:
        return self.is_left or monotonic() > self._until


def _prepare(address: SqliteFile, *, create: bool) -> None:
    folder = address.path.parent
    if not os.access(address.path, os.F_OK):
        _ensure_never_there(address)
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


def _ensure_never_there(address: SqliteFile) -> None:
    """A log by itself holds what a new file would lose: SQLite deletes it as it makes one."""
    for ending in ("-wal", "-shm"):
        beside = address.path.with_name(address.path.name + ending)
        if os.access(beside, os.F_OK):
            raise DatabaseUnusable(
                f"{address} is gone, though {beside} is there: it was removed under a daemon; "
                f"{_right(address.path)}"
            )


def _right(path: Path) -> str:
    """What mends it: SQLite would write a log that was left back into whatever file stands before it."""
    return (
        f"stop the daemon and put that very file back, or remove {path.name}-wal and {path.name}-shm "
        "before another takes its place"
    )


class _OpenedFile:
    """Which file was opened at a path: SQLite goes on writing it when it has long been removed."""

    def __init__(self, address: SqliteFile) -> None:
        self._address = address
        self._opened: tuple[int, int] | None = None

    def take(self) -> None:
        """It is the one that stands there now."""
        self._opened = self._present()

    def ensure(self) -> None:
        """Pass while the path leads to the file that was opened.

        Raises:
            StoreReplaced: it does not.
        """
        try:
            present = self._present()
        except (FileNotFoundError, NotADirectoryError):
            present = None
        if present is None or present != self._opened:
            raise StoreReplaced(
                f"{self._address} was removed or replaced while in use; {_right(self._address.path)}"
            )

    def _present(self) -> tuple[int, int]:
        found = self._address.path.stat()
        return found.st_dev, found.st_ino


def _transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


def _query(engine: Engine, work: Callable[[Connection], T], guard: _Guard) -> T:
    with engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        guard.start()
        raw.set_progress_handler(guard, _STEPS)
        return work(connection)


def _writer(address: SqliteFile, patience: Duration) -> Engine:
    opened = _OpenedFile(address)

    def connect() -> sqlite3.Connection:
        # Used by one thread at a time, and closed by whichever is last.
        return sqlite3.connect(
            address.path, timeout=patience / SECOND, isolation_level=None, check_same_thread=False
        )

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
        opened.take()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        opened.ensure()
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _is_at_rest(path: Path) -> bool:
    """Whether nobody writes the file, nor may we: SQLite reads it then only if it is told so."""
    has_log = path.with_name(path.name + "-wal").exists()
    return not has_log and not os.access(path.parent, os.W_OK, effective_ids=True)


def _readers(path: Path, patience: Duration, *, immutable: bool) -> Engine:
    address = path.absolute().as_uri() + "?immutable=1" if immutable else str(path)

    def connect() -> sqlite3.Connection:
        # Used by one thread at a time: whichever the pool gives it to.
        return sqlite3.connect(
            address, timeout=patience / SECOND, isolation_level=None, check_same_thread=False, uri=immutable
        )

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=_READERS, max_overflow=0
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
