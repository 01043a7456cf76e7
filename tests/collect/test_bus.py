"""The bus keeps order, makes fast producers wait, and ends when the last of them is done."""

from collections.abc import Sequence

import anyio
import pytest

from watcher.collect.bus import Bus, Input
from watcher.model.sample import Poll, Sight
from watcher.model.time import Instant


def poll(number: int) -> Poll:
    return Poll(Sight("cdn", "cdnvideo", str(number), number, up=True))


def times(taken: Sequence[Input]) -> list[Instant]:
    return [one.sight.at for one in taken if isinstance(one, Poll)]


async def test_polls_are_taken_in_the_order_they_came_several_at_once() -> None:
    with Bus() as bus, bus.producer() as producer:
        for number in range(5):
            await producer.send(poll(number))

        assert bus.depth == 5
        assert times(await bus.take(3)) == [0, 1, 2]
        assert times(await bus.take(3)) == [3, 4]
        assert bus.depth == 0


async def test_a_full_bus_makes_the_producer_wait_and_drops_nothing() -> None:
    with Bus(capacity=2) as bus, bus.producer() as producer:
        async with anyio.create_task_group() as group:

            async def produce() -> None:
                for number in range(10):
                    await producer.send(poll(number))

            group.start_soon(produce)
            await anyio.wait_all_tasks_blocked()
            assert bus.depth == bus.capacity == 2
            taken = [poll for _ in range(10) for poll in await bus.take(1)]

        assert times(taken) == list(range(10))


async def test_the_stream_ends_when_it_is_sealed_and_the_last_producer_has_closed() -> None:
    with Bus() as bus:
        first, second = bus.producer(), bus.producer()
        bus.seal()
        await first.send(poll(1))
        first.close()
        await second.send(poll(2))
        second.close()

        assert times(await bus.take(10)) == [1, 2]
        assert await bus.take(10) == []


async def test_while_a_producer_is_open_the_consumer_waits() -> None:
    with Bus() as bus, bus.producer():
        bus.seal()
        with pytest.raises(TimeoutError), anyio.fail_after(0):
            await bus.take(1)
