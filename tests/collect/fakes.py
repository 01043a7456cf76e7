"""A vendor whose answers a test decides, and what its pollers put on the bus."""

import random
from collections.abc import Callable, Sequence

import anyio
import numpy as np

from watcher.collect.collector import StreamSpec, Window
from watcher.collect.line import Line
from watcher.collect.poller import Poller
from watcher.collect.windows import Span, spans
from watcher.model.ports import Clock
from watcher.model.sample import Cursor, Poll, SampleBatch
from watcher.model.time import MINUTE, SECOND, Duration, Instant, parse_rfc3339

SPEC = StreamSpec("s", MINUTE, MINUTE, settle=3 * MINUTE)
"""At 03:00 its newest settled bin is that of 02:56."""


def at(text: str) -> Instant:
    return parse_rfc3339(f"2026-11-22T{text}:00Z")


def minutes(first: str, last: str) -> list[Instant]:
    return list(range(at(first), at(last) + 1, MINUTE))


def answered(_stream: StreamSpec, _window: Window) -> None:
    """Every question is answered."""


def one(_start: Instant) -> float:
    """Each bin holds the same."""
    return 1.0


class FakeVendor:
    """Answers at once, or after `takes`; raises what `judge` raises."""

    def __init__(self, clock: Clock, *specs: StreamSpec) -> None:
        self.specs: Sequence[StreamSpec] = specs
        self.judge: Callable[[StreamSpec, Window], None] = answered
        self.value: Callable[[Instant], float] = one
        """What a bin holds."""
        self.refusal: Exception | None = None
        """Raised in place of the list of streams."""
        self.takes: Duration = 0
        self.asked: list[tuple[Instant, str, Window]] = []
        """When, which stream, which window."""
        self.listed: list[Instant] = []
        self._clock = clock

    def windows(self, stream: str = "s") -> list[Window]:
        return [window for _, name, window in self.asked if name == stream]

    async def streams(self) -> Sequence[StreamSpec]:
        self.listed.append(self._clock.now())
        if self.refusal is not None:
            raise self.refusal
        return self.specs

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        self.asked.append((self._clock.now(), stream.name, window))
        await anyio.sleep(self.takes / SECOND)
        self.judge(stream, window)
        starts = list(range(window.start, max(window.end, window.start + 1), stream.width or 1))
        values = [[[self.value(start)]] for start in starts]
        return SampleBatch(
            source="cdn",
            vendor="fake",
            stream=stream.name,
            width=stream.width,
            fetched_at=self._clock.now(),
            settled_until=window.end,
            entities=((("resource", "shop"),),),
            metrics=(("cdn_requests", ()),),
            starts=np.array(starts, dtype=np.int64),
            values=np.array(values, dtype=np.float64),
        )


class Sink:
    """Where polls go in place of the bus."""

    def __init__(self) -> None:
        self.polls: list[Poll] = []

    async def send(self, poll: Poll) -> None:
        self.polls.append(poll)

    def batches(self, stream: str = "s") -> list[SampleBatch]:
        return [batch for poll in self.polls for batch in poll.batches if batch.stream == stream]

    def read(self, stream: str = "s") -> list[Instant]:
        """Starts of the bins that came, in order."""
        return [int(start) for batch in self.batches(stream) for start in batch.starts]

    def sights(self, stream: str = "s") -> list[tuple[Instant, float]]:
        """The `watcher_up` bins of a stream."""
        return [
            (int(start), float(up))
            for batch in self.batches(f"{stream}.sight")
            for start, up in zip(batch.starts, batch.values[:, 0, 0], strict=True)
        ]

    def cursors(self, stream: str = "s") -> list[Cursor]:
        return [poll.cursor for poll in self.polls if poll.cursor and poll.cursor.stream == stream]


class Rig:
    """One vendor, one line to it, one sink."""

    def __init__(self, clock: Clock, *specs: StreamSpec, secrets: Sequence[str] = ()) -> None:
        self.clock = clock
        self.vendor = FakeVendor(clock, *specs)
        self.sink = Sink()
        self.line = Line(
            source="cdn",
            vendor="fake",
            collector=self.vendor,
            clock=clock,
            rng=Still(),
            send=self.sink.send,
            secrets=set(secrets),
        )

    def poller(self, spec: StreamSpec, cursor: Cursor | None = None) -> Poller:
        stored = {} if cursor is None else {spec.name: cursor}
        span: Span = spans([spec], stored, self.clock.now())[spec.name]
        return Poller(self.line, spec, span, cursor)

    async def poll(self, spec: StreamSpec, duration: Duration, cursor: Cursor | None = None) -> None:
        """Run a poller for so long. The end lies between ticks."""
        poller = self.poller(spec, cursor)
        with anyio.move_on_after((duration - 1) / SECOND):
            await poller.run()


class Still(random.Random):
    """No jitter."""

    def randint(self, a: int, _b: int) -> int:
        return a
