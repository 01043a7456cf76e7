"""A book that is new, or was put back, beside samples that outlived the one before: it goes on after them."""

from functools import partial
from typing import Final

from sqlalchemy import Connection, func, select, text

from watcher.store import tables
from watcher.store.database import Database
from watcher.store.journal import read_reached

_POSTGRES: Final = (
    text(
        "SELECT setval(pg_get_serial_sequence('journal', 'id'),"
        " greatest(:row, nextval(pg_get_serial_sequence('journal', 'id'))))"
    ),
)
_SQLITE: Final = (
    text(
        "INSERT INTO sqlite_sequence (name, seq)"
        " SELECT 'journal', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'journal')"
    ),
    text("UPDATE sqlite_sequence SET seq = max(seq, :row) WHERE name = 'journal'"),
)


async def succeed(database: Database, beside: Database) -> int:
    """Number the journal's next rows after all that are history; how many of these the book has not written.

    History says by number which rows it holds. A second row of a number would be taken for one of them, not
    be read, and be deleted.

    Raises:
        StoreUnavailable: a database did not answer.
    """
    last, reached = await beside.read(_last), await database.read(read_reached)
    if last > reached:
        await database.write(partial(_number_from, row=last))
    return max(0, last - reached)


def _last(connection: Connection) -> int:
    """The newest row that is history."""
    return connection.scalar(select(func.max(tables.sample_chunk.c.last_row))) or 0


def _number_from(connection: Connection, row: int) -> None:
    """What has been numbered higher already is not taken back."""
    for statement in _POSTGRES if connection.dialect.name == "postgresql" else _SQLITE:
        takes_row = ":row" in statement.text
        connection.execute(statement, {"row": row} if takes_row else {})
