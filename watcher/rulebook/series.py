"""Prometheus's notation for series in tests: names with labels, and values that expand over time."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, nan
from typing import Final

from watcher.model.time import SECOND, parse_duration

_NAME: Final = re.compile(r"(?P<metric>[a-zA-Z_][a-zA-Z0-9_]*)(?:\{(?P<labels>.*)\})?")
_LABEL: Final = re.compile(
    r'\s*(?P<name>[a-zA-Z_]\w*)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^,"{}]*?))\s*(?:,|$)'
)
_NUMBER: Final = r"(?:(?:\d+(?:ms|[smhd]))+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_VALUE: Final = re.compile(rf"(?P<first>[+-]?{_NUMBER})(?:(?P<step>[+-]{_NUMBER})?x(?P<more>\d+))?")
_MISSING: Final = re.compile(r"(?P<kind>_|stale)(?:x(?P<count>\d+))?")
MAX_VALUES: Final = 100_000
STALE: Final = inf
"""The value of a series that is no longer there."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a test, with a value for each step: NaN where nothing came, `STALE` where it is over."""

    metric: str
    labels: Mapping[str, str]
    values: tuple[float, ...]


def parse_series(name: str, values: str) -> Series:
    """From ``metric{label=value}`` (quotes may stand) and its values.

    Raises:
        ValueError: not in the notation.
    """
    metric, labels = parse_name(name)
    return Series(metric, labels, tuple(parse_values(values)))


def parse_name(text: str) -> tuple[str, Mapping[str, str]]:
    """Metric and labels.

    Raises:
        ValueError: not in the notation.
    """
    found = _NAME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a series; write cdn_requests{{tier=edge,resource=shop}}")
    labels: dict[str, str] = {}
    rest = (found["labels"] or "").strip()
    while rest:
        label = _LABEL.match(rest)
        if label is None:
            raise ValueError(f"{rest!r} is not a label; write name=value")
        labels[label["name"]] = label["quoted"] if label["quoted"] is not None else label["plain"]
        rest = rest[label.end() :]
    return found["metric"], labels


def parse_values(text: str) -> list[float]:
    """Expand as promtool does: ``1+1x3`` is 1 2 3 4, ``5x2`` is 5 5 5, ``_`` and ``_x3`` are missing.

    ``stale`` is `STALE`: the series is over, where ``_`` is merely unknown.
    A number may be a duration, which is its seconds: ``20dx48``.

    Raises:
        ValueError: not in the notation, too long, or none at all.
    """
    values: list[float] = []
    for word in text.split():
        values.extend(_expanded(word))
        if len(values) > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values")
    if not values:
        raise ValueError("no values; write _ for a value that is missing")
    return values


def _expanded(word: str) -> Iterator[float]:
    if missing := _MISSING.fullmatch(word):
        count = int(missing["count"] or 1)
        _check(count)
        return iter([nan if missing["kind"] == "_" else STALE] * count)
    found = _VALUE.fullmatch(word)
    if found is None:
        raise ValueError(f"{word!r} is not in the notation; write 5, 5x3, 1+1x5, 9-1x5, _, _x5 or stale")
    more = int(found["more"] or 0)
    _check(more)
    first, step = _number(found["first"]), _number(found["step"] or "0")
    return (first + step * at for at in range(more + 1))


def _check(count: int) -> None:
    if count > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES} values")


def _number(text: str) -> float:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits[-1] in "smhd":
        return sign * parse_duration(digits) / SECOND
    return sign * float(digits)
