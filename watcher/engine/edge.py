"""Where the restatement horizon of a track begins: what is older no longer changes."""

from collections.abc import Collection
from typing import Final

from watcher.engine.lane import Lane
from watcher.engine.lifecycle import NEVER
from watcher.model.time import DAY, Duration, Instant

LONGEST_WAIT: Final[Duration] = DAY
"""How far behind the newest stream of a track another may be before it is late."""


def edge(lanes: Collection[Lane], horizon: Duration) -> Instant:
    """One horizon behind the stream that is least far.

    A stream is not waited for when another one has taken over where it ended, nor for more than a day.
    """
    if not lanes:
        return NEVER
    newest = max(lane.watermark for lane in lanes)
    least = min((lane.watermark for lane in lanes if not _is_complete(lane, lanes)), default=newest)
    widest = max(lane.width for lane in lanes)
    return max(least, newest - LONGEST_WAIT) - max(horizon, 3 * widest)


def _is_complete(lane: Lane, lanes: Collection[Lane]) -> bool:
    """Whether another lane took over where this one ended, as after backfill and a change of width.

    Bins of the same width that began before its end are of a stream beside it, which may be ahead of it.
    """
    return any(
        lane.first < other.first <= lane.watermark
        and (other.first == lane.watermark or other.width != lane.width)
        for other in lanes
    )
