"""The pump: polls in, one committed tick out, and nothing lost while the database is away."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import anyio
import numpy as np
import pytest

from tests.store.building import opened
from watcher.collect.bus import Bus
from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.engine import BoundRule, Engine
from watcher.errors import LeaseLost, StoreUnavailable
from watcher.model.act import Act, ActKind
from watcher.model.incident import Asked, Change, Resolution, Transition
from watcher.model.labels import Selector
from watcher.model.message import Owed
from watcher.model.ports import Clock, Committed, Tick
from watcher.model.rule import Rule
from watcher.model.sample import Poll, SampleBatch, Sight
from watcher.model.time import MINUTE, Instant
from watcher.runtime.pump import Pump
from watcher.store.amend import begin

START: Instant = 1_700_000_400_000


@dataclass
class RecordingBook:
    """Keeps ticks; raises what it is told to first."""

    refusals: list[Exception] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)

    async def commit(self, tick: Tick) -> Sequence[Committed]:
        if self.refusals:
            raise self.refusals.pop(0)
        self.ticks.append(tick)
        return ()


def poll(minute: int, errors: float, *, caught_up: bool = True) -> Poll:
    start = START + minute * MINUTE
    batch = SampleBatch(
        source="cdn",
        vendor="test",
        stream="s",
        width=MINUTE,
        fetched_at=start + MINUTE,
        settled_until=start + MINUTE,
        entities=((("resource", "shop"),),),
        metrics=(("cdn_responses", ()),),
        starts=np.array([start], np.int64),
        values=np.array([[[errors]]]),
    )
    return Poll(Sight("cdn", "test", "s", start, up=True, caught_up=caught_up), (batch,))


def engine() -> Engine:
    params = ThresholdParams(above=5)
    rule = Rule("high", "threshold", {"value": Selector("cdn_responses")}, ("resource",), params)
    return Engine([BoundRule(rule, Threshold(params))])


def owed(transition: Transition, at: Instant, catching_up: bool) -> Sequence[Owed]:  # noqa: FBT001 - the port's shape
    return (Owed(f"{transition.change}/0", at, held=catching_up),)


async def pumped(clock: Clock, book: RecordingBook, *polls: Poll | Asked) -> list[Tick]:
    """Every poll, and every act, in a tick of its own."""
    told: list[Tick] = []
    with Bus() as bus:
        pump = Pump(bus, engine(), book, clock=clock, router=owed, told=lambda tick, _: told.append(tick))
        async with anyio.create_task_group() as group:
            group.start_soon(pump.run)
            with bus.producer() as producer:
                for one in polls:
                    before = len(book.ticks)
                    await producer.send(one)
                    while len(book.ticks) == before:  # noqa: ASYNC110 - the book is a plain list
                        await anyio.sleep(0.005)
            bus.seal()
    return told


async def test_a_tick_holds_what_its_polls_led_to(clock: Clock) -> None:
    book = RecordingBook()
    first, second = await pumped(clock, book, poll(0, 0), poll(1, 9))

    assert [change for change, _ in first.changes] == []
    [(transition, rows)] = second.changes
    assert (transition.change, transition.opened_at) == (Change.OPENED, START + MINUTE)
    assert [row.target for row in rows] == ["opened/0"]
    assert [one.sight.at for one in second.polls] == [START + MINUTE]


@pytest.mark.looptime
async def test_a_database_that_is_away_delays_but_loses_nothing(clock: Clock) -> None:
    tick = Tick(START)
    book = RecordingBook([StoreUnavailable("locked")] * 6)
    with Bus() as bus:
        pump = Pump(bus, engine(), book, clock=clock, router=owed, told=lambda *_: None)
        began = anyio.current_time()
        await pump._commit(tick)

    assert book.ticks == [tick]
    assert anyio.current_time() - began == pytest.approx(0.25 + 0.5 + 1 + 2 + 4 + 8)


async def test_a_lost_lease_ends_the_pump(clock: Clock) -> None:
    book = RecordingBook([LeaseLost("another")])
    with Bus() as bus:
        with bus.producer() as producer:
            await producer.send(poll(0, 0))
        bus.seal()
        pump = Pump(bus, engine(), book, clock=clock, router=owed, told=lambda *_: None)
        with pytest.raises(LeaseLost):
            await pump.run()

    assert book.ticks == []


async def test_messages_are_held_while_a_source_catches_up_and_released_once_it_has(clock: Clock) -> None:
    book = RecordingBook()
    behind, level = await pumped(clock, book, poll(0, 9, caught_up=False), poll(1, 0))

    [(_, rows)] = behind.changes
    assert [row.held for row in rows] == [True]
    assert behind.released == ()
    assert level.released == ("cdn",)
    [(_, later)] = level.changes
    assert [row.held for row in later] == [False]


async def test_what_a_rebuild_found_untold_is_committed_before_anything_else(clock: Clock) -> None:
    book = RecordingBook()
    [(untold, _)] = (await pumped(clock, RecordingBook(), poll(0, 9)))[0].changes
    with Bus() as bus:
        bus.seal()
        pump = Pump(bus, engine(), book, clock=clock, router=owed, told=lambda *_: None)
        await pump.run([replace(untold, summary="known only to the journal")])

    [tick] = book.ticks
    assert [change.summary for change, _ in tick.changes] == ["known only to the journal"]


async def test_an_act_counts_from_where_the_streams_stand_and_what_it_ends_is_owed(clock: Clock) -> None:
    [_, bad] = await pumped(clock, RecordingBook(), poll(0, 0), poll(1, 9))
    [(told, _)] = bad.changes
    incident = begin(told, "01")
    act = Act("01", ActKind.RESOLVE, "ada", START, id=7)
    _, _, noted, ended = await pumped(
        clock,
        RecordingBook(),
        poll(1, 9),
        poll(2, 9, caught_up=False),
        Asked(replace(act, kind=ActKind.NOTE), incident),
        Asked(act, incident),
    )

    [done] = noted.acts
    assert (done.id, done.effective_at) == (7, START + 3 * MINUTE)
    assert noted.changes == []
    [(end, rows)] = ended.changes
    assert (end.change, end.resolution, end.resolved_at) == (
        Change.RESOLVED,
        Resolution.MANUAL,
        START + 3 * MINUTE,
    )
    assert end.act == ended.acts[0]
    assert [row.held for row in rows] == [False]


async def test_an_act_on_what_no_stream_judges_counts_now(clock: Clock) -> None:
    other = begin(opened(), "02")
    act = Act("02", ActKind.RESOLVE, "ada", START, id=7)
    [tick] = await pumped(clock, RecordingBook(), Asked(act, other))

    assert tick.acts[0].effective_at == tick.at
