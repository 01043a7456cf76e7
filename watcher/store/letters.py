"""What incidents owe, read before a tick changes it and written with it."""

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from watcher.model.incident import Incident
from watcher.model.time import Instant
from watcher.store import tables
from watcher.store.dispatch import Dispatch
from watcher.store.letter import SKIPPED, Letter, letter_from, letter_values
from watcher.store.rows import source_of
from watcher.store.statements import among, insert_all

_OWED: Final = (
    select(tables.outbox)
    .where(among(tables.outbox.c.incident_id, "incidents"))
    .order_by(tables.outbox.c.id)
    .with_for_update()
)


def read_letters(connection: Connection, incident_ids: Sequence[str], at: Instant) -> Sequence[Letter]:
    """Their outbox rows, locked: a courier that claims meanwhile skips them."""
    if not incident_ids:
        return ()
    return [letter_from(row, at) for row in connection.execute(_OWED, {"incidents": incident_ids})]


def write_letters(
    connection: Connection, dispatch: Dispatch, incident_of: Callable[[str], Incident], at: Instant
) -> None:
    """What is owed now and was not; what need not be told any more; and what is told at another time."""
    if dispatch.dropped:
        statement = (
            update(tables.outbox)
            .where(tables.outbox.c.id == bindparam("row"))
            .values(state=SKIPPED, reason=bindparam("why"), detail=bindparam("why"), changed_at=at)
        )
        dropped = [{"row": row, "why": reason} for row, reason in dispatch.dropped.items()]
        connection.execute(statement, dropped)
    if dispatch.moved:
        statement = update(tables.outbox).where(tables.outbox.c.id == bindparam("row"))
        moved = [{"row": row, "when": due} for row, due in dispatch.moved.items()]
        connection.execute(statement.values(due_at=bindparam("when")), moved)
    if letters := dispatch.added:
        incidents = [incident_of(letter.incident_id) for letter in letters]
        rows = [
            letter_values(letter, incident, source_of(incident.key), at)
            for letter, incident in zip(letters, incidents, strict=True)
        ]
        insert_all(connection, tables.outbox, rows)
