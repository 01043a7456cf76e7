"""Files of samples by what is in them: CSV, JSON Lines or Parquet, plain or gzipped."""

import gc
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Final, TextIO, TypeAlias

from watcher.errors import Problem
from watcher.longformat.columns import Samples, SeriesTable, joined
from watcher.longformat.comma_separated import lines_of_csv, read_csv
from watcher.longformat.json_lines import lines_of_json, read_json_lines
from watcher.longformat.parquet import MAGIC as PARQUET
from watcher.longformat.parquet import read_parquet
from watcher.longformat.problems import Problems

_GZIP: Final = b"\x1f\x8b"
_JSON: Final = frozenset({".jsonl", ".ndjson"})

Reader: TypeAlias = Callable[[Iterable[str], str, SeriesTable, Problems], Iterator[Samples]]


def load(paths: Sequence[Path]) -> Samples:
    """The samples of some files, one after the other.

    Raises:
        ConfigurationError: the first problems in all of them, each with file, line and column.
    """
    table, problems = SeriesTable(), Problems()
    with _without_collection():
        parts = [part for path in paths for part in read(path, table, problems)]
    problems.tell()
    return joined(table, parts)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Millions of cells come and go, none part of a cycle: to look for cycles would take half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read(path: Path, table: SeriesTable, problems: Problems) -> Iterator[Samples]:
    """The samples of one file, a chunk at a time; what is wrong goes to `problems`."""
    file, is_packed = str(path), False
    try:
        with path.open("rb") as opened:
            begins = opened.read(len(PARQUET))
        if begins == PARQUET:
            yield from read_parquet(path, table, problems)
            return
        is_packed = begins.startswith(_GZIP)
        with (gzip.open if is_packed else open)(path, "rt", encoding="utf-8-sig", newline="") as text:
            reader, every = _reader(path, text)
            yield from reader(every, file, table, problems)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        problems.add(Problem(file, 1, 1, f"not a whole gzip file: {error}", "write it once more"))
    except UnicodeDecodeError as error:
        problems.add(
            Problem(file, _line_of(path, is_packed), 1, f"not UTF-8: {error.reason}", "save it as UTF-8")
        )
    except OSError as error:
        problems.add(Problem(file, 1, 1, f"cannot be read: {error.strerror or error}"))


def lines(path: Path) -> Iterator[int]:
    """The line at which each sample of a file stands, in their order; of Parquet as if under a header."""
    with path.open("rb") as opened:
        begins = opened.read(len(PARQUET))
    if begins == PARQUET:
        yield from count(2)
    with (gzip.open if begins.startswith(_GZIP) else open)(
        path, "rt", encoding="utf-8-sig", newline=""
    ) as text:
        reader, every = _reader(path, text)
        yield from (lines_of_csv if reader is read_csv else lines_of_json)(every)


def _reader(path: Path, text: TextIO) -> tuple[Reader, Iterable[str]]:
    """What reads a file by its first line that is not blank, else by its name; and all its lines."""
    seen: list[str] = []
    for line in text:
        seen.append(line)
        if line.strip():
            break
    is_json = bool(seen and seen[-1].lstrip().startswith("{")) or _JSON.intersection(path.suffixes)
    return read_json_lines if is_json else read_csv, chain(seen, text)


def _line_of(path: Path, is_packed: bool) -> int:  # noqa: FBT001 - as `read` has it
    """The first line that is not UTF-8."""
    with (gzip.open if is_packed else open)(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
