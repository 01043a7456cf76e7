"""Statements that both databases share but SQLAlchemy spells by dialect."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    Table,
    Text,
    TypeDecorator,
    bindparam,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine

T = TypeVar("T")

_json: Final = msgspec.json.Encoder().encode

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
    return f"{into} SELECT * FROM unnest({', '.join(arrays)})"  # noqa: S608 - names are our tables'


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


def among(column: Column[T], name: str) -> ColumnElement[bool]:
    """Whether the column's value is in the list that is given as `name`: one parameter, of any length.

    SQLAlchemy writes an IN list anew for every execution, which takes longer than most of our queries.
    """
    return _Among(column, bindparam(name, type_=_Listed(of_numbers=isinstance(column.type, Integer))))


class _Among(GenericFunction[bool]):
    inherit_cache = True
    name = "among"


class _Listed(TypeDecorator[Sequence[object]]):
    """A list as the database takes it: an array on Postgres, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, *, of_numbers: bool) -> None:
        """Of texts otherwise."""
        super().__init__()
        self.of_numbers = of_numbers

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's type there."""
        item = BigInteger() if self.of_numbers else Text()
        return postgresql.ARRAY(item) if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: Sequence[object] | None, dialect: Dialect) -> object:
        """The value that the driver is given."""
        if value is None:
            return None
        return list(value) if dialect.name == "postgresql" else _json(value).decode()


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's hook
    column, values = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - compiled SQL


@compiles(_Among, "postgresql")
def _in_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's hook
    column, values = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} = ANY({values})"
