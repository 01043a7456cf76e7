"""The outbox: messages owed, claimed under a lease so that a crash delivers them again."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy import ColumnElement, Connection, Select, case, func, insert, select, update

from watcher.model.incident import Status
from watcher.model.message import Due, Telling
from watcher.model.time import Duration, Instant
from watcher.store.database import Database
from watcher.store.dispatch import DEAD, DONE, DUE, SKIPPED
from watcher.store.rows import incident_from
from watcher.store.statements import chunks
from watcher.store.tables import incident, outbox

_REMINDED = (Telling.OPENED, Telling.REOPENED, Telling.REMINDER)


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
        ids = [row.id for row in rows]
        await self._database.write(partial(_done, ids=ids, at=at, detail=detail))

    async def skipped(self, rows: Sequence[Due], *, at: Instant, reason: str) -> None:
        """They need not be told, for a named reason."""
        values = {"state": SKIPPED, "detail": reason, "changed_at": at, "leased_until": 0}
        await self._set(rows, values)

    async def failed(self, rows: Sequence[Due], *, at: Instant, error: str, retry_at: Instant | None) -> None:
        """An attempt failed: due again at `retry_at`, or dead when that is None."""
        values = {"detail": error, "changed_at": at, "leased_until": 0, "attempts": outbox.c.attempts + 1}
        values |= {"state": DEAD} if retry_at is None else {"due_at": retry_at}
        await self._set(rows, values)

    async def next_due(self, target: str) -> Instant | None:
        """When the earliest open row of the target is due or its claim ends; None when there is none."""
        return await self._database.read(partial(_next_due, target=target))

    async def _set(self, rows: Sequence[Due], values: dict[str, object]) -> None:
        ids = [row.id for row in rows]

        def work(connection: Connection) -> None:
            for some in chunks(ids):
                connection.execute(update(outbox).where(outbox.c.id.in_(some), _OPEN).values(values))

        await self._database.write(work)


_OPEN: ColumnElement[bool] = outbox.c.state == DUE


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


def _done(connection: Connection, ids: Sequence[int], at: Instant, detail: str) -> None:
    for some in chunks(ids):
        _remind(connection, some, at)
        told = update(outbox).where(outbox.c.id.in_(some), _OPEN)
        attempts = outbox.c.attempts + 1
        connection.execute(
            told.values(state=DONE, detail=detail, changed_at=at, leased_until=0, attempts=attempts)
        )


def _remind(connection: Connection, ids: Sequence[int], at: Instant) -> None:
    """Owe the next reminder of what is told now and still open; who acknowledged needs none."""
    query = (
        select(outbox)
        .join(incident, incident.c.id == outbox.c.incident_id)
        .where(outbox.c.id.in_(ids), _OPEN, outbox.c.repeat > 0)
        .where(outbox.c.telling.in_(_REMINDED), incident.c.status == Status.OPEN)
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
