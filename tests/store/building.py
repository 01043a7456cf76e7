"""Transitions, polls and an opened store, made short for the store's tests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Self

import numpy as np

from tests.databases import NOON
from watcher.engine.acting import acted
from watcher.model.act import Act
from watcher.model.incident import Asked, Change, Evidence, IncidentKey, Resolution, Transition
from watcher.model.labels import label_set
from watcher.model.message import Owed
from watcher.model.ports import Committed, Tick
from watcher.model.rule import Severity
from watcher.model.sample import Cursor, Poll, SampleBatch, Sight
from watcher.model.snapshot import RowState, TrackState
from watcher.model.time import HOUR, MINUTE, Duration, Instant
from watcher.store.acts import SqlActs
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.identity import time_ordered
from watcher.store.journal import SqlJournal
from watcher.store.lease import Lease
from watcher.store.outbox import SqlOutbox

NEVER: Instant = -(2**62)
"""What the engine writes for a time that has not come yet."""


def key(resource: str = "shop", *, source: str = "cdnv", rule: str = "http_5xx_spike") -> IncidentKey:
    return IncidentKey(rule, label_set({"source": source, "vendor": "cdnvideo", "resource": resource}))


def evidence(text: str = "5xx 12.4 %") -> Evidence:
    return Evidence(
        start=NOON,
        end=NOON + MINUTE,
        seen=0.124,
        expected=0.002,
        range=(0.001, 0.004),
        requests=48_210,
        text=text,
        words={"seen": "12.4 %"},
        parts=({"status": "502", "share": "11 %"},),
        exemplars=({"url": "/a"},),
    )


def opened(
    of: IncidentKey | None = None,
    *,
    at: Instant = NOON,
    decided: Instant | None = None,
    severity: Severity = Severity.WARNING,
) -> Transition:
    return Transition(
        change=Change.OPENED,
        key=of or key(),
        severity=severity,
        was=at,
        opened_at=at,
        resolved_at=None,
        decided_at=at + MINUTE if decided is None else decided,
        summary="resource shop: 5xx 12.4 %",
        evidence=evidence(),
    )


def resolved(of: Transition, *, end: Instant, decided: Instant | None = None) -> Transition:
    return replace(
        of,
        change=Change.RESOLVED,
        was=of.opened_at,
        resolved_at=end,
        decided_at=end + MINUTE if decided is None else decided,
        resolution=Resolution.RECOVERED,
        recovery=evidence("5xx 0.2 %"),
    )


def moved(of: Transition, *, start: Instant, decided: Instant) -> Transition:
    return replace(of, change=Change.MOVED, was=of.opened_at, opened_at=start, decided_at=decided)


def reopened(of: Transition, *, decided: Instant) -> Transition:
    return replace(of, change=Change.REOPENED, was=of.opened_at, resolved_at=None, decided_at=decided)


def withdrawn(of: Transition, *, decided: Instant) -> Transition:
    return replace(of, change=Change.WITHDRAWN, was=of.opened_at, decided_at=decided)


def merged(younger: Transition, older: Transition, *, decided: Instant) -> Transition:
    return replace(
        older, change=Change.MERGED, was=younger.opened_at, opened_at=older.opened_at, decided_at=decided
    )


def unjudged(of: Transition, *, decided: Instant) -> Transition:
    return replace(of, change=Change.UNJUDGED, decided_at=decided, evidence=evidence("blind for 24 h"))


def batch(
    *, source: str = "cdnv", stream: str = "traffic", start: Instant = NOON, value: float = 1.0
) -> SampleBatch:
    return SampleBatch(
        source=source,
        vendor="cdnvideo",
        stream=stream,
        width=MINUTE,
        fetched_at=start + 5 * MINUTE,
        settled_until=start + MINUTE,
        entities=(label_set({"resource": "shop"}),),
        metrics=(("cdn_requests", label_set({"tier": "edge"})),),
        starts=np.array([start], np.int64),
        values=np.array([[[value]]]),
    )


def poll(*batches: SampleBatch, position: Instant = NOON, source: str = "cdnv", up: bool = True) -> Poll:
    return Poll(
        sight=Sight(source, "cdnvideo", "traffic", at=position, up=up, family="" if up else "network"),
        batches=batches,
        cursor=Cursor(source, "traffic", position, since=NOON - 60 * MINUTE) if up else None,
    )


def owed(target: str = "mail/0", *, due: Instant = NOON, held: bool = False, repeat: Duration = 0) -> Owed:
    return Owed(target, due, held=held, repeat=repeat)


def standing_at(frozen_at: Instant, *, rule: str = "http_5xx_spike", source: str = "cdnv") -> TrackState:
    """A track that has judged for good until an instant, with one group that breaches."""
    row = RowState(
        labels=label_set({"source": source, "resource": "shop"}),
        state=2,
        opened=frozen_at - HOUR,
        held=HOUR,
        breached_until=frozen_at,
        clear_from=NEVER,
        quiet=0,
        known_at=frozen_at,
        judged_at=frozen_at,
        noted=False,
    )
    return TrackState(rule, source, ("traffic",), frozen_at, (row,))


@dataclass(frozen=True, slots=True)
class Store:
    """All of a store on one database, its lease taken, with counted ids."""

    database: Database
    lease: Lease
    book: SqlBook
    journal: SqlJournal
    outbox: SqlOutbox
    history: SqlHistory
    acts: SqlActs

    @classmethod
    async def on(cls, database: Database) -> Self:
        lease = Lease(database)
        await lease.acquire()
        numbers = count(1)
        book = SqlBook(database, lease, time_ordered(lambda _bits: next(numbers)))
        return cls(
            database,
            lease,
            book,
            SqlJournal(database),
            SqlOutbox(database),
            SqlHistory(database),
            SqlActs(database),
        )

    async def batches(self) -> list[SampleBatch]:
        """All that the journal holds."""
        return [entry.batch async for page in self.journal.pages() for entry in page]

    async def apply(
        self, *transitions: Transition, owed: Sequence[Owed] = (), at: Instant = NOON
    ) -> Sequence[Committed]:
        """Commit a tick of these transitions, each owing the same."""
        return await self.book.commit(Tick(at=at, changes=[(one, owed) for one in transitions]))

    async def act(self, *acts: Act, at: Instant = NOON) -> Sequence[Act]:
        """Leave these acts and take up all that wait, as a daemon does; how they stand then."""
        ids = await self.acts.leave(acts)
        await self.take_up(at)
        return await self.acts.named(ids)

    async def take_up(self, at: Instant = NOON) -> None:
        """Commit a tick of the acts that wait."""
        await self.book.commit(tick_of(await self.acts.waiting(at), at))


def tick_of(asked: Sequence[Asked], at: Instant, owed: Sequence[Owed] = ()) -> Tick:
    """A tick of acts alone, as an engine answers them; ends owe what is given."""
    acts, ends = acted(asked, at)
    return Tick(at, acts=acts, changes=[(end, owed) for end in ends])
