"""A store with its samples beside it, filled as the daemon fills it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from tests.databases import NOON
from tests.store.building import Store, poll
from watcher.model.ports import Tick, Wanted
from watcher.model.sample import SampleBatch
from watcher.model.snapshot import EngineDump, Kept
from watcher.model.time import DAY, Duration, Instant
from watcher.store.compaction import Compactor, Pace, Round
from watcher.store.database import Database
from watcher.store.migrate import upgrade
from watcher.store.recording import SqlRecording
from watcher.store.samples import samples_of
from watcher.store.snapshots import SqlSnapshots


@dataclass(frozen=True, slots=True)
class Recorder:
    """All of a store that has to do with samples."""

    store: Store
    samples: Database
    recording: SqlRecording
    snapshots: SqlSnapshots

    @classmethod
    @asynccontextmanager
    async def on(cls, database: Database) -> AsyncIterator[Self]:
        async with samples_of(database) as samples:
            await upgrade(samples)
            recording = SqlRecording(database, samples)
            yield cls(await Store.on(database), samples, recording, SqlSnapshots(samples, format_=1))

    async def commit(self, *batches: SampleBatch, at: Instant = NOON) -> None:
        """One tick."""
        await self.store.book.commit(Tick(at=at, polls=[poll(*batches)]))

    async def snapshot(self) -> Kept:
        """The engine, such as it is here, as of the last tick."""
        kept = await self.snapshots.keep(EngineDump({}, {}), await self.store.journal.reached())
        await self.store.book.commit(Tick(at=NOON, kept=kept))
        return kept

    def compactor(self, *, retention: Duration = 30 * DAY, pace: Pace = Pace()) -> Compactor:  # noqa: B008 - frozen
        return Compactor(self.store.database, self.samples, retention=retention, pace=pace)

    async def compact(self, *, at: Instant = NOON, retention: Duration = 30 * DAY) -> Round:
        """Everything a snapshot holds becomes history."""
        return await self.compactor(retention=retention).round(at, everything=True)

    async def read(self, wanted: Wanted | None = None) -> Sequence[SampleBatch]:
        return [batch async for page in self.recording.pages(wanted or Wanted()) for batch in page]
