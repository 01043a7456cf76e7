"""The long format as Parquet: the same columns, read by pyarrow where the extra `parquet` is there.

Each row group goes through pyarrow's CSV writer, so that one reader says what a cell means.
"""

from collections.abc import Iterator
from importlib import import_module
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, Final

from watcher.errors import Problem
from watcher.longformat.columns import Samples, SeriesTable
from watcher.longformat.comma_separated import read_csv
from watcher.longformat.problems import Problems

MAGIC: Final = b"PAR1"
_ROWS: Final = 100_000


def read_parquet(path: Path, table: SeriesTable, problems: Problems) -> Iterator[Samples]:
    """The samples of a file; the line of a problem is the row's number, the header being the first."""
    try:
        arrow, csv, parquet = (import_module(f"pyarrow{part}") for part in ("", ".csv", ".parquet"))
    except ImportError:
        hint = "run `pip install 'watcher[parquet]'`, or write the samples as CSV"
        problems.add(Problem(str(path), 1, 1, "Parquet needs the package pyarrow", hint))
        return
    try:
        with parquet.ParquetFile(path) as file:
            lines = _lines(file, arrow, csv)
            yield from read_csv(lines, str(path), table, problems)
    except arrow.lib.ArrowException as error:
        what = " ".join(str(error).splitlines()[:1])
        problems.add(Problem(str(path), 1, 1, f"not Parquet that can be read: {what}", "write it once more"))


def _lines(file: Any, arrow: Any, csv: Any) -> Iterator[str]:  # noqa: ANN401 - pyarrow ships no types, and may not be there
    has_header = True
    for batch in file.iter_batches(_ROWS):
        columns = [
            column.dictionary_decode() if arrow.types.is_dictionary(column.type) else column
            for column in batch.columns
        ]
        plain, text = arrow.RecordBatch.from_arrays(columns, names=batch.schema.names), BytesIO()
        csv.write_csv(plain, text, csv.WriteOptions(include_header=has_header))
        has_header = False
        text.seek(0)
        yield from TextIOWrapper(text, encoding="utf-8", newline="")
