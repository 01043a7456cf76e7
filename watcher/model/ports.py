"""Where packages that never import each other meet: protocols, married in `watcher.app`."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from watcher.model.act import Act
from watcher.model.hand import GivenUp
from watcher.model.incident import Asked, Change, Incident, Status, Transition
from watcher.model.inventory import ItemEvent, Known
from watcher.model.message import Due, Message, Owed, Telling
from watcher.model.rule import Severity
from watcher.model.sample import Cursor, Poll, SampleBatch, Sight
from watcher.model.snapshot import EngineDump, Kept, TrackState
from watcher.model.statistics import Brief
from watcher.model.time import Duration, Instant


class Clock(Protocol):
    """The only way to learn what time it is."""

    def now(self) -> Instant:
        """Wall-clock time."""
        ...


@dataclass(frozen=True, slots=True)
class Tick:
    """All that one tick commits, in one transaction."""

    at: Instant
    polls: Sequence[Poll] = ()
    """Their batches go to the journal, their cursors move, their sights are kept."""
    changes: Sequence[tuple[Transition, Sequence[Owed]]] = ()
    released: Sequence[str] = ()
    """Sources that have caught up: what was held for them is due now."""
    engine: Sequence[TrackState] | None = None
    """Where the engine stands with this tick; None where that has not changed."""
    kept: Kept | None = None
    """A snapshot that has become durable: a restart begins from it instead of the one before."""
    acts: Sequence[Act] = ()
    """What people asked for, with the event time at which it counts; an end is also a transition."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What one transition became in the book; `incident` as it stands after the commit."""

    change: Change
    incident: Incident
    act: Act | None = None
    """What a person did that led to it."""


class Book(Protocol):
    """The writing side of the store: one owner, one transaction a tick."""

    async def commit(self, tick: Tick) -> Sequence[Committed]:
        """Write the tick, wholly or not at all. Transitions the book already holds change nothing.

        Raises:
            StoreUnavailable: nothing was written; the same tick may be committed later.
            LeaseLost: another daemon owns the database.
        """
        ...


class Journal(Protocol):
    """What the engine is rebuilt from at start."""

    def pages(self) -> AsyncIterator[Sequence[SampleBatch]]:
        """Every batch in the journal, in commit order, a page at a time."""
        ...

    async def cursors(self) -> Mapping[tuple[str, str], Cursor]:
        """By (source, stream)."""
        ...

    async def engine(self) -> Sequence[TrackState]:
        """Where the engine stood at the last tick; empty for a new database."""
        ...

    async def standing(self) -> Sequence[Incident]:
        """Incidents that are not over, and those that ended so late that the engine may find them again."""
        ...


@dataclass(frozen=True, slots=True)
class Ticked:
    """One tick's batches, as they were committed together and judged."""

    at: Instant
    """What the engine was told the time was; 0 where an older watcher did not write it down."""
    batches: Sequence[SampleBatch]
    row: int = 0
    """The last row of the journal that holds one of them."""


class Snapshots(Protocol):
    """Where the whole engine is kept between restarts."""

    async def keep(self, dump: EngineDump, row: int) -> Kept:
        """Write it durably; what was kept before stays valid until the book names this one.

        Raises:
            StoreUnavailable: it was not kept.
        """
        ...

    async def prune(self, kept: Kept) -> None:
        """Drop the snapshots of earlier rows than this one's."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the recording is asked for; empty fields do not narrow it."""

    source: str = ""
    since: Instant | None = None
    """Bins that end after it."""
    until: Instant | None = None
    """Bins that start before it."""
    metrics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Stored:
    """How much history there is."""

    samples: int
    bytes: int
    """On disk, snapshots of the engine included."""


class Recording(Protocol):
    """What was read of vendors, as it came: history, then the journal that is not yet history."""

    def pages(self, wanted: Wanted) -> AsyncIterator[Sequence[SampleBatch]]:
        """Batches in the order in which they were committed, none twice, many a page.

        A bin that was read again and said nothing new is left out of the batch in which it came again; the
        batch stays, for its `settled_until`. Exemplars are kept in the journal only.
        """
        ...

    async def sources(self) -> Sequence[str]:
        """Whose samples there are."""
        ...

    async def stored(self) -> Stored:
        """How much of it is history."""
        ...


class ErrandKind(StrEnum):
    """What a command may leave for a running daemon to do."""

    RENEW = "renew"  # the credentials are good again: use them
    BACKFILL = "backfill"  # read a span once more


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing a command left to do for the reader of one source."""

    id: int
    source: str
    kind: ErrandKind
    since: Instant = 0
    until: Instant | None = None
    """End of the span to read once more; None is all that has been read."""


class Acts(Protocol):
    """What people did that no tick holds yet."""

    async def waiting(self, at: Instant) -> Sequence[Asked]:
        """What was asked, the oldest first; then acknowledgements that have run out.

        Raises:
            StoreUnavailable: it could not be answered in time.
        """
        ...


class Outbox(Protocol):
    """The durable queue of messages owed. Who marks rows names them by their claim: a later one voids it."""

    async def claim(
        self, target: str, *, at: Instant, lease: Duration, limit: int, urgent: bool = False
    ) -> Sequence[Due]:
        """Due rows of one target, leased until `at + lease`: critical first, openings before endings.

        Openings that wait for a group of which a row is due come with it. `urgent` is critical ones alone.
        """
        ...

    async def done(self, rows: Sequence[Due], *, at: Instant, reason: str, detail: str) -> None:
        """They were told; the next reminder, where one is owed, is scheduled in the same transaction."""
        ...

    async def skipped(self, rows: Sequence[Due], *, at: Instant, reason: str) -> None:
        """They need not be told, for a named reason."""
        ...

    async def postponed(self, rows: Sequence[Due], *, at: Instant, reason: str, until: Instant) -> None:
        """They were not attempted: due again at `until`. An empty reason leaves the one before."""
        ...

    async def failed(self, rows: Sequence[Due], *, at: Instant, error: str, retry_at: Instant | None) -> None:
        """An attempt failed: due again at `retry_at`, or dead when that is None."""
        ...

    async def hurry(self, target: str, *, at: Instant) -> None:
        """What waits for another attempt is due now: the target takes messages again."""
        ...

    async def noted(self, target: str, *, at: Instant, reason: str) -> None:
        """Give what is due, is not urgent and has no reason yet the one for which it is not claimed."""
        ...

    async def next_due(self, target: str, *, urgent: bool = False) -> Instant | None:
        """When the earliest open row of the target is due or its claim ends; None when there is none."""
        ...

    async def attempted(self, *, since: Instant) -> Mapping[str, Sequence[Instant]]:
        """By target: when messages were sent, or tried, since then."""
        ...


@dataclass(frozen=True, slots=True)
class IncidentQuery:
    """A filter over the book; empty fields do not filter. Newest `opened_at` first."""

    status: frozenset[Status] = frozenset()
    severity: Severity | None = None
    rule: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    since: Instant | None = None
    until: Instant | None = None
    limit: int = 100
    shadow: bool | None = None
    """Those of rules on trial: only, or not at all."""
    assignee: str = ""
    flapping: bool | None = None
    """Those that flap, or did when they ended: only, or not at all."""
    parent: str = ""
    """Id of the wider incident that explains them."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of an incident's story."""

    at: Instant
    kind: str
    text: str
    who: str = ""
    """The person whose act it was; empty for watcher itself."""


@dataclass(frozen=True, slots=True)
class Story:
    """One incident and what became of it."""

    incident: Incident
    timeline: Sequence[TimelineEntry]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of the outbox as history: to whom, why, how it went."""

    target: str
    telling: Telling
    state: str
    """`due`, `done`, `skipped` or `dead`."""
    attempts: int
    at: Instant
    detail: str
    reason: str = ""
    """The last decision about it, by its name."""
    route: str = ""
    """The route that owed it."""


@dataclass(frozen=True, slots=True)
class Failing:
    """A target that did not take what was sent to it, and is tried again."""

    target: str
    since: Instant
    """When the oldest message that it did not take was owed."""
    detail: str
    """What the last attempt met."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The daemon that holds the database's lease, or did when it ended without a word."""

    holder: str
    since: Instant
    seen: Instant
    alive: bool
    """Whether it renews its lease: one that cannot write, or hangs, does not."""
    pid: int
    host: str
    process_alive: bool | None
    """Whether its process is there; None when it is another machine's."""


class History(Protocol):
    """The reading side of the store: for the command line, HTTP and the page."""

    async def incidents(self, query: IncidentQuery) -> Sequence[Incident]:
        """What the filter selects."""
        ...

    async def incident(self, incident_id: str) -> Incident | None:
        """By full id, or by a prefix that names exactly one."""
        ...

    async def beginning(self, prefix: str) -> Sequence[Incident]:
        """Those whose id begins so, the newest first, ten at most."""
        ...

    def briefs(self, query: IncidentQuery) -> AsyncIterator[Sequence[Brief]]:
        """What the filter selects, for statistics: all of it but drills, a page at a time."""
        ...

    def stories(self, query: IncidentQuery) -> AsyncIterator[Sequence[Story]]:
        """What the filter selects, the oldest first, each with its timeline: all of it, a page at a time."""
        ...

    async def acts(self, incident_id: str) -> Sequence[Act]:
        """What people did to it, in order; what was refused and what waits, too."""
        ...

    async def timeline(self, incident_id: str) -> Sequence[TimelineEntry]:
        """Its story, oldest first."""
        ...

    async def deliveries(self, incident_id: str) -> Sequence[Delivery]:
        """Who was told, or is yet to be."""
        ...

    async def sights(self) -> Sequence[Sight]:
        """The last sight of every stream."""
        ...

    async def backlog(self) -> Mapping[str, int]:
        """Messages owed, by target."""
        ...

    async def failing(self) -> Mapping[str, Failing]:
        """By target: what keeps messages waiting."""
        ...

    async def given_up(self, *, since: Instant) -> Sequence[GivenUp]:
        """What was given up since then, by target."""
        ...

    async def owner(self) -> Owner | None:
        """The daemon on this database, if any."""
        ...


class Inventory(Protocol):
    """What vendors know beside numbers, as the book holds it."""

    async def items(self) -> Sequence[Known]:
        """Every item ever seen, by source, kind and id; those that are gone say so."""
        ...

    async def changes(self, *, since: Instant | None = None, limit: int = 100) -> Sequence[ItemEvent]:
        """What became of items, the newest first."""
        ...


class Sender(Protocol):
    """One way to deliver to one target. Never loops, never sleeps: the courier owns retries."""

    async def send(self, message: Message) -> str:
        """Deliver; the answer is a word for the delivery log.

        Raises:
            DeliveryFailed: it may succeed later.
            DeliveryRejected: it never will.
        """
        ...


IdFactory = Callable[[Instant], str]
"""A new incident id, ordered by time."""
