"""What was read of vendors, read again as it came: history, then what of the journal is not history yet."""

import struct
from bisect import bisect_left
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

import msgspec
import numpy as np
import structlog
import zstandard
from sqlalchemy import Connection, Row, select

from watcher.errors import StoreUnavailable
from watcher.model.ports import Stored, Wanted
from watcher.model.sample import SampleBatch
from watcher.model.time import Instant, rfc3339
from watcher.store import codec, samples, tables
from watcher.store.chunks import Entry, Tables
from watcher.store.database import Database
from watcher.store.samples import Labels, Place, StreamKey

_PAGE: Final = 256
"""Batches handed on at once, about."""
_ROWS: Final = 64
"""Of the journal, read at once."""
_PLANS: Final = 5
"""How often what is read may move before a page of it was handed on."""
_DAMAGED: Final = (zstandard.ZstdError, msgspec.DecodeError, ValueError, LookupError, struct.error)


class SqlRecording:
    """Reads a database and its samples."""

    def __init__(self, database: Database, beside: Database) -> None:
        """`beside` is where the samples are: `watcher.store.samples.samples_of`."""
        self._database = database
        self._samples = beside

    async def sources(self) -> Sequence[str]:
        """Whose samples there are."""
        journal = await self._database.read(_journal_sources)
        history = await self._samples.read(samples.streams)
        return sorted(journal | {key.source for key in history.values()})

    async def stored(self) -> Stored:
        """How much of it is history."""
        return Stored(*await self._samples.read(samples.measure))

    async def pages(self, wanted: Wanted) -> AsyncIterator[Sequence[SampleBatch]]:
        """See `Recording`. A chunk that is damaged is left out, with a line in the log.

        Raises:
            StoreUnavailable: the database did not answer.
        """
        async for page in self.entries(wanted):
            yield [entry.batch for entry in page]

    async def entries(
        self, wanted: Wanted, *, until_row: int | None = None
    ) -> AsyncIterator[Sequence[Entry]]:
        """The same with the rows of the journal that they are or were; none after `until_row`.

        A daemon may make history of rows that are about to be read: then what is left is planned again.
        """
        after, plans = 0, 0
        while plans < _PLANS:
            plans += 1
            try:
                async for page in _merged(await self._plan(wanted, after, until_row)):
                    kept = [entry for entry in page if entry.id > after]
                    if until_row is not None:
                        kept = [entry for entry in kept if entry.id <= until_row]
                    after, plans = page[-1].id, 0
                    if kept:
                        yield kept
            except _MovedError:
                continue
            return
        raise StoreUnavailable("samples became history faster than they were read; read them again")

    async def _plan(self, wanted: Wanted, after: int, until_row: int | None) -> "Sequence[_Reel]":
        """Who reads what, of all that comes after a row."""
        # The journal first: what leaves it meanwhile is found in the history after it.
        rows = await self._database.read(partial(_journal_rows, wanted=wanted, after=after, until=until_row))
        known = await self._samples.read(samples.streams)
        history: dict[int, list[Place]] = {}
        for place in await self._samples.read(samples.places):
            if place.stream in known:
                history.setdefault(place.stream, []).append(place)
        covered = {known[number]: places[-1].last_row for number, places in history.items()}
        reels: list[_Reel] = []
        for number, places in history.items():
            left = [place for place in places if place.last_row > after and _touches(place, wanted)]
            if wanted.source in {"", known[number].source}:
                reels.append(_Chunks(self._samples, known[number], wanted, left))
        left_rows = [
            row.id for row in rows if row.id > covered.get(StreamKey(row.source, row.stream, row.width), 0)
        ]
        return [*reels, _Rows(self._database, left_rows, wanted)]


class _MovedError(Exception):
    """Rows became history before they were read."""


class _Reel(Protocol):
    """Entries in the order of their rows, some at a time."""

    @property
    def next_row(self) -> int | None:
        """No entry to come is of a row before this; None at the end."""
        ...

    async def more(self) -> Sequence[Entry]:
        """The next ones; there may be none of interest among them."""
        ...


class _Chunks:
    """The history of one stream; a chunk is decoded when it is its turn, and not before."""

    def __init__(self, beside: Database, key: StreamKey, wanted: Wanted, left: Sequence[Place]) -> None:
        self._samples = beside
        self._key = key
        self._wanted = wanted
        self._labels: Labels | None = None
        self._tables: dict[Tables, Tables] = {}
        self._chosen: Collection[int] | None = None
        self._left = list(reversed(left))

    @property
    def next_row(self) -> int | None:
        """The first of the next chunk."""
        return self._left[-1].first_row if self._left else None

    async def more(self) -> Sequence[Entry]:
        """A chunk's."""
        place = self._left.pop()
        if self._labels is None:
            self._labels = await self._samples.read(partial(samples.labels_of, stream=place.stream))
            self._chosen = _chosen(self._labels, self._wanted.metrics)
        if self._chosen is not None and not self._chosen:
            self._left.clear()
            return ()
        fetched = await self._samples.read(partial(samples.fetch, chunk=place.id, wanted=self._chosen))
        if fetched is None:
            return ()
        try:
            return await self._samples.apart(partial(self._entries, fetched, self._labels))
        except _DAMAGED as error:
            structlog.get_logger().error(
                "history_damaged",
                source=self._key.source,
                stream=self._key.stream,
                since=rfc3339(place.first_start),
                until=rfc3339(place.last_end),
                error=f"{type(error).__name__}: {error}",
            )
            return ()

    def _entries(self, fetched: samples.Fetched, labels: Labels) -> Sequence[Entry]:
        entries = samples.restored(self._key, labels, fetched).entries(self._tables)
        return [found for entry in entries if (found := _narrowed(entry, self._wanted)) is not None]


class _Rows:
    """What the journal holds beyond the history."""

    def __init__(self, database: Database, ids: Sequence[int], wanted: Wanted) -> None:
        self._database = database
        self._left = list(ids)
        self._wanted = wanted

    @property
    def next_row(self) -> int | None:
        """The first that was not read."""
        return self._left[0] if self._left else None

    async def more(self) -> Sequence[Entry]:
        """Some rows'."""
        some, self._left = self._left[:_ROWS], self._left[_ROWS:]
        rows = await self._database.read(partial(_payloads, ids=some))
        if len(rows) < len(some):
            raise _MovedError
        return await self._database.apart(partial(self._entries, rows))

    def _entries(self, rows: Sequence["Row[int, Instant, bytes]"]) -> Sequence[Entry]:
        decoded = (Entry(row.id, row.at, codec.decode(row.payload)) for row in rows)
        found = (_narrowed(_chosen_of(entry, self._wanted), self._wanted) for entry in decoded)
        return [entry for entry in found if entry is not None]


async def _merged(reels: Sequence[_Reel]) -> AsyncIterator[Sequence[Entry]]:
    """All the reels' entries in the order of their rows."""
    held: list[tuple[int, Sequence[Entry], _Reel]] = [_waiting(reel) for reel in reels if reel.next_row]
    page: list[Entry] = []
    while held:
        held.sort(key=_row)
        _, entries, reel = held[0]
        if not entries:
            entries = await reel.more()
        # As far as no other reel has an older row.
        end = len(entries) if len(held) == 1 else bisect_left(entries, held[1][0], key=_id)
        page += entries[:end]
        rest = entries[end:]
        held[:1] = [(rest[0].id, rest, reel)] if rest else [_waiting(reel)] if reel.next_row else []
        if len(page) >= _PAGE:
            yield page
            page = []
    if page:
        yield page


def _waiting(reel: _Reel) -> tuple[int, Sequence[Entry], _Reel]:
    return reel.next_row or 0, (), reel


def _row(held: tuple[int, Sequence[Entry], _Reel]) -> int:
    return held[0]


def _id(entry: Entry) -> int:
    return entry.id


def _touches(place: Place, wanted: Wanted) -> bool:
    """Whether a chunk has bins in the time asked for."""
    is_late = wanted.since is not None and place.last_end <= wanted.since
    return not is_late and (wanted.until is None or place.first_start < wanted.until)


def _narrowed(entry: Entry, wanted: Wanted) -> Entry | None:
    """What of it lies in the time asked for; None where it had bins, and none does."""
    if wanted.since is None and wanted.until is None:
        return entry
    batch = entry.batch
    if wanted.until is not None and batch.settled_until > wanted.until:
        batch = replace(batch, settled_until=wanted.until)
    if not batch.starts.size:
        return replace(entry, batch=batch)
    within = np.ones(len(batch.starts), np.bool_)
    if wanted.since is not None:
        within &= batch.starts + max(batch.width, 1) > wanted.since
    if wanted.until is not None:
        within &= batch.starts < wanted.until
    if within.all():
        return replace(entry, batch=batch)
    if not within.any():
        return None
    return replace(entry, batch=replace(batch, starts=batch.starts[within], values=batch.values[within]))


def _chosen_of(entry: Entry, wanted: Wanted) -> Entry:
    """It with the metrics asked for alone."""
    batch = entry.batch
    kept = [at for at, (name, _labels) in enumerate(batch.metrics) if name in wanted.metrics]
    if not wanted.metrics or len(kept) == len(batch.metrics):
        return entry
    metrics = tuple(batch.metrics[at] for at in kept)
    return replace(entry, batch=replace(batch, metrics=metrics, values=batch.values[:, kept]))


def _chosen(labels: Labels, metrics: Collection[str]) -> Collection[int] | None:
    """Ids of the metrics asked for; None is all of them."""
    if not metrics:
        return None
    return [number for number, (metric, _labels) in labels.items() if metric in metrics]


def _journal_sources(connection: Connection) -> set[str]:
    return set(connection.scalars(select(tables.journal.c.source).distinct()))


def _journal_rows(
    connection: Connection, wanted: Wanted, after: int, until: int | None
) -> Sequence["Row[int, str, str, int]"]:
    journal = tables.journal.c
    query = select(journal.id, journal.source, journal.stream, journal.width).order_by(journal.id)
    query = query.where(journal.id > after)
    if wanted.source:
        query = query.where(journal.source == wanted.source)
    if until is not None:
        query = query.where(journal.id <= until)
    return connection.execute(query).all()


def _payloads(connection: Connection, ids: Sequence[int]) -> Sequence["Row[int, Instant, bytes]"]:
    journal = tables.journal.c
    query = select(journal.id, journal.at, journal.payload).where(journal.id.in_(ids)).order_by(journal.id)
    return connection.execute(query).all()
