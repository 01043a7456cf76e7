"""Carries out the drills that people ask for: each is opened in the book, told, and resolved in time."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import anyio

from watcher.errors import StoreUnavailable
from watcher.model.hand import Drills
from watcher.model.incident import Transition
from watcher.model.message import Owed
from watcher.model.ports import Book, Clock, Committed, Tick
from watcher.model.time import SECOND, Duration, Instant

EVERY: Final[Duration] = SECOND
"""Between two looks at what is asked for."""

Routes = Callable[[Transition, Instant], Sequence[Owed]]
Told = Callable[[Tick, Sequence[Committed]], None]


class Drilling:
    """Writes ticks of its own beside the pump's: no engine has a part in a drill.

    What a crash interrupts goes on at the next start: a step taken twice changes nothing.
    """

    def __init__(self, drills: Drills, book: Book, *, routes: Routes, told: Told, clock: Clock) -> None:
        """`routes` says who is owed a message; `told` hears what was committed."""
        self._drills = drills
        self._book = book
        self._routes = routes
        self._told = told
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled. A database that is away is the pump's to report.

        Raises:
            LeaseLost: another daemon owns the database.
        """
        while True:
            with suppress(StoreUnavailable):
                await self.look()
            await anyio.sleep(EVERY / SECOND)

    async def look(self) -> None:
        """Take every step that is due."""
        now = self._clock.now()
        for drill in await self._drills.under_way():
            if not drill.opened:
                await self._commit(drill.opening(), now)
                await self._drills.opened(drill)
            elif now >= drill.ends_at:
                await self._commit(drill.ending(), now)
                await self._drills.over(drill)

    async def _commit(self, transition: Transition, now: Instant) -> None:
        tick = Tick(now, changes=[(transition, self._routes(transition, now))])
        self._told(tick, await self._book.commit(tick))
