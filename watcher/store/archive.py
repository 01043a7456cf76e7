"""Reading all of the book, for statistics and export: page by page, so that none outlasts its deadline."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select, tuple_

from watcher.model.act import ActKind, ActState
from watcher.model.incident import Incident, Resolution, Status
from watcher.model.ports import IncidentQuery, Story, TimelineEntry
from watcher.model.rule import Severity
from watcher.model.statistics import Brief
from watcher.model.time import Instant
from watcher.store import tables
from watcher.store.claims import with_who_ended
from watcher.store.database import Database
from watcher.store.filters import conditions
from watcher.store.rows import incident_from

_BRIEFS: Final = 10_000
_STORIES: Final = 200
"""Rows of a page."""
_START: Final = (-(2**62), "")


async def read_briefs(database: Database, query: IncidentQuery) -> AsyncIterator[Sequence[Brief]]:
    """What the filter selects, for statistics; in no order."""
    after = _START
    while rows := await database.read(partial(_brief_rows, query=query, after=after)):
        yield [_brief(row) for row in rows]
        after = rows[-1]["opened_at"], rows[-1]["id"]


async def read_stories(database: Database, query: IncidentQuery) -> AsyncIterator[Sequence[Story]]:
    """What the filter selects, the oldest first, each with its timeline."""
    after = _START
    while stories := await database.read(partial(_stories, query=query, after=after)):
        yield stories
        last = stories[-1].incident
        after = last.opened_at, last.id


def _after(after: tuple[Instant, str]) -> ColumnElement[bool]:
    """What comes later in the order of a page; the bare column lets an index be used."""
    incident = tables.incident.c
    return (incident.opened_at >= after[0]) & (tuple_(incident.opened_at, incident.id) > after)


def _brief_rows(
    connection: Connection, query: IncidentQuery, after: tuple[Instant, str]
) -> Sequence[RowMapping]:
    incident, act = tables.incident.c, tables.act.c
    applied = (act.incident_id == incident.id, act.state == ActState.APPLIED)
    first = select(func.min(act.asked_at)).where(*applied, act.kind == ActKind.ACKNOWLEDGE).scalar_subquery()
    ended = (
        select(func.max(act.asked_at))
        .where(*applied, act.kind == ActKind.RESOLVE, incident.resolution == Resolution.MANUAL)
        .scalar_subquery()
    )
    columns = (
        incident.id,
        incident.rule,
        incident.severity,
        incident.status,
        incident.opened_at,
        incident.detected_at,
        incident.resolved_at,
        incident.returns,
        incident.flapping,
        incident.affected,
        incident.parent_id,
        func.coalesce(first, incident.acknowledged_at).label("acknowledged_at"),
        ended.label("ended_by_hand_at"),
    )
    statement = select(*columns).where(*conditions(query), _after(after), ~incident.drill)
    return (
        connection.execute(statement.order_by(incident.opened_at, incident.id).limit(_BRIEFS))
        .mappings()
        .all()
    )


def _brief(row: RowMapping) -> Brief:
    values = {name: value for name, value in row.items() if name != "id"}
    return Brief(**values | {"severity": Severity(row["severity"]), "status": Status(row["status"])})


def _stories(connection: Connection, query: IncidentQuery, after: tuple[Instant, str]) -> Sequence[Story]:
    incident = tables.incident.c
    statement = select(tables.incident).where(*conditions(query), _after(after))
    page = statement.order_by(incident.opened_at, incident.id).limit(_STORIES)
    found = [incident_from(row) for row in connection.execute(page).mappings()]
    incidents = with_who_ended(connection, found)
    told = _timelines(connection, incidents)
    return [Story(one, told[one.id]) for one in incidents]


def _timelines(connection: Connection, incidents: Sequence[Incident]) -> dict[str, list[TimelineEntry]]:
    found: dict[str, list[TimelineEntry]] = {one.id: [] for one in incidents}
    timeline = tables.timeline.c
    query = select(tables.timeline).where(timeline.incident_id.in_(found)).order_by(timeline.id)
    for row in connection.execute(query):
        found[row.incident_id].append(TimelineEntry(row.at, row.kind, row.text, row.who))
    return found
