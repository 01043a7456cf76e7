"""DSC's query for records: what the documentation allows; everything else is an invalid parameter."""

import re
from dataclasses import dataclass
from typing import Final

from multidict import MultiMapping

from watcher.model.time import Instant
from watcher.simulate.huawei.answers import invalid

DEFAULT_LIMIT: Final = 1000
LARGEST_LIMIT: Final = 2000
_NAMES: Final = {"limit", "called_url", "start_time", "end_time", "marker"}
_WHOLE: Final = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records; what a marker is bound to."""

    start: Instant
    end: Instant | None
    """As it was asked for; the vendor's bounds decide whether a call at just this time is in."""
    called_url: str


@dataclass(frozen=True, slots=True)
class Query:
    """A valid query."""

    filter: Filter
    limit: int
    marker: str


def read_query(params: MultiMapping[str]) -> Query:
    """Read a query as the vendor does.

    Refusing repeated and unknown parameters is our reading: the page is silent, and such a call is a mistake.

    Raises:
        Refused: 400.
    """
    if any(name not in _NAMES or len(params.getall(name)) > 1 for name in params):
        raise invalid()
    limit = _whole(params, "limit", DEFAULT_LIMIT)
    start = _whole(params, "start_time", 0)
    end = _whole(params, "end_time", 0) if "end_time" in params else None
    if not 1 <= limit <= LARGEST_LIMIT or (end is not None and start > end):
        raise invalid()
    return Query(Filter(start, end, params.get("called_url", "")), limit, params.get("marker", ""))


def _whole(params: MultiMapping[str], name: str, default: int) -> int:
    text = params.get(name)
    if text is None:
        return default
    if not _WHOLE.fullmatch(text):
        raise invalid()
    return int(text)
