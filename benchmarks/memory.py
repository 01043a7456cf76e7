"""Goal (d): resident memory per live series after a warm day, in a fresh process for each set of rules.

What is counted is everything the engine and the labels it was given keep, as the difference in resident
memory around them; the made values that feed it were there before and are the same bins over and over.
"""

import ctypes
import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.estate import CLASSED, CODED, DAY_BINS, Estate
from benchmarks.goals import QUICK, Goal, tell
from watcher.engine.engine import BoundRule, Engine
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, MINUTE, Instant, floor
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, pack_files, rule_files

CDN: Final = Path(__file__).parent / "rules" / "cdn"
RESOURCES: Final = 1_000 if QUICK else 10_000
POOL: Final = 60
"""Bins that are made; the day repeats them."""
START: Final[Instant] = floor(1_700_000_400_000, DAY)
KINDS: Final = {
    "reference": ("memory per live series, reference group", 0.7, CODED),
    "shipped": ("memory per live series, all shipped rules", 2.5, CLASSED),
}


def rules(kind: str) -> list[BoundRule]:
    """The group that the peer runs too, or everything that is shipped."""
    files = rule_files(CDN) if kind == "reference" else pack_files()
    return [bind(rule) for rule in load_rules(files)]


def resident() -> int:
    """Bytes of this process that are in memory, after what is free was given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def warmed(kind: str, estate: Estate, hours: int) -> Engine:
    """An engine that has judged so many hours of the estate, an hour a batch, the last minute by minute."""
    engine, pool = Engine(rules(kind)), estate.bins(0, POOL)
    for hour in range(hours - 1):
        starts = [START + (hour * 60 + at) * MINUTE for at in range(POOL)]
        judged(engine, estate.batch(pool, starts))
    for at in range(POOL):
        judged(engine, estate.batch(pool[at : at + 1], [START + ((hours - 1) * POOL + at) * MINUTE]))
    return engine


def judged(engine: Engine, batch: SampleBatch, clock: Callable[[], float] = time.perf_counter) -> float:
    """Take a batch and judge; seconds of window update, verdicts and transitions."""
    began = clock()
    engine.ingest(batch)
    engine.evaluate(batch.settled_until)
    return clock() - began


def child(kind: str) -> None:
    """Measure one set of rules in this process, and print the bytes."""
    warmed(kind, Estate(10, KINDS[kind][2], troubled=False), 3)
    estate = Estate(RESOURCES, KINDS[kind][2], troubled=False)
    estate.bins(0, 1)  # what is made to feed the engine is not the engine's
    before = resident()
    engine = warmed(kind, estate, DAY_BINS // 60 + 2)
    print(resident() - before)
    assert engine.needed_from(), "nothing was judged"


def main() -> int:
    """Each set of rules in a process of its own."""
    for kind, (what, goal, _) in KINDS.items():
        command = [sys.executable, "-m", "benchmarks.memory", kind]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - this very program
        reached = int(said.stdout) / (RESOURCES * 10) / 1000
        tell(Goal("d", f"{what} ({RESOURCES * 10:,} series)", goal, reached, "KB"))
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1])
    else:
        sys.exit(main())
