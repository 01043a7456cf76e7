"""The agent's own sight of one stream: kept per planned tick, logged on change, sent on as samples."""

import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import Final

import numpy as np
import structlog

from watcher.collect.breaker import Breaker
from watcher.collect.line import CollectorBug, Line
from watcher.collect.lookout import FAMILIES
from watcher.collect.windows import elapsed_ticks
from watcher.document.redaction import redact
from watcher.errors import AuthenticationFailed, CollectError, NetworkFailed, VendorFailed
from watcher.model.metrics import SIGHT
from watcher.model.sample import Exemplar, Instants, MetricKey, Poll, SampleBatch, Sight
from watcher.model.time import SECOND, Duration, Instant, floor

BLIND: Final = "source"
"""The `family` that is 1 while the failure may be one of the source: then that is one failure, not many."""
_FAILED: Final[tuple[MetricKey, ...]] = tuple(
    ("watcher_failed", (("family", family),)) for family in (*FAMILIES, BLIND)
)
_METRICS: Final[tuple[MetricKey, ...]] = (*((metric, ()) for metric in SIGHT), *_FAILED)
_WHOLE: Final[tuple[MetricKey, ...]] = (
    ("watcher_up", ()),
    *_FAILED[: len(FAMILIES)],
    ("watcher_requests", ()),
    ("watcher_throttled_requests", ()),
)


class OwnSight:
    """Whether one stream answers, and what to say about it.

    Every planned tick leaves one bin, those that passed during a long poll and those on which the breaker
    asked nothing included: `watcher_up` is 1 when the newest question had an answer, else 0, and
    `watcher_failed` is 1 for the family it failed with. After an outage of the source, a stream that was not
    asked again since another was answered is not known to be up or down; it is asked at its next tick.
    """

    def __init__(self, line: Line, stream: str, every: Duration, *, apart: bool = False) -> None:
        """`apart` is what is no stream of its own: how it fails says nothing of the source."""
        self._apart = apart
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
            bins = self.bins(delay=0)
            await self._line.send(Poll(self.now(caught_up=self._apart), () if self._apart else bins))
            await self._line.wake(self.next_tick, self._every)

    def begin(self, tick: Instant) -> bool:
        """A planned tick has come: whether it may ask the vendor."""
        self.next_tick = self._tick = tick
        return self._breaker.lets_through(self._line.clock.now()) or self._pause_is_moot

    def answered(self) -> None:
        """The vendor answered."""
        self.answered_at = self._line.clock.now()
        self._breaker = Breaker()
        self._tell(None)
        if self._error is not None:
            self._log.info("stream_up", after=self._error.family)
            self._error = None
            self._since = self.answered_at

    def failed(self, error: CollectError) -> None:
        """A question had no good answer."""
        now = self._line.clock.now()
        self._breaker = self._breaker.failed(error, now=now, every=self._every)
        self._tell(error)
        if self._error is None:
            self._since = now
        if self._error is None or self._error.family != error.family:
            trace = {"exception": self._traced(error)} if isinstance(error, CollectorBug) else {}
            self._log.warning("stream_down", family=error.family, message=self._line.words(error), **trace)
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
            message=self._line.words(error or note),
            caught_up=caught_up,
            behind=behind,
            since=self._since,
            next_try=self._next_try(),
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
        batch = self._batch(f"{self._stream}.sight", _METRICS, starts, self._reading(delay))
        if self._error is None:
            return (batch,)
        why = {self._error.family: self._line.words(self._error)}
        return (replace(batch, exemplars=_reasons(why, int(starts[-1]))),)

    def _reading(self, delay: Duration) -> list[float]:
        lookout = self._line.lookout
        if lookout.overtaken(self._stream):
            return [nan] * len(_METRICS)
        family = "" if self._error is None else self._error.family
        failed = [float(family == one) for one in FAMILIES]
        up = not family
        return [float(up), delay / SECOND if up else nan, *failed, float(lookout.blind(self._stream))]

    def bins_of_all(self, like: tuple[SampleBatch, ...]) -> tuple[SampleBatch, ...]:
        """The bins of the source as a whole, in the place of bins of this stream.

        What was asked since the last of them stands in the newest.
        """
        if not like:
            return ()
        lookout, starts = self._line.lookout, like[0].starts
        failed = [float(lookout.fails(family)) for family in FAMILIES]
        batch = self._batch("source.sight", _WHOLE, starts, [lookout.up, *failed, 0, 0])
        batch.values[-1, -2:, 0] = lookout.taken()
        reasons = _reasons(lookout.reasons(), int(starts[-1]))
        return (replace(batch, entities=((),), exemplars=reasons),)

    def _batch(
        self, stream: str, metrics: tuple[MetricKey, ...], starts: Instants, reading: Sequence[float]
    ) -> SampleBatch:
        column = np.asarray(reading, dtype=np.float64).reshape(1, len(metrics), 1)
        return SampleBatch(
            source=self._line.source,
            vendor=self._line.vendor,
            stream=stream,
            width=self._every,
            fetched_at=self._line.clock.now(),
            settled_until=int(starts[-1]) + self._every,
            entities=((("stream", self._stream),),),
            metrics=metrics,
            starts=starts,
            values=np.tile(column, (len(starts), 1, 1)),
        )

    def _tell(self, error: CollectError | None) -> None:
        if not self._apart:
            self._line.lookout.see(self._stream, error, "" if error is None else self._line.words(error))

    @property
    def _pause_is_moot(self) -> bool:
        """Whether what it was paused for has passed elsewhere; what the vendor asks for is kept to."""
        error = self._error
        passing = isinstance(error, (NetworkFailed, VendorFailed)) and not error.retry_after
        return passing and self._line.lookout.overtaken(self._stream)

    def _next_try(self) -> Instant:
        """When it may be asked again: 0 while it is up, and where only a person can change that."""
        if self._error is None:
            return 0
        if isinstance(self._error, AuthenticationFailed):
            return self._line.credentials.next_probe
        paused = 0 if self._pause_is_moot else self._breaker.pause.until
        return max(self._tick + self._every, paused)

    def _traced(self, bug: CollectorBug) -> str:
        return redact("".join(traceback.format_exception(bug)), self._line.secrets)


def _reasons(words: Mapping[str, str], at: Instant) -> tuple[Exemplar, ...]:
    """By family, why it failed: what incidents about the agent's own sight say."""
    return tuple(Exemplar(0, at, {"family": family, "reason": said}) for family, said in words.items())
