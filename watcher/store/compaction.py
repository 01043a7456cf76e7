"""Journal rows become history: what a durable snapshot holds is written as chunks, and then deleted.

Two databases are written one after the other, so a crash may fall between. Then the rows are in both; the
chunk names them, so they are deleted by the next round and read once by everybody meanwhile.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select

from watcher.model.snapshot import Kept
from watcher.model.time import HOUR, Duration, Instant
from watcher.store import codec, samples, tables
from watcher.store.chunks import SPAN, Entry, Gathering
from watcher.store.database import Database
from watcher.store.journal import read_kept
from watcher.store.samples import StreamKey
from watcher.store.statements import chunks as slices

ENOUGH: Final = 16 * 2**20
"""Bytes of a stream's rows that are worth a chunk before a day is over."""
SLACK: Final[Duration] = HOUR
"""A chunk may wait for this much more than a day of rows, so that it holds a whole one."""
_PAGE: Final = 32
"""Rows read at once."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When rows become history."""

    recent: Duration = 6 * HOUR
    """What was fetched within this stays in the journal: a restart whose samples are lost judges it again."""
    span: Duration = SPAN
    """Of bins in one chunk, where they are not too many; `SPAN` at most."""

    @property
    def patience(self) -> Duration:
        """How long rows may wait, so that a chunk holds a whole span of them."""
        return self.span + SLACK * self.span // SPAN


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    rows: int = 0
    """Of the journal that have become history."""
    samples: int = 0
    bytes: int = 0
    forgotten: int = 0
    """Chunks older than samples are kept."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A stream's rows that may become history."""

    key: StreamKey
    last: int
    """The newest of them."""
    since: Instant
    """When the oldest of them was fetched."""
    bytes: int


@dataclass(frozen=True, slots=True)
class _Ready:
    """Which rows may become history."""

    until: int
    """The last that a durable snapshot holds."""
    before: Instant | None
    """Fetched before; None is whenever, and however few."""


def _nobody_else(_connection: Connection) -> None:
    """A fence where there is but one who writes."""


class Compactor:
    """Moves what is ready, and forgets what is older than samples are kept."""

    def __init__(
        self,
        database: Database,
        beside: Database,
        *,
        retention: Duration,
        pace: Pace = Pace(),
        fence: Callable[[Connection], None] = _nobody_else,
    ) -> None:
        """`fence` raises in a transaction of the book that another daemon owns: nothing is deleted."""
        self._fence = fence
        self._database = database
        self._samples = beside
        self._retention = retention
        self._pace = pace

    async def round(self, at: Instant, *, everything: bool = False) -> Round:
        """Move every stream's rows that make a chunk; `everything` moves all that a snapshot holds.

        Raises:
            StoreUnavailable: it may be tried again; nothing is lost or doubled.
            LeaseLost: another daemon owns the book.
        """
        kept = await self._database.read(read_kept)
        done = await self._settle(at, kept)
        if kept is None:
            return done
        ready = _Ready(kept.row, None if everything else at - self._pace.recent)
        for waiting in await self._database.read(partial(_waiting, ready=ready)):
            done = await self._move(waiting, done, at, ready)
        return done

    async def _settle(self, at: Instant, kept: Kept | None) -> Round:
        """Delete rows that are history already and that no restart judges again, and what is old."""
        covered = await self._samples.read(samples.covered)
        until = 0 if kept is None else kept.row
        moved = {key: min(last, until) for key, last in covered.items()}
        await self._database.write(partial(self._delete, moved=moved))
        spans = await self._samples.read(_spans)
        before = forgotten_before(spans, at, self._retention)
        return Round(forgotten=await self._samples.write(partial(_forget, before=before)))

    def _delete(self, connection: Connection, moved: Mapping[StreamKey, int]) -> None:
        """Rows of these streams up to the last one that is history."""
        self._fence(connection)
        for key, last in moved.items():
            connection.execute(delete(tables.journal).where(*_of(key), tables.journal.c.id <= last))

    async def _move(self, waiting: _Waiting, done: Round, at: Instant, ready: _Ready) -> Round:
        """Chunk after chunk, while what is left makes one."""
        while True:
            is_enough = waiting.bytes >= ENOUGH or at - waiting.since >= self._pace.patience
            if ready.before is not None and not is_enough:
                return done
            gathered = await self._gathered(waiting)
            if not len(gathered):
                return done
            done = await self._write(waiting.key, gathered, done)
            left = await self._database.read(partial(_waiting, ready=ready, only=waiting.key))
            if not left:
                return done
            waiting = left[0]

    async def _gathered(self, waiting: _Waiting) -> Gathering:
        gathering, after = Gathering(self._pace.span), 0
        while not gathering.is_full:
            rows = await self._database.read(partial(_rows, key=waiting.key, after=after, until=waiting.last))
            if not rows:
                break
            after = rows[-1].id
            await self._database.apart(partial(_take, gathering, rows))
        return gathering

    async def _write(self, key: StreamKey, gathered: Gathering, done: Round) -> Round:
        chunk = await self._samples.apart(gathered.chunk)
        blocks = await self._samples.apart(partial(samples.blocks_of, chunk))
        written = await self._samples.write(partial(samples.write_chunk, chunk=chunk, blocks=blocks))
        await self._database.write(partial(self._delete, moved={key: written.last_row}))
        return replace(
            done,
            rows=done.rows + len(gathered),
            samples=done.samples + written.samples,
            bytes=done.bytes + written.bytes,
        )


def _take(gathering: Gathering, rows: Sequence["Row[int, Instant, bytes]"]) -> None:
    for row in rows:
        if gathering.is_full:
            return
        gathering.take(Entry(row.id, row.at, codec.decode(row.payload)))


def _waiting(connection: Connection, ready: _Ready, only: StreamKey | None = None) -> Sequence[_Waiting]:
    """By stream: what is ready; not the newest row, which says what the stream gives now."""
    journal = tables.journal.c
    newest = select(func.max(journal.id)).group_by(journal.source, journal.stream, journal.width)
    query = (
        select(
            journal.source,
            journal.stream,
            journal.width,
            func.max(journal.id).label("last"),
            func.min(journal.fetched_at).label("since"),
            func.sum(func.length(journal.payload)).label("bytes"),
        )
        .where(journal.id <= ready.until, journal.id.not_in(newest))
        .group_by(journal.source, journal.stream, journal.width)
    )
    if ready.before is not None:
        query = query.where(journal.fetched_at < ready.before)
    if only is not None:
        query = query.where(*_of(only))
    return [
        _Waiting(StreamKey(row.source, row.stream, row.width), row.last, row.since, int(row.bytes))
        for row in connection.execute(query)
    ]


def _rows(
    connection: Connection, key: StreamKey, after: int, until: int
) -> Sequence["Row[int, Instant, bytes]"]:
    journal = tables.journal.c
    query = (
        select(journal.id, journal.at, journal.payload)
        .where(*_of(key), journal.id > after, journal.id <= until)
        .order_by(journal.id)
        .limit(_PAGE)
    )
    return connection.execute(query).all()


def _of(key: StreamKey) -> Sequence[ColumnElement[bool]]:
    journal = tables.journal.c
    return journal.source == key.source, journal.stream == key.stream, journal.width == key.width


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when samples were recorded."""

    start: Instant
    end: Instant


def forgotten_before(spans: Iterable[Span], at: Instant, retention: Duration) -> Instant:
    """Samples that end before this are older than samples are kept.

    Only time in which something was recorded makes them older: neither a clock that runs ahead nor a watcher
    that stood still for a month takes the history away.
    """
    journal = Span(at - SPAN, at)
    edge, left = at, retention
    for span in sorted([journal, *spans], key=lambda one: one.end, reverse=True):
        end = min(edge, span.end)
        start = max(span.start, span.end - SPAN - SLACK)  # a clock may have leapt within it
        if end - start >= left:
            return end - left
        if start < edge:
            edge, left = start, left - max(0, end - start)
    return edge - left


def _spans(connection: Connection) -> Sequence[Span]:
    chunk = tables.sample_chunk.c
    return [Span(*row) for row in connection.execute(select(chunk.first_start, chunk.last_end))]


def _drop(connection: Connection, which: ColumnElement[bool]) -> int:
    """Delete chunks with their blocks; how many."""
    chunk = tables.sample_chunk.c
    ids = list(connection.scalars(select(chunk.id).where(which)))
    for some in slices(ids):
        connection.execute(delete(tables.sample_block).where(tables.sample_block.c.chunk_id.in_(some)))
        connection.execute(delete(tables.sample_chunk).where(chunk.id.in_(some)))
    return len(ids)


def _forget(connection: Connection, before: Instant) -> int:
    """Drop chunks that end before a time, and labels that only they name."""
    dropped = _drop(connection, tables.sample_chunk.c.last_end < before)
    if dropped:
        connection.execute(delete(tables.sample_label).where(tables.sample_label.c.seen < before))
    return dropped
