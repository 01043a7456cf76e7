"""Reading a span of a source once more: by the running daemon, or by one that runs until it is done."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import anyio

from watcher.app import daemon
from watcher.collect.source import ERRANDS
from watcher.config import Config
from watcher.model.ports import Errand, ErrandKind
from watcher.model.sample import BACKFILL, Cursor, Sight
from watcher.model.time import SECOND, Instant
from watcher.runtime.clock import SystemClock
from watcher.store.database import Database
from watcher.store.errands import SqlErrands
from watcher.store.history import SqlHistory
from watcher.store.journal import SqlJournal
from watcher.store.migrate import upgrade as migrate

LOOK: Final = 0.5
"""Seconds between two looks at how far it is."""
PROMPT: Final = 2 * ERRANDS / SECOND
"""Seconds within which a daemon that can takes it up."""


class Outcome(StrEnum):
    """How it ended."""

    DONE = "done"
    STOPPED = "stopped"  # by the person: what is left is read by the daemon, now or at its next start
    NO_DAEMON = "no daemon"  # the one that read has gone


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is; no streams while the daemon has not yet taken it up."""

    cursors: Sequence[Cursor] = ()
    """Of `<stream>.backfill`."""
    sights: Mapping[str, Sight] = field(default_factory=dict)
    """Of all streams of the source, by name."""
    waiting: bool = False
    """Whether the running daemon has not taken it up for longer than it needs to."""

    @property
    def is_read(self) -> bool:
        """Whether all of the span is."""
        return all(cursor.position >= (cursor.until or 0) for cursor in self.cursors)

    @property
    def has_caught_up(self) -> bool:
        """Whether what is newest has been read too, or cannot be for now."""
        live = [sight for stream, sight in self.sights.items() if not stream.endswith(BACKFILL)]
        return all(sight.caught_up or sight.family for sight in live)


Tell = Callable[[Progress], None]


async def backfill(
    config: Config, source: str, since: Instant, until: Instant | None, *, tell: Tell, stop: anyio.Event
) -> Outcome:
    """Have the span read, and tell how far that is until it is done or `stop` is set.

    Raises:
        DatabaseUnusable: it cannot be opened.
        StoreUnavailable: it did not answer.
    """
    async with await Database.open(config.database.reveal(), clock=SystemClock()) as database:
        await migrate(database)
        owner = await SqlHistory(database).owner()
        left = await SqlErrands(database).leave(source, ErrandKind.BACKFILL, since=since, until=until)
        watch = _Watch(database, Errand(left, source, ErrandKind.BACKFILL, since, until), tell)
        if owner is not None and owner.alive:
            return await watch.until_read(stop)
        async with _own_daemon(config, source):
            return await watch.until_read(stop, caught_up=True)


@asynccontextmanager
async def _own_daemon(config: Config, source: str) -> AsyncIterator[None]:
    """The daemon for one source, drained at the end."""
    ended = anyio.Event()
    async with anyio.create_task_group() as group:

        async def run() -> None:
            await daemon.run(config, stop=ended, only=source)

        group.start_soon(run)
        yield
        ended.set()


class _Watch:
    """Reads how far it is out of the database, whoever writes it there."""

    def __init__(self, database: Database, errand: Errand, tell: Tell) -> None:
        self._database = database
        self._errand = errand
        self._tell = tell
        self._began = anyio.current_time()

    async def until_read(self, stop: anyio.Event, *, caught_up: bool = False) -> Outcome:
        """Look until it is read, and until what is newest is too where `caught_up` is asked for."""
        while not stop.is_set():
            if await self._waits():
                if anyio.current_time() - self._began > PROMPT:
                    self._tell(Progress(waiting=True))
            else:
                progress = await self._progress()
                self._tell(progress)
                if progress.is_read and (progress.has_caught_up or not caught_up):
                    return Outcome.DONE
            if not caught_up and not await self._is_owned():
                return Outcome.NO_DAEMON
            with anyio.move_on_after(LOOK):
                await stop.wait()
        return Outcome.STOPPED

    async def _waits(self) -> bool:
        waiting = await SqlErrands(self._database).waiting(self._errand.source)
        return any(errand.id == self._errand.id for errand in waiting)

    async def _progress(self) -> Progress:
        """Of what the errand began: of every stream of which a part of its span had been read."""
        cursors = await SqlJournal(self._database).cursors()
        sights = await SqlHistory(self._database).sights()
        source = self._errand.source
        mine = [
            cursor
            for (of, name), cursor in cursors.items()
            if of == source and name.endswith(BACKFILL) and self._is_part(cursor)
        ]
        return Progress(mine, {sight.stream: sight for sight in sights if sight.source == source})

    def _is_part(self, cursor: Cursor) -> bool:
        since, until = self._errand.since, self._errand.until
        return (cursor.until or 0) > since and (until is None or cursor.since < until)

    async def _is_owned(self) -> bool:
        owner = await SqlHistory(self._database).owner()
        return owner is not None and owner.alive
