"""Ten thousand incidents in one minute: few messages, critical ones among the first, and judging goes on."""

import resource
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import anyio
import pytest

from tests.conftest import LoopClock
from tests.engine.conftest import World, errors_above
from tests.notify.doubles import RecordingSender
from tests.store.building import Store
from watcher.model.incident import Change, Transition
from watcher.model.labels import label_set
from watcher.model.message import Owed
from watcher.model.ports import IncidentQuery, Tick
from watcher.model.rule import Severity
from watcher.model.sample import Poll, SampleBatch, Sight
from watcher.model.time import MINUTE
from watcher.notify.courier import Courier
from watcher.notify.manner import Manner, Terms
from watcher.notify.rate import Rate
from watcher.notify.render import Renderer
from watcher.store.database import Database
from watcher.store.migrate import upgrade

RESOURCES: Final = 10_000
CRITICAL: Final = 50
"""Of them."""
TARGET: Final = "hook/0"
RATE: Final = Rate(30, MINUTE)
HOUR: Final = 3600
MEMORY: Final = 400
"""MB that the storm may take beyond what was taken before."""


def graded(transition: Transition) -> Transition:
    """The first ones are critical."""
    resource_ = dict(transition.key.labels)["resource"]
    is_critical = int(resource_) < CRITICAL
    return replace(transition, severity=Severity.CRITICAL if is_critical else Severity.WARNING)


class Storm:
    """An engine and a book: every minute one bin of each resource is judged and committed."""

    def __init__(self, store: Store, clock: LoopClock) -> None:
        self._store = store
        self._clock = clock
        self._world = World([errors_above(5)])
        self._names = [f"{number:05}" for number in range(RESOURCES)]
        # Each of an account of its own: nothing wider explains them, so each is to be told.
        self._entities = tuple(label_set({"account": name, "resource": name}) for name in self._names)
        self.seconds: list[float] = []
        """What each tick took, judging and committing."""

    async def tick(self, minute: int, errors: float) -> Sequence[Change]:
        """What was committed."""
        began = perf_counter()
        batch = self._world.batch(minute, *[(1000.0, errors)] * RESOURCES, names=self._names)
        batch = replace(batch, entities=self._entities)
        found = [graded(one) for one in self._world.feed(batch)]
        owed = [Owed(TARGET, self._clock.now())]
        tick = Tick(self._clock.now(), [poll(batch)], [(one, owed) for one in found])
        committed = await self._store.book.commit(tick)
        self.seconds.append(perf_counter() - began)
        return [one.change for one in committed]


def poll(batch: SampleBatch) -> Poll:
    return Poll(Sight("cdn", "test", batch.stream, batch.settled_until, up=True), (batch,))


def memory() -> float:
    """The most that this process has taken so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ids(sender: RecordingSender, count: int | None = None) -> Counter[str]:
    """Incidents in the first messages, or in all."""
    return Counter(str(one["id"]) for message in sender.sent[:count] for one in message.incidents)


@pytest.mark.looptime
@pytest.mark.timeout(120)
async def test_ten_thousand_incidents_in_a_minute_are_few_messages_and_judged_on(
    tmp_path: Path, clock: LoopClock
) -> None:
    """A real engine and a real SQLite; only the time and the receiver are not."""
    url = f"sqlite:///{tmp_path / 'watcher.db'}"
    sender, before = RecordingSender(), memory()
    async with await Database.open(url, clock=clock, inline=True) as database:
        await upgrade(database)
        store = await Store.on(database)
        storm = Storm(store, clock)
        await storm.tick(0, errors=0)
        terms = Terms({TARGET: Manner(RATE)})
        rng = Random(1)  # noqa: S311 - jitter, not a secret
        courier = Courier(
            store.outbox, {TARGET: sender}, renderer=Renderer({}), clock=clock, rng=rng, terms=terms
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(courier.run)
            opened = await storm.tick(1, errors=50)
            courier.notify()
            await anyio.sleep(60)
            first_minute = len(sender.sent)
            critical = {
                one.id for one in await store.history.incidents(IncidentQuery(severity=Severity.CRITICAL))
            }
            judged = await storm.tick(2, errors=50)
            await anyio.sleep(HOUR)
            told, messages = ids(sender), len(sender.sent)
            over = await storm.tick(3, errors=0)
            courier.notify()
            await anyio.sleep(HOUR)
            tasks.cancel_scope.cancel()
        backlog = await store.history.backlog()

    sys.stdout.write(
        f"\n{RESOURCES} incidents in one tick of {storm.seconds[1]:.1f} s: {first_minute} messages in the "
        f"first minute, {messages} in all, {len(sender.sent) - messages} for their ends; "
        f"{memory() - before:.0f} MB more than before\n"
    )
    assert Counter(opened) == {Change.OPENED: RESOURCES}
    assert (judged, Counter(over)) == ([], {Change.RESOLVED: RESOURCES})
    assert len(critical) == CRITICAL
    assert critical <= ids(sender, first_minute).keys(), "a critical one waited"
    assert (len(told), set(told.values())) == (RESOURCES, {1})
    assert messages <= RATE.count + CRITICAL + RESOURCES / 50
    assert sum(backlog.values()) == 0
    assert memory() - before < MEMORY
