"""The long format as CSV: a header, then a sample a row."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import numpy as np

from watcher.errors import Problem
from watcher.longformat.columns import (
    FETCHED,
    METRIC,
    NOT_LABELS,
    REQUIRED,
    TIME,
    VALUE,
    WIDTH,
    Samples,
    Series,
    SeriesTable,
)
from watcher.longformat.problems import Problems
from watcher.longformat.texts import ABSENT, Arrivals, Cache, Times, Widths, number
from watcher.model.sample import Floats

CHUNK: Final = 10_000
"""Rows decoded at once: enough that what is done once a chunk costs nothing."""

Row = Sequence[str]


def read_csv(lines: Iterable[str], file: str, table: SeriesTable, problems: Problems) -> Iterator[Samples]:
    """The samples of a file, a chunk at a time; what is wrong goes to `problems`."""
    rows = csv.reader(lines, strict=True)
    line = 1
    try:
        header = next(rows, [])
        faults = [*_header_faults(header, file)]
        for fault in faults:
            problems.add(fault)
        if faults:
            return
        decoder = _Decoder(header, table)
        line = rows.line_num + 1
        while chunk := [*islice(rows, CHUNK)]:
            if (samples := decoder.decode(chunk)) is not None:
                yield samples
            else:
                _blame(decoder, chunk, Place(file, line), problems)
                if problems.full:
                    return
            line = rows.line_num + 1
    except csv.Error as error:
        hint = "quote a cell as a whole, and double the quotes in it"
        problems.add(Problem(file, max(line, rows.line_num), 1, f"not CSV: {error}", hint))


def lines_of_csv(lines: Iterable[str]) -> Iterator[int]:
    """The line at which each sample begins: a quoted cell may hold line breaks."""
    rows = csv.reader(lines, strict=True)
    next(rows, None)
    line = rows.line_num + 1
    for row in rows:
        if row:
            yield line
        line = rows.line_num + 1


class Place:
    """Where a chunk of rows begins."""

    def __init__(self, file: str, line: int) -> None:
        self.file = file
        self.line = line

    def after(self, row: Row) -> None:
        """Go on to the row after this one: a quoted cell may hold line breaks."""
        self.line += 1 + sum(cell.count("\n") for cell in row)

    def problem(self, row: Row, at: int, what: str) -> Problem:
        """A problem of one cell; its column is that of its first character in a row without quotes."""
        return Problem(self.file, self.line, 1 + sum(len(cell) + 1 for cell in row[:at]), *_halves(what))


def _halves(what: str) -> tuple[str, str]:
    said, _, hint = what.partition("; ")
    return said, hint


def _header_faults(header: Row, file: str) -> Iterator[Problem]:
    place = Place(file, 1)
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        need = "time,width,metric,value,source,vendor and a column for each label; fetched_at if it is known"
        yield Problem(
            file, 1, 1, f"no column {', '.join(f'`{name}`' for name in missing)}", f"it needs {need}"
        )
    for at, name in enumerate(header):
        if not name:
            yield place.problem(header, at, "a column without a name; name the label it holds")
        elif name in header[:at]:
            yield place.problem(header, at, f"column `{name}` stands twice; keep one")


class _Decoder:
    """Rows under one header into columns."""

    def __init__(self, header: Row, table: SeriesTable) -> None:
        self._header = header
        self._at = {name: at for at, name in enumerate(header)}
        self._labels = [at for at, name in enumerate(header) if name not in NOT_LABELS]
        self._times, self._widths, self._fetched = Times(), Widths(), Arrivals()
        self._series = _Numbers([header[at] for at in self._labels], table)
        self._table = table

    def decode(self, rows: Sequence[Row]) -> Samples | None:
        """The rows as columns; None where one of them cannot be read."""
        if {len(row) for row in rows} != {len(self._header)}:
            rows = [row for row in rows if row]  # an empty line says nothing
            if {len(row) for row in rows} - {len(self._header)}:
                return None
        try:
            return self._columns([*zip(*rows, strict=True)] or [()] * len(self._header), len(rows))
        except ValueError:
            return None

    def _columns(self, cells: Sequence[Row], size: int) -> Samples:
        times = np.fromiter(map(self._times.__getitem__, cells[self._at[TIME]]), np.int64, size)
        widths = np.fromiter(map(self._widths.__getitem__, cells[self._at[WIDTH]]), np.int64, size)
        fetched = times + widths
        if FETCHED in self._at:
            said = np.fromiter(map(self._fetched.__getitem__, cells[self._at[FETCHED]]), np.int64, size)
            fetched = np.where(said == ABSENT, fetched, said)
        names = zip(cells[self._at[METRIC]], *(cells[at] for at in self._labels), strict=True)
        of = np.fromiter(map(self._series.__getitem__, names), np.int32, size)
        return Samples(
            self._table.all, of, times, widths, fetched, self._values(cells[self._at[VALUE]], size)
        )

    @staticmethod
    def _values(texts: Row, size: int) -> Floats:
        try:
            return np.fromiter(map(float, texts), np.float64, size)
        except ValueError:  # one is empty, or no number
            return np.fromiter(map(number, texts), np.float64, size)

    def faults(self, row: Row) -> Iterator[tuple[int, str]]:
        """What is wrong with one row: the place of the cell, and words."""
        if len(row) != len(self._header):
            yield (
                0,
                f"{len(row)} cells under a header of {len(self._header)}; quote a cell that holds a comma",
            )
            return
        readers: Mapping[str, Cache[int]] = {TIME: self._times, WIDTH: self._widths, FETCHED: self._fetched}
        for name, reader in readers.items():
            if name in self._at:
                yield from _fault(reader.read, row, self._at[name])
        yield from _fault(number, row, self._at[VALUE])
        key = (row[self._at[METRIC]], *(row[at] for at in self._labels))
        for name, what in self._series.faults(key):
            yield self._at[name], what


class _Numbers(dict[tuple[str, ...], int]):
    """Numbers of series by the cells that name them: the metric, then the labels in the header's order."""

    def __init__(self, labels: Sequence[str], table: SeriesTable) -> None:
        super().__init__()
        self._labels = labels
        self._table = table

    def __missing__(self, cells: tuple[str, ...]) -> int:
        if any(self.faults(cells)):
            raise ValueError
        series = Series.of(cells[0], dict(zip(self._labels, cells[1:], strict=True)))
        found = self[cells] = self._table.number(series)
        return found

    def faults(self, cells: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """What a row lacks, by column."""
        if not cells[0]:
            yield METRIC, "no metric; write its name, as cdn_requests"
        if not cells[1 + self._labels.index("source")]:
            yield "source", "no source; every sample is of one"


def _fault(read: Callable[[str], object], row: Row, at: int) -> Iterator[tuple[int, str]]:
    try:
        read(row[at])
    except ValueError as error:
        yield at, str(error)


def _blame(decoder: _Decoder, rows: Iterable[Row], place: Place, problems: Problems) -> None:
    for row in rows:
        for at, what in decoder.faults(row) if row else ():
            problems.add(place.problem(row, at, what))
        place.after(row)
