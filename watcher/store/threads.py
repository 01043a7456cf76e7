"""What targets were told of which incident: tokens that senders keep from one word to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection, and_, or_, select

from watcher.model.incident import Incident, Status
from watcher.model.message import Telling
from watcher.model.time import Instant
from watcher.store.database import Database
from watcher.store.letter import DUE
from watcher.store.rows import incident_from
from watcher.store.statements import chunks, upsert
from watcher.store.tables import incident, outbox, thread


class SqlThreads:
    """Tokens in a database: texts that are their sender's to read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def token(self, target: str, incident_id: str) -> str | None:
        """What was kept; None where the target has not been told of it."""
        query = select(thread.c.token).where(thread.c.target == target, thread.c.incident_id == incident_id)
        found: str | None = await self._database.read(lambda connection: connection.scalar(query))
        return found

    async def keep(self, target: str, tokens: Mapping[str, str]) -> None:
        """By incident; replaces what was kept before. Incidents that there are no longer are left out."""
        if tokens:
            await self._database.write(partial(_keep, target=target, tokens=tokens))

    async def standing(self, target: str, *, ended_since: Instant) -> Sequence[tuple[Incident, str]]:
        """Incidents with their tokens: those that are not over, or ended since then; oldest first.

        Not those whose end the target is still to be told of; but what flaps stands for it until that end,
        which may yet be taken back, is due.
        """
        going_on = incident.c.status.in_([Status.OPEN.value, Status.ACKNOWLEDGED.value])
        of_both = (outbox.c.incident_id == incident.c.id) & (outbox.c.target == target)
        ending = (outbox.c.telling == Telling.RESOLVED) & (outbox.c.state == DUE)
        untold = select(outbox.c.id).where(of_both, ending).correlate(incident)
        rests = untold.where(outbox.c.attempts == 0, outbox.c.due_at > self._database.clock.now()).exists()
        resting = and_(incident.c.flapping, rests)
        ended = and_(incident.c.resolved_at >= ended_since, ~untold.exists())
        query = (
            select(incident, thread.c.token)
            .join(thread, thread.c.incident_id == incident.c.id)
            .where(thread.c.target == target, or_(going_on, resting, ended))
            .add_columns(and_(~going_on, resting).label("rests"))
            .order_by(incident.c.id)
        )

        def read(connection: Connection) -> Sequence[tuple[Incident, str]]:
            rows = connection.execute(query).mappings()
            return [(_as_told(incident_from(row), rests=row["rests"]), row["token"]) for row in rows]

        return await self._database.read(read)


def _as_told(one: Incident, *, rests: bool) -> Incident:
    """As its target knows it."""
    if not rests:
        return one
    standing = Status.OPEN if one.acknowledged_at is None else Status.ACKNOWLEDGED
    return replace(one, status=standing, resolution=None, resolved_at=None, recovery=None)


def _keep(connection: Connection, target: str, tokens: Mapping[str, str]) -> None:
    for ids in chunks(sorted(tokens)):
        there = {row.id for row in connection.execute(select(incident.c.id).where(incident.c.id.in_(ids)))}
        kept = [{"target": target, "incident_id": one, "token": tokens[one]} for one in ids if one in there]
        upsert(connection, thread, kept)
