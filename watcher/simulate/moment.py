"""When something begins in a scenario: relative to the simulator's start, or at a fixed time."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from watcher.document.fields import DurationField
from watcher.model.time import Duration, Instant, parse_duration, parse_rfc3339

_RELATIVE: Final = re.compile(r"([+-])(.+)")


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant that is known once the simulator's start is."""

    offset: Duration = 0
    at: Instant | None = None
    """Where set, a fixed time; the offset then counts for nothing."""

    def resolve(self, anchor: Instant) -> Instant:
        """The instant meant by a simulator started at `anchor`."""
        return anchor + self.offset if self.at is None else self.at


def parse_moment(text: str) -> Moment:
    """Read ``-50m``, ``+10m``, ``now`` or an RFC 3339 time.

    Raises:
        ValueError: anything else, a time without an offset included.
    """
    if text == "now":
        return Moment()
    if relative := _RELATIVE.fullmatch(text):
        sign, duration = relative.groups()
        return Moment(offset=parse_duration(duration) * (-1 if sign == "-" else 1))
    try:
        return Moment(at=parse_rfc3339(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no time; write -50m, +10m, now or 2026-11-22T03:00:00Z") from error


def _moment(value: Any) -> Any:  # noqa: ANN401 - whatever YAML held
    if isinstance(value, Moment):
        return value
    if not isinstance(value, str):
        raise ValueError("write a time as -50m, +10m, now or 2026-11-22T03:00:00Z")  # noqa: TRY004 - pydantic wants ValueError
    return parse_moment(value)


MomentField = Annotated[
    Moment, BeforeValidator(_moment), WithJsonSchema({"type": "string", "examples": ["-50m", "+10m", "now"]})
]
"""A time in a scenario file."""


class Timed(BaseModel):
    """What holds for a span of time: from the beginning of time, and for good, unless it says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: MomentField | None = None
    lasts: DurationField | None = None

    def span(self, anchor: Instant) -> tuple[Instant, Instant]:
        """Half-open; the ends are the first and last instants there are where none is given."""
        start = FIRST if self.start is None else self.start.resolve(anchor)
        return start, LAST if self.lasts is None else start + self.lasts


FIRST: Final[Instant] = -(2**62)
LAST: Final[Instant] = 2**62
