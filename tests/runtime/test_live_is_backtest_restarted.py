"""All shipped rules over most of a day, late and corrected, with restarts: live is what a backtest finds."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tests.databases import HandClock
from tests.properties.arrivals import Tick, judged, shuffled
from tests.properties.days import days
from tests.runtime.test_live_is_backtest import backtested, comparable
from watcher.app.feeds import Recorded
from watcher.app.restart import Shelves, restarted
from watcher.app.settings import rules
from watcher.engine.engine import BoundRule
from watcher.model.incident import Incident
from watcher.model.ports import IncidentQuery
from watcher.model.ports import Tick as Committed
from watcher.model.sample import Poll, Sight
from watcher.model.snapshot import Kept
from watcher.model.time import DAY, HOUR, MINUTE
from watcher.store.book import SqlBook
from watcher.store.compaction import Compactor
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.identity import time_ordered
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade
from watcher.store.recording import SqlRecording
from watcher.store.samples import samples_of

SEED = 21
SNAPSHOT, COMPACT, RESTART = 13, 30, 37
"""Every so many ticks; what is after a snapshot is judged again from the journal."""


class Life:
    """The daemon between two starts: hops 4 to 6."""

    def __init__(self, database: Database, samples: Database, bound: Sequence[BoundRule]) -> None:
        numbers = count(1)
        self.rules = bound
        self.lease = Lease(database)
        self.book = SqlBook(database, self.lease, time_ordered(lambda _bits: next(numbers)))
        self.shelves = Shelves.of(database, samples)
        self.compactor = Compactor(database, samples, retention=365 * DAY)

    async def start(self, clock: HandClock) -> None:
        """As the book and what was recorded say; nothing is left to tell."""
        begun = await restarted(self.rules, {"cdn": "test"}, self.shelves, clock)
        assert begun.untold == []
        self.engine = begun.engine

    async def live(self, tick: Tick, *, keep: bool) -> None:
        changes = [(one, ()) for one in judged(self.engine, tick)]
        sight = Sight("cdn", "test", "edge", tick.at, up=True)
        polls = [Poll(sight, tuple(tick.batches))]
        await self.book.commit(Committed(tick.at, polls, changes, engine=self.engine.snapshot()))
        if keep:
            await self.keep(tick)

    async def keep(self, tick: Tick) -> None:
        row = await self.shelves.journal.reached()
        kept: Kept = await self.shelves.snapshots.keep(self.engine.dump(), row)
        await self.book.commit(Committed(tick.at + 1, (), (), engine=self.engine.snapshot(), kept=kept))
        await self.shelves.snapshots.prune(kept)


@pytest.mark.timeout(600)
async def test_a_day_with_restarts_is_the_same_live_and_in_a_backtest(tmp_path: Path) -> None:
    arrivals = shuffled(days(SEED, lasts=14 * HOUR), np.random.default_rng(SEED), every=10 * MINUTE)
    clock = HandClock(arrivals[0].at)
    async with (
        await Database.open(f"sqlite:///{tmp_path}/watcher.db", clock=clock) as database,
        samples_of(database) as samples,
    ):
        await upgrade(database)
        await upgrade(samples)
        life = Life(database, samples, rules(None))
        await life.lease.acquire()
        await life.start(clock)
        for number, tick in enumerate(arrivals, start=1):
            clock.at = tick.at
            await life.live(tick, keep=number % SNAPSHOT == 0)
            if number % COMPACT == 0:
                await life.compactor.round(tick.at, everything=True)
            if number % RESTART == 0:
                await life.start(clock)
        found: Sequence[Incident] = await SqlHistory(database).incidents(IncidentQuery(limit=1000))
        again = await backtested(Recorded(SqlRecording(database, samples)))

    assert len({one.key.rule for one in found}) > 12
    assert any(one.parent_id for one in found)
    assert comparable(again, withdrawn=True) == comparable(found, withdrawn=True)
