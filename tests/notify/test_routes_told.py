"""Routes on a real book, in virtual time: what each receiver hears of a trouble that spreads, and when."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import anyio
import pytest

from tests.conftest import LoopClock
from tests.notify.doubles import RecordingSender
from tests.store.building import Store, key, opened, resolved
from watcher.model.incident import Change, Transition
from watcher.model.ports import Tick
from watcher.model.rule import Severity
from watcher.model.time import MINUTE
from watcher.notify.courier import Courier
from watcher.notify.manner import Terms
from watcher.notify.receivers import ReceiverSettings
from watcher.notify.render import Renderer
from watcher.notify.routing import Router, RouteSettings
from watcher.notify.times import TimeSettings
from watcher.store.database import Database
from watcher.store.migrate import upgrade

pytestmark = pytest.mark.looptime
MAIL = ReceiverSettings.model_validate({"name": "mail", "urls": ["json://127.0.0.1/a"]})


@dataclass(slots=True)
class World:
    """A book, routes to one receiver, and what that has heard."""

    store: Store
    router: Router
    courier: Courier
    clock: LoopClock
    sender: RecordingSender

    async def happens(self, *transitions: Transition) -> None:
        at = self.clock.now()
        changes = [(one, self.router.owed(one, at=at, catching_up=False)) for one in transitions]
        await self.store.book.commit(Tick(at, changes=changes))
        self.courier.notify()

    def opens(self, name: str, severity: Severity = Severity.WARNING) -> Transition:
        return opened(key(name), at=self.clock.now(), severity=severity)

    @property
    def heard(self) -> list[tuple[str, int]]:
        """Kinds of messages, and of how many incidents each told."""
        return [(message.kind, len(message.incidents)) for message in self.sender.sent]


@asynccontextmanager
async def told_by(tmp_path: Path, clock: LoopClock, route: Mapping[str, object]) -> AsyncIterator[World]:
    """The clock begins at 03:00 UTC."""
    times = {"nights": [TimeSettings.model_validate({"from": "22:00", "to": "07:00"}).recurrence()]}
    router = Router([RouteSettings.model_validate({"to": ["mail"], **route})], [MAIL])
    url = f"sqlite:///{tmp_path / 'watcher.db'}"
    async with await Database.open(url, clock=clock, inline=True) as database:
        await upgrade(database)
        store, sender = await Store.on(database), RecordingSender()
        courier = Courier(
            store.outbox,
            {"mail/0": sender},
            renderer=Renderer({}),
            clock=clock,
            rng=Random(1),  # noqa: S311 - jitter, not a secret
            terms=Terms(times=times),
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(courier.run)
            yield World(store, router, courier, clock, sender)
            tasks.cancel_scope.cancel()


async def test_a_trouble_that_spreads_is_one_message_then_one_for_those_who_joined_and_one_at_its_end(
    tmp_path: Path, clock: LoopClock
) -> None:
    async with told_by(tmp_path, clock, {"group_by": ["source"]}) as world:
        first = world.opens("shop")
        await world.happens(first)
        await anyio.sleep(20)
        second = world.opens("blog")
        await world.happens(second)
        await anyio.sleep(11)
        assert world.heard == [("group", 2)]

        await anyio.sleep(60)
        late = [world.opens(f"late-{n}") for n in range(3)]
        for one in late:
            await world.happens(one)
            await anyio.sleep(30)
        await anyio.sleep(5 * 60)
        assert world.heard == [("group", 2), ("group", 3)]

        every = [first, second, *late]
        for one in every[:-1]:
            await world.happens(resolved(one, end=clock.now()))
        assert world.heard[2:] == []
        await world.happens(resolved(every[-1], end=clock.now()))
        await anyio.sleep(5 * 60 + 1)

    over = world.sender.sent[2:]
    assert sum(len(message.incidents) for message in over) == 5
    assert len(over) <= 2
    assert all(message.title.startswith("Resolved") and message.recovery for message in over)
    assert all(str(one["id"]) in message.text for message in over for one in message.incidents)


async def test_what_gets_worse_is_told_at_once_though_its_opening_waits(
    tmp_path: Path, clock: LoopClock
) -> None:
    async with told_by(tmp_path, clock, {"digest": "1h"}) as world:
        quiet = world.opens("shop", Severity.INFO)
        await world.happens(quiet)
        await anyio.sleep(10 * 60)
        assert world.heard == []

        worse = Transition(
            Change.ROSE,
            quiet.key,
            Severity.CRITICAL,
            quiet.was,
            quiet.opened_at,
            None,
            clock.now(),
            "resource shop: worse",
            quiet.evidence,
        )
        await world.happens(worse)
        await anyio.sleep(1)

    assert world.heard == [("opened", 1)]
    assert world.sender.sent[0].severity is Severity.CRITICAL


async def test_low_severities_come_in_one_message_at_the_full_hour(tmp_path: Path, clock: LoopClock) -> None:
    async with told_by(tmp_path, clock, {"digest": "1h"}) as world:
        gone = world.opens("gone", Severity.INFO)
        await world.happens(gone, world.opens("shop", Severity.INFO), world.opens("loud"))
        await anyio.sleep(30 * 60)
        await world.happens(resolved(gone, end=clock.now()), world.opens("blog", Severity.INFO))
        await anyio.sleep(29 * 60)
        assert world.heard == [("opened", 1)]
        await anyio.sleep(61)

    assert world.heard == [("opened", 1), ("digest", 3)]


async def test_a_night_is_told_in_the_morning_but_its_all_clears_at_once(
    tmp_path: Path, clock: LoopClock
) -> None:
    clock.shift = -6 * 60 * MINUTE  # 21:00 the day before
    async with told_by(tmp_path, clock, {"mute": ["nights"], "repeat": "30m"}) as world:
        evening = world.opens("evening")
        await world.happens(evening)
        await anyio.sleep(61 * 60)
        assert world.heard == [("opened", 1), ("reminder", 1)]

        night = [world.opens(f"night-{n}") for n in range(3)]
        await world.happens(*night)
        await world.happens(resolved(evening, end=clock.now()), resolved(night[0], end=clock.now()))
        await anyio.sleep(60)
        assert world.heard[2:] == [("resolved", 1)]
        await anyio.sleep(8 * 60 * 60 + 57 * 60)
        assert world.heard[3:] == []
        await anyio.sleep(3 * 60)

    assert world.heard[3:] == [("digest", 3)]


async def test_reminders_come_less_and_less_often(tmp_path: Path, clock: LoopClock) -> None:
    async with told_by(tmp_path, clock, {"repeat": "1h", "repeat_max": "4h"}) as world:
        await world.happens(world.opens("shop"))
        await anyio.sleep(24 * 60 * 60 + 60)

    assert world.heard == [("opened", 1)] + [("reminder", 1)] * 7  # after 1, 3, 7, 11, 15, 19 and 23 h


async def test_the_opening_of_a_drill_is_told_at_once_by_itself_and_its_end_too(
    tmp_path: Path, clock: LoopClock
) -> None:
    calm = {"group_by": ["source"], "digest": "1h", "digest_below": "critical", "mute": ["nights"]}
    async with told_by(tmp_path, clock, calm) as world:
        drill = replace(world.opens("shop"), drill=True)
        await world.happens(drill)
        await anyio.sleep(1)
        assert world.heard == [("opened", 1)]
        await world.happens(replace(resolved(drill, end=world.clock.now()), drill=True))
        await anyio.sleep(1)

        assert world.heard == [("opened", 1), ("resolved", 1)]
