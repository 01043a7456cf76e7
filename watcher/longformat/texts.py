"""Texts of cells as numbers: each distinct time and width is read once, however many rows repeat it."""

from math import isfinite, nan
from typing import Final, Generic, TypeVar

from watcher.model.time import SECOND, Duration, Instant, parse_rfc3339

Read = TypeVar("Read")

ABSENT: Final = -1
"""Stands for a `fetched_at` that is not there: the end of the bin."""
_MOST: Final = 253_402_300_800_000
"""The year 10000: no time lies later, whatever a typing error says."""


class Cache(dict[str, Read], Generic[Read]):
    """What texts were read as; a bounded number of them."""

    LIMIT: Final = 1_000_000

    def __missing__(self, text: str) -> Read:
        if len(self) >= self.LIMIT:
            self.clear()
        read = self[text] = self.read(text)
        return read

    def read(self, text: str) -> Read:
        """One text.

        Raises:
            ValueError: what is wrong with it, and what would be right.
        """
        raise NotImplementedError


class Times(Cache[Instant]):
    """RFC 3339, UTC or with another offset."""

    def read(self, text: str) -> Instant:
        """The instant."""
        try:
            return parse_rfc3339(text)
        except ValueError as error:
            hint = (
                str(error) if "offset" in str(error) else f"{text!r} is no time; write 2026-11-22T03:00:00Z"
            )
            raise ValueError(hint) from error


class Arrivals(Times):
    """As `Times`; an empty one is `ABSENT`."""

    def read(self, text: str) -> Instant:
        """The instant, or `ABSENT`."""
        return super().read(text) if text else ABSENT


class Widths(Cache[Duration]):
    """Seconds, as a number; 0 marks states."""

    def read(self, text: str) -> Duration:
        """Milliseconds."""
        try:
            seconds = float(text)
        except ValueError:
            seconds = nan
        if not (isfinite(seconds) and 0 <= seconds * SECOND < _MOST):
            raise ValueError(f"{text!r} is no width; write seconds: 60, 300, or 0 for a state")
        return round(seconds * SECOND)


def number(text: str) -> float:
    """A value; an empty one withdraws.

    Raises:
        ValueError: it is no number.
    """
    if not text:
        return nan
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number; write 12, 0.25 or nothing to withdraw the sample") from None
