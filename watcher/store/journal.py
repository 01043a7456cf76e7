"""The journal of batches, cursors, sights and the engine's state: written by the tick, read to rebuild."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final, TypeAlias

from sqlalchemy import BigInteger, Connection, Row, func, insert, literal, select

from watcher.model.incident import Incident, Status
from watcher.model.ports import Ticked
from watcher.model.sample import Cursor, Poll, SampleBatch, Sight
from watcher.model.snapshot import Kept, TrackState
from watcher.model.time import DAY, Duration, Instant
from watcher.store import codec, snapshot, tables
from watcher.store.chunks import Entry
from watcher.store.database import Database
from watcher.store.rows import incident_from
from watcher.store.statements import upsert

_Row: TypeAlias = "Row[int, Instant, bool, bytes]"

_PAGE: Final = 64
"""Batches read at once: a page of the largest is some tens of megabytes."""
FOUND_AGAIN: Final[Duration] = DAY
"""How long before the oldest frozen edge an episode may have ended that the engine finds again."""


_ENTRY: Final = (
    tables.journal.c.id,
    tables.journal.c.at,
    tables.journal.c.opens,
    tables.journal.c.payload,
)


class SqlJournal:
    """What the engine is rebuilt from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pages(self, after: int = 0) -> AsyncIterator[Sequence[Entry]]:
        """Every row after the given one, in commit order, by the page: all of them may not fit memory."""
        last = after
        while rows := await self._database.read(partial(_page, after=last)):
            yield await self._database.apart(partial(_decoded, rows))
            last = rows[-1].id

    async def ticks(self, after: int) -> AsyncIterator[Ticked]:
        """What was committed after a row, tick by tick."""
        at, batches = 0, list[SampleBatch]()
        last = held = after
        while rows := await self._database.read(partial(_page, after=last)):
            for row, entry in zip(rows, await self._database.apart(partial(_decoded, rows)), strict=True):
                if row.opens and batches:
                    yield Ticked(at, batches, held)
                    batches = []
                at, held = entry.at, row.id
                batches.append(entry.batch)
            last = rows[-1].id
        if batches:
            yield Ticked(at, batches, held)

    async def reached(self) -> int:
        """The newest row; of the writer alone it is what its last commit wrote."""
        return await self._database.read(read_reached)

    async def kept(self) -> Kept | None:
        """The snapshot that a restart begins from; None before there was one."""
        return await self._database.read(read_kept)

    async def newest(self) -> Sequence[SampleBatch]:
        """The last batch of every stream: what its source gives at present."""
        rows = await self._database.read(_newest)
        return [entry.batch for entry in await self._database.apart(partial(_decoded, rows))]

    async def cursors(self) -> Mapping[tuple[str, str], Cursor]:
        """By (source, stream)."""
        rows = await self._database.read(lambda connection: connection.execute(select(tables.cursor)).all())
        return {(row.source, row.stream): Cursor(**row._mapping) for row in rows}  # noqa: SLF001 - public by SQLAlchemy

    async def engine(self) -> Sequence[TrackState]:
        """Where the engine stood at the last tick; empty for a new database."""
        return await self._database.read(read_engine)

    async def standing(self) -> Sequence[Incident]:
        """Incidents that are not over, ended so late that they may be found again, and their leaves.

        Oldest first.
        """
        return await self._database.read(_standing)


def _page(connection: Connection, after: int) -> Sequence[_Row]:
    journal = tables.journal.c
    query = select(*_ENTRY).where(journal.id > after).order_by(journal.id).limit(_PAGE)
    return connection.execute(query).all()


def _newest(connection: Connection) -> Sequence[_Row]:
    journal = tables.journal.c
    last = select(func.max(journal.id)).group_by(journal.source, journal.stream)
    return connection.execute(select(*_ENTRY).where(journal.id.in_(last)).order_by(journal.id)).all()


def read_reached(connection: Connection) -> int:
    """A journal whose rows have all become history says nothing: the snapshot that let them does."""
    newest: int | None = connection.scalar(select(func.max(tables.journal.c.id)))
    kept = read_kept(connection)
    return max(newest or 0, kept.row if kept else 0)


def _decoded(rows: Iterable[_Row]) -> list[Entry]:
    return [Entry(row.id, row.at, codec.decode(row.payload)) for row in rows]


def _standing(connection: Connection) -> Sequence[Incident]:
    incident = tables.incident.c
    since = literal(_judged_from(connection), BigInteger)  # no time compares with NULL
    recent = (incident.status == Status.RESOLVED) & (incident.resolved_at >= since)
    held = incident.status.in_([Status.OPEN, Status.ACKNOWLEDGED]) | recent
    is_leaf = (incident.status == Status.RESOLVED) & incident.parent_id.in_(select(incident.id).where(held))
    query = (
        select(tables.incident)
        .where(held | is_leaf)
        .where(~incident.drill)  # no engine has judged it, so none finds it again or ends it
        .order_by(incident.opened_at, incident.id)
    )
    return [incident_from(row) for row in connection.execute(query).mappings()]


def _judged_from(connection: Connection) -> Instant | None:
    """Since when an episode may have ended that the engine finds again; None: no end is.

    An engine that has frozen nothing judges all that the journal holds.
    """
    frozen = [track.frozen_at for track in read_engine(connection)]
    if frozen:
        return min(frozen) - FOUND_AGAIN
    begins: Instant | None = connection.scalar(select(func.min(tables.journal.c.first_start)))
    return begins


def read_engine(connection: Connection) -> Sequence[TrackState]:
    """Where the engine stood at the last tick; empty for a new database."""
    payload: bytes | None = connection.scalar(select(tables.engine_state.c.payload))
    return () if payload is None else snapshot.decode(payload)


def journal_values(batch: SampleBatch) -> dict[str, object]:
    """Column values of a batch; encoding takes milliseconds for a large one."""
    first = int(batch.starts.min()) if len(batch.starts) else batch.fetched_at
    last = int(batch.starts.max()) if len(batch.starts) else batch.fetched_at
    return {
        "source": batch.source,
        "stream": batch.stream,
        "width": batch.width,
        "fetched_at": batch.fetched_at,
        "first_start": first,
        "last_end": last + batch.width,
        "payload": codec.encode(batch),
    }


def write_polls(
    connection: Connection, polls: Sequence[Poll], batches: Sequence[Mapping[str, object]], at: Instant
) -> None:
    """Journal the batches (their `journal_values`), move the cursors, keep the last sight of each stream."""
    if batches:
        ticked = [{**values, "at": at, "opens": number == 0} for number, values in enumerate(batches)]
        connection.execute(insert(tables.journal), ticked)
    cursors = {(poll.cursor.source, poll.cursor.stream): poll.cursor for poll in polls if poll.cursor}
    sights: dict[tuple[str, str], Sight] = {
        (poll.sight.source, poll.sight.stream): poll.sight for poll in polls
    }
    upsert(connection, tables.cursor, [asdict(cursor) for cursor in cursors.values()])
    upsert(connection, tables.sight, [asdict(sight) for sight in sights.values()])


def write_kept(connection: Connection, kept: Kept) -> None:
    """Name the snapshot that a restart begins from."""
    upsert(connection, tables.kept, [{"id": 1, "token": kept.token, "row": kept.row}])


def read_kept(connection: Connection) -> Kept | None:
    """The snapshot that a restart begins from; None before there was one."""
    row = connection.execute(select(tables.kept.c.token, tables.kept.c.row)).one_or_none()
    return None if row is None else Kept(row.token, row.row)


def write_engine(connection: Connection, states: Sequence[TrackState]) -> None:
    """Keep where the engine stands, in place of where it stood."""
    upsert(connection, tables.engine_state, [{"id": 1, "payload": snapshot.encode(states)}])
