"""Where the database is, from its URL; how to say so without its password."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from watcher.errors import DatabaseUnusable

_RIGHT: Final = "write sqlite:///path/watcher.db or postgresql://user@host/database"
_OPTIONS: Final = frozenset({"host", "port", "sslmode"})


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A file on a local disk."""

    path: Path

    def __str__(self) -> str:
        return f"database {self.path}"

    def as_url(self) -> str:
        """As `parse_address` reads it."""
        return URL.create("sqlite", database=str(self.path)).render_as_string()


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A database of a Postgres server; prints without password."""

    url: URL = field(repr=False)
    """For SQLAlchemy's asyncpg dialect."""
    ssl: str | None

    def __str__(self) -> str:
        host = self.url.host or self.url.query.get("host", "")
        user = f"{self.url.username}@" if self.url.username else ""
        port = f":{self.url.port}" if self.url.port else ""
        return f"database postgresql://{user}{host}{port}/{self.url.database or ''}"


def beside(address: SqliteFile) -> SqliteFile:
    """The file beside it that holds samples and snapshots: `watcher.samples.db` of `watcher.db`."""
    path = address.path
    return SqliteFile(path.with_name(f"{path.stem}.samples{path.suffix}"))


Address: TypeAlias = SqliteFile | PostgresServer


def parse_address(url: str) -> Address:
    """Read a database URL.

    Raises:
        DatabaseUnusable: it names no database that watcher can use. The URL itself is not repeated: it may
            hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Without the cause: it may quote a part of the URL.
        raise DatabaseUnusable(f"database: not a URL; {_RIGHT}") from None
    match parsed.drivername:
        case "sqlite":
            return _sqlite(parsed)
        case "postgresql" | "postgresql+asyncpg":
            return _postgres(parsed)
        case other:
            raise DatabaseUnusable(f"database: {other}:// is not supported; {_RIGHT}")


def _sqlite(url: URL) -> SqliteFile:
    if not url.database or url.database == ":memory:" or url.host:
        raise DatabaseUnusable("database: sqlite needs the path of a file; write sqlite:///path/watcher.db")
    return SqliteFile(Path(url.database))


def _postgres(url: URL) -> PostgresServer:
    unknown = sorted(set(url.query) - _OPTIONS)
    if unknown:
        known = ", ".join(sorted(_OPTIONS))
        raise DatabaseUnusable(f"database: unknown option {unknown[0]!r} in the URL; known are {known}")
    if not url.database:
        raise DatabaseUnusable("database: the URL names no database; write postgresql://user@host/database")
    # asyncpg takes libpq's sslmode words under another name.
    ssl = url.query.get("sslmode")
    plain = url.set(drivername="postgresql+asyncpg").difference_update_query(["sslmode"])
    return PostgresServer(plain, ssl if isinstance(ssl, str) else None)
