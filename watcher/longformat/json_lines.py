"""The long format as JSON Lines: a sample a line, an object whose further members are labels."""

from collections.abc import Iterable, Iterator
from itertools import islice
from math import nan
from typing import Any, Final

import numpy as np
import orjson

from watcher.errors import Problem
from watcher.longformat.columns import (
    FETCHED,
    METRIC,
    REQUIRED,
    TIME,
    VALUE,
    WIDTH,
    Samples,
    Series,
    SeriesTable,
)
from watcher.longformat.problems import Problems
from watcher.longformat.texts import ABSENT, Arrivals, Times, Widths, number

CHUNK: Final = 50_000
"""Lines decoded at once."""

_Row = tuple[int, int, int, int, float]
"""Time, width, arrival, series, value."""


def read_json_lines(
    lines: Iterable[str], file: str, table: SeriesTable, problems: Problems
) -> Iterator[Samples]:
    """The samples of a file, a chunk at a time; a line that is wrong goes to `problems`."""
    decoder, line, every = _Decoder(table), 0, iter(lines)
    while chunk := [*islice(every, CHUNK)]:
        rows: list[_Row] = []
        for line, text in enumerate(chunk, line + 1):  # noqa: B020 - it goes on counting over chunks
            if not text.strip():
                continue
            try:
                rows.append(decoder.row(text.strip()))
            except ValueError as error:
                problems.add(_problem(file, line, error))
                if problems.full:
                    return
        yield _samples(rows, table)


def lines_of_json(lines: Iterable[str]) -> Iterator[int]:
    """The line of each sample."""
    return (line for line, text in enumerate(lines, 1) if text.strip())


def _problem(file: str, line: int, error: ValueError) -> Problem:
    if isinstance(error, orjson.JSONDecodeError):
        return Problem(file, line, error.colno, f"not JSON: {error.msg}", "write one object a line")
    said, _, hint = str(error).partition("; ")
    return Problem(file, line, 1, said, hint)


def _samples(rows: list[_Row], table: SeriesTable) -> Samples:
    times, widths, fetched, of, values = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Samples(
        table.all,
        np.array(of, np.int32),
        np.array(times, np.int64),
        np.array(widths, np.int64),
        np.array(fetched, np.int64),
        np.array(values, np.float64),
    )


class _Decoder:
    """Lines into rows; every distinct time, width and set of labels is read once."""

    def __init__(self, table: SeriesTable) -> None:
        self._table = table
        self._times, self._widths, self._fetched = Times(), Widths(), Arrivals()
        self._series: dict[tuple[object, ...], int] = {}

    def row(self, text: str) -> _Row:
        """One line.

        Raises:
            ValueError: what is wrong with it, and what would be right.
        """
        members = orjson.loads(text)
        if not isinstance(members, dict):
            raise ValueError('no object; write {"time": ..., "width": 60, "metric": ..., "value": ..., ...}')  # noqa: TRY004 - told as the reader's other complaints are
        for name in REQUIRED:
            if name not in members:
                raise ValueError(f"no member `{name}`; a sample has {', '.join(REQUIRED)}")
        time = self._times[_text(members.pop(TIME), TIME)]
        width = self._widths[str(members.pop(WIDTH))]
        said = members.pop(FETCHED, None)
        fetched = ABSENT if said is None else self._fetched[_text(said, FETCHED)]
        value, metric = _number(members.pop(VALUE)), members.pop(METRIC)
        key = (metric, *members.items())
        try:
            series = self._series[key]
        except (KeyError, TypeError):  # not seen, or a member that no label can be
            series = self._number(metric, members)
            self._series[key] = series
        return time, width, time + width if fetched == ABSENT else fetched, series, value

    def _number(self, metric: object, members: dict[str, Any]) -> int:
        name = _text(metric, METRIC)
        labels = {label: _label(value, label) for label, value in members.items()}
        if not name:
            raise ValueError("no metric; write its name, as cdn_requests")
        if not labels["source"]:
            raise ValueError("no source; every sample is of one")
        return self._table.number(Series.of(name, labels))


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"`{name}` is {value!r}; write a string")  # noqa: TRY004 - as above
    return value


def _label(value: object, name: str) -> str:
    """A label's text; a whole number stands for itself, and null for no label."""
    if value is None:
        return ""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise ValueError(f"label `{name}` is {value!r}; write a string")


def _number(value: object) -> float:
    if value is None:
        return nan
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"`value` is {value!r}; write a number, or null to withdraw the sample")  # noqa: TRY004 - as above
    return number(value) if isinstance(value, str) else float(value)
