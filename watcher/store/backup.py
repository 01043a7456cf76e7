"""A copy of the database while a daemon writes it: book and samples as they were at one moment.

SQLite's two files are read in transactions that see nothing of what comes later, as pg_dump does on Postgres.
A copy takes its name only when it is whole, was read again and is on the disk.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from sqlalchemy.engine import URL

from watcher.errors import DatabaseUnusable, StoreUnavailable
from watcher.model.time import SECOND, Duration
from watcher.store.address import Address, PostgresServer, SqliteFile, beside

_PATIENCE: Final[Duration] = 5 * SECOND
_AT_ONCE: Final = 3
"""Looks at both files until they fit: snapshots follow each other by minutes, two looks by milliseconds."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One file of a backup."""

    path: Path
    bytes: int


async def back_up(address: Address, to: Path) -> tuple[Copy, ...]:
    """Copy a database into a new file, and the samples of SQLite into one beside it.

    On Postgres the file is pg_dump's custom format, which pg_restore reads. Any schema is copied as it is.

    Raises:
        DatabaseUnusable: there is nothing to copy, or it cannot go there, and what would be right.
        StoreUnavailable: it could not be read or written whole; what was begun is gone.
    """
    if isinstance(address, PostgresServer):
        _must_be_new(to)
        return (await _dumped(address, to),)
    target = SqliteFile(to)
    for one in (target, beside(target)):
        _must_be_new(one.path)
    return await anyio.to_thread.run_sync(_copied, address, target)


def _must_be_new(path: Path) -> None:
    if path.exists():
        raise DatabaseUnusable(f"{path}: is there already; name a file that is not")
    if not path.parent.is_dir():
        raise DatabaseUnusable(f"{path}: folder {path.parent} does not exist; make it, or name another")


# --- SQLite


def _copied(source: SqliteFile, target: SqliteFile) -> tuple[Copy, ...]:
    if not source.path.is_file():
        raise DatabaseUnusable(f"{source}: there is no such file")
    with _told(source), _moment(source) as files, _unfinished(target) as parts:
        for name, connection in files.items():
            _copy(connection, parts[name])
        _free(parts["book"])
        for part in (parts[name] for name in files):
            _check(part)
        # The samples first: a book names a snapshot that is there.
        ready = [(name, parts[name]) for name in ("samples", "book") if name in files]
        return tuple(_settled(part, _place(target, name)) for name, part in ready)


@contextmanager
def _moment(source: SqliteFile) -> Iterator[Mapping[str, sqlite3.Connection]]:
    """Both files in reading transactions of one moment: the snapshot that the book names is in the samples.

    The book first: rows that become history meanwhile are in both then, not in none.
    """
    for attempt in range(_AT_ONCE):
        with closing(_reading(source.path)) as book:
            if not beside(source).path.is_file():
                yield {"book": book}
                return
            with closing(_reading(beside(source).path)) as samples:
                if attempt == _AT_ONCE - 1 or _fit(book, samples):
                    yield {"book": book, "samples": samples}
                    return


def _reading(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path.absolute().as_uri() + "?mode=ro", uri=True, timeout=_PATIENCE / SECOND, isolation_level=None
    )
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the snapshot is taken by reading
    return connection


def _fit(book: sqlite3.Connection, samples: sqlite3.Connection) -> bool:
    """Whether the samples hold the snapshot that the book names, where it names one."""
    if not (_has(book, "kept") and _has(samples, "snapshot")):
        return True
    kept = book.execute("SELECT token FROM kept").fetchone()
    query = "SELECT 1 FROM snapshot WHERE token = ?"
    return kept is None or samples.execute(query, kept).fetchone() is not None


def _has(connection: sqlite3.Connection, table: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(query, (table,)).fetchone() is not None


def _place(target: SqliteFile, name: str) -> Path:
    return target.path if name == "book" else beside(target).path


@contextmanager
def _unfinished(target: SqliteFile) -> Iterator[Mapping[str, Path]]:
    """Names that the copies have until they are whole."""
    places = {name: _place(target, name) for name in ("book", "samples")}
    parts = {name: path.with_name(path.name + ".part") for name, path in places.items()}
    try:
        yield parts
    finally:
        for part in parts.values():
            for suffix in ("", "-wal", "-shm", "-journal"):
                Path(f"{part}{suffix}").unlink(missing_ok=True)


def _copy(connection: sqlite3.Connection, part: Path) -> None:
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, whole, until somebody writes it


def _free(part: Path) -> None:
    """No daemon owns the copy, wherever it is opened."""
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        if _has(copy, "lease"):
            copy.execute("UPDATE lease SET holder = '', until = 0")


def _check(part: Path) -> None:
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreUnavailable(f"{part}: the copy is damaged: {found}")


def _settled(part: Path, path: Path) -> Copy:
    """Give a file its name once it is on the disk."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return Copy(path, path.stat().st_size)


@contextmanager
def _told(source: SqliteFile) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"{source}: cannot be copied: {error}") from error


# --- Postgres


async def _dumped(server: PostgresServer, to: Path) -> Copy:
    pg_dump = shutil.which("pg_dump")
    if pg_dump is None:
        raise DatabaseUnusable(
            f"{server}: pg_dump is not on this machine; install PostgreSQL's client programs, or run "
            "`pg_dump --format=custom` where they are"
        )
    part = to.with_name(to.name + ".part")
    command = [pg_dump, "--format=custom", "--no-password", "--file", str(part)]
    try:
        done = await anyio.run_process(command, env=os.environ | _login(server), check=False)
        if done.returncode:
            raise StoreUnavailable(f"{server}: {_first_line(done.stderr)}")
        return await anyio.to_thread.run_sync(_settled, part, to)
    finally:
        part.unlink(missing_ok=True)


def _login(server: PostgresServer) -> Mapping[str, str]:
    """As libpq takes it from the environment: other users of the machine see a command's words."""
    url: URL = server.url
    host = url.host or url.query.get("host")
    said = {
        "PGHOST": host,
        "PGPORT": url.port or url.query.get("port"),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGSSLMODE": server.ssl,
    }
    return {name: str(value) for name, value in said.items() if value}


def _first_line(said: bytes) -> str:
    """What pg_dump complains of."""
    lines = said.decode(errors="replace").strip().splitlines() or ["pg_dump failed"]
    return lines[0].removeprefix("pg_dump: ").removeprefix("error: ")
