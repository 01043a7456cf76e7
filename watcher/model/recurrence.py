"""Spans of time that come back on days of the week, by the clocks of one place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Final

from watcher.model.time import Instant, to_datetime, zone_of

ALL_DAYS: Final = frozenset(range(7))
"""Monday is 0."""
MIDNIGHT: Final = 24 * 60
"""The end of a day, in minutes after its start."""
_LONGEST: Final = 14
"""Spans that meet are followed this far: further is as good as for ever."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` up to, and not including, `end`."""

    start: Instant
    end: Instant


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A span of a day, on some days of the week, by the clocks of a zone.

    One whose end is not after its start crosses midnight and belongs to the day it starts on. Where clocks
    are put forward, a time that does not exist is as much later; where they are put back, a span starts at
    the first and ends at the second of the two times of its name.
    """

    start: int
    """Minutes after midnight, as are those of `end`."""
    end: int
    days: frozenset[int] = ALL_DAYS
    zone: str = "UTC"

    def covering(self, at: Instant) -> Span | None:
        """The span that holds the instant; None between spans."""
        today = to_datetime(at).astimezone(zone_of(self.zone)).date()
        for day in (today - timedelta(days=1), today):
            span = self._on(day)
            if span is not None and span.start <= at < span.end:
                return span
        return None

    def following(self, at: Instant, count: int) -> list[Span]:
        """The next spans that end after the instant, the present one included."""
        return list(islice((span for span in self._from(at) if span.end > at), count))

    def _from(self, at: Instant) -> Iterator[Span]:
        day = to_datetime(at).astimezone(zone_of(self.zone)).date() - timedelta(days=1)
        while self.days:
            span = self._on(day)
            if span is not None:
                yield span
            day += timedelta(days=1)

    def _on(self, day: date) -> Span | None:
        if day.weekday() not in self.days:
            return None
        crosses = self.end <= self.start
        until = day + timedelta(days=1) if crosses else day
        # By fold 0 a name in a gap is read as the later instant, and one that comes twice as the first.
        return Span(self._instants(day, self.start)[0], max(self._instants(until, self.end)))

    def _instants(self, day: date, minutes: int) -> tuple[Instant, Instant]:
        """What the name of a time may mean on a day: by fold 0 and by fold 1."""
        if minutes == MIDNIGHT:
            day, minutes = day + timedelta(days=1), 0
        local = datetime.combine(day, time(*divmod(minutes, 60)), zone_of(self.zone))
        first, second = (round(local.replace(fold=fold).timestamp() * 1_000) for fold in (0, 1))
        return first, second


def covered_until(recurrences: Iterable[Recurrence], at: Instant) -> Instant | None:
    """When the spans that hold the instant end, those that meet or overlap them included; None outside."""
    every, until = tuple(recurrences), at
    for _ in range(_LONGEST):
        further = max((span.end for one in every if (span := one.covering(until))), default=until)
        if further == until:
            break
        until = further
    return until if until > at else None


def covers(recurrences: Iterable[Recurrence], span: Span) -> bool:
    """Whether every instant of the span is within one of them."""
    every, until = tuple(recurrences), span.start
    while until < span.end:
        further = max((held.end for one in every if (held := one.covering(until))), default=until)
        if further == until:
            return False
        until = further
    return True
