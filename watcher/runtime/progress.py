"""Whether the daemon gets on: each part says so as it goes, and has a deadline for the next time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import anyio

from watcher.model.time import SECOND, Duration

T = TypeVar("T")


class Progress:
    """When each part last got on, in the loop's time: a clock that is set must not sound an alarm."""

    def __init__(self, deadlines: Mapping[str, Duration]) -> None:
        """By part, how long it may be silent; each has that long from now to begin with."""
        began = anyio.current_time()
        self._deadlines = deadlines
        self._last = dict.fromkeys(deadlines, began)

    def beat(self, part: str) -> None:
        """It got on just now; parts without a deadline are nobody's concern."""
        self.seen(part, anyio.current_time())

    def seen(self, part: str, at: float | None) -> None:
        """It got on at a time of the loop; None says nothing."""
        if part in self._last and at is not None:
            self._last[part] = max(self._last[part], at)

    def stalled(self) -> Sequence[str]:
        """Parts whose deadline has passed, in the order in which they were named."""
        now = anyio.current_time()
        return [part for part, last in self._last.items() if now - last > self._deadlines[part] / SECOND]

    def passing(self, part: str, send: Callable[[T], Awaitable[None]]) -> Callable[[T], Awaitable[None]]:
        """The same call, which is a beat of the part once it has gone through."""

        async def sent(item: T) -> None:
            await send(item)
            self.beat(part)

        return sent
