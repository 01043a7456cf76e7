"""Silences: rows that a command writes and the courier reads at each look, beside a running daemon."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from watcher.model.recurrence import Recurrence
from watcher.model.silence import Silence, matchers_of, spec_of
from watcher.model.time import Instant
from watcher.store.database import Database
from watcher.store.letter import DUE
from watcher.store.tables import outbox
from watcher.store.tables import silence as table

Version: TypeAlias = tuple[int, int, Instant]
"""Rows, ended rows, and when the newest was written: another one wherever any silence is new or ended."""

WAITING: Final = "silenced by"
"""How the reason of a row begins that waits for a silence to end, before the silence's id."""

_NAMED: Final = 10
_encode: Final = msgspec.json.Encoder(order="sorted").encode
_specs: Final = msgspec.json.Decoder(dict[str, str | list[str]]).decode
_recurrence: Final = msgspec.json.Decoder(Recurrence).decode


class SqlSilences:
    """Silences in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, silence: Silence) -> None:
        """Write one down.

        Raises:
            StoreUnavailable: nothing was written.
        """
        values = _values(silence)
        await self._database.write(lambda connection: connection.execute(insert(table).values(values)))

    async def every(self) -> Sequence[Silence]:
        """All there ever were, in the order in which they were written."""
        query = select(table).order_by(table.c.created_at, table.c.id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_silence(row) for row in rows]

    async def beginning(self, prefix: str) -> Sequence[Silence]:
        """Those whose id begins so, ten at most; an id may be written without its ``s-``."""
        begin = prefix.lower() if prefix.lower().startswith("s-") else f"s-{prefix.lower()}"
        named = select(table).where(table.c.id.startswith(begin, autoescape=True))
        query = named.order_by(table.c.id).limit(_NAMED)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_silence(row) for row in rows]

    async def version(self) -> Version:
        """What changes with every silence that is added or ended: cheaper than reading them."""
        query = select(func.count(), func.count(table.c.ended_at), func.max(table.c.created_at))
        row = await self._database.read(lambda connection: connection.execute(query).one())
        return row[0], row[1], row[2] or 0

    async def end(self, silence_id: str, *, at: Instant, who: str) -> bool:
        """End one now; what waited for it is due at once. False where it was ended already, or is none.

        Raises:
            StoreUnavailable: nothing was written.
        """
        return await self._database.write(partial(_end, silence_id=silence_id, at=at, who=who))


def _end(connection: Connection, silence_id: str, at: Instant, who: str) -> bool:
    ended = update(table).where(table.c.id == silence_id, table.c.ended_at.is_(None))
    if not connection.execute(ended.values(ended_at=at, ended_by=who)).rowcount:
        return False
    waiting = outbox.c.reason.startswith(f"{WAITING} {silence_id}:", autoescape=True)
    due = update(outbox).where(outbox.c.state == DUE, waiting, outbox.c.due_at > at)
    connection.execute(due.values(due_at=at))
    return True


def _values(silence: Silence) -> dict[str, object]:
    recurrence = silence.recurrence
    return {
        "id": silence.id,
        "matchers": _encode(dict(spec_of(silence.matchers))).decode(),
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "recurrence": None if recurrence is None else _encode(recurrence).decode(),
        "author": silence.author,
        "reason": silence.reason,
        "created_at": silence.created_at,
        "ended_at": silence.ended_at,
        "ended_by": silence.ended_by,
    }


def _silence(row: Any) -> Silence:  # noqa: ANN401 - a row of the table
    return Silence(
        id=row.id,
        matchers=matchers_of(_specs(row.matchers)),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        author=row.author,
        reason=row.reason,
        created_at=row.created_at,
        recurrence=None if row.recurrence is None else _recurrence(row.recurrence),
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )
