"""How many messages a target takes in a time."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from watcher.model.time import MINUTE, Duration, Instant, format_duration, parse_duration

_RATE: Final = re.compile(r"([1-9]\d{0,5})/(.+)")
_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` messages in `per`; a `count` of 0 is no limit."""

    count: int
    per: Duration

    def __str__(self) -> str:
        return f"{self.count}/{format_duration(self.per)}" if self.count else _NONE


UNLIMITED: Final = Rate(0, MINUTE)
USUAL: Final = Rate(30, MINUTE)
"""Fewer than Slack takes, and more than a person reads."""


class Bucket:
    """What is left of a rate: full at first, refilled evenly. A debt is paid before any is left again."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._level = float(rate.count)
        self._at: Instant | None = None

    def room(self, at: Instant) -> int | None:
        """Messages that may go now; None is any number."""
        if not self._rate.count:
            return None
        self._refill(at)
        return max(int(self._level), 0)

    def take(self, at: Instant) -> None:
        """One goes, whether there is room or not."""
        if self._rate.count:
            self._refill(at)
            self._level -= 1

    def remember(self, sent: Iterable[Instant]) -> None:
        """Messages of before, as if they had been taken here; given before any other."""
        for at in sorted(sent):
            self.take(at)

    def next_at(self, at: Instant) -> Instant:
        """When there is room for one."""
        if not self._rate.count:
            return at
        self._refill(at)
        return at + ceil(max(1 - self._level, 0) * self._rate.per / self._rate.count)

    def _refill(self, at: Instant) -> None:
        """Time that goes back adds nothing."""
        passed = 0 if self._at is None else max(at - self._at, 0)
        self._at = at
        self._level = min(self._level + passed * self._rate.count / self._rate.per, self._rate.count)


def parse_rate(text: str) -> Rate:
    """Read ``10/1m``, or ``none``.

    Raises:
        ValueError: anything else.
    """
    if text == _NONE:
        return UNLIMITED
    found = _RATE.fullmatch(text)
    try:
        per = parse_duration(found[2]) if found else 0
    except ValueError:
        per = 0
    if found is None or per <= 0:
        raise ValueError(f"{text!r} is no rate; write 10/1m for ten messages in a minute, or none")
    return Rate(int(found[1]), per)


def _rate(value: Any) -> Any:  # noqa: ANN401 - whatever YAML held
    if isinstance(value, Rate):
        return value
    return parse_rate(value if isinstance(value, str) else str(value))


RateField: TypeAlias = Annotated[
    Rate,
    BeforeValidator(_rate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^([1-9]\d{0,5}/(\d+(ms|s|m|h|d))+|none)$"}),
]
"""A rate, written `10/1m`."""
