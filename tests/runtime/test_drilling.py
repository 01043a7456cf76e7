"""Drills are opened, told and resolved; what a crash interrupts goes on, and nothing is done twice."""

from dataclasses import replace

import pytest

from tests.conftest import BASE, LoopClock
from watcher.errors import StoreUnavailable
from watcher.model.drill import Drill
from watcher.model.incident import Change, Transition
from watcher.model.labels import label_set
from watcher.model.message import Owed
from watcher.model.ports import Committed, Tick
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, SECOND, Instant
from watcher.runtime.drilling import Drilling

DRILL = Drill(
    name="d1",
    rule="http_5xx_spike",
    severity=Severity.WARNING,
    labels=label_set({"source": "cdnv", "vendor": "cdnvideo"}),
    who="ada",
    asked_at=BASE,
    lasts=MINUTE,
)


class Memory:
    """Drills and the book in memory; the book can be away."""

    def __init__(self) -> None:
        self.drills = {DRILL.name: DRILL}
        self.ticks: list[Tick] = []
        self.down = False

    async def under_way(self) -> list[Drill]:
        return [*self.drills.values()]

    async def opened(self, drill: Drill) -> None:
        self._answer()
        self.drills[drill.name] = replace(drill, opened=True)

    async def over(self, drill: Drill) -> None:
        self._answer()
        del self.drills[drill.name]

    async def commit(self, tick: Tick) -> list[Committed]:
        self.ticks.append(tick)
        return []

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailable("database is locked")

    @property
    def changes(self) -> list[tuple[Change, Instant, Instant | None]]:
        return [
            (one.change, one.opened_at, one.resolved_at) for tick in self.ticks for one, _ in tick.changes
        ]


def drilling(memory: Memory, clock: LoopClock, told: list[Tick]) -> Drilling:
    def routes(_transition: Transition, at: Instant) -> list[Owed]:
        return [Owed("mail/0", at)]

    return Drilling(memory, memory, routes=routes, told=lambda tick, _: told.append(tick), clock=clock)


async def test_a_drill_is_opened_at_once_and_resolved_when_it_has_lasted(clock: LoopClock) -> None:
    memory, told = Memory(), list[Tick]()
    steps = drilling(memory, clock, told)

    await steps.look()
    await steps.look()
    clock.shift = MINUTE
    await steps.look()
    await steps.look()

    assert memory.changes == [(Change.OPENED, BASE, None), (Change.RESOLVED, BASE, BASE + MINUTE)]
    assert [owed for tick in told for _, owed in tick.changes] == [
        [Owed("mail/0", tick.at)] for tick in memory.ticks
    ]
    assert memory.drills == {}


async def test_a_step_that_could_not_be_marked_is_taken_again_as_the_very_same(clock: LoopClock) -> None:
    memory, told = Memory(), list[Tick]()
    steps = drilling(memory, clock, told)
    memory.down = True

    with pytest.raises(StoreUnavailable):
        await steps.look()
    memory.down = False
    clock.shift = SECOND
    await drilling(memory, clock, told).look()

    (first, _), (second, _) = (tick.changes[0] for tick in memory.ticks)
    assert first == second


def test_a_drill_is_marked_and_kept_apart_from_every_real_incident() -> None:
    opening = DRILL.opening()

    assert opening.drill
    assert dict(opening.key.labels) == {"source": "cdnv", "vendor": "cdnvideo", "drill": "d1"}
    assert opening.summary == "drill of http_5xx_spike by ada: nothing is wrong"
    assert (DRILL.ending().key, DRILL.ending().drill) == (opening.key, True)
