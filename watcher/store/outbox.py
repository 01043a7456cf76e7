"""The outbox: messages owed, claimed under a lease so that a crash delivers them again."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, case, func, insert, select, update

from watcher.model.incident import Status
from watcher.model.message import Due, Telling
from watcher.model.time import Duration, Instant
from watcher.store.database import Database
from watcher.store.dispatch import DEAD, DONE, DUE, REMINDED, SKIPPED
from watcher.store.rows import incident_from
from watcher.store.statements import chunks
from watcher.store.tables import incident, outbox


class SqlOutbox:
    """The durable queue, one target at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, target: str, *, at: Instant, lease: Duration, limit: int) -> Sequence[Due]:
        """Due rows of one target, leased until `at + lease`: critical first, then openings before endings.

        Of one incident only the oldest open row is given, so that no word overtakes one before it.
        """
        return await self._database.write(partial(_claim, target=target, at=at, lease=lease, limit=limit))

    async def done(self, rows: Sequence[Due], *, at: Instant, detail: str) -> None:
        """They were told; the next reminder, where one is owed, is scheduled in the same transaction."""
        values = {"state": DONE, "detail": detail, "attempts": outbox.c.attempts + 1}
        await self._set(rows, at, values, settled=True)

    async def skipped(self, rows: Sequence[Due], *, at: Instant, reason: str) -> None:
        """They need not be told, for a named reason."""
        await self._set(rows, at, {"state": SKIPPED, "detail": reason}, settled=True)

    async def failed(self, rows: Sequence[Due], *, at: Instant, error: str, retry_at: Instant | None) -> None:
        """An attempt failed: due again at `retry_at`, or dead when that is None."""
        values: dict[str, object] = {"detail": error, "attempts": outbox.c.attempts + 1}
        values |= {"state": DEAD} if retry_at is None else {"due_at": retry_at}
        await self._set(rows, at, values, settled=retry_at is None)

    async def next_due(self, target: str) -> Instant | None:
        """When the earliest open row of the target is due or its claim ends; None when there is none."""
        return await self._database.read(partial(_next_due, target=target))

    async def retire(self, known: Collection[str], *, at: Instant) -> int:
        """Skip what is owed to targets that are not among those known any more; how many rows that were."""
        return await self._database.write(partial(_retire, known=known, at=at))

    async def _set(
        self, rows: Sequence[Due], at: Instant, values: Mapping[str, object], *, settled: bool
    ) -> None:
        """What is settled, however that went, is followed by the next reminder where one is owed."""
        ids = [row.id for row in rows]
        changed = {**values, "changed_at": at, "leased_until": 0}

        def work(connection: Connection) -> None:
            for some in chunks(ids):
                if settled:
                    _remind(connection, some, at)
                connection.execute(update(outbox).where(outbox.c.id.in_(some), _OPEN).values(changed))

        await self._database.write(work)


_OPEN: ColumnElement[bool] = outbox.c.state == DUE
_GONE: Final = "its target is no longer configured"


def _heads(target: str) -> ColumnElement[bool]:
    """Open rows of a target that do not wait for an older one about the same incident."""
    older = outbox.alias("older")
    before = (
        select(older.c.id).where(older.c.id == outbox.c.waits_for, older.c.state == DUE).correlate(outbox)
    )
    return (outbox.c.target == target) & _OPEN & ~before.exists()


def _due(target: str, at: Instant, limit: int) -> Select[tuple[int]]:
    return (
        select(outbox.c.id)
        .where(_heads(target), outbox.c.due_at <= at, outbox.c.leased_until <= at)
        .order_by(outbox.c.rank, outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _claim(connection: Connection, target: str, at: Instant, lease: Duration, limit: int) -> Sequence[Due]:
    ids = [row.id for row in connection.execute(_due(target, at, limit))]
    found: dict[int, Due] = {}
    for some in chunks(ids):
        connection.execute(update(outbox).where(outbox.c.id.in_(some)).values(leased_until=at + lease))
        joined = outbox.join(incident, incident.c.id == outbox.c.incident_id)
        columns = [column.label(f"outbox_{column.name}") for column in outbox.c]
        query = select(*columns, *incident.c, _heard()).select_from(joined).where(outbox.c.id.in_(some))
        for row in connection.execute(query).mappings():
            found[row["outbox_id"]] = Due(
                id=row["outbox_id"],
                telling=Telling(row["outbox_telling"]),
                target=target,
                incident=incident_from(row),
                created_at=row["outbox_created_at"],
                attempts=row["outbox_attempts"],
                held=row["outbox_held"],
                heard=row["heard"],
            )
    return [found[one] for one in ids]


def _heard() -> ColumnElement[bool]:
    """Whether the row's target has been told of the row's incident before."""
    told = outbox.alias("told")
    of_same = (told.c.incident_id == outbox.c.incident_id) & (told.c.target == outbox.c.target)
    return select(told.c.id).where(of_same, told.c.state == DONE).correlate(outbox).exists().label("heard")


def _retire(connection: Connection, known: Collection[str], at: Instant) -> int:
    gone = update(outbox).where(_OPEN, outbox.c.target.not_in(sorted(known)))
    skipped = gone.values(state=SKIPPED, detail=_GONE, changed_at=at, leased_until=0)
    return connection.execute(skipped).rowcount


def _remind(connection: Connection, ids: Sequence[int], at: Instant) -> None:
    """Owe the next reminder of what is settled now and still open; who acknowledged needs none.

    Nor does who hears of a wider incident that explains it.
    """
    query = (
        select(outbox)
        .join(incident, incident.c.id == outbox.c.incident_id)
        .where(outbox.c.id.in_(ids), _OPEN, outbox.c.repeat > 0)
        .where(outbox.c.telling.in_(REMINDED), incident.c.status == Status.OPEN)
        .where(incident.c.parent_id.is_(None))
    )
    reminders = [
        {
            **row,
            "mark": f"reminder:{row['id']}",
            "telling": Telling.REMINDER,
            "created_at": at,
            "due_at": at + row["repeat"],
            "held": False,
            "leased_until": 0,
            "waits_for": None,
            "attempts": 0,
            "changed_at": at,
            "detail": "",
        }
        for row in connection.execute(query).mappings()
    ]
    for reminder in reminders:
        del reminder["id"]
    if reminders:
        connection.execute(insert(outbox), reminders)


def _next_due(connection: Connection, target: str) -> Instant | None:
    leased = outbox.c.leased_until > outbox.c.due_at
    free_at = case((leased, outbox.c.leased_until), else_=outbox.c.due_at)
    earliest: Instant | None = connection.scalar(select(func.min(free_at)).where(_heads(target)))
    return earliest
