"""Time as the core knows it: UTC integer milliseconds, half-open, never read from a clock here."""

import re
from datetime import UTC, datetime, tzinfo
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

Instant: TypeAlias = int
"""Milliseconds since 1970-01-01T00:00:00Z."""
Duration: TypeAlias = int
"""Milliseconds."""

SECOND: Final[Duration] = 1_000
MINUTE: Final[Duration] = 60 * SECOND
HOUR: Final[Duration] = 60 * MINUTE
DAY: Final[Duration] = 24 * HOUR

_UNITS: Final = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)")


def zone_of(name: str) -> tzinfo:
    """The clocks of an IANA time zone; UTC is known on machines without any.

    Raises:
        ZoneInfoNotFoundError, ValueError, OSError: it is none, or time zones are not installed.
    """
    return UTC if name == "UTC" else ZoneInfo(name)


def parse_duration(text: str) -> Duration:
    """Read ``30s``, ``5m``, ``6h``, ``14d`` or a sum such as ``1h30m``.

    Raises:
        ValueError: anything else, the empty text and a bare number included.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write 30s, 5m, 6h or 14d")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def format_duration(duration: Duration) -> str:
    """The shortest text that `parse_duration` reads back: ``90_000`` is ``1m30s``."""
    if duration <= 0:
        return "0s"
    text = ""
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)):
        number, duration = divmod(duration, size)
        text += f"{number}{unit}" if number else ""
    return text


def to_datetime(instant: Instant) -> datetime:
    """An aware datetime, for the edges."""
    return datetime.fromtimestamp(instant / 1_000, UTC)


def rfc3339(instant: Instant) -> str:
    """``2026-11-22T03:00:00Z``; with milliseconds only where there are any."""
    text = to_datetime(instant).isoformat(timespec="milliseconds" if instant % SECOND else "seconds")
    return text.replace("+00:00", "Z")


def parse_rfc3339(text: str) -> Instant:
    """The instant an RFC 3339 text names.

    Raises:
        ValueError: not RFC 3339, or without an offset (a local time names no instant).
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; write it with Z, as 2026-11-22T03:00:00Z")
    return round(moment.timestamp() * 1_000)


def floor(instant: Instant, width: Duration) -> Instant:
    """Start of the bin of this width that holds the instant (bins are aligned to the epoch)."""
    return instant - instant % width
