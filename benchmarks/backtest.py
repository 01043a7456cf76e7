"""Goal (g): `watcher backtest` over thirty recorded days of a thousand series, one rule, a whole process.

The history is made here with the store's own chunks, one poll a minute as a daemon records them. Every night
a hundredth of the resources has a spike, so the answer is known.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.estate import CODED, DAY_BINS, SOURCE, Estate
from benchmarks.goals import QUICK, Goal, spread, tell
from benchmarks.memory import CDN, START
from watcher.app.backtest import rules_of
from watcher.app.book import recording
from watcher.app.feeds import Recorded
from watcher.document.secrets import SecretUrl
from watcher.model.time import DAY, MINUTE
from watcher.runtime.backtest import Backtest
from watcher.runtime.clock import SystemClock
from watcher.store import samples
from watcher.store.chunks import Chunk, Entry, Gathering
from watcher.store.database import Database
from watcher.store.migrate import upgrade

DAYS: Final = 5 if QUICK else 30
RESOURCES: Final = 100
RUNS: Final = 3
RULE: Final = CDN / "spike.yaml"


def days(estate: Estate) -> Iterator[Chunk]:
    """Day after day as the compactor would write it."""
    row = 0
    for day in range(DAYS):
        gathering, values = Gathering(), estate.bins(0, DAY_BINS)
        for at in range(DAY_BINS):
            start = START + day * DAY + at * MINUTE
            row += 1
            gathering.take(Entry(row, start + MINUTE, estate.batch(values[at : at + 1], [start])))
        yield gathering.chunk()


async def make(folder: Path, estate: Estate) -> int:
    """A database that has recorded; how many samples."""
    written = 0
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            await Database.open(f"sqlite:///{folder}/bench.db", clock=SystemClock())
        )
        await upgrade(database)
        beside = await stack.enter_async_context(samples.samples_of(database))
        await upgrade(beside)
        for chunk in days(estate):
            blocks = samples.blocks_of(chunk)
            done = await beside.write(partial(samples.write_chunk, chunk=chunk, blocks=blocks))
            written += done.samples
    return written


async def read_alone(folder: Path) -> float:
    """Seconds that reading what the rule needs takes, without judging."""
    began = time.perf_counter()
    async with recording(SecretUrl(f"sqlite:///{folder}/bench.db")) as kept:
        async for _ in Recorded(kept).arrivals(SOURCE, frozenset({"cdn_status_responses"})):
            pass
    return time.perf_counter() - began


async def judged_alone(folder: Path) -> float:
    """Seconds that judging takes, samples at hand."""
    async with recording(SecretUrl(f"sqlite:///{folder}/bench.db")) as kept:
        arrivals = [one async for one in Recorded(kept).arrivals(SOURCE, frozenset({"cdn_status_responses"}))]
    began = time.perf_counter()
    Backtest(rules_of(RULE)).play(arrivals)
    return time.perf_counter() - began


@dataclass(frozen=True)
class Ran:
    """One run of the verb."""

    seconds: float
    cpu: float
    """CPU seconds of the whole process, in all its threads."""
    incidents: int


def verb(folder: Path) -> Ran:
    """The whole process. Bytecode stays from run to run, as it does where a package is installed."""
    config = folder / "watcher.yaml"
    config.write_text(f"database: sqlite:///{folder}/bench.db\nsources: []\n")
    command = [sys.executable, "-m", "watcher", "backtest", "-c", str(config), "--rules", str(RULE), "--json"]
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began, spent = time.perf_counter(), _cpu()
    done = subprocess.run(  # noqa: S603 - our own verb
        command, stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    seconds, cpu = time.perf_counter() - began, _cpu() - spent
    return Ran(seconds, cpu, len(json.loads(done.stdout)["incidents"]))


def _cpu() -> float:
    """CPU seconds of the processes that have ended."""
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of.ru_utime + of.ru_stime


def main() -> int:
    """Make, backtest, and compare with what was planted."""
    estate = Estate(RESOURCES, CODED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        written = asyncio.run(make(folder, estate))
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(f"{written:,} samples, {size / 1e6:.1f} MB, made in {time.perf_counter() - began:.0f} s")
        verb(folder)  # compiles
        runs = [verb(folder) for _ in range(RUNS)]
        reading, judging = asyncio.run(read_alone(folder)), asyncio.run(judged_alone(folder))
    planted = DAYS * RESOURCES // 100
    counts = {run.incidents for run in runs}
    assert counts == {planted}, f"{counts} incidents, {planted} were planted"
    shown, spent = spread([run.seconds for run in runs]), spread([run.cpu for run in runs])
    print(f"watcher backtest, whole process, ms: {shown}, CPU {spent}; {planted} incidents, as planted")
    print(f"of it reading {reading:.2f} s, judging {judging:.2f} s")
    reached = sorted(run.seconds for run in runs)[RUNS // 2]
    tell(Goal("g", f"backtest of {DAYS} days x {estate.series:,} series x one rule", 4, reached, "s"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
