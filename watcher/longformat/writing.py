"""Rows into files of the long format: CSV, JSON Lines or Parquet by the file's name, `.gz` packs."""

import csv
import gzip
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

import orjson

from watcher.errors import UserError
from watcher.longformat.columns import FETCHED, METRIC, TIME, VALUE, WIDTH
from watcher.longformat.rows import Row
from watcher.model.time import SECOND, rfc3339

FIRST: Final = (TIME, WIDTH, METRIC, VALUE, FETCHED, "source", "vendor")
"""Columns in front; the other labels follow by name."""
_GROUP: Final = 100_000
"""Rows of a Parquet row group."""


class Writer(Protocol):
    """Takes one row at a time."""

    def write(self, row: Row) -> None:
        """Write a row."""
        ...


@contextmanager
def writer(path: Path | None, labels: Sequence[str]) -> Iterator[Writer]:
    """A writer to a file, or as CSV to stdout; `labels` are all that there are beside source and vendor.

    Raises:
        UserError: the file cannot be written, or Parquet without its package.
    """
    columns = [*FIRST, *(label for label in sorted(labels) if label not in FIRST)]
    if path is None:
        yield _Csv(sys.stdout, columns)
        return
    try:
        if path.suffix == ".parquet":
            with _parquet(path, columns) as found:
                yield found
        else:
            with opened(path) as text:
                is_json = ".jsonl" in path.suffixes or ".ndjson" in path.suffixes
                yield _JsonLines(text) if is_json else _Csv(text, columns)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """A file to write text to; one named `.gz` is packed.

    Raises:
        OSError: it cannot be written.
    """
    if path.suffix == ".gz":
        with gzip.open(path, "wt", encoding="utf-8", newline="", compresslevel=6) as text:
            yield text
    else:
        with path.open("w", encoding="utf-8", newline="") as text:
            yield text


def _cells(row: Row) -> dict[str, object]:
    cells: dict[str, object] = {
        TIME: rfc3339(row.time),
        WIDTH: _short(row.width / SECOND),
        METRIC: row.metric,
        VALUE: None if row.value is None else _short(row.value),
        FETCHED: rfc3339(row.fetched_at),
    }
    return cells | dict(row.labels)


def _short(value: float) -> float:
    """A whole number without its point."""
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


class _Csv:
    def __init__(self, text: TextIO, columns: Sequence[str]) -> None:
        self._writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        self._writer.writeheader()

    def write(self, row: Row) -> None:
        self._writer.writerow(_cells(row))


class _JsonLines:
    def __init__(self, text: TextIO) -> None:
        self._text = text

    def write(self, row: Row) -> None:
        self._text.write(orjson.dumps(_cells(row), option=orjson.OPT_APPEND_NEWLINE).decode())


@contextmanager
def _parquet(path: Path, columns: Sequence[str]) -> Iterator[Writer]:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise UserError("Parquet needs the package pyarrow; run `pip install 'watcher[parquet]'`") from error
    numbers = {WIDTH, VALUE}
    kinds = [(name, arrow.float64() if name in numbers else arrow.string()) for name in columns]
    schema = arrow.schema(kinds)
    with parquet.ParquetWriter(path, schema) as file:
        found = _Parquet(file, schema, arrow)
        yield found
        found.flush()


class _Parquet:
    def __init__(self, file: Any, schema: Any, arrow: Any) -> None:  # noqa: ANN401 - pyarrow ships no types
        self._file, self._schema, self._arrow = file, schema, arrow
        self._rows: list[dict[str, object]] = []

    def write(self, row: Row) -> None:
        self._rows.append(_cells(row))
        if len(self._rows) >= _GROUP:
            self.flush()

    def flush(self) -> None:
        self._file.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []
