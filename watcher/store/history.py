"""The reading side of the store: for the command line, HTTP and the page."""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Final

from sqlalchemy import ColumnClause, Connection, Select, func, literal_column, select

from watcher.model.act import Act
from watcher.model.hand import GivenUp
from watcher.model.incident import Incident
from watcher.model.message import Telling
from watcher.model.ports import Delivery, Failing, IncidentQuery, Owner, Story, TimelineEntry
from watcher.model.sample import Sight
from watcher.model.statistics import Brief
from watcher.model.time import Instant
from watcher.store import process, tables
from watcher.store.acts import SqlActs
from watcher.store.archive import read_briefs, read_stories
from watcher.store.claims import with_who_ended
from watcher.store.database import Database
from watcher.store.filters import conditions
from watcher.store.lease import stands
from watcher.store.letter import DEAD, DUE
from watcher.store.rows import incident_from
from watcher.store.statements import chunks

_IS_DUE: Final[ColumnClause[str]] = literal_column(f"'{DUE}'")
"""Written out, as an index of what is due is of that very condition."""
_NAMED: Final = 10
"""Incidents that a beginning of an id may name, before it is longer."""


class SqlHistory:
    """Queries; each in a snapshot of its own and under a deadline."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def incidents(self, query: IncidentQuery) -> Sequence[Incident]:
        """What the filter selects. `since` and `until` ask for what lasted into `[since, until)`."""
        return await self._database.read(partial(_incidents, statement=_filtered(query)))

    async def incident(self, incident_id: str) -> Incident | None:
        """By full id, or by a prefix that names exactly one."""
        found = await self._database.read(partial(_incidents, statement=_by_prefix(incident_id.lower())))
        return found[0] if len(found) == 1 else None

    async def beginning(self, prefix: str) -> Sequence[Incident]:
        """Those whose id begins so, the newest first, ten at most."""
        incident = tables.incident.c
        named = select(tables.incident).where(incident.id.startswith(prefix.lower(), autoescape=True))
        newest = named.order_by(incident.id.desc()).limit(_NAMED)
        return await self._database.read(partial(_incidents, statement=newest))

    def briefs(self, query: IncidentQuery) -> AsyncIterator[Sequence[Brief]]:
        """What the filter selects, for statistics: all of it but drills, a page at a time."""
        return read_briefs(self._database, query)

    def stories(self, query: IncidentQuery) -> AsyncIterator[Sequence[Story]]:
        """What the filter selects, the oldest first, each with its timeline: all of it, a page at a time."""
        return read_stories(self._database, query)

    async def acts(self, incident_id: str) -> Sequence[Act]:
        """What people did to it, in order; what was refused and what waits, too."""
        return await SqlActs(self._database).of(incident_id)

    async def timeline(self, incident_id: str) -> Sequence[TimelineEntry]:
        """Its story, oldest first."""
        timeline = tables.timeline.c
        query = (
            select(timeline.at, timeline.kind, timeline.text, timeline.who)
            .where(timeline.incident_id == incident_id)
            .order_by(timeline.id)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [TimelineEntry(row.at, row.kind, row.text, row.who) for row in rows]

    async def deliveries(self, incident_id: str) -> Sequence[Delivery]:
        """Who was told, or is yet to be: `at` is when a row last changed, or is due while it is open."""
        outbox = tables.outbox.c
        query = select(tables.outbox).where(outbox.incident_id == incident_id).order_by(outbox.id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            Delivery(
                target=row.target,
                telling=Telling(row.telling),
                state=row.state,
                attempts=row.attempts,
                at=row.due_at if row.state == DUE else row.changed_at,
                detail=row.detail,
                reason=row.reason,
                route=row.route,
            )
            for row in rows
        ]

    async def sights(self) -> Sequence[Sight]:
        """The last sight of every stream, by source and stream."""
        query = select(tables.sight).order_by(tables.sight.c.source, tables.sight.c.stream)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [Sight(**row) for row in rows]

    async def backlog(self) -> Mapping[str, int]:
        """Messages owed, by target; reminders whose time has not come are owed by nobody yet."""
        return await self._database.read(self._backlog)

    def _backlog(self, connection: Connection) -> Mapping[str, int]:
        outbox = tables.outbox.c
        is_owed = (outbox.telling != Telling.REMINDER) | (outbox.due_at <= self._database.now(connection))
        query = (
            select(outbox.target, func.count())
            .where(outbox.state == _IS_DUE, is_owed)
            .group_by(outbox.target)
            .order_by(outbox.target)
        )
        return {target: owed for target, owed in connection.execute(query)}  # noqa: C416 - dict() wants tuples, these are rows

    async def failing(self) -> Mapping[str, Failing]:
        """By target: what keeps messages waiting. What was given up keeps none."""
        return await self._database.read(_failing)

    async def given_up(self, *, since: Instant) -> Sequence[GivenUp]:
        """Messages that were given up since then, by target: how many, and why the last one was."""
        return await self._database.read(partial(_given_up, since=since))

    async def owner(self) -> Owner | None:
        """The daemon on this database, if any."""
        return await self._database.read(self._owner)

    def _owner(self, connection: Connection) -> Owner | None:
        row = connection.execute(select(tables.lease)).mappings().one()
        if not row["holder"]:
            return None
        pid, host = process.parts(row["holder"])
        return Owner(
            holder=row["holder"],
            since=row["since"],
            seen=row["seen"],
            alive=stands(row, self._database.now(connection)),
            pid=int(pid),
            host=host,
            process_alive=process.alive(row["holder"]),
        )


def _failing(connection: Connection) -> Mapping[str, Failing]:
    outbox = tables.outbox.c
    newest = outbox.changed_at.desc(), outbox.id.desc()
    missed = (
        select(
            outbox.target,
            func.min(outbox.created_at).over(partition_by=outbox.target).label("since"),
            func.row_number().over(partition_by=outbox.target, order_by=newest).label("place"),
            outbox.detail,
        )
        .where(outbox.state == _IS_DUE, outbox.attempts > 0, outbox.detail != "")
        .subquery()
    )
    found = select(missed).where(missed.c.place == 1).order_by(missed.c.target)
    return {row.target: Failing(row.target, row.since, row.detail) for row in connection.execute(found)}


def _given_up(connection: Connection, since: Instant) -> Sequence[GivenUp]:
    outbox = tables.outbox.c
    query = (
        select(outbox.target, outbox.changed_at, outbox.detail)
        .where(outbox.state == literal_column(f"'{DEAD}'"), outbox.changed_at >= since)
        .order_by(outbox.target, outbox.changed_at)
    )
    by_target = groupby(connection.execute(query).all(), key=attrgetter("target"))
    found = [(target, [*rows]) for target, rows in by_target]
    return [GivenUp(target, len(rows), rows[-1].changed_at, rows[-1].detail) for target, rows in found]


def _incidents(connection: Connection, statement: Select[tuple[object, ...]]) -> Sequence[Incident]:
    found = [incident_from(row) for row in connection.execute(statement).mappings()]
    return [one for some in chunks(found) for one in with_who_ended(connection, some)]


def _filtered(query: IncidentQuery) -> Select[tuple[object, ...]]:
    incident = tables.incident.c
    statement = select(tables.incident).where(*conditions(query))
    return statement.order_by(incident.opened_at.desc(), incident.id.desc()).limit(query.limit)


def _by_prefix(prefix: str) -> Select[tuple[object, ...]]:
    return select(tables.incident).where(tables.incident.c.id.startswith(prefix, autoescape=True)).limit(2)
