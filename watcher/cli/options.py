"""Parameters that verbs share, and how their texts become values."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from cyclopts import Parameter, Token

from watcher.model.time import (
    DAY,
    Duration,
    Instant,
    format_duration,
    parse_duration,
    parse_rfc3339,
    rfc3339,
)
from watcher.runtime.clock import SystemClock

DEFAULT_CONFIG: Final = Path("watcher.yaml")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\dZ?")
_BACK: Final = "6h for six hours ago"
_AHEAD: Final = "2h for in two hours, 03:00 for the next such time in UTC"
_LOCAL: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?")


def _converter(parse: Callable[[str], int]) -> Callable[[Any, Sequence[Token]], int]:
    def convert(_type: Any, tokens: Sequence[Token]) -> int:  # noqa: ANN401 - cyclopts' protocol
        return parse(tokens[0].value)

    return convert


def _moment(text: str) -> Instant:
    """So long ago, a day's beginning in UTC, or RFC 3339 with or without seconds."""
    try:
        return SystemClock().now() - parse_duration(text)
    except ValueError:
        return _dated(text, _BACK)


def _dated(text: str, forms: str) -> Instant:
    """A day's beginning in UTC, or RFC 3339 with or without seconds; what is neither is told the forms."""
    if _LOCAL.fullmatch(text):
        raise ValueError(f"{text!r} says no zone; write {text.replace(' ', 'T')}Z where UTC is meant")
    try:
        return parse_rfc3339(f"{text}T00:00Z" if _DAY.fullmatch(text) else text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write {forms}, 2026-11-22, or 2026-11-22T03:00Z") from None


def _future(text: str) -> Instant:
    """In so long, the next such time of day or a day's beginning in UTC, or RFC 3339."""
    now = SystemClock().now()
    try:
        return now + parse_duration(text)
    except ValueError:
        pass
    if _CLOCK.fullmatch(text):
        today = parse_rfc3339(f"{rfc3339(now)[:10]}T{text.removesuffix('Z')}Z")
        return today if today > now else today + DAY
    return _dated(text, _AHEAD)


ConfigOption: TypeAlias = Annotated[
    Path, Parameter(name=["--config", "-c"], env_var="WATCHER_CONFIG", help="The configuration.")
]
JsonOption: TypeAlias = Annotated[bool, Parameter(name="--json", negative="", help="Answer in JSON.")]
MomentOption: TypeAlias = Annotated[Instant, Parameter(converter=_converter(_moment), metavar="TIME")]
FutureOption: TypeAlias = Annotated[Instant, Parameter(converter=_converter(_future), metavar="TIME")]


def _default(duration: Duration | None) -> str | None:
    """As help shows it; where there is none, nothing."""
    return None if duration is None else format_duration(duration)


DurationOption: TypeAlias = Annotated[
    Duration,
    Parameter(converter=_converter(parse_duration), metavar="DURATION", show_default=_default),
]
ForOption: TypeAlias = Annotated[
    Duration | None,
    Parameter(
        name="--for",
        metavar="DURATION",
        converter=_converter(parse_duration),
        help="Stop after this long, as 60s or 2h.",
    ),
]
