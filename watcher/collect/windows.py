"""Which windows of a stream to ask for, and when: pure planning over event time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from watcher.collect.collector import StreamSpec, Window
from watcher.model.sample import Cursor
from watcher.model.time import DAY, Duration, Instant, floor

CHUNK: Final = 60
"""Windows planned at once; what is due beyond them is planned when they are read."""
TICKS: Final = 1_440
"""Cadence slots accounted for at once."""
NARROWER: Final = 8
REACH: Final[Duration] = DAY
"""How much older than its backfill what is read after a stop may be."""


@dataclass(frozen=True, slots=True)
class Caution:
    """Where a window of several bins failed: from `start` to `end` fewer are asked for at once.

    So one bin that cannot be had holds up no more than itself, and an outage makes no long run of short
    windows: each failure narrows the place to the window that failed.
    """

    start: Instant = 0
    end: Instant = 0
    bins: int = 1

    @classmethod
    def after(cls, failed: Window, width: Duration) -> "Caution":
        """An eighth of what failed, so that a day of five-minute bins is single bins after three failures."""
        return cls(failed.start, failed.end, max(1, (failed.end - failed.start) // width // NARROWER))

    def longest(self, start: Instant, most: int) -> int:
        """How many bins a window from `start` may have."""
        return min(self.bins, most) if self.start <= start < self.end else most


NO_CAUTION: Final = Caution()


@dataclass(frozen=True, slots=True)
class Span:
    """What a stream reads in its life: from `since`, up to `until` or for ever."""

    since: Instant
    until: Instant | None = None


def spans(specs: Sequence[StreamSpec], cursors: Mapping[str, Cursor], now: Instant) -> Mapping[str, Span]:
    """The span of each stream of one source, by name; `cursors` are those stored, by stream.

    A stored bound stands. Where a stream comes `after` one that ends, the end of the one is the start of
    the other, whichever of both was stored first: so a restart at any moment finds the same boundary.
    """
    found = {spec.name: _own_span(spec, cursors.get(spec.name), now) for spec in specs}
    for spec in specs:
        earlier = found.get(spec.after)
        if earlier is None or earlier.until is None:
            continue
        if spec.name in cursors and _stored_end(cursors.get(spec.after)) is None:
            found[spec.after] = replace(earlier, until=found[spec.name].since)
        elif spec.name not in cursors:
            found[spec.name] = replace(found[spec.name], since=earlier.until)
    return found


def _own_span(spec: StreamSpec, cursor: Cursor | None, now: Instant) -> Span:
    grid = spec.align or spec.width or 1
    since = floor(now - spec.backfill, grid) if cursor is None else cursor.since
    if not spec.until:
        return Span(since)
    stored = _stored_end(cursor)
    return Span(since, floor(now - spec.until, grid) if stored is None else stored)


def _stored_end(cursor: Cursor | None) -> Instant | None:
    return None if cursor is None else cursor.until


def resumed(spec: StreamSpec, span: Span, position: Instant, now: Instant) -> Instant:
    """Where reading goes on after a stop: at the position, or later where that is out of reach by now."""
    earliest = floor(now - spec.backfill - REACH, spec.align or spec.width or 1)
    return max(position, earliest if span.until is None else min(earliest, span.until))


def settled_end(spec: StreamSpec, span: Span, now: Instant) -> Instant:
    """End of the newest bin of the span that may be read now."""
    end = floor(now - spec.settle, spec.width)
    return end if span.until is None else min(end, span.until)


def due(
    spec: StreamSpec, span: Span, position: Instant, now: Instant, *, overlap: Duration = 0
) -> list[Window]:
    """The bins to ask for now, oldest first: settled, within the span, at most `CHUNK` new or one read full.

    First those of the `overlap` before `position` once more, then what follows it. See `joined`.
    """
    first = max(floor(position - overlap, spec.width), _ceiling(span.since, spec.width))
    new = max(CHUNK, spec.most)
    end = min(settled_end(spec, span, now), floor(position, spec.width) + new * spec.width)
    return [Window(start, start + spec.width) for start in range(first, end - spec.width + 1, spec.width)]


def joined(bins: Sequence[Window], most: int, caution: Caution = NO_CAUTION) -> list[Window]:
    """Windows of up to `most` neighbouring bins, as one answer holds them; fewer where caution says so."""
    found: list[Window] = []
    room = 0
    for one in bins:
        borders = one.start in {caution.start, caution.end}
        if found and room and found[-1].end == one.start and not borders:
            found[-1] = Window(found[-1].start, one.end)
            room -= 1
        else:
            found.append(one)
            room = caution.longest(one.start, most) - 1
    return found


def complete(span: Span, position: Instant) -> bool:
    """Whether the stream has read all it ever will."""
    return span.until is not None and position >= span.until


def caught_up(spec: StreamSpec, span: Span, position: Instant, now: Instant) -> bool:
    """Whether the next due bin is not older than `settle` and two cadences; states always are."""
    if spec.width == 0 or complete(span, position):
        return True
    return now - (position + spec.width) <= spec.settle + 2 * spec.every


def behind(spec: StreamSpec, span: Span, position: Instant, now: Instant) -> Duration:
    """What is settled and not yet read."""
    return 0 if spec.width == 0 else max(0, settled_end(spec, span, now) - position)


def woken(tick: Instant, every: Duration, now: Instant) -> Instant:
    """The tick to act for on waking: the planned one, or now where the clock was set or the machine slept."""
    return tick if abs(now - tick) <= every else now


def elapsed_ticks(tick: Instant, every: Duration, now: Instant) -> range:
    """The planned instants from `tick` on that have come; after a leap of the clock only the newest."""
    return range(tick, now + 1, every)[-TICKS:]


def _ceiling(instant: Instant, width: Duration) -> Instant:
    return -floor(-instant, width)
