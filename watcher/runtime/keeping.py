"""Snapshots of the engine every few minutes, and rounds of what else the database needs."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Final

import anyio
import anyio.to_thread
import structlog

from watcher.errors import StoreUnavailable
from watcher.model.ports import Clock, Snapshots
from watcher.model.snapshot import EngineDump, Kept
from watcher.model.time import SECOND, Duration, Instant
from watcher.store.retention import Forgotten

SHARE: Final = 20
"""A snapshot that takes long is followed by a pause this many times as long."""


class Keeping:
    """Writes snapshots beside the ticks, one at a time, and tells the pump which one has become durable."""

    def __init__(
        self,
        snapshots: Snapshots,
        reached: Callable[[], Awaitable[int]],
        *,
        every: Duration,
        soon: bool = False,
    ) -> None:
        """What a restart judges again is no more than `every`, between two of them.

        `reached` is the newest row of the journal; `soon` asks for the first one before the first tick.
        """
        self._snapshots = snapshots
        self._reached = reached
        self._every = every / SECOND
        self._soon = soon
        # Reckoned in the loop's time: a clock that is set back must not put it off.
        self._due = anyio.current_time() + self._every
        self._offered: tuple[EngineDump, int] | None = None
        self._named: Kept | None = None
        self._row: int | None = None
        """The last row of the newest snapshot."""
        self._wake = anyio.Event()
        self._idle = anyio.Event()
        self._idle.set()
        self._failed = False
        self._log = structlog.get_logger()
        self.durable: Kept | None = None
        """The snapshot that no tick has named yet."""

    async def after_tick(self, dump: Callable[[], EngineDump]) -> None:
        """Where it is time, dump the engine and have that written beside the ticks to come."""
        if self._idle.is_set() and anyio.current_time() >= self._due:
            row = await self._held()
            if row is not None:
                self._idle = anyio.Event()
                self._offered = await anyio.to_thread.run_sync(dump), row
                self._wake.set()

    async def at_start(self, dump: Callable[[], EngineDump]) -> None:
        """Where not all of the engine came from a snapshot, write one that the first tick can name.

        What that tick says was judged by these rules and sources: a start from a snapshot of others would not
        know of it.
        """
        if self._soon:
            await self.at_end(dump)

    async def at_end(self, dump: Callable[[], EngineDump]) -> None:
        """Write the last one, after what is under way: the next start has nothing to judge again."""
        await self._idle.wait()
        row = await self._held()
        if row is not None:
            await self._keep(await anyio.to_thread.run_sync(dump), row)

    def named(self, kept: Kept) -> None:
        """A tick has named it: those before it may go."""
        self.durable, self._named = None, kept
        self._wake.set()

    async def run(self) -> None:
        """Write what is offered, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            if self._named is not None:
                kept, self._named = self._named, None
                await self._prune(kept)
            if self._offered is not None:
                (dump, row), self._offered = self._offered, None
                await self._keep(dump, row)
                self._idle.set()

    async def _held(self) -> int | None:
        """The row that a dump made now holds; None where one holds it already, or the database is away."""
        try:
            row = await self._reached()
        except StoreUnavailable as error:
            self._fail(error)
            return None
        return None if row == self._row else row

    async def _keep(self, dump: EngineDump, row: int) -> None:
        began = anyio.current_time()
        try:
            self.durable = await self._snapshots.keep(dump, row)
        except StoreUnavailable as error:
            self._fail(error)
            return
        if self._failed:
            self._log.info("snapshot_kept")
        now = anyio.current_time()
        self._failed, self._row = False, row
        self._due = now + max(self._every, SHARE * (now - began))

    async def _prune(self, kept: Kept) -> None:
        try:
            await self._snapshots.prune(kept)
        except StoreUnavailable as error:
            self._fail(error)

    def _fail(self, error: StoreUnavailable) -> None:
        if not self._failed:
            self._log.error("snapshot_failed", error=str(error))
        self._failed, self._due = True, anyio.current_time() + self._every


async def tending(
    round_: Callable[[Instant], Awaitable[object]], clock: Clock, *, every: Duration, what: str
) -> None:
    """Do a round of what the database needs again and again, until cancelled.

    A database that is away is logged once, and once more when it is back.
    """
    log, was_away = structlog.get_logger().bind(what=what), False
    while True:
        await anyio.sleep(every / SECOND)
        done = await _attempted(round_, clock)
        if isinstance(done, StoreUnavailable):
            if not was_away:
                log.error("upkeep_failed", error=str(done))
            was_away = True
            continue
        if isinstance(done, Forgotten) and done:
            log.info("forgotten", **asdict(done))
        if was_away:
            log.info("upkeep_resumed")
        was_away = False


async def _attempted(round_: Callable[[Instant], Awaitable[object]], clock: Clock) -> object:
    """What the round says, or why it could not be done."""
    try:
        return await round_(clock.now())
    except StoreUnavailable as error:
        return error
