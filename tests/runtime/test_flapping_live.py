"""What flaps while a daemon comes and goes is what a backtest of the recording says of it."""

from pathlib import Path

import numpy as np
import pytest

from tests.databases import HandClock
from tests.engine.estates import NAN, Estate, minute
from tests.engine.test_flapping import flapping
from tests.engine.test_reopening import ONE
from tests.properties.arrivals import Tick
from tests.runtime.test_live_is_backtest_restarted import Life
from watcher.app.backtest import judged
from watcher.app.feeds import Recorded
from watcher.model.incident import Incident
from watcher.model.ports import IncidentQuery
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, MINUTE
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.migrate import upgrade
from watcher.store.recording import SqlRecording
from watcher.store.samples import samples_of

LASTS = 230
RESTART, SNAPSHOT = 17, 30
"""Every so many minutes: far more often than it takes to flap."""


def arrivals() -> list[Tick]:
    """Trouble comes and goes; it is known late now and then, and blind for a while in between."""
    cdn, rng, ticks = Estate(ONE), np.random.default_rng(5), list[Tick]()
    late: list[tuple[int, SampleBatch]] = []
    for at in range(LASTS):
        is_bad = at % 9 < 2 and not 110 < at < 170
        final = cdn.batch(at, {"shop": NAN if 60 < at < 70 else 9.0 if is_bad else 0.0})
        is_late = rng.random() < 0.2
        late += [(at + 5, final)] if is_late else []
        due = [one for when, one in late if when == at]
        ticks.append(Tick(minute(at + 1), [*due, cdn.batch(at, {"shop": NAN}) if is_late else final]))
    return ticks


def said(one: Incident) -> tuple[object, ...]:
    return one.opened_at, one.resolved_at, str(one.status), one.returns, one.flapping


@pytest.mark.timeout(300)
async def test_a_daemon_that_restarts_while_it_flaps_says_what_a_backtest_says(tmp_path: Path) -> None:
    rules, clock = [flapping(3, HOUR, reopen=10 * MINUTE)], HandClock(minute(0))
    async with (
        await Database.open(f"sqlite:///{tmp_path}/watcher.db", clock=clock, inline=True) as database,
        samples_of(database) as samples,
    ):
        await upgrade(database)
        await upgrade(samples)
        life = Life(database, samples, rules)
        await life.lease.acquire()
        await life.start(clock)
        for number, tick in enumerate(arrivals(), start=1):
            clock.at = tick.at
            await life.live(tick, keep=number % SNAPSHOT == 0)
            if number % RESTART == 0:
                await life.start(clock)
        history = SqlHistory(database)
        found = await history.incidents(IncidentQuery(limit=1000))
        kinds = [entry.kind for one in found for entry in await history.timeline(one.id)]
        (test,) = await judged(Recorded(SqlRecording(database, samples)), [rules])

    assert sorted(map(said, test.incidents())) == sorted(map(said, found))
    assert [one.flapping for one in found] == [True, True, True]
    assert kinds.count("flapping") - kinds.count("steady") == 3
