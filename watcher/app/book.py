"""The database, for verbs that read it or bring it up to date."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from watcher.document.secrets import SecretUrl
from watcher.errors import DatabaseUnusable, StoreUnavailable
from watcher.model.inventory import Known
from watcher.model.ports import History
from watcher.runtime.clock import SystemClock
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.inventory import SqlInventory
from watcher.store.migrate import upgrade as migrate
from watcher.store.tables import SCHEMA


@dataclass(frozen=True, slots=True)
class Upgraded:
    """Where a database's schema stands, and where it stood before; None where watcher had never been."""

    schema: str
    before: str | None


async def upgrade(at: SecretUrl) -> Upgraded:
    """Bring the database to this watcher's schema.

    Raises:
        DatabaseUnusable: it cannot be opened, written or upgraded.
    """
    async with await Database.open(at.reveal(), clock=SystemClock()) as database:
        return Upgraded(SCHEMA, before=await migrate(database))


async def known(at: SecretUrl, sources: Collection[str]) -> Sequence[Known]:
    """What these sources know at present by the inventory; nothing where it cannot be read."""
    try:
        async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
            items = await SqlInventory(database).items()
    except (DatabaseUnusable, StoreUnavailable):
        return ()
    return [one for one in items if one.gone_at is None and one.source in sources]


@asynccontextmanager
async def history(at: SecretUrl) -> AsyncIterator[History]:
    """The reading side of the book in a database, beside a running daemon or without one.

    Raises:
        DatabaseUnusable: there is none, or it cannot be read.
    """
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        yield SqlHistory(database)
