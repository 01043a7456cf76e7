"""kill -9 at named points and at random moments: the same incidents as without, none twice, none untold."""

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import time
from typing import Any, Final

import anyio
import pytest
from sqlalchemy import Connection, func, select

from tests.databases import Server
from tests.e2e.town import (
    Catchers,
    Town,
    assert_each_was_told,
    catching,
    drilled,
    found,
    settled,
    stop,
    town,
    until,
    watching,
)
from watcher.app import book
from watcher.app.failpoints import VARIABLE, Point
from watcher.app.settings import load
from watcher.errors import DatabaseUnusable, StoreUnavailable
from watcher.model.drill import Drill
from watcher.model.incident import Incident
from watcher.model.labels import label_set
from watcher.model.ports import Wanted
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, SECOND, Instant
from watcher.runtime.clock import SystemClock
from watcher.store import tables
from watcher.store.database import Database
from watcher.store.drills import SqlDrills
from watcher.store.journal import read_kept
from watcher.store.samples import samples_of

CLOCK: Final = SystemClock()
BRISK: Final[Mapping[str, Any]] = {
    "probed": "1s",
    "samples": {"snapshot_every": "1s", "journal": "0s", "chunk": "1s"},
}
"""Snapshots and compaction all the time, so that kills fall into them; a probe a second brings the ticks."""


PATIENCE: Final = 180
"""Seconds for everything to be found and told, on a busy machine too."""


async def run_undisturbed(place: Town, name: str, catchers: Catchers) -> Path:
    config = place.configure(name, catchers)
    async with watching(config) as daemon:
        await until(config, settled, seconds=PATIENCE)
        assert await stop(daemon) == 0
    return config


@dataclass
class Toll:
    """What a number of kills came to."""

    hits: Counter[str] = field(default_factory=Counter)
    """By point, or `at random`."""
    incidents: int = 0
    drills: int = 0
    """Asked for meanwhile, each of which is an incident that opens and ends."""
    told: int = 0
    twice: int = 0
    """Messages that a receiver got once more, with the same key."""

    def __str__(self) -> str:
        where = ", ".join(f"{count} {point}" for point, count in sorted(self.hits.items()))
        return (
            f"{self.hits.total()} kills ({where}): {self.incidents} incidents as without, "
            f"{self.drills} drills, none twice, none untold; {self.told} messages, {self.twice} of them "
            "duplicates with the same key"
        )


@dataclass(frozen=True, slots=True)
class Blow:
    """One kill."""

    point: Point | None
    """None is a moment at random."""
    passes: int
    moment: float
    """Seconds after the start, of one at random: the first of them are importing and restarting."""

    @property
    def told(self) -> bool:
        """Whether it falls into telling, and so needs something to tell."""
        return self.point in HANDS


COMMITS: Final = (Point.BEFORE_COMMIT, Point.AFTER_COMMIT)
HANDS: Final = (Point.BEFORE_SEND, Point.AFTER_SEND, Point.BEFORE_MARK, Point.AFTER_MARK)
REACHED: Final = 60
"""Seconds within which a point is come by, on a busy machine too."""


def blows(times: int, chance: random.Random) -> Iterator[Blow]:
    """Commits and random moments while the past is read, then sends and marks; each point at its first."""
    early = times // 2
    for number in range(early):
        point = COMMITS[number % 2] if number % 4 else None
        yield Blow(point, 1 if number < 4 else chance.randint(1, 3), chance.uniform(0.6, 3.2))
    for number in range(times - early):
        yield Blow(HANDS[number * len(HANDS) // (times - early)], 1, 0)


async def kill_repeatedly(config: Path, *, times: int, seed: int, toll: Toll) -> None:
    """A drill is left before each kill in telling: there is always something to tell."""
    chance = random.Random(seed)  # noqa: S311 - a test's moments
    for blow in blows(times, chance):
        if blow.told:
            await leave_a_drill(config, chance)
            toll.drills += 1
        environment = {} if blow.point is None else {VARIABLE: f"{blow.point}:{blow.passes}"}
        async with watching(config, environment) as daemon:
            with anyio.move_on_after(blow.moment if blow.point is None else REACHED):
                await daemon.wait()
            toll.hits["at random" if daemon.returncode is None else str(blow.point)] += 1
            if daemon.returncode is None:
                daemon.kill()
            assert await daemon.wait() == -signal.SIGKILL


async def leave_a_drill(config: Path, chance: random.Random) -> None:
    """Asked for by a command that does not wait; critical, so that it is told by itself."""
    source = {"source": "cdnvideo", "vendor": "cdnvideo", "resource": "none"}
    async with await Database.open(load(config).database.reveal(), clock=CLOCK) as database:
        name, rule = f"{chance.getrandbits(32):08x}", "http_5xx_spike"
        labels, now = label_set(source), CLOCK.now()
        await SqlDrills(database).ask(Drill(name, rule, Severity.CRITICAL, labels, "ada", now, SECOND))


async def kill_and_compare(folder: Path, *, times: int, seed: int, database: str = "") -> Toll:
    """One town, looked at by a daemon that is let be and by one that is killed over and over."""
    toll = Toll()
    async with town(folder) as place, catching() as whole, catching() as killed:
        reference = folder / "reference.yaml"
        config = place.configure("killed", killed, database=database, limit=12)
        async with anyio.create_task_group() as beside:
            beside.start_soon(run_undisturbed, place, reference.stem, whole)
            await kill_repeatedly(config, times=times, seed=seed, toll=toll)
        async with watching(config) as daemon:
            await until(config, partial(calm, toll.drills), seconds=PATIENCE)
            assert await stop(daemon) == 0

        assert await found(config) == await found(reference)
        drills = await drilled(config)
        assert len(drills) == len(set(drills)) == toll.drills
        await assert_each_was_told(config, killed)
        toll.incidents = len(await found(config))
        keys = Counter(hook.body["key"] for hook in killed.hook.hooks)
        keys.update(f"mail {mail.message['X-Watcher-Key']}" for mail in killed.mail.mails)
        toll.told, toll.twice = keys.total(), keys.total() - len(keys)
    return toll


def calm(drills: int, incidents: Sequence[Incident], owed: int, behind: int) -> bool:
    """Settled, and the drills are over."""
    over = [one for one in incidents if one.drill and one.over]
    return len(over) == drills and settled([one for one in incidents if not one.drill], owed, behind)


async def kill_by_the_town(folder: Path, *, kills: int, seed: int, server: Server | None = None) -> None:
    """As many kills as are wanted, twenty a town: in each there is everything to read and tell again."""
    toll = Toll()
    for number, first in enumerate(range(0, kills, A_TOWN)):
        place = folder / str(number)
        place.mkdir()
        database = "" if server is None else server.named(await server.empty())
        times = min(A_TOWN, kills - first)
        done = await kill_and_compare(place, times=times, seed=seed + number, database=database)
        toll.hits += done.hits
        toll.incidents += done.incidents
        toll.drills += done.drills
        toll.told += done.told
        toll.twice += done.twice
    sys.stdout.write(f"\n{toll}\n")
    assert toll.hits.total() == kills
    assert set(Point) <= toll.hits.keys(), "a point was not come by"


A_TOWN: Final = 20
KILLS_SQLITE: Final = int(os.environ.get("WATCHER_TEST_KILLS_SQLITE", "20"))
KILLS_POSTGRES: Final = int(os.environ.get("WATCHER_TEST_KILLS_POSTGRES", "10"))
"""`make faults` asks for 500 and 200."""


@pytest.mark.timeout(300 + 20 * KILLS_SQLITE)
async def test_twenty_kills_lose_nothing_and_double_nothing_on_sqlite(tmp_path: Path) -> None:
    await kill_by_the_town(tmp_path, kills=KILLS_SQLITE, seed=20261122)


@pytest.mark.postgres
@pytest.mark.timeout(300 + 20 * KILLS_POSTGRES)
async def test_kills_lose_nothing_and_double_nothing_on_postgres(
    tmp_path: Path, postgres_server: Server
) -> None:
    await kill_by_the_town(tmp_path, kills=KILLS_POSTGRES, seed=7, server=postgres_server)


@pytest.mark.timeout(300)
async def test_kills_while_snapshots_are_kept_and_samples_become_history_on_sqlite(tmp_path: Path) -> None:
    await keep_killing(tmp_path, seed=11)


@pytest.mark.postgres
@pytest.mark.timeout(300)
async def test_kills_while_snapshots_are_kept_and_samples_become_history_on_postgres(
    tmp_path: Path, postgres_server: Server
) -> None:
    await keep_killing(tmp_path, seed=12, database=postgres_server.named(await postgres_server.empty()))


async def keep_killing(folder: Path, *, seed: int, database: str = "") -> None:
    """Book, messages and every sample are what they are without a kill."""
    chance, begun = random.Random(seed), round(time() * SECOND)  # noqa: S311 - a test's moments
    async with town(folder) as place, catching() as whole, catching() as killed:
        config = place.configure("killed", killed, database=database, limit=12, **BRISK)
        reference = folder / "reference.yaml"
        async with anyio.create_task_group() as beside:
            beside.start_soon(run_undisturbed, place, reference.stem, whole)
            for _ in range(6):
                async with watching(config) as daemon:
                    await anew(config)
                    await anyio.sleep(chance.uniform(0, 1.8))  # snapshot and compaction have a second each
                    daemon.kill()
                    await daemon.wait()
        async with watching(config) as daemon:
            await until(config, settled, seconds=PATIENCE)
            assert await stop(daemon) == 0

        assert await found(config) == await found(reference)
        await assert_each_was_told(config, killed)
        assert (await shelved(config))[1] > 0, "nothing became history"
        both = await recorded(config, begun), await recorded(reference, begun)
        common = both[0].keys() & both[1].keys()
        assert len(common) > 100
        assert {key: both[0][key] for key in common} == {key: both[1][key] for key in common}
        assert "_damaged" not in config.with_suffix(".log").read_text()


async def anew(config: Path) -> None:
    """A daemon has named a snapshot of its own."""
    before = await shelved(config)
    with anyio.fail_after(30):
        while (await shelved(config))[0] == before[0]:  # noqa: ASYNC110 - another process has no event
            await anyio.sleep(0.1)


async def shelved(config: Path) -> tuple[str, int]:
    """The snapshot that counts, and how many chunks of history there are."""
    with suppress(DatabaseUnusable, StoreUnavailable):
        url = load(config).database.reveal()
        async with (
            await Database.open(url, clock=CLOCK, create=False) as database,
            samples_of(database, create=False) as samples,
        ):
            kept = await database.read(read_kept)
            return kept.token if kept else "", await samples.read(_chunks)
    return "", 0


def _chunks(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(tables.sample_chunk)) or 0


async def recorded(config: Path, before: Instant) -> Mapping[object, float]:
    """What every series was last said to be, of bins that were over well before a time."""
    known: dict[object, float] = {}
    async with book.recording(load(config).database) as recording:
        async for page in recording.pages(Wanted(until=before - 10 * MINUTE)):
            for batch in page:
                series = [(entity, metric) for metric in batch.metrics for entity in batch.entities]
                for start, values in zip(batch.starts.tolist(), batch.values, strict=True):
                    for one, value in zip(series, values.ravel().tolist(), strict=True):
                        if not one[1][0].startswith("watcher_") and value == value:  # noqa: PLR0124 - not NaN
                            known[batch.stream, batch.width, start, one] = value
    return known
