"""Whether targets take what they are sent, as a stream of watcher's own that rules judge."""

from collections.abc import Awaitable, Callable, Mapping
from math import isnan, nan
from typing import Final

import anyio
import numpy as np

from watcher.model.ports import Clock
from watcher.model.sample import Exemplar, Poll, SampleBatch, Sight
from watcher.model.time import MINUTE, SECOND, Duration, Instant, floor
from watcher.notify.health import Outcomes
from watcher.notify.routing import OWN_SOURCE

STREAM: Final = "delivery"
METRIC: Final = "watcher_target_up"
PATIENCE: Final[Duration] = 10 * MINUTE
"""A target that fails for less is tried again, and nobody is told."""
REMEMBERED: Final[Duration] = 3 * MINUTE
"""A message given up is no passing thing, so it is seen in more than one bin."""


class OwnSight:
    """One bin a minute in which something is known: 1 where a target took messages, 0 where it does not.

    It is 0 for three minutes after a message was given up, and from ten minutes of failures on; nothing is
    known of a target that nothing was sent to.
    """

    def __init__(
        self,
        outcomes: Callable[[], Mapping[str, Outcomes]],
        send: Callable[[Poll], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """`outcomes` tells what became of attempts since it was last called, by target."""
        self._outcomes = outcomes
        self._send = send
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled: look at the end of every minute."""
        while True:
            now = self._clock.now()
            await anyio.sleep((floor(now, MINUTE) + MINUTE - now) / SECOND)
            poll = poll_of(self._outcomes(), self._clock.now())
            if poll is not None:
                await self._send(poll)


def poll_of(outcomes: Mapping[str, Outcomes], now: Instant) -> Poll | None:
    """What is known of targets by the end of the minute before; None where that is nothing."""
    readings = {target: _reading(one, now) for target, one in outcomes.items()}
    known = {target: value for target, value in readings.items() if not isnan(value)}
    if not known:
        return None
    start = floor(now, MINUTE) - MINUTE
    sight = Sight(OWN_SOURCE, OWN_SOURCE, STREAM, now, up=True)
    return Poll(sight, (_batch(known, outcomes, start, now),))


def _reading(outcomes: Outcomes, now: Instant) -> float:
    since, given_up = outcomes.failing_since, outcomes.given_up_at
    if given_up is not None and now - given_up < REMEMBERED:
        return 0.0
    if since is not None and now - since >= PATIENCE:
        return 0.0
    mended = given_up is not None and since is None and now - given_up < REMEMBERED + 2 * MINUTE
    return 1.0 if outcomes.arrived or mended else nan


def _batch(
    known: Mapping[str, float], outcomes: Mapping[str, Outcomes], start: Instant, now: Instant
) -> SampleBatch:
    reasons = tuple(
        Exemplar(entity, start, {"reason": outcomes[target].words})
        for entity, (target, value) in enumerate(known.items())
        if not value and outcomes[target].words
    )
    return SampleBatch(
        source=OWN_SOURCE,
        vendor=OWN_SOURCE,
        stream=STREAM,
        width=MINUTE,
        fetched_at=now,
        settled_until=start + MINUTE,
        entities=tuple((("target", target),) for target in known),
        metrics=((METRIC, ()),),
        starts=np.array([start], np.int64),
        values=np.array([[[*known.values()]]], np.float64),
        exemplars=reasons,
    )
