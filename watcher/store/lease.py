"""One daemon a database: a row that names its holder, and an epoch that fences off the one before."""

from typing import Final, Protocol

from sqlalchemy import ColumnElement, Connection, RowMapping, select, update

from watcher.errors import DatabaseUnusable, LeaseLost
from watcher.model.time import SECOND, Duration, Instant, rfc3339
from watcher.store import process, tables
from watcher.store.database import Database
from watcher.store.letter import DUE

TTL: Final[Duration] = 30 * SECOND
"""How long a daemon that vanished with its machine keeps others out."""
_DAEMON: Final[ColumnElement[bool]] = tables.lease.c.name == "daemon"


class Fence(Protocol):
    """What a transaction of the book begins with: it may write, or it ends there."""

    def renew(self, connection: Connection) -> None:
        """See to it that nobody else writes the book until the transaction ends.

        Raises:
            LeaseLost: somebody else owns the database.
        """
        ...


class Lease:
    """The right to write the book. Every commit renews it; `heartbeat` does between commits."""

    def __init__(self, database: Database, *, ttl: Duration = TTL, holder: str | None = None) -> None:
        """`holder` is this process unless a test says otherwise."""
        self._database = database
        self._ttl = ttl
        self.holder = holder if holder is not None else process.name()
        self.epoch = 0

    async def acquire(self) -> None:
        """Become the owner. Messages the former owner was sending are due again at once.

        Raises:
            DatabaseUnusable: another daemon, alive as far as can be known, owns the database.
            StoreUnavailable: the database did not answer.
        """
        self.epoch = await self._database.write(self._take)

    async def heartbeat(self) -> None:
        """Renew between commits; often enough is a third of the time to live.

        Raises:
            LeaseLost: another daemon owns the database now.
            StoreUnavailable: the database did not answer.
        """
        await self._database.write(self.renew)

    async def release(self) -> None:
        """Let the next daemon in at once; harmless when it is in already."""
        await self._database.write(self._give_up)

    def renew(self, connection: Connection) -> None:
        """Prolong within the caller's transaction, which then holds the row: writers of two epochs never mix.

        Raises:
            LeaseLost: another daemon owns the database now.
        """
        now = self._database.now(connection)
        renewed = update(tables.lease).where(self._own()).values(seen=now, until=now + self._ttl)
        if connection.execute(renewed).rowcount != 1:
            raise LeaseLost(f"{self._database.address}: another watcher has taken over")

    def _own(self) -> ColumnElement[bool]:
        return _DAEMON & (tables.lease.c.holder == self.holder) & (tables.lease.c.epoch == self.epoch)

    def _take(self, connection: Connection) -> int:
        now = self._database.now(connection)
        row = connection.execute(select(tables.lease).where(_DAEMON).with_for_update()).mappings().one()
        if stands(row, now):
            pid, host = process.parts(row["holder"])
            raise DatabaseUnusable(
                f"{self._database.address}: in use by watcher pid {pid} on host {host} since "
                f"{rfc3339(row['since'])}; stop that one, or use another database"
            )
        epoch: int = row["epoch"] + 1
        connection.execute(
            update(tables.lease)
            .where(_DAEMON)
            .values(holder=self.holder, epoch=epoch, since=now, seen=now, until=now + self._ttl)
        )
        outbox = tables.outbox.c
        cut_short = update(tables.outbox).where(outbox.state == DUE, outbox.leased_until > 0)
        connection.execute(cut_short.values(leased_until=0, attempts=outbox.attempts + 1))
        return epoch

    def _give_up(self, connection: Connection) -> None:
        connection.execute(update(tables.lease).where(self._own()).values(holder="", until=0))


class Vacancy:
    """The right to one transaction on a database that no daemon owns: the lease is held within it alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def renew(self, connection: Connection) -> None:
        """Hold the row of the lease, and fence off a daemon that vanished without giving it up.

        Raises:
            LeaseLost: a daemon owns the database, or may.
        """
        row = connection.execute(select(tables.lease).where(_DAEMON).with_for_update()).mappings().one()
        now = self._database.now(connection)
        if stands(row, now) or (row["holder"] and process.alive(row["holder"])):
            pid, host = process.parts(row["holder"])
            raise LeaseLost(f"{self._database.address}: watcher pid {pid} on host {host} owns it")
        if row["holder"]:
            fenced = update(tables.lease).where(_DAEMON)
            connection.execute(fenced.values(holder="", epoch=row["epoch"] + 1, seen=now, until=0))


def stands(row: RowMapping, now: Instant) -> bool:
    """Whether a lease row names a daemon that must be taken to live."""
    return bool(row["holder"]) and row["until"] > now and process.alive(row["holder"]) is not False
