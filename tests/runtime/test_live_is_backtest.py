"""A day as the daemon lived it, and the same day in a backtest: the incidents are the same."""

import random
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import anyio
import numpy as np
import pytest

from tests.databases import HandClock
from watcher.app.backtest import judged
from watcher.app.feeds import Feed, Imported, Recorded
from watcher.app.settings import rules
from watcher.collect.bus import Bus
from watcher.engine.engine import Engine
from watcher.longformat.files import load
from watcher.longformat.rows import Rows
from watcher.longformat.writing import writer
from watcher.model.incident import Incident, Status
from watcher.model.labels import LabelSet
from watcher.model.ports import IncidentQuery, Wanted
from watcher.model.sample import MetricKey, Poll, SampleBatch, Sight
from watcher.model.time import HOUR, MINUTE, Instant, parse_rfc3339
from watcher.runtime.pump import Pump
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.identity import time_ordered
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade
from watcher.store.recording import SqlRecording
from watcher.store.samples import samples_of

MONDAY = parse_rfc3339("2026-11-16T00:00:00Z")
BIN = 5 * MINUTE
BINS = 30 * HOUR // BIN
REREAD = 4
"""Bins that each poll reads again."""
RESOURCES: tuple[LabelSet, ...] = tuple((("resource", name),) for name in ("shop", "video", "maps"))
CLASSES = ("2xx", "4xx", "5xx")
METRICS: tuple[MetricKey, ...] = (
    *(("cdn_responses", (("status_class", name), ("tier", "edge"))) for name in CLASSES),
    ("cdn_requests", (("tier", "edge"),)),
    ("cdn_hit_ratio", (("basis", "requests"),)),
)
Lived = tuple[Sequence[Incident], SqlRecording]
TROUBLES = {"shop": range(200, 212), "video": range(300, 340), "maps": range(350, 400)}
"""Bins with errors; those of maps go on to the end."""


def truth(rng: random.Random) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The final bins, `[bins, metrics, resources]`."""
    grid = np.zeros((BINS, len(METRICS), len(RESOURCES)))
    for at in range(BINS):
        for place, ((_, name),) in enumerate(RESOURCES):
            requests = rng.randint(900, 1100)
            errors = requests // 4 if at in TROUBLES[name] else rng.randint(0, 3)
            grid[at, :, place] = (requests - errors - 9, 9, errors, requests, rng.uniform(0.9, 0.92))
    return grid


def polls(rng: random.Random) -> Iterator[Poll]:
    """Each reads the newest bins: some resources come late, some bins are corrected, one poll is missed."""
    final = truth(rng)
    fate = np.array([rng.random() for _ in range(BINS * len(RESOURCES))]).reshape(BINS, -1)
    for at in range(BINS + 12):
        if rng.random() < 0.02:
            continue
        first = max(0, at - (REREAD if rng.random() > 0.1 else 14))
        last = min(at + 1, BINS)
        if first >= last:
            continue
        values = final[first:last].copy()
        for bin_ in range(first, last):
            for place in range(len(RESOURCES)):
                mark = fate[bin_, place]
                if mark < 0.03 and at < bin_ + 10:
                    values[bin_ - first, :, place] = np.nan  # late by ten bins
                elif mark < 0.06 and at < bin_ + 3:
                    values[bin_ - first, 2:4, place] += 100  # a hundred errors, corrected after three
        starts = MONDAY + np.arange(first, last) * BIN
        came = MONDAY + (at + 1) * BIN + 4 * MINUTE
        yield poll(starts.astype(np.int64), values, came)


def poll(starts: np.ndarray[tuple[int], np.dtype[np.int64]], values: np.ndarray, came: Instant) -> Poll:
    batch = SampleBatch(
        source="cdnv",
        vendor="cdnvideo",
        stream="statistics",
        width=BIN,
        fetched_at=came,
        settled_until=int(starts[-1]) + BIN,
        entities=RESOURCES,
        metrics=METRICS,
        starts=starts,
        values=values,
    )
    return Poll(Sight("cdnv", "cdnvideo", "statistics", came, up=True), (batch,))


@asynccontextmanager
async def lived(folder: Path, day: Iterable[Poll]) -> AsyncIterator[Lived]:
    """Let the pump live through polls, one a tick, with a book on disk: what it found and recorded."""
    clock = HandClock(MONDAY)
    numbers = count(1)
    async with (
        await Database.open(f"sqlite:///{folder}/watcher.db", clock=clock) as database,
        samples_of(database) as samples,
    ):
        await upgrade(database)
        await upgrade(samples)
        lease = Lease(database)
        await lease.acquire()
        book = SqlBook(database, lease, time_ordered(lambda _bits: next(numbers)))
        engine = Engine(rules(None))
        with Bus() as bus:
            done = anyio.Event()
            pump = Pump(bus, engine, book, clock=clock, router=lambda *_: (), told=lambda *_: done.set())
            async with anyio.create_task_group() as group:
                group.start_soon(pump.run)
                with bus.producer() as producer:
                    for one in day:
                        clock.at, done = one.sight.at, anyio.Event()
                        await producer.send(one)
                        await done.wait()
                bus.seal()
        query = IncidentQuery(limit=1000)
        yield await SqlHistory(database).incidents(query), SqlRecording(database, samples)


def comparable(incidents: Iterable[Incident], *, withdrawn: bool) -> list[tuple[object, ...]]:
    """All but ids and `detected_at`."""
    return sorted(
        (
            one.key.rule,
            one.key.labels,
            one.opened_at,
            one.resolved_at or 0,
            str(one.severity),
            str(one.status),
            str(one.resolution),
            one.summary,
        )
        for one in incidents
        if withdrawn or one.status is not Status.WITHDRAWN
    )


async def backtested(feed: Feed) -> Sequence[Incident]:
    (test,) = await judged(feed, [rules(None)])
    return test.incidents()


@pytest.mark.timeout(180)
async def test_live_and_backtest_of_one_recorded_day_give_the_same_incidents(tmp_path: Path) -> None:
    rng = random.Random(7)  # noqa: S311 - a story, not a secret
    async with lived(tmp_path, polls(rng)) as (found, recording):
        again = await backtested(Recorded(recording))

        assert {one.key.rule for one in found} >= {"http_5xx_spike"}
        assert comparable(again, withdrawn=True) == comparable(found, withdrawn=True)
        taken = tmp_path / "day.csv.gz"
        await exported(recording, taken)

    elsewhere = await backtested(Imported(load([taken])))
    assert comparable(elsewhere, withdrawn=False) == comparable(found, withdrawn=False)


async def exported(recording: SqlRecording, path: Path) -> None:
    rows = Rows()
    with writer(path, ["resource", "tier", "status_class", "basis"]) as out:
        async for page in recording.pages(Wanted()):
            for batch in page:
                for row in rows.of(batch):
                    out.write(row)
