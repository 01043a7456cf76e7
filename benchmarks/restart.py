"""Goal (f): from what is on disk to the first right evaluation, a hundred thousand series, all rules.

One process runs an engine for a day, commits ticks, keeps a snapshot, commits a few ticks more and notes what
the engine would say of the next minutes. Another, which has only the files, restarts and judges the same
minutes: the time is what the daemon's own restart takes, once modules are imported. It must say the same.
"""

import asyncio
import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.estate import CLASSED, DAY_BINS, SOURCE, TROUBLE, Estate
from benchmarks.goals import QUICK, Goal, spread, tell
from benchmarks.memory import POOL, START, rules, warmed
from watcher.app.restart import Shelves, restarted
from watcher.engine.engine import Engine
from watcher.model.incident import Transition
from watcher.model.ports import Tick
from watcher.model.sample import Cursor, Poll, SampleBatch, Sight
from watcher.model.time import MINUTE
from watcher.runtime.clock import SystemClock
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.identity import time_ordered
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade
from watcher.store.samples import samples_of

RESOURCES: Final = 1_000 if QUICK else 10_000
HOURS: Final = 25
TAIL: Final = 5
"""Minutes that only the journal holds."""
NEXT: Final = 10
"""Minutes that both must judge alike: in them troubles begin."""
RUNS: Final = 3
ESTATE: Final = Estate(RESOURCES, CLASSED)


@dataclass(frozen=True)
class Disk:
    """What outlives a process."""

    database: Database
    shelves: Shelves


@asynccontextmanager
async def disk(folder: Path) -> AsyncIterator[Disk]:
    """The databases of a folder, up to date."""
    url = f"sqlite:///{folder}/bench.db"
    async with await Database.open(url, clock=SystemClock()) as database:
        await upgrade(database)
        async with samples_of(database) as beside:
            await upgrade(beside)
            yield Disk(
                database,
                Shelves.of(database, beside),
            )


def minutes(first: int, count: int) -> Iterator[SampleBatch]:
    """Polls after the warm day; the last of them are in trouble."""
    warm = HOURS * POOL
    for at in range(first, first + count):
        number = DAY_BINS - TROUBLE - TAIL - 2 + at
        yield ESTATE.poll(number, START + (warm + at) * MINUTE)


def judged(engine: Engine, batches: Iterator[SampleBatch]) -> list[Transition]:
    """What an engine says of them, one by one."""
    found = []
    for batch in batches:
        engine.ingest(batch)
        found += engine.evaluate(batch.settled_until)
    return found


def digest(transitions: list[Transition]) -> str:
    """Of all that was said, words and figures included."""
    said = sorted(repr(one) for one in transitions)
    return f"{len(said)} {hashlib.sha256(''.join(said).encode()).hexdigest()[:16]}"


def poll(batch: SampleBatch) -> Poll:
    """What the poller puts on the bus."""
    sight = Sight(SOURCE, SOURCE, batch.stream, batch.settled_until, up=True)
    return Poll(sight, (batch,), Cursor(SOURCE, batch.stream, batch.settled_until, START))


async def live(folder: Path) -> None:
    """Run, keep, go on, and print what comes next."""
    engine = warmed("shipped", replace(ESTATE, troubled=False), HOURS)
    async with disk(folder) as kept_on:
        lease = Lease(kept_on.database)
        await lease.acquire()
        book, shelves = SqlBook(kept_on.database, lease, time_ordered()), kept_on.shelves
        for number, batch in enumerate(minutes(0, TAIL)):
            engine.ingest(batch)
            transitions = engine.evaluate(batch.settled_until)
            states, changes = engine.snapshot(), [(one, ()) for one in transitions]
            await book.commit(Tick(batch.settled_until, [poll(batch)], changes, (), states))
            if number == 0:
                kept = await shelves.snapshots.keep(engine.dump(), await shelves.journal.reached())
                await book.commit(Tick(batch.settled_until, kept=kept))
        await lease.release()
    print(digest(judged(engine, minutes(TAIL, NEXT))))


async def again(folder: Path) -> None:
    """Restart and judge the first minute, timed; then the rest."""
    bound, (first, *rest) = rules("shipped"), minutes(TAIL, NEXT)
    async with await Database.open(f"sqlite:///{folder}/other.db", clock=SystemClock()):
        pass  # drivers are imported when they are first used
    began, spent = time.perf_counter(), time.process_time()
    async with disk(folder) as kept_on:
        done = await restarted(bound, {SOURCE: SOURCE}, kept_on.shelves, SystemClock())
        transitions = [*done.untold, *judged(done.engine, iter([first]))]
        seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    assert done.is_exact, "the snapshot was not used"
    print(f"{seconds} {cpu} {digest(transitions + judged(done.engine, iter(rest)))}")


def child(role: str, folder: str) -> str:
    """A process of its own; what it printed last."""
    command = [sys.executable, "-m", "benchmarks.restart", role, folder]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - ourselves
    return said.splitlines()[-1]


def main() -> int:
    """Live once, restart a few times."""
    with tempfile.TemporaryDirectory() as folder:
        expected = child("live", folder)
        sizes = {file.name: file.stat().st_size / 1e6 for file in Path(folder).iterdir()}
        answers = [child("again", folder).split(" ", 2) for _ in range(RUNS)]
    print(", ".join(f"{name} {size:.1f} MB" for name, size in sizes.items() if size))
    assert not expected.startswith("0 "), "nothing was planted that a rule finds"
    for _, _, found in answers:
        assert found == expected, f"after a restart {found}, without one {expected}"
    seconds = sorted(float(one) for one, _, _ in answers)
    cpu = spread([float(one) for _, one, _ in answers])
    count = expected.split()[0]
    print(f"restart and first evaluation, ms: {spread(seconds)}, CPU {cpu}; {count} transitions, the same")
    what = f"restart with {ESTATE.series:,} series to the first right evaluation"
    tell(Goal("f", what, 0.5, seconds[RUNS // 2], "s"))
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run({"live": live, "again": again}[sys.argv[1]](Path(sys.argv[2])))
    else:
        sys.exit(main())
