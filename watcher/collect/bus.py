"""Hop 3: the bounded stream of polls between pollers and the pump; the only queue in the data path."""

from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from watcher.model.sample import Poll

CAPACITY: Final = 64


class Bus:
    """Polls in the order they came. Full, it makes pollers wait; nothing is dropped.

    It ends by itself: each producer owns a clone of the sending side, and once `seal` has closed the first
    one, the consumer's `take` comes back empty when the last producer has closed its own and all is taken.

    ::

        with Bus() as bus:
            producer = bus.producer()      # one for each source, closed with it
            bus.seal()                     # no more producers will come
            while polls := await bus.take(32):
                ...
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[Poll](capacity)
        self.capacity = capacity

    @property
    def depth(self) -> int:
        """Polls waiting now: the gauge of backpressure."""
        return self._receive.statistics().current_buffer_used

    def producer(self) -> MemoryObjectSendStream[Poll]:
        """A sending side of its own, to be closed by who asked for it."""
        return self._send.clone()

    def seal(self) -> None:
        """No more producers: the stream ends with the last of those there are."""
        self._send.close()

    async def take(self, most: int) -> list[Poll]:
        """Wait for a poll, then take what else is waiting, up to `most`; empty means the end."""
        try:
            polls = [await self._receive.receive()]
        except anyio.EndOfStream:
            return []
        with suppress(anyio.WouldBlock, anyio.EndOfStream):
            while len(polls) < most:
                polls.append(self._receive.receive_nowait())
        return polls

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._send.close()
        self._receive.close()
