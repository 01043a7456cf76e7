"""A filter over the book as conditions of a query."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement

from watcher.model.incident import Status
from watcher.model.ports import IncidentQuery
from watcher.store import tables
from watcher.store.rows import label_needle
from watcher.store.statements import position


def conditions(query: IncidentQuery) -> Iterator[ColumnElement[bool]]:
    """What a row of `incident` must be to be selected; nothing where nothing is asked."""
    incident = tables.incident.c
    if query.status:
        yield incident.status.in_(sorted(query.status))
    if query.severity is not None:
        yield incident.severity == int(query.severity)
    if query.shadow is not None:
        yield incident.shadow.is_(query.shadow)
    if query.flapping is not None:
        yield incident.flapping.is_(query.flapping)
    if query.rule:
        yield incident.rule == query.rule
    named = ((incident.parent_id, query.parent), (incident.assignee, query.assignee))
    yield from (column == value for column, value in named if value)
    for name, value in query.labels.items():
        yield position(incident.labels, label_needle(name, value)) > 0
    if query.until is not None:
        yield incident.opened_at < query.until
    if query.since is not None:
        standing = incident.resolved_at.is_(None) & (incident.status != Status.WITHDRAWN)
        yield standing | (incident.resolved_at > query.since) | (incident.opened_at >= query.since)
