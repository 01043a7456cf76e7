"""The journal of batches, cursors, sights and the engine's state: written by the tick, read to rebuild."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final

from sqlalchemy import BigInteger, Connection, bindparam, delete, func, insert, literal, select

from watcher.model.incident import Incident, Status
from watcher.model.sample import Cursor, Poll, SampleBatch, Sight
from watcher.model.snapshot import TrackState
from watcher.model.time import DAY, Duration, Instant
from watcher.store import codec, snapshot, tables
from watcher.store.database import Database
from watcher.store.rows import incident_from
from watcher.store.statements import upsert

_PAGE: Final = 64
"""Batches read at once: a page of the largest is some tens of megabytes."""
_FOUND_AGAIN: Final[Duration] = DAY
"""How long before the oldest frozen edge an episode may have ended that the engine finds again."""


class SqlJournal:
    """What the engine is rebuilt from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pages(self) -> AsyncIterator[Sequence[SampleBatch]]:
        """Every batch in the journal, in commit order, a page at a time: together they may not fit memory."""
        last = 0
        while rows := await self._database.read(partial(_page, after=last)):
            payloads = [payload for _id, payload in rows]
            yield await self._database.apart(partial(_decoded, payloads))
            last = rows[-1][0]

    async def newest(self) -> Sequence[SampleBatch]:
        """The last batch of every stream: what its source gives at present."""
        payloads = await self._database.read(_newest)
        return await self._database.apart(partial(_decoded, payloads))

    async def cursors(self) -> Mapping[tuple[str, str], Cursor]:
        """By (source, stream)."""
        rows = await self._database.read(lambda connection: connection.execute(select(tables.cursor)).all())
        return {(row.source, row.stream): Cursor(**row._mapping) for row in rows}  # noqa: SLF001 - public by SQLAlchemy

    async def engine(self) -> Sequence[TrackState]:
        """Where the engine stood at the last tick; empty for a new database."""
        return await self._database.read(_engine)

    async def standing(self) -> Sequence[Incident]:
        """Incidents that are not over, and those that ended so late that they may be found again.

        Oldest first.
        """
        return await self._database.read(_standing)


def _page(connection: Connection, after: int) -> Sequence[tuple[int, bytes]]:
    journal = tables.journal.c
    query = select(journal.id, journal.payload).where(journal.id > after).order_by(journal.id).limit(_PAGE)
    return [(row.id, row.payload) for row in connection.execute(query)]


def _newest(connection: Connection) -> Sequence[bytes]:
    journal = tables.journal.c
    last = select(func.max(journal.id)).group_by(journal.source, journal.stream)
    query = select(journal.payload).where(journal.id.in_(last)).order_by(journal.id)
    return [row.payload for row in connection.execute(query)]


def _decoded(payloads: Iterable[bytes]) -> list[SampleBatch]:
    return [codec.decode(payload) for payload in payloads]


def _standing(connection: Connection) -> Sequence[Incident]:
    incident = tables.incident.c
    since = literal(_judged_from(connection), BigInteger)  # no time compares with NULL
    recent = (incident.status == Status.RESOLVED) & (incident.resolved_at >= since)
    query = (
        select(tables.incident)
        .where(incident.status.in_([Status.OPEN, Status.ACKNOWLEDGED]) | recent)
        .order_by(incident.opened_at, incident.id)
    )
    return [incident_from(row) for row in connection.execute(query).mappings()]


def _judged_from(connection: Connection) -> Instant | None:
    """Since when an episode may have ended that the engine finds again; None: no end is.

    An engine that has frozen nothing judges all that the journal holds.
    """
    frozen = [track.frozen_at for track in _engine(connection)]
    if frozen:
        return min(frozen) - _FOUND_AGAIN
    begins: Instant | None = connection.scalar(select(func.min(tables.journal.c.first_start)))
    return begins


def _engine(connection: Connection) -> Sequence[TrackState]:
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
    connection: Connection, polls: Sequence[Poll], batches: Sequence[Mapping[str, object]]
) -> None:
    """Journal the batches (their `journal_values`), move the cursors, keep the last sight of each stream."""
    if batches:
        connection.execute(insert(tables.journal), batches)
    cursors = {(poll.cursor.source, poll.cursor.stream): poll.cursor for poll in polls if poll.cursor}
    sights: dict[tuple[str, str], Sight] = {
        (poll.sight.source, poll.sight.stream): poll.sight for poll in polls
    }
    upsert(connection, tables.cursor, [asdict(cursor) for cursor in cursors.values()])
    upsert(connection, tables.sight, [asdict(sight) for sight in sights.values()])


def write_engine(connection: Connection, states: Sequence[TrackState]) -> None:
    """Keep where the engine stands, in place of where it stood."""
    upsert(connection, tables.engine_state, [{"id": 1, "payload": snapshot.encode(states)}])


def forget(connection: Connection, before: Mapping[tuple[str, str], Instant]) -> None:
    """Drop journal rows that end at or before the instant of their (source, stream)."""
    journal = tables.journal.c
    if before:
        ended = delete(tables.journal).where(
            journal.source == bindparam("of"),
            journal.stream == bindparam("name"),
            journal.last_end <= bindparam("until"),
        )
        connection.execute(
            ended,
            [{"of": source, "name": stream, "until": until} for (source, stream), until in before.items()],
        )
