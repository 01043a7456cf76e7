"""One opened database: the only thing in the store that knows which one it is, apart from its two drivers.

Statements are synchronous SQLAlchemy Core functions `(Connection) -> T`; both drivers run the same ones.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias, TypeVar

from sqlalchemy import Connection, inspect, text

from watcher.errors import DatabaseUnusable, StoreUnavailable
from watcher.model.ports import Clock
from watcher.model.time import SECOND, Duration, Instant
from watcher.store.address import Address, PostgresServer, SqliteFile, parse_address
from watcher.store.failure import translated
from watcher.store.tables import SCHEMA

T = TypeVar("T")
Work: TypeAlias = Callable[[Connection], T]

PATIENCE: Final[Duration] = 5 * SECOND
"""How long a statement waits for a lock, and a query may take."""


class Driver(Protocol):
    """How one kind of database runs work. Raises the foreign errors that `translated` knows."""

    async def write(self, work: Work[T]) -> T:
        """Run in one transaction of the writer; its commit is not cut by cancellation."""
        ...

    async def read(self, work: Work[T], *, within: Duration) -> T:
        """Run on a reading connection, interrupted after `within` and when cancelled."""
        ...

    async def apart(self, work: Callable[[], T]) -> T:
        """Run what only computes where it does not hold up the event loop."""
        ...

    def now(self, connection: Connection, clock: Clock) -> Instant:
        """The time that leases are judged by: one clock for all who share the database."""
        ...

    async def close(self) -> None:
        """Give back every connection and thread."""
        ...


class Database:
    """An opened database. Make one with `open`; close it, or use it as an async context manager."""

    def __init__(self, driver: Driver, address: Address, clock: Clock) -> None:
        self._driver = driver
        self.address = address
        self.clock = clock

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock,
        create: bool = True,
        inline: bool = False,
        patience: Duration = PATIENCE,
    ) -> Self:
        """Open `sqlite:///path` or `postgresql://...` (see `watcher.store.migrate.upgrade` for the schema).

        `create=False` is for reading verbs: it refuses a database that is missing or whose schema is not
        this watcher's. `inline` runs SQLite in the calling thread, for tests on virtual time.

        Raises:
            DatabaseUnusable: it cannot be used, and why, in one line without the password.
        """
        address = parse_address(url)
        driver = _driver(address, create=create, inline=inline, patience=patience)
        database = cls(driver, address, clock)
        try:
            await database._check(create=create)
        except BaseException:
            await driver.close()
            raise
        return database

    async def write(self, work: Work[T]) -> T:
        """Run one transaction, wholly or not at all, also when the caller is cancelled meanwhile.

        Raises:
            StoreUnavailable: nothing was written; the same may succeed later.
        """
        with translated(self.address):
            return await self._driver.write(work)

    async def read(self, work: Work[T], *, within: Duration = PATIENCE) -> T:
        """Run a query.

        Raises:
            StoreUnavailable: it could not be answered within the time.
        """
        with translated(self.address):
            return await self._driver.read(work, within=within)

    async def apart(self, work: Callable[[], T]) -> T:
        """Run what only computes where it does not hold up the event loop."""
        return await self._driver.apart(work)

    def now(self, connection: Connection) -> Instant:
        """The time that leases are judged by."""
        return self._driver.now(connection, self.clock)

    def through(self, wrap: Callable[[Driver], Driver]) -> Self:
        """The same database with another driver before its own; whoever closes either closes both."""
        return type(self)(wrap(self._driver), self.address, self.clock)

    async def close(self) -> None:
        """Give back every connection and thread."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _check(self, *, create: bool) -> None:
        try:
            if create:
                await self.write(_touch)
            version = await self.read(schema_version)
        except StoreUnavailable as error:
            raise DatabaseUnusable(f"{error}; {_right(self.address, error)}") from error
        refuse_newer(version, self.address)
        if not create and version != SCHEMA:
            found = f"its schema is {version}" if version else "it holds no watcher schema"
            raise DatabaseUnusable(f"{self.address}: {found}, not {SCHEMA}; run `watcher db upgrade`")


_RIGHT: Final[dict[type[Address], str]] = {
    SqliteFile: "it must be an SQLite file that this user can write, in a folder that it can write too",
    PostgresServer: "check that the server runs and that this user may connect",
}


def _right(address: Address, error: StoreUnavailable) -> str:
    """What to do about a database that does not answer at the first look."""
    if str(error).endswith("database is locked"):
        return "another program holds it: end that, and try again"
    return _RIGHT[type(address)]


def _driver(address: Address, *, create: bool, inline: bool, patience: Duration) -> Driver:
    # Imported here: each costs start-up time, and asyncpg is an extra.
    if isinstance(address, SqliteFile):
        from watcher.store.sqlite import InlineDriver, ThreadedDriver  # noqa: PLC0415 - see above

        make = InlineDriver if inline else ThreadedDriver
        return make(address, create=create, patience=patience)
    from watcher.store.postgres import PostgresDriver  # noqa: PLC0415 - see above

    return PostgresDriver(address, patience=patience)


def _touch(connection: Connection) -> None:
    """Show whether writing works, and change nothing.

    On SQLite a transaction alone does not: with a write-ahead log it begins on a file that is read-only, too.
    """
    if connection.dialect.name == "sqlite":
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")


def schema_version(connection: Connection) -> str | None:
    """The revision the schema stands at; None where watcher has never been."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def refuse_newer(version: str | None, address: Address) -> None:
    """Stop before a schema that this watcher does not know; revisions are numbers, so they sort.

    Raises:
        DatabaseUnusable: the schema is newer.
    """
    if version is not None and version > SCHEMA:
        raise DatabaseUnusable(
            f"{address}: its schema {version} is newer than {SCHEMA}, the newest this watcher knows; "
            "run the watcher that upgraded it, or a newer one"
        )
