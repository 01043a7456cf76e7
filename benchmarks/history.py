"""What a month of samples costs in the history, and how fast it is written and read again.

The mix of the peers' figures (eight counts, bytes and a four-digit ratio a resource), read once a minute.
Each answer reads the two bins before it once more, and now and then one of them was corrected. It goes the
product's own way: polls are committed to the journal, a snapshot is kept, and the journal becomes history a
day at a time. Beside it, in the same run: the same values compressed as they are, and Parquet where pyarrow
is installed.
"""

import asyncio
import importlib
import io
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import zstandard

from benchmarks.estate import DAY_BINS, SOURCE, Estate
from benchmarks.goals import QUICK, Goal, tell
from watcher.model.ports import Tick, Wanted
from watcher.model.sample import Floats, Poll, SampleBatch, Sight
from watcher.model.snapshot import EngineDump
from watcher.model.time import DAY, MINUTE, Instant
from watcher.runtime.clock import SystemClock
from watcher.store.book import SqlBook
from watcher.store.compaction import Compactor, Round
from watcher.store.database import Database
from watcher.store.identity import time_ordered
from watcher.store.journal import SqlJournal
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade
from watcher.store.recording import SqlRecording
from watcher.store.samples import StreamKey, samples_of
from watcher.store.snapshots import SqlSnapshots

DAYS: Final = 2 if QUICK else 30
START: Final[Instant] = 1_700_006_400_000
AGAIN: Final = 2
"""Bins that each poll reads once more."""
CORRECTED: Final = 200
"""One poll in so many corrects one of them."""
TICKS: Final = 240
"""Polls committed at once: here nothing is judged between them."""
ESTATE: Final = Estate(23, troubled=False)
STREAM: Final = StreamKey(SOURCE, "minutes", MINUTE)


@dataclass
class Peers:
    """The same values, kept otherwise; bytes a day."""

    zstd: list[int] = field(default_factory=list)
    parquet: list[int] = field(default_factory=list)

    def take(self, values: Floats) -> None:
        """One day, `[bin, metric, resource]`."""
        self.zstd.append(len(zstandard.ZstdCompressor(level=3).compress(values.tobytes())))
        if (written := parquet(values)) is not None:
            self.parquet.append(written)


def parquet(values: Floats) -> int | None:
    """Bytes of a table with a column a metric, zstd; None without pyarrow."""
    try:
        arrow: Any = importlib.import_module("pyarrow")
        writer: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        return None
    bins, metrics, resources = values.shape
    columns = {
        "resource": np.repeat(np.arange(resources, dtype=np.int32), bins),
        "time": np.tile(np.arange(bins) * MINUTE, resources),
    } | {f"m{metric}": values[:, metric].T.ravel() for metric in range(metrics)}
    file = io.BytesIO()
    writer.write_table(arrow.table(columns), file, compression="zstd")
    return file.tell()


def polls(values: Floats, day: int) -> Iterator[SampleBatch]:
    """A day of polls, the first of which have nothing to read again."""
    rng = np.random.default_rng(day)
    begin = START + day * DAY
    for number in range(len(values)):
        first = max(0, number - AGAIN)
        read = values[first : number + 1]
        if number % CORRECTED == AGAIN:
            read = values[first : number + 1].copy()
            read[0, 0, number % ESTATE.resources] += 1
        starts = [begin + at * MINUTE for at in range(first, number + 1)]
        end = starts[-1] + MINUTE
        fetched = end + int(rng.integers(5_000, 20_000))
        yield replace(ESTATE.batch(read, starts), fetched_at=fetched, settled_until=end - MINUTE)


@dataclass(frozen=True)
class Bench:
    """A store on a disk."""

    book: SqlBook
    journal: SqlJournal
    snapshots: SqlSnapshots
    compactor: Compactor
    recording: SqlRecording

    async def record(self, batches: Sequence[SampleBatch]) -> None:
        """Commit them to the journal, and keep a snapshot."""
        for first in range(0, len(batches), TICKS):
            some = batches[first : first + TICKS]
            sight = Sight(SOURCE, SOURCE, "minutes", some[-1].fetched_at, up=True)
            await self.book.commit(Tick(some[-1].fetched_at, [Poll(sight, tuple(some))]))
        kept = await self.snapshots.keep(EngineDump({}, {}), await self.journal.reached())
        await self.book.commit(Tick(batches[-1].fetched_at, kept=kept))


async def written(bench: Bench, peers: Peers) -> tuple[list[Round], list[float]]:
    """A month becomes history; CPU seconds of each day."""
    rounds, seconds = [], []
    for day in range(DAYS):
        values = ESTATE.bins(day * DAY_BINS, DAY_BINS)
        peers.take(values)
        await bench.record(list(polls(values, day)))
        began = time.process_time()
        rounds.append(await bench.compactor.round(START + day * DAY, everything=True))
        seconds.append(time.process_time() - began)
    return rounds, seconds


async def read(bench: Bench) -> tuple[int, float]:
    """Samples read as they arrived, and CPU seconds of that."""
    count, began = 0, time.process_time()
    async for page in bench.recording.pages(Wanted()):
        count += sum(batch.values.size for batch in page)
    whole = time.process_time() - began
    return count, whole


def report(rounds: Sequence[Round], seconds: Sequence[float], peers: Peers, size: int) -> None:
    """What was written."""
    values = DAYS * DAY_BINS * ESTATE.series
    kept = sum(one.samples for one in rounds)
    print(
        f"{values / 1e6:.1f} M samples of {ESTATE.series} series, {DAYS} days, and {kept - values} restated"
    )
    print(
        f"    written: {kept / sum(seconds) / 1e6:.1f} M samples per CPU-second, from the journal's rows on"
    )
    print(f"    zstd 3 of the doubles: {sum(peers.zstd) / values:.2f} B a sample", end="; ")
    print(
        f"Parquet, zstd: {sum(peers.parquet) / values:.2f}" if peers.parquet else "Parquet: pyarrow missing"
    )
    blobs = sum(one.bytes for one in rounds) / values
    print(f"    chunks {blobs:.3f} B a sample, the file {size / values:.3f}")
    tell(Goal("e", "bytes per sample in compacted history, the whole file", 1.1, size / values, "B"))


async def main() -> None:
    """Write, read, tell."""
    peers = Peers()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/watcher.db"
        async with await Database.open(url, clock=SystemClock()) as database, samples_of(database) as samples:
            await upgrade(database)
            await upgrade(samples)
            lease = Lease(database)
            await lease.acquire()
            bench = Bench(
                SqlBook(database, lease, time_ordered()),
                SqlJournal(database),
                SqlSnapshots(samples, format_=0),
                Compactor(database, samples, retention=365 * DAY),
                SqlRecording(database, samples),
            )
            rounds, seconds = await written(bench, peers)
            count, whole = await read(bench)
        size = (Path(folder) / "watcher.samples.db").stat().st_size
    report(rounds, seconds, peers, size)
    print(f"    read as it arrived: {count / whole / 1e6:.1f} M samples per CPU-second")


if __name__ == "__main__":
    asyncio.run(main())
