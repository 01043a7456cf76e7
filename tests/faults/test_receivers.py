"""Receivers that hang, push back or cannot be reached, over a real outbox: late for them, and nobody else."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import anyio
import pytest

from tests.conftest import LoopClock
from tests.notify.doubles import RecordingSender
from tests.store.building import Store, key, opened, resolved
from watcher.errors import DeliveryFailed
from watcher.model.message import Message, Owed
from watcher.model.ports import Sender, Tick
from watcher.model.time import HOUR, MINUTE, Duration
from watcher.notify.courier import Courier
from watcher.notify.render import Renderer
from watcher.store.database import Database
from watcher.store.migrate import upgrade

pytestmark = pytest.mark.looptime

INCIDENTS: Final = 12
BAD, WELL = "bad/0", "well/0"


@dataclass
class Ill(RecordingSender):
    """A receiver that is ill for ten minutes, in its own way, and takes everything after that."""

    clock: LoopClock
    fails: Callable[[int], Exception | None]
    """What becomes of the n-th attempt while it is ill; None takes it."""
    hangs_for: float = 0
    tried: list[Message] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._well_at = self.clock.now() + 10 * MINUTE

    async def send(self, message: Message) -> str:
        self.tried.append(message)
        if self.clock.now() < self._well_at:
            await anyio.sleep(self.hangs_for)
            if error := self.fails(len(self.tried)):
                raise error
        self.sent.append(message)
        return "accepted"


def always(error: Exception) -> Callable[[int], Exception]:
    return lambda _attempt: error


ILLS: Final[Mapping[str, tuple[Callable[[int], Exception | None], float]]] = {
    "hangs": (lambda _attempt: None, 600),
    "asks for time": (always(DeliveryFailed("429", retry_after=120)), 0),
    "no TLS": (always(DeliveryFailed("TLS failed")), 0),
    "no DNS": (always(DeliveryFailed("its name does not resolve")), 0),
    "refuses every other": (lambda attempt: DeliveryFailed("no") if attempt % 2 else None, 0),
}


@dataclass(frozen=True)
class Post:
    """A book, and a courier at work on what it owes."""

    store: Store
    clock: LoopClock
    courier: Courier

    async def owe(self, count: int = INCIDENTS) -> None:
        """Incidents that both receivers are to hear of."""
        at = self.clock.now()
        owed = [Owed(BAD, at), Owed(WELL, at)]
        changes = [(opened(key(f"r{number}"), at=at), owed) for number in range(count)]
        await self.store.book.commit(Tick(at, changes=changes))
        self.courier.notify()


@asynccontextmanager
async def posting(folder: Path, clock: LoopClock, senders: Mapping[str, Sender]) -> AsyncIterator[Post]:
    url = f"sqlite:///{folder / 'watcher.db'}"
    async with await Database.open(url, clock=clock, inline=True) as database:
        await upgrade(database)
        store = await Store.on(database)
        rng = Random(1)  # noqa: S311 - jitter, not a secret
        courier = Courier(store.outbox, senders, renderer=Renderer({}), clock=clock, rng=rng)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(courier.run)
            yield Post(store, clock, courier)
            tasks.cancel_scope.cancel()


def ids(sender: RecordingSender | Ill) -> list[str]:
    return sorted(str(one["id"]) for message in sender.sent for one in message.incidents)


@pytest.mark.parametrize("how", ILLS)
async def test_a_receiver_that_is_ill_for_ten_minutes_gets_all_of_it_once_and_nobody_else_waits(
    how: str, tmp_path: Path, clock: LoopClock
) -> None:
    fails, hangs_for = ILLS[how]
    ill, well = Ill(clock, fails, hangs_for), RecordingSender()
    async with posting(tmp_path, clock, {BAD: ill, WELL: well}) as post:
        await post.owe()
        await anyio.sleep(1)
        assert len(set(ids(well))) == INCIDENTS
        await anyio.sleep(3600)

        assert ids(ill) == ids(well)
        assert len(set(ids(ill))) == INCIDENTS
        assert sum((await post.store.history.backlog()).values()) == 0


async def test_who_asks_for_time_is_left_alone_for_as_long(tmp_path: Path, clock: LoopClock) -> None:
    fails, _ = ILLS["asks for time"]
    ill, well = Ill(clock, fails), RecordingSender()
    async with posting(tmp_path, clock, {BAD: ill, WELL: well}) as post:
        await post.owe()
        await anyio.sleep(119)
        assert len(ill.tried) == 1


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_a_clock_that_is_set_by_an_hour_loses_and_doubles_nothing(
    step: Duration, tmp_path: Path, clock: LoopClock
) -> None:
    """There and back again, with incidents before, between and after."""
    bad, well = RecordingSender(), RecordingSender(DeliveryFailed("down for a moment"))
    begun = []
    async with posting(tmp_path, clock, {BAD: bad, WELL: well}) as post:
        for round_, by in enumerate((0, step, -step)):
            clock.shift += by
            at = clock.now()
            owed = [Owed(BAD, at), Owed(WELL, at)]
            begun.append(opened(key(f"r{round_}"), at=at))
            await post.store.book.commit(Tick(at, changes=[(begun[-1], owed)]))
            post.courier.notify()
            await anyio.sleep(30)
            await post.store.lease.heartbeat()
        await anyio.sleep(2 * 3600)
        assert ids(bad) == ids(well)
        assert len(set(ids(bad))) == len(begun) == len(ids(bad))
        at = clock.now()
        ends = [(resolved(one, end=at), [Owed(BAD, at), Owed(WELL, at)]) for one in begun]
        await post.store.book.commit(Tick(at, changes=ends))
        post.courier.notify()
        await anyio.sleep(60)

        assert len(ids(bad)) == len(ids(well)) == 2 * len(begun)
        assert sum((await post.store.history.backlog()).values()) == 0
