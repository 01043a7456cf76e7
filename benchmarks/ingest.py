"""Goal (c), from JSON bytes to a committed tick: a CDNvideo page of 10 000 resources, samples a CPU-second.

Every stage is the product's own code: parse, columns, windows of all shipped rules, judging, journal and
commit on SQLite. Beside it, in the same run, what reading the same bytes costs with the standard library
alone: the least any reader of this page pays, without judging or keeping anything.
"""

import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.goals import Goal, tell
from watcher.collect.collector import Window
from watcher.collect.http import Response
from watcher.collect.vendors.cdnvideo.parse import Provenance, batch_of, parse_page
from watcher.collect.vendors.cdnvideo.settings import EVALUATED
from watcher.engine.engine import Engine
from watcher.model.ports import Tick
from watcher.model.sample import Cursor, Poll, SampleBatch, Sight
from watcher.model.time import MINUTE, Instant, rfc3339
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, pack_files
from watcher.runtime.clock import SystemClock
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.identity import time_ordered
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade

RESOURCES = 10_000
WARM_UP = 5
PAGES = 15
START: Instant = 1_700_000_400_000


@dataclass
class Stages:
    """CPU seconds of each stage, page by page."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Account what the block costs this process, its threads included."""
        before = time.process_time()
        yield
        self.seconds.setdefault(name, []).append(time.process_time() - before)


def page(window: Window, rng: np.random.Generator) -> bytes:
    """One answer of `/resources` with every metric the collector asks for."""
    requests = rng.poisson(rng.lognormal(5, 1.5, RESOURCES))
    rows = []
    for resource, count in enumerate(requests.tolist()):
        row: dict[str, object] = {metric: int(count * 0.01) for metric in EVALUATED}
        row |= {"edge_requests_total": count, "edge_status_2xx": int(count * 0.95), "edge_hit_ratio": 0.9317}
        row |= {
            "resource": f"{resource:06d}",
            "resource_name": f"r{resource}",
            "cname": f"r{resource}.example.com",
        }
        rows.append(row)
    answer = {
        "start": rfc3339(window.start).rstrip("Z"),
        "end": rfc3339(window.end).rstrip("Z"),
        "account": "bench",
        "metrics": list(EVALUATED),
        "data": rows,
    }
    return json.dumps(answer).encode()


def parsed(body: bytes, window: Window) -> SampleBatch:
    """Hop 2."""
    response = Response(200, {"content-type": "application/json"}, body)
    read = parse_page(response, account="bench", window=window, metrics=EVALUATED, by_resource=True)
    return batch_of(read, Provenance("cdnv", "bench", "bench", window, window.end, window.end))


def poll(batch: SampleBatch) -> Poll:
    """What the poller puts on the bus."""
    end = batch.settled_until
    sight = Sight("cdnv", "cdnvideo", "bench", end, up=True)
    return Poll(sight, (batch,), Cursor("cdnv", "bench", end, START))


async def measure(stages: Stages, folder: Path) -> tuple[int, int]:
    """Run the pages; samples a page and its bytes."""
    rng = np.random.default_rng(7)
    engine = Engine([bind(rule) for rule in load_rules(pack_files())])
    async with await Database.open(f"sqlite:///{folder}/bench.db", clock=SystemClock()) as database:
        await upgrade(database)
        lease = Lease(database)
        await lease.acquire()
        book = SqlBook(database, lease, time_ordered())
        size = samples = 0
        for number in range(WARM_UP + PAGES):
            window = Window(START + number * MINUTE, START + (number + 1) * MINUTE)
            body = page(window, rng)
            gc.collect()
            taken = stages if number >= WARM_UP else Stages()
            with taken.stage("json.loads alone (floor of any reader)"):
                json.loads(body)
            with taken.stage("parse to batch"):
                batch = parsed(body, window)
            with taken.stage("windows and verdicts of all rules"):
                engine.ingest(batch)
                transitions = engine.evaluate(window.end)
            with taken.stage("journal and commit"):
                changes = [(transition, ()) for transition in transitions]
                await book.commit(Tick(window.end, [poll(batch)], changes))
            size, samples = len(body), batch.size
    return samples, size


def table(stages: Stages, samples: int, size: int, say: Callable[[str], object]) -> None:
    """Medians and ranges; a sample is one value the vendor told."""
    say(f"one page: {RESOURCES:,} resources, {samples:,} samples, {size / 1e6:.1f} MB of JSON; {PAGES} pages")
    say(f"{'stage':<42}{'CPU ms, median [min..max]':>30}{'M samples/CPU-s':>18}")
    ours = [name for name in stages.seconds if "alone" not in name]
    whole = [sum(parts) for parts in zip(*(stages.seconds[name] for name in ours), strict=True)]
    for name, seconds in [*stages.seconds.items(), ("JSON bytes to committed tick", whole)]:
        middle = statistics.median(seconds)
        span = f"{middle * 1e3:.1f} [{min(seconds) * 1e3:.1f}..{max(seconds) * 1e3:.1f}]"
        say(f"{name:<42}{span:>30}{samples / middle / 1e6:>18.2f}")
    rate = samples / statistics.median(whole) / 1e6
    tell(Goal("c", "JSON bytes to committed tick", 1, rate, "M samples a CPU-second", at_least=True))


def main() -> None:
    """Measure and print."""
    stages = Stages()
    with tempfile.TemporaryDirectory() as folder:
        samples, size = asyncio.run(measure(stages, Path(folder)))
    table(stages, samples, size, lambda line: sys.stdout.write(line + "\n"))


if __name__ == "__main__":
    main()
