"""The agent's own sight of one stream: kept per planned tick, logged on change, sent on as samples."""

import traceback
from collections.abc import Awaitable, Callable
from math import nan
from typing import Final

import numpy as np
import structlog

from watcher.collect.breaker import Breaker
from watcher.collect.line import CollectorBug, Line
from watcher.collect.windows import elapsed_ticks
from watcher.document.redaction import redact
from watcher.errors import CollectError
from watcher.model.metrics import SIGHT
from watcher.model.sample import Poll, SampleBatch, Sight
from watcher.model.time import SECOND, Duration, Instant, floor

MESSAGE_LIMIT: Final = 300
"""Characters of an error that a sight and a log line carry."""


class OwnSight:
    """Whether one stream answers, and what to say about it.

    Every planned tick leaves one bin, those that passed during a long poll and those on which the breaker
    asked nothing included: `watcher_up` is 1 when the newest question had an answer, else 0.
    """

    def __init__(self, line: Line, stream: str, every: Duration) -> None:
        self._line = line
        self._stream = stream
        self._every = every
        self._log = structlog.get_logger().bind(source=line.source, stream=stream)
        self._breaker = Breaker()
        self._error: CollectError | None = None
        self.answered_at: Instant = line.clock.now()
        """When the vendor last answered; at first, when this began."""
        self.next_tick: Instant = self.answered_at
        """The first planned tick that has no bin yet."""
        self._tick = self.next_tick
        self._since = self.answered_at

    async def keep(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run to the end, and again at the next tick after a bug of ours ended it.

        The rim around one stream: what goes wrong in keeping it is its sight, never the end of the daemon.
        """
        while True:
            try:
                return await run()
            except Exception as error:  # noqa: BLE001 - whatever it is, other streams have nothing to do with it
                bug = CollectorBug(error)
                bug.__cause__ = error
            self._breaker = Breaker()
            self.failed(bug)
            await self._line.send(Poll(self.now(caught_up=False), self.bins(delay=0)))
            await self._line.wake(self.next_tick, self._every)

    def begin(self, tick: Instant) -> bool:
        """A planned tick has come: whether it may ask the vendor."""
        self.next_tick = self._tick = tick
        return self._breaker.lets_through(self._line.clock.now())

    def answered(self) -> None:
        """The vendor answered."""
        self.answered_at = self._line.clock.now()
        self._breaker = Breaker()
        if self._error is not None:
            self._log.info("stream_up", after=self._error.family)
            self._error = None
            self._since = self.answered_at

    def failed(self, error: CollectError) -> None:
        """A question had no good answer."""
        now = self._line.clock.now()
        self._breaker = self._breaker.failed(error, now=now, every=self._every)
        if self._error is None:
            self._since = now
        if self._error is None or self._error.family != error.family:
            trace = {"exception": self._traced(error)} if isinstance(error, CollectorBug) else {}
            self._log.warning("stream_down", family=error.family, message=self._words(error), **trace)
        self._error = error

    def now(self, *, caught_up: bool, behind: Duration = 0, note: str = "") -> Sight:
        """How the stream stands; `note` is the message while it is up."""
        error = self._error
        return Sight(
            source=self._line.source,
            vendor=self._line.vendor,
            stream=self._stream,
            at=self._line.clock.now(),
            up=error is None,
            family="" if error is None else error.family,
            message=self._words(error or note),
            caught_up=caught_up,
            behind=behind,
            since=self._since,
        )

    def bins(self, *, delay: Duration, ended: bool = False) -> tuple[SampleBatch, ...]:
        """The bins of ticks that have none yet: all up to now, or those whose cadence has `ended`."""
        now = self._line.clock.now()
        until = now - self._every if ended else max(now, self._tick)
        ticks = elapsed_ticks(self.next_tick, self._every, until)
        if not ticks:
            return ()
        self.next_tick = ticks[-1] + self._every
        starts = np.asarray([floor(tick, self._every) for tick in ticks], dtype=np.int64)
        up = self._error is None
        reading = [float(up), delay / SECOND if up else nan]
        batch = SampleBatch(
            source=self._line.source,
            vendor=self._line.vendor,
            stream=f"{self._stream}.sight",
            width=self._every,
            fetched_at=now,
            settled_until=int(starts[-1]) + self._every,
            entities=((("stream", self._stream),),),
            metrics=tuple((metric, ()) for metric in SIGHT),
            starts=starts,
            values=np.tile(np.asarray(reading).reshape(1, len(SIGHT), 1), (len(starts), 1, 1)),
        )
        return (batch,)

    def _traced(self, bug: CollectorBug) -> str:
        return redact("".join(traceback.format_exception(bug)), self._line.secrets)

    def _words(self, said: CollectError | str) -> str:
        return redact(str(said), self._line.secrets)[:MESSAGE_LIMIT]
