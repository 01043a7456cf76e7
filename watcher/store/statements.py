"""Statements that both databases share but SQLAlchemy spells by dialect."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

T = TypeVar("T")

_CHUNK: Final = 500
"""Values in one IN list: far below the 32 766 parameters that SQLite and Postgres allow."""


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, or replace those with the same primary key."""
    if not rows:
        return
    statement = _inserting(connection, table)
    keys = [column.name for column in table.primary_key]
    values = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), list(rows))


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert those rows that no unique index finds to be there already."""
    if rows:
        connection.execute(_inserting(connection, table).on_conflict_do_nothing(), list(rows))


def insert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows that have the same columns, in their order: what a storm has thousands of.

    SQLAlchemy takes longer to bind their values than the database to write them. So SQLite gets them as they
    are, and Postgres as one statement over an array a column.
    """
    if not rows:
        return
    names = tuple(rows[0])
    statement = _written(table, names, connection.dialect)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(statement, tuple([row[name] for row in rows] for name in names))
        return
    values = itemgetter(*names)
    connection.exec_driver_sql(statement, [values(row) for row in rows])


@lru_cache(maxsize=64)
def _written(table: Table, names: tuple[str, ...], dialect: Dialect) -> str:
    """The statement, with places for lists of columns on Postgres, else for one row."""
    quote = dialect.identifier_preparer
    into = f"INSERT INTO {quote.format_table(table)} ({', '.join(map(quote.quote, names))})"
    if dialect.name != "postgresql":
        return f"{into} VALUES ({', '.join('?' * len(names))})"
    kinds = (table.c[name].type.compile(dialect=dialect) for name in names)
    arrays = (f"${number}::{kind}[]" for number, kind in enumerate(kinds, start=1))
    return f"{into} SELECT * FROM unnest({', '.join(arrays)})"  # noqa: S608 - the names of our own tables  # noqa: S608 - names are our tables'


def _inserting(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in slices short enough for one IN list."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


class position(GenericFunction[int]):  # noqa: N801 - a function's name in SQL
    """Where a text begins in another, from 1; 0 when it is not there. Case counts, unlike SQLite's LIKE."""

    inherit_cache = True
    name = "strpos"


@compiles(position, "sqlite")
def _instr(element: position, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's hook
    return f"instr({compiler.process(element.clauses, **options)})"
