"""A driver that does something before a transaction's statements and after them, before it is committed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from watcher.model.ports import Clock
from watcher.model.time import Duration, Instant
from watcher.store.database import Database, Driver, Work

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tapped:
    """Everything else is the driver's."""

    driver: Driver
    before: Callable[[Connection], object]
    after: Callable[[Connection], object]

    async def write(self, work: Work[T]) -> T:
        def tapped(connection: Connection) -> T:
            self.before(connection)
            done = work(connection)
            self.after(connection)
            return done

        return await self.driver.write(tapped)

    async def read(self, work: Work[T], *, within: Duration) -> T:
        return await self.driver.read(work, within=within)

    async def apart(self, work: Callable[[], T]) -> T:
        return await self.driver.apart(work)

    def now(self, connection: Connection, clock: Clock) -> Instant:
        return self.driver.now(connection, clock)

    async def close(self) -> None:
        await self.driver.close()


def nothing(_connection: Connection) -> None:
    """A tap that does not."""


def tapped(
    database: Database,
    *,
    before: Callable[[Connection], object] = nothing,
    after: Callable[[Connection], object] = nothing,
) -> Database:
    """The database, with taps in its transactions."""
    return database.through(lambda driver: Tapped(driver, before, after))
