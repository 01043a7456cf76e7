"""The outbox: messages owed, claimed under a lease so that a crash delivers them again."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache, partial
from typing import Final

from sqlalchemy import ColumnElement, Connection, Update, bindparam, case, func, insert, select, update

from watcher.model.incident import Status
from watcher.model.message import Due
from watcher.model.time import Duration, Instant
from watcher.store.claims import ANY, HEADS, OPEN, URGENT, Asked, claimed
from watcher.store.database import Database
from watcher.store.letter import DEAD, DONE, DUE, REMINDED, SKIPPED, reminder_values
from watcher.store.statements import among
from watcher.store.tables import incident, outbox


class SqlOutbox:
    """The durable queue, one target at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, target: str, *, at: Instant, lease: Duration, limit: int, urgent: bool = False
    ) -> Sequence[Due]:
        """Due rows of one target, leased until `at + lease`: critical first, then openings before endings.

        Of one incident only the oldest open row is given, so that no word overtakes one before it. Openings
        that wait for a group of which a row is due come with it. `urgent` is critical ones alone.
        """
        asked = Asked(target, at, at + lease, limit, URGENT if urgent else ANY)
        return await self._database.write(partial(claimed, asked=asked))

    async def done(self, rows: Sequence[Due], *, at: Instant, reason: str, detail: str) -> None:
        """They were told; the next reminder, where one is owed, is scheduled in the same transaction."""
        values = {"state": DONE, "reason": reason, "detail": detail}
        await self._set(rows, at, values, settled=True, attempted=True)

    async def skipped(self, rows: Sequence[Due], *, at: Instant, reason: str) -> None:
        """They need not be told, for a named reason."""
        await self._set(rows, at, {"state": SKIPPED, "reason": reason, "detail": reason}, settled=True)

    async def postponed(self, rows: Sequence[Due], *, at: Instant, reason: str, until: Instant) -> None:
        """They were not attempted: due again at `until`. An empty reason leaves the one before.

        What came since they were claimed does not wait with them: with a reason, it replaces them.
        """
        values = {"due_at": until} | ({"reason": reason} if reason else {})
        await self._set(rows, at, values, settled=False, replaceable=bool(reason))

    async def failed(self, rows: Sequence[Due], *, at: Instant, error: str, retry_at: Instant | None) -> None:
        """An attempt failed: due again at `retry_at`, or dead when that is None."""
        values: dict[str, object] = {"detail": error}
        values |= {"state": DEAD, "reason": GIVEN_UP} if retry_at is None else {"due_at": retry_at}
        await self._set(rows, at, values, settled=retry_at is None, attempted=True)

    async def hurry(self, target: str, *, at: Instant) -> None:
        """What waits for another attempt is due now: the target takes messages again."""
        wanted = {"to": target, "now": at}
        await self._database.write(lambda connection: connection.execute(_SOONER, wanted))

    async def noted(self, target: str, *, at: Instant, reason: str) -> None:
        """Give what is due, is not urgent and has no reason yet this one; a thousand rows at most."""
        wanted = {"to": target, "now": at, "last_urgent": URGENT, "why": reason}
        await self._database.write(lambda connection: connection.execute(_NOTED, wanted))

    async def attempted(self, *, since: Instant) -> Mapping[str, Sequence[Instant]]:
        """By target: when messages were sent, or tried, since then; looked for among the newest rows."""
        return await self._database.read(partial(_attempted, since=since))

    async def next_due(self, target: str, *, urgent: bool = False) -> Instant | None:
        """When the earliest open row of the target is due or its claim ends; None when there is none."""
        rank = URGENT if urgent else ANY
        return await self._database.read(partial(_next_due, target=target, rank=rank))

    async def retire(self, known: Collection[str], *, at: Instant) -> int:
        """Give up what is owed to targets that are not known any more; how many rows it was."""
        return await self._database.write(partial(_retire, known=known, at=at))

    async def _set(
        self,
        rows: Sequence[Due],
        at: Instant,
        values: Mapping[str, object],
        *,
        settled: bool,
        attempted: bool = False,
        replaceable: bool = False,
    ) -> None:
        """What is settled, however that went, is followed by the next reminder where one is owed.

        Rows that were claimed again since are another courier's: nothing of them is changed.
        """
        by_fence: dict[int, list[int]] = {}
        for row in rows:
            by_fence.setdefault(row.fence, []).append(row.id)
        changed = {**values, "changed_at": at, "leased_until": 0}
        marking = _marking(tuple(changed), attempted=attempted)
        marks = {f"new_{name}": value for name, value in changed.items()}

        def work(connection: Connection) -> None:
            for fence, ids in by_fence.items():
                held = {"ids": ids, "claim": fence}
                if settled:
                    _remind(connection, held, at)
                connection.execute(marking, marks | held)
                if replaceable:
                    _replace(connection, held, at)

        await self._database.write(work)


GIVEN_UP: Final = "given up"
_GONE: Final = "its target is no longer configured"


def _followed() -> ColumnElement[bool]:
    """Whether a newer row about the same waits for this one."""
    newer = outbox.alias("newer")
    of_same = (newer.c.incident_id == outbox.c.incident_id) & (newer.c.target == outbox.c.target)
    waits = (newer.c.waits_for == outbox.c.id) & (newer.c.state == DUE)
    return select(newer.c.id).where(of_same, waits).correlate(outbox).exists()


_HELD: Final = among(outbox.c.id, "ids") & OPEN & (outbox.c.fence == bindparam("claim"))
_STANDS: Final = (
    select(incident.c.id)
    .where(incident.c.id == outbox.c.incident_id, incident.c.status == Status.OPEN)
    .where(incident.c.parent_id.is_(None))
    .correlate(outbox)
    .exists()
)
"""Not a join: from a list of unknown length SQLite would look for these rows among all open incidents."""
_OWING: Final = select(outbox).where(_HELD, outbox.c.repeat > 0, outbox.c.telling.in_(REMINDED), _STANDS)
_FOLLOWED: Final = select(outbox.c.id).where(_HELD, _followed())
_REPLACED: Final = (
    update(outbox)
    .where(_HELD)
    .values(state=SKIPPED, reason="superseded", detail="superseded", changed_at=bindparam("now"))
)
_SOONER: Final = (
    update(outbox)
    .where(outbox.c.target == bindparam("to"), OPEN, outbox.c.attempts > 0)
    .where(outbox.c.due_at > bindparam("now"), outbox.c.leased_until <= bindparam("now"))
    .values(due_at=bindparam("now"))
)
_UNEXPLAINED: Final = (
    select(outbox.c.id)
    .where(outbox.c.target == bindparam("to"), OPEN, outbox.c.rank > bindparam("last_urgent"))
    .where(outbox.c.due_at <= bindparam("now"), outbox.c.leased_until <= bindparam("now"))
    .where(outbox.c.reason == "")
    .limit(1_000)
    .with_for_update(skip_locked=True)
)
_NOTED: Final = update(outbox).where(outbox.c.id.in_(_UNEXPLAINED)).values(reason=bindparam("why"))
_NEWEST: Final = 100_000
"""Rows that are looked at for what was sent just now: more than a day without network leaves."""
_ATTEMPTED: Final = (
    select(outbox.c.target, outbox.c.changed_at)
    .distinct()
    .where(outbox.c.id > select(func.max(outbox.c.id)).scalar_subquery() - _NEWEST)
    .where(outbox.c.attempts > 0, outbox.c.changed_at >= bindparam("since"))
    .order_by(outbox.c.target, outbox.c.changed_at)
)
_NEXT_DUE: Final = select(
    func.min(case((outbox.c.leased_until > outbox.c.due_at, outbox.c.leased_until), else_=outbox.c.due_at))
).where(HEADS, outbox.c.rank <= bindparam("last_rank"))


@lru_cache
def _marking(columns: tuple[str, ...], *, attempted: bool) -> Update:
    """Sets these columns of held rows; there are as many as there are ways to be done with a row."""
    values: dict[str, object] = {name: bindparam(f"new_{name}") for name in columns}
    counted = {"attempts": outbox.c.attempts + 1} if attempted else {}
    return update(outbox).where(_HELD).values(values | counted)


def _attempted(connection: Connection, since: Instant) -> Mapping[str, Sequence[Instant]]:
    found: dict[str, list[Instant]] = {}
    for target, at in connection.execute(_ATTEMPTED, {"since": since}):
        found.setdefault(target, []).append(at)
    return found


def _retire(connection: Connection, known: Collection[str], at: Instant) -> int:
    gone = update(outbox).where(OPEN, outbox.c.target.not_in(sorted(known)))
    dead = gone.values(state=DEAD, reason=GIVEN_UP, detail=_GONE, changed_at=at, leased_until=0)
    return connection.execute(dead).rowcount


def _remind(connection: Connection, held: Mapping[str, object], at: Instant) -> None:
    """Owe the next reminder of what is settled now and still open; who acknowledged needs none.

    Nor does who hears of a wider incident that explains it.
    """
    rows = connection.execute(_OWING, held).mappings()
    following = (reminder_values(dict(row), at) for row in rows)
    if reminders := [values for values in following if values is not None]:
        connection.execute(insert(outbox), reminders)


def _replace(connection: Connection, held: Mapping[str, object], at: Instant) -> None:
    """Skip what a newer row waits for. The rows are locked by now: what is not seen here comes after them."""
    if followed := [*connection.scalars(_FOLLOWED, held)]:
        rows = dict(held) | {"ids": followed}
        _remind(connection, rows, at)
        connection.execute(_REPLACED, rows | {"now": at})


def _next_due(connection: Connection, target: str, rank: int) -> Instant | None:
    earliest: Instant | None = connection.scalar(_NEXT_DUE, {"to": target, "last_rank": rank})
    return earliest
