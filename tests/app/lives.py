"""Lives of a daemon without its network: ticks, snapshots and compaction, until a write kills it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, select

from tests.databases import HandClock
from tests.engine.conftest import START, errors_above, spike
from watcher.app.restart import Restarted, Shelves, restarted
from watcher.engine.engine import BoundRule
from watcher.model.act import Act, ActKind
from watcher.model.incident import Status, Transition
from watcher.model.labels import label_set
from watcher.model.message import Owed
from watcher.model.ports import IncidentQuery, Tick, Wanted
from watcher.model.sample import Cursor, Poll, SampleBatch, Sight
from watcher.model.snapshot import Kept
from watcher.model.time import DAY, MINUTE, Instant
from watcher.store import process, tables
from watcher.store.book import SqlBook
from watcher.store.compaction import Compactor
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.identity import time_ordered
from watcher.store.lease import Lease
from watcher.store.recording import SqlRecording

T = TypeVar("T")
WIDTH = 10 * MINUTE
TICKS = 40
SNAPSHOT, COMPACT = 5, 8
"""Every so many ticks."""


class Killed(Exception):
    """The process is no more."""


@dataclass
class Fate:
    """When it dies: after so many steps, each write having one before it and one after it."""

    left: int = -1
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        self.left -= 1
        if self.left == 0:
            raise Killed


class Mortal(Database):
    """A database whose writer may die before a transaction, or before it hears that it was committed."""

    def __init__(self, inner: Database, fate: Fate) -> None:
        super().__init__(inner._driver, inner.address, inner.clock)
        self._fate = fate

    async def write(self, work: Callable[[Connection], T]) -> T:
        self._fate.step()
        done = await super().write(work)
        self._fate.step()
        return done


def rules() -> list[BoundRule]:
    other = spike()
    return [
        errors_above(40, hold=2 * WIDTH, keep=2 * WIDTH),
        replace(other, rule=replace(other.rule, id="spike", hold=WIDTH, keep_firing_for=WIDTH)),
    ]


def polls(seed: int) -> list[SampleBatch]:
    """Two resources with bad hours; each poll reads three bins, of which the older ones may be corrected."""
    chance = np.random.default_rng(seed)
    bad = chance.uniform(size=(TICKS, 2)) < np.repeat(chance.uniform(size=(TICKS // 5, 2)) * 0.9, 5, axis=0)
    counts = np.where(bad, 90.0, 1.0)
    counts[chance.uniform(size=counts.shape) < 0.05] = np.nan
    found = []
    for number in range(TICKS):
        first = max(0, number - 2)
        shown = counts[first : number + 1].copy()
        shown[:-1] = np.where(chance.uniform(size=shown[:-1].shape) < 0.1, 1.0, shown[:-1])
        grid = np.stack([np.full_like(shown, 1000.0), shown], axis=1)
        end = START + (number + 1) * WIDTH
        found.append(
            SampleBatch(
                source="cdn",
                vendor="test",
                stream="resources",
                width=WIDTH,
                fetched_at=end,
                settled_until=end,
                entities=tuple(label_set({"account": "a", "resource": name}) for name in ("shop", "video")),
                metrics=(
                    ("cdn_requests", label_set({"tier": "edge"})),
                    ("cdn_responses", label_set({"tier": "edge", "status_class": "5xx"})),
                ),
                starts=np.arange(START + first * WIDTH, end, WIDTH),
                values=grid,
            )
        )
    return found


@dataclass
class Place:
    """Where a daemon's databases are, and what it reads."""

    database: Database
    samples: Database
    batches: Sequence[SampleBatch]
    rules: Callable[[], list[BoundRule]] = rules
    sources: Mapping[str, str] = field(default_factory=lambda: {"cdn": "test"})
    hands: Collection[int] = ()
    """Ticks before which somebody resolves all that is open."""
    fate: Fate = field(default_factory=Fate)

    async def survive(self) -> None:
        """Live, and live again, until all is read."""
        while True:
            life = Life(self)
            try:
                await life.begin()
                await life.run()
                await life.end()
            except Killed:
                continue
            return

    async def told(self) -> list[tuple[object, ...]]:
        """All that the book holds of incidents, their stories and what is owed; ids aside."""

        def read(connection: Connection) -> list[tuple[object, ...]]:
            rows: list[tuple[object, ...]] = []
            for incident in connection.execute(select(tables.incident)):
                stories = select(tables.timeline.c.kind, tables.timeline.c.at, tables.timeline.c.text)
                owed = select(tables.outbox.c.target, tables.outbox.c.telling, tables.outbox.c.state)
                rows.append(
                    (
                        *incident[1:],
                        *connection.execute(
                            stories.where(tables.timeline.c.incident_id == incident.id).order_by("id")
                        ).all(),
                        *connection.execute(
                            owed.where(tables.outbox.c.incident_id == incident.id).order_by("id")
                        ).all(),
                    )
                )
            return sorted(rows, key=repr)

        return await self.database.read(read)

    async def kept(self) -> list[float]:
        """The sums of all that was recorded, batch by batch."""
        pages = SqlRecording(self.database, self.samples).pages(Wanted())
        return [float(np.nansum(batch.values[-1])) async for page in pages for batch in page]


class Life:
    """One life of the daemon: hops 4 to 6 with snapshots and compaction between the ticks."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.database = Mortal(place.database, place.fate)
        self.samples = Mortal(place.samples, place.fate)
        # Named after a process that is no more: a killed one's lease keeps nobody out.
        self.lease = Lease(self.database, holder=f"{process.name().rpartition(':')[0]}:1")
        self.book = SqlBook(self.database, self.lease, time_ordered())
        self.compactor = Compactor(self.database, self.samples, retention=365 * DAY)
        self.shelves = Shelves.of(self.database, self.samples)
        self.snapshots = self.shelves.snapshots
        self.durable: Kept | None = None

    async def begin(self) -> Restarted:
        await self.lease.acquire()
        clock = HandClock(self.place.batches[-1].fetched_at)
        self.begun = await restarted(self.place.rules(), self.place.sources, self.shelves, clock)
        self.engine = self.begun.engine
        if not self.begun.is_exact:
            await self.keep()
            await self.commit(self.begun.untold)
        return self.begun

    async def run(self, until: int | None = None) -> None:
        """Read on to a tick, else to the end."""
        cursor = self.begun.cursors.get(("cdn", "resources"))
        batches = self.place.batches[:until]
        for number in range(cursor.position if cursor else 0, len(batches)):
            if number in self.place.hands:
                await self.ask(batches[number].fetched_at)
            self.engine.ingest(batches[number])
            await self.commit(self.engine.evaluate(batches[number].fetched_at), number)
            if number % SNAPSHOT == SNAPSHOT - 1:
                await self.keep()
            if number % COMPACT == COMPACT - 1:
                await self.compactor.round(batches[number].fetched_at, everything=True)

    async def ask(self, at: Instant) -> None:
        """What a command leaves, once."""
        left = select(tables.act.c.id).where(tables.act.c.asked_at == at)
        if await self.database.read(lambda connection: connection.execute(left).first()) is None:
            open_ = await SqlHistory(self.place.database).incidents(IncidentQuery(frozenset({Status.OPEN})))
            acts = [Act(one.id, ActKind.RESOLVE, "ada", at) for one in reversed(open_)]
            await self.shelves.acts.leave(acts)

    async def keep(self) -> None:
        row = await self.shelves.journal.reached()
        self.durable = await self.snapshots.keep(self.engine.dump(), row)

    async def end(self) -> None:
        """A clean stop."""
        await self.keep()
        await self.commit(())
        await self.lease.release()

    async def commit(self, transitions: Sequence[Transition], number: int | None = None) -> None:
        kept, self.durable = self.durable, None
        polls: Sequence[Poll] = ()
        at = self.place.batches[-1].fetched_at
        if number is not None:
            batch = self.place.batches[number]
            at = batch.fetched_at
            sight = Sight("cdn", "test", "resources", at, up=True)
            polls = [Poll(sight, (batch,), Cursor("cdn", "resources", number + 1, since=0))]
        acts, ends = self.engine.act(await self.shelves.acts.waiting(at), at)
        changes = [(one, (Owed("mail/0", at),)) for one in [*transitions, *ends]]
        tick = Tick(at, polls, changes, engine=self.engine.snapshot(), kept=kept, acts=acts)
        await self.book.commit(tick)
        if kept is not None:
            await self.snapshots.prune(kept)
