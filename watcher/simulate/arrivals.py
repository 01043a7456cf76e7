"""What a catcher caught, and a way to wait for it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, overload

import anyio

T = TypeVar("T")


class Arrivals(Sequence[T], Generic[T]):
    """Everything that arrived, oldest first."""

    def __init__(self, on_arrival: Callable[[T], None] | None = None) -> None:
        self._items: list[T] = []
        self._on_arrival = on_arrival
        self._more = anyio.Event()

    def add(self, item: T) -> None:
        """One more; whoever waits is woken."""
        self._items.append(item)
        if self._on_arrival is not None:
            self._on_arrival(item)
        self._more.set()
        self._more = anyio.Event()

    async def wait(self, count: int, *, seconds: float = 10) -> Sequence[T]:
        """The first `count`, once there are that many.

        Raises:
            TimeoutError: there were not in time.
        """
        with anyio.fail_after(seconds):
            while len(self._items) < count:
                await self._more.wait()
        return self._items[:count]

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)
