"""Hop 3: the bounded stream of polls, and of what people ask for, to the pump; the only queue in the path."""

from contextlib import suppress
from types import TracebackType
from typing import Final, Self, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from watcher.model.incident import Asked
from watcher.model.sample import Poll

CAPACITY: Final = 64
Input: TypeAlias = Poll | Asked
"""What the pump takes: what was read, and what a person did."""


class Bus:
    """Polls and acts in the order they came. Full, it makes producers wait; nothing is dropped.

    It ends by itself: each producer owns a clone of the sending side, and once `seal` has closed the first
    one, the consumer's `take` comes back empty when the last producer has closed its own and all is taken.

    ::

        with Bus() as bus:
            producer = bus.producer()      # one for each source, closed with it
            bus.seal()                     # no more producers will come
            while taken := await bus.take(32):
                ...
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[Input](capacity)
        self.capacity = capacity

    @property
    def depth(self) -> int:
        """Polls and acts waiting now: the gauge of backpressure."""
        return self._receive.statistics().current_buffer_used

    def producer(self) -> MemoryObjectSendStream[Input]:
        """A sending side of its own, to be closed by who asked for it."""
        return self._send.clone()

    def seal(self) -> None:
        """No more producers: the stream ends with the last of those there are."""
        self._send.close()

    async def take(self, most: int) -> list[Input]:
        """Wait for one, then take what else is waiting, up to `most`; empty means the end."""
        try:
            taken = [await self._receive.receive()]
        except anyio.EndOfStream:
            return []
        with suppress(anyio.WouldBlock, anyio.EndOfStream):
            while len(taken) < most:
                taken.append(self._receive.receive_nowait())
        return taken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._send.close()
        self._receive.close()
