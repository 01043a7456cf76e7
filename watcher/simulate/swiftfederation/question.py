"""What a call asks for: the body's fields, validated in the vendor's order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from watcher.model.time import DAY, MINUTE, Duration, Instant, parse_rfc3339
from watcher.simulate.swiftfederation.answers import Refused

MOST_NAMES: Final = 50
WIDTHS: Final[Mapping[str, Duration]] = {"minute": 5 * MINUTE, "day": DAY}
LONGEST: Final[Mapping[str, Duration]] = {"minute": DAY, "day": 30 * DAY}
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True, slots=True)
class Question:
    """A call that can be answered, if its names are known."""

    names: Sequence[str]
    start: Instant
    end: Instant
    width: Duration

    @property
    def first(self) -> Instant:
        """Start of the first bin that begins within the window."""
        return -(-self.start // self.width) * self.width


def read_question(body: bytes) -> Question:
    """The fields of a body.

    Raises:
        Refused: with the code of the first thing that is wrong.
    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, "Request.BadRequest") from error
    if not isinstance(fields, dict):
        raise Refused(400, "Request.BadRequest")
    names = _names(fields.get("serviceNames"))
    start, end = _time(fields.get("startTime")), _time(fields.get("endTime"))
    interval = fields.get("interval", "minute")
    if not isinstance(interval, str) or interval not in WIDTHS:
        raise Refused(400, "IntervalType.Invalid")
    if interval == "day" and (start % DAY or end % DAY):
        raise Refused(400, "Time.Invalid")
    if end <= start:
        raise Refused(400, "TimeRange.EndBeforeStart")
    if end - start > LONGEST[interval]:
        raise Refused(400, "TimeRange.Exceeded")
    return Question(names, start, end, WIDTHS[interval])


def _names(value: Any) -> Sequence[str]:  # noqa: ANN401 - whatever JSON held
    right = isinstance(value, list) and 0 < len(value) <= MOST_NAMES
    if not right or not all(isinstance(name, str) and name for name in value):
        raise Refused(400, "ServiceNames.Invalid")
    return tuple(dict.fromkeys(value))


def _time(value: Any) -> Instant:  # noqa: ANN401 - whatever JSON held
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise Refused(400, "Time.Invalid")
    try:
        return parse_rfc3339(value)
    except ValueError as error:
        raise Refused(400, "Time.Invalid") from error
