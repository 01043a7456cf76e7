"""The database, for verbs that read it or bring it up to date."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watcher.document.secrets import SecretUrl
from watcher.errors import DatabaseUnusable, StoreUnavailable
from watcher.model.incident import Incident, Status
from watcher.model.inventory import Known
from watcher.model.ports import History, IncidentQuery, Recording
from watcher.model.relations import Relations
from watcher.model.relations import widened as wide
from watcher.runtime.clock import SystemClock
from watcher.store.address import parse_address
from watcher.store.backup import Copy, back_up
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.inventory import SqlInventory
from watcher.store.migrate import upgrade as migrate
from watcher.store.recording import SqlRecording
from watcher.store.samples import samples_of
from watcher.store.tables import SCHEMA

STANDING: Final = frozenset({Status.OPEN, Status.ACKNOWLEDGED})
EVERY: Final = 1_000_000
"""More open incidents than a database holds."""


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
        before = await migrate(database)
        async with samples_of(database) as samples:
            await migrate(samples)
        return Upgraded(SCHEMA, before)


async def backup(at: SecretUrl, to: Path) -> Sequence[Copy]:
    """Copy the database into a new file, beside a running daemon or without one.

    Raises:
        DatabaseUnusable: there is none, or the copy cannot go there.
        StoreUnavailable: it could not be read or written whole.
    """
    return await back_up(parse_address(at.reveal()), to)


async def known(at: SecretUrl, sources: Collection[str]) -> Sequence[Known]:
    """What these sources know at present by the inventory; nothing where it cannot be read."""
    try:
        async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
            items = await SqlInventory(database).items()
    except (DatabaseUnusable, StoreUnavailable):
        return ()
    return [one for one in items if one.gone_at is None and one.source in sources]


@dataclass(frozen=True, slots=True)
class Readers:
    """What a verb may read."""

    history: History
    recording: Recording


@asynccontextmanager
async def readers(at: SecretUrl) -> AsyncIterator[Readers]:
    """The reading side of a database, beside a running daemon or without one.

    Raises:
        DatabaseUnusable: there is none, or it cannot be read.
    """
    async with (
        await Database.open(at.reveal(), clock=SystemClock(), create=False) as database,
        samples_of(database, create=False) as samples,
    ):
        yield Readers(SqlHistory(database), SqlRecording(database, samples))


@asynccontextmanager
async def recording(at: SecretUrl) -> AsyncIterator[Recording]:
    """What was read of vendors; see `readers`."""
    async with readers(at) as opened:
        yield opened.recording


@asynccontextmanager
async def history(at: SecretUrl) -> AsyncIterator[History]:
    """The book alone; see `readers`."""
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        yield SqlHistory(database)


async def widened(at: SecretUrl, incidents: Sequence[Incident]) -> Sequence[Incident]:
    """The incidents with what their origins feed, by the inventory as it stands."""
    if all(one.over for one in incidents):
        return incidents
    widen = await widener(at)
    return [widen(one) for one in incidents]


async def widener(at: SecretUrl) -> Callable[[Incident], Incident]:
    """What makes of an incident the same with what its origin feeds, by the inventory as it stands now."""
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        relations = Relations(await SqlInventory(database).items())
        standing = await SqlHistory(database).incidents(IncidentQuery(status=STANDING, limit=EVERY))
    return lambda incident: wide(incident, relations, standing)
