"""What the book forgets: incidents that are long over, and before them their stories and deliveries.

Nothing goes that is open, owed or asked for, nor what a restart or a late correction may still speak of.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, func, or_, select, true

from watcher.model.act import ActState
from watcher.model.incident import Status
from watcher.model.time import DAY, Duration, Instant
from watcher.store.database import Database
from watcher.store.journal import FOUND_AGAIN, read_engine, read_kept
from watcher.store.lease import Fence
from watcher.store.letter import DUE
from watcher.store.statements import chunks
from watcher.store.tables import act, incident, inventory_change, outbox, silence, thread, timeline

_Old: TypeAlias = Callable[[Connection], Select[Any]]
"""The ids of what is old, of one table."""

BITE: Final = 500
"""Rows that one transaction deletes, so that no tick waits long for it."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind is kept, counted from its end."""

    incidents: Duration = 400 * DAY
    """Whatever belongs to an incident goes with it."""
    timeline: Duration = 400 * DAY
    deliveries: Duration = 90 * DAY
    acts: Duration = 400 * DAY
    silences: Duration = 400 * DAY
    inventory_changes: Duration = 90 * DAY


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows of each kind one round deleted, apart from those that went with their incidents."""

    incidents: int
    timeline: int
    deliveries: int
    acts: int
    silences: int
    inventory_changes: int

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))


class Retaining:
    """Deletes what is older than it is kept, bite by bite, for the daemon that holds the lease."""

    def __init__(self, database: Database, retention: Retention, lease: Fence) -> None:
        self._database = database
        self._retention = retention
        self._lease = lease

    async def round(self, at: Instant) -> Forgotten:
        """Delete what is old by now.

        Raises:
            StoreUnavailable: it may be tried again.
            LeaseLost: another daemon owns the database.
        """
        kept = self._retention
        return Forgotten(
            deliveries=await self._forget(outbox, partial(_deliveries, before=at - kept.deliveries)),
            timeline=await self._forget(timeline, partial(_stories, before=at - kept.timeline)),
            acts=await self._forget(act, partial(_acts, before=at - kept.acts)),
            incidents=await self._forget(incident, partial(_incidents, before=at - kept.incidents)),
            silences=await self._forget(silence, partial(_silences, before=at - kept.silences)),
            inventory_changes=await self._forget(
                inventory_change, partial(_changes, before=at - kept.inventory_changes)
            ),
        )

    async def _forget(self, table: Table, old: _Old) -> int:
        """Bite by bite; what is old is looked up beside the writer, and looked at again by it."""
        forgotten = 0
        while ids := await self._database.read(partial(_bite, old=old)):
            gone = await self._database.write(partial(self._delete, table=table, old=old, ids=ids))
            forgotten += gone
            if gone < BITE:
                break
        return forgotten

    def _delete(
        self,
        connection: Connection,
        table: Table,
        old: _Old,
        ids: Sequence[Any],
    ) -> int:
        self._lease.renew(connection)
        still = connection.scalars(old(connection).where(table.c.id.in_(ids))).all()
        for some in chunks(still):
            if table is incident:  # its key begins with the target: the database would look at every row
                connection.execute(delete(thread).where(thread.c.incident_id.in_(some)))
            connection.execute(delete(table).where(table.c.id.in_(some)))
        return len(still)


def _bite(connection: Connection, old: _Old) -> Sequence[Any]:
    return connection.scalars(old(connection).limit(BITE)).all()


def _over(connection: Connection, before: Instant) -> ColumnElement[bool]:
    """Incidents that were over before a time, and that no bin to come can change."""
    c = incident.c
    resolved = and_(c.status.in_([Status.RESOLVED, Status.WITHDRAWN]), c.resolved_at < before)
    withdrawn = and_(c.status == Status.WITHDRAWN, c.resolved_at.is_(None))
    judged = [
        ~and_(c.rule == track.rule, c.source == track.source, _ended() >= track.frozen_at - FOUND_AGAIN)
        for track in read_engine(connection)
        if track.frozen_at - FOUND_AGAIN < before
    ]
    return and_(or_(resolved, withdrawn), c.detected_at < before, *judged)


def _ended() -> ColumnElement[int]:
    return func.coalesce(incident.c.resolved_at, incident.c.detected_at)


def _incidents(connection: Connection, before: Instant) -> Select[Any]:
    """Those of which nothing is owed or asked, and that none which stands names as the wider one."""
    standing = [Status.OPEN, Status.ACKNOWLEDGED]
    wider = incident.alias("leaf")
    named = select(wider.c.parent_id).where(wider.c.status.in_(standing), wider.c.parent_id.is_not(None))
    owed = select(outbox.c.id).where(outbox.c.incident_id == incident.c.id, outbox.c.state == DUE)
    asked = select(act.c.id).where(act.c.incident_id == incident.c.id, ~_is_settled(connection))
    return select(incident.c.id).where(
        _over(connection, before), incident.c.id.not_in(named), ~owed.exists(), ~asked.exists()
    )


def _stories(connection: Connection, before: Instant) -> Select[Any]:
    joined = timeline.join(incident, incident.c.id == timeline.c.incident_id)
    return select(timeline.c.id).select_from(joined).where(_over(connection, before), timeline.c.at < before)


def _deliveries(connection: Connection, before: Instant) -> Select[Any]:
    """Of what stands every one is kept: it says who has heard of it."""
    joined = outbox.join(incident, incident.c.id == outbox.c.incident_id)
    settled = outbox.c.state != DUE, outbox.c.changed_at < before
    return select(outbox.c.id).select_from(joined).where(_over(connection, before), *settled)


def _acts(connection: Connection, before: Instant) -> Select[Any]:
    joined = act.join(incident, incident.c.id == act.c.incident_id)
    settled = _is_settled(connection), act.c.applied_at < before
    return select(act.c.id).select_from(joined).where(_over(connection, before), *settled)


def _is_settled(connection: Connection) -> ColumnElement[bool]:
    """Acts that are applied or refused, and that no restart applies again."""
    kept = read_kept(connection)
    again = act.c.row >= kept.row if kept is not None else true()
    return and_(act.c.state != ActState.ASKED, ~and_(act.c.row.is_not(None), again))


def _silences(_connection: Connection, before: Instant) -> Select[Any]:
    """Those that have ended, by their time or by hand."""
    return select(silence.c.id).where(or_(silence.c.ended_at < before, silence.c.ends_at < before))


def _changes(_connection: Connection, before: Instant) -> Select[Any]:
    return select(inventory_change.c.id).where(inventory_change.c.at < before)
