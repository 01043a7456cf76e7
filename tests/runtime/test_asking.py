"""What people ask is handed on within a second, once, and never lost to a database that is away."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import anyio
import pytest

from tests.store.building import key, opened
from watcher.errors import StoreUnavailable
from watcher.model.act import WATCHER, Act, ActKind
from watcher.model.incident import Asked
from watcher.model.ports import Clock
from watcher.model.time import Instant
from watcher.runtime.asking import Asking
from watcher.store.amend import begin

INCIDENT = begin(opened(key()), "01")
ACT = Act("01", ActKind.NOTE, "ada", 0, text="x", id=1)


@dataclass
class MemoryActs:
    """Acts that wait until they are taken off; a database that is away while it is told to be."""

    waits: list[Asked] = field(default_factory=list)
    away: bool = False
    looks: int = 0

    async def waiting(self, at: Instant) -> Sequence[Asked]:  # noqa: ARG002 - the port's shape
        self.looks += 1
        if self.away:
            raise StoreUnavailable("locked")
        return [*self.waits]

    def ask(self, act: Act) -> None:
        self.waits.append(Asked(act, INCIDENT))


@dataclass
class Desk:
    """An asking under way, and what it handed on."""

    acts: MemoryActs
    handed: list[Asked] = field(default_factory=list)
    full: bool = False

    async def send(self, asked: Asked) -> None:
        while self.full:  # noqa: ASYNC110 - a bus that is full has no event
            await anyio.sleep(0.1)
        self.handed.append(asked)

    async def watch(self, clock: Clock, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await Asking(self.acts, self.send, clock).run()


@pytest.mark.looptime
async def test_what_is_asked_is_handed_on_once_while_it_waits(clock: Clock) -> None:
    acts = MemoryActs()
    desk = Desk(acts)
    acts.ask(ACT)
    await desk.watch(clock, 10.5)

    assert [one.act.id for one in desk.handed] == [1]
    assert acts.looks == 11


@pytest.mark.looptime
async def test_a_look_takes_what_came_since_the_last_and_leaves_what_was_handed_on(clock: Clock) -> None:
    acts = MemoryActs()
    desk = Desk(acts)
    async with anyio.create_task_group() as group:
        group.start_soon(desk.watch, clock, 5)
        acts.ask(ACT)
        await anyio.sleep(1.5)
        acts.ask(replace(ACT, id=3))
        acts.ask(replace(ACT, id=2))  # on Postgres a smaller id may be committed later
        await anyio.sleep(1)
        acts.waits.clear()

    assert [one.act.id for one in desk.handed] == [1, 3, 2]


@pytest.mark.looptime
async def test_a_database_that_is_away_is_asked_again(clock: Clock) -> None:
    acts = MemoryActs(away=True)
    desk = Desk(acts)
    acts.ask(ACT)
    async with anyio.create_task_group() as group:
        group.start_soon(desk.watch, clock, 5)
        await anyio.sleep(3)
        assert desk.handed == []
        acts.away = False

    assert len(desk.handed) == 1


@pytest.mark.looptime
async def test_a_full_bus_holds_acts_back_and_drops_none(clock: Clock) -> None:
    acts = MemoryActs()
    desk = Desk(acts, full=True)
    for number in range(5):
        acts.ask(replace(ACT, id=number + 1))
    async with anyio.create_task_group() as group:
        group.start_soon(desk.watch, clock, 9)
        await anyio.sleep(4)
        assert acts.looks == 1
        desk.full = False

    assert [one.act.id for one in desk.handed] == [1, 2, 3, 4, 5]


@pytest.mark.looptime
async def test_an_acknowledgement_lapses_once_at_one_time(clock: Clock) -> None:
    acts = MemoryActs()
    desk = Desk(acts)
    lapse = Act("01", ActKind.UNACKNOWLEDGE, WATCHER, 5)
    async with anyio.create_task_group() as group:
        group.start_soon(desk.watch, clock, 5)
        acts.ask(lapse)
        await anyio.sleep(2.5)
        acts.waits.clear()
        acts.ask(replace(lapse, asked_at=9))

    assert [one.act.asked_at for one in desk.handed] == [5, 9]
