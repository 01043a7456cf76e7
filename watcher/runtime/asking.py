"""Takes up what people ask of the daemon: looks at the book every second, and hands on what is new."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

import anyio

from watcher.errors import StoreUnavailable
from watcher.model.incident import Asked
from watcher.model.ports import Acts, Clock
from watcher.model.time import SECOND, Duration

EVERY: Final[Duration] = SECOND
"""Between two looks: as long as a person waits at most for an act to be taken up."""

_Name: TypeAlias = tuple[int, str, int]


class Asking:
    """One look after the other, until cancelled.

    What was handed on is not handed on again while the book says that it waits. What a crash loses on its
    way is still waiting in the book.
    """

    def __init__(self, acts: Acts, send: Callable[[Asked], Awaitable[None]], clock: Clock) -> None:
        """`send` may wait: acts take their turn on the bus, as polls do."""
        self._acts = acts
        self._send = send
        self._clock = clock
        self._handed_on: set[_Name] = set()

    async def run(self) -> None:
        """Until cancelled. A database that is away is the pump's to report."""
        while True:
            with suppress(StoreUnavailable):
                await self._look()
            await anyio.sleep(EVERY / SECOND)

    async def _look(self) -> None:
        waiting = await self._acts.waiting(self._clock.now())
        new = [one for one in waiting if _name(one) not in self._handed_on]
        self._handed_on = {_name(one) for one in waiting}
        await self._hand_on(new)

    async def _hand_on(self, asked: Sequence[Asked]) -> None:
        for one in asked:
            await self._send(one)


def _name(asked: Asked) -> _Name:
    """What nobody asked for has no id: an acknowledgement lapses once at one time."""
    act = asked.act
    return act.id, act.incident_id, 0 if act.id else act.asked_at
