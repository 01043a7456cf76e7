"""The only loop around a stream: when to ask for which window, and what to do when there is no answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import anyio
import structlog

from watcher.collect.collector import StreamSpec, Window
from watcher.collect.line import Line
from watcher.collect.sight import OwnSight
from watcher.collect.windows import Span, behind, caught_up, complete, due, settled_end
from watcher.errors import CollectError
from watcher.model.sample import Cursor, Poll, SampleBatch, Sight
from watcher.model.time import SECOND, Duration, Instant, rfc3339

PATIENCE: Final[Mapping[str, int]] = {"request": 3, "contract": 10, "vendor": 20}
"""Polls after which one window that keeps failing in these ways is left out, if a newer one is answered."""
FIRST_TICK_SPREAD: Final[Duration] = 2 * SECOND


@dataclass(frozen=True, slots=True)
class _Stuck:
    """The window that failed last, and in how many polls it did."""

    start: Instant = 0
    polls: int = 0

    def again(self, start: Instant) -> "_Stuck":
        return _Stuck(start, self.polls + 1 if start == self.start else 1)


class Poller:
    """Reads one stream, oldest window first, for as long as it runs; a stream that ends, to its end.

    Each window read is one `Poll` whose cursor covers it, so that a long backfill is committed as it goes;
    each planned tick ends with one that carries the stream's own sight. Ticks stay on the grid of the first
    one, and those that pass while a poll is under way are not made up for.
    """

    def __init__(self, line: Line, spec: StreamSpec, span: Span, cursor: Cursor | None = None) -> None:
        self.caught_up = anyio.Event()
        self._line = line
        self._spec = spec
        self._span = span
        self._position = span.since if cursor is None else max(cursor.position, span.since)
        self._sight = OwnSight(line, spec.name, spec.every)
        self._stuck = _Stuck()
        self._left_out: set[Instant] = set()
        self._note = ""
        self._log = structlog.get_logger().bind(source=line.source, stream=spec.name)

    @property
    def answered_at(self) -> Instant:
        """When the vendor last answered; at first, when the poller was made."""
        return self._sight.answered_at

    def opening(self) -> Poll:
        """How the stream stands before anything is asked, so that it counts as behind from the start."""
        late = behind(self._spec, self._span, self._position, self._now)
        note = "complete" if self._complete else "not asked yet"
        return Poll(self._sight.now(caught_up=self._is_caught_up, behind=late, note=note))

    async def run(self) -> None:
        """Poll at each tick until the stream is complete, or for ever.

        Never raises `CollectError`: failures are sights, and what failed is due again at a later tick.
        """
        spread = min(FIRST_TICK_SPREAD, self._spec.every // 10)
        tick = self._line.clock.now() + self._line.rng.randint(0, spread)
        while not self._complete:
            await self._poll(await self._line.wake(tick, self._spec.every))
            tick = self._sight.next_tick
        self.caught_up.set()

    async def _poll(self, tick: Instant) -> None:
        if self._sight.begin(tick):
            try:
                await (self._read_due() if self._spec.width else self._read_state(tick))
            except CollectError as error:
                self._sight.failed(error)
        bins = self._sight.bins(delay=self._delay)
        await self._line.send(Poll(self._sight_now(), bins))

    async def _read_state(self, tick: Instant) -> None:
        batch = await self._ask(Window(tick, tick))
        self._sight.answered()
        await self._deliver((batch,), None)

    async def _read_due(self) -> None:
        windows = due(self._spec, self._span, self._position, self._now, overlap=self._spec.overlap)
        while windows:
            for window in windows:
                if window.start not in self._left_out:
                    await self._read(window)
            self._sight.answered()
            windows = due(self._spec, self._span, self._position, self._now)

    async def _read(self, window: Window) -> None:
        try:
            batches: tuple[SampleBatch, ...] = (await self._ask(window),)
        except CollectError as error:
            if not await self._leave_out(window, error):
                raise
            batches = ()
        if window.end > self._position:  # an answer to a window read before says nothing about new ones
            self._position = window.end
            self._sight.answered()
        await self._deliver(batches, self._cursor)

    async def _ask(self, window: Window) -> SampleBatch:
        return await self._line.ask(lambda: self._line.collector.collect(self._spec, window))

    async def _deliver(self, batches: tuple[SampleBatch, ...], cursor: Cursor | None) -> None:
        bins = self._sight.bins(delay=self._delay, ended=True)
        await self._line.send(Poll(self._sight_now(), batches + bins, cursor))
        if self._is_caught_up:
            self.caught_up.set()

    async def _leave_out(self, window: Window, error: CollectError) -> bool:
        """Whether a failed window is given up: it failed for long, and the newest one is answered.

        The newest is only looked at here. It is read in its turn, so that bins stay in order.
        """
        patience = PATIENCE.get(error.family)
        if patience is None:
            return False
        self._stuck = self._stuck.again(window.start)
        end = settled_end(self._spec, self._span, self._now)
        newest = Window(end - self._spec.width, end)
        if self._stuck.polls < patience or not await self._is_answered(newest, than=window):
            return False
        self._stuck = _Stuck(window.end, patience - 1)  # a run of such windows is not waited for one by one
        kept = self._position - self._spec.overlap - self._spec.width
        self._left_out = {start for start in self._left_out if start >= kept} | {window.start}
        self._note = f"left out {rfc3339(window.start)} to {rfc3339(window.end)}: {error}"
        self._log.warning("window_left_out", start=rfc3339(window.start), family=error.family)
        return True

    async def _is_answered(self, newest: Window, *, than: Window) -> bool:
        """Whether a newer window is answered, so that the fault lies in the older one and not in all we ask.

        The last window of a stream that ends has no newer one: it is not waited for.
        """
        if newest.start <= than.start:
            return than.end == self._span.until
        try:
            await self._ask(newest)
        except CollectError:
            return False
        return True

    @property
    def _now(self) -> Instant:
        return self._line.clock.now()

    @property
    def _complete(self) -> bool:
        return complete(self._span, self._position)

    @property
    def _is_caught_up(self) -> bool:
        return caught_up(self._spec, self._span, self._position, self._now)

    @property
    def _delay(self) -> Duration:
        """Age of the newest bin read; a state is as old as its poll."""
        return max(0, self._now - self._position) if self._spec.width else 0

    @property
    def _cursor(self) -> Cursor:
        since, until = self._span.since, self._span.until
        return Cursor(self._line.source, self._spec.name, self._position, since, until)

    def _sight_now(self) -> Sight:
        late = behind(self._spec, self._span, self._position, self._now)
        return self._sight.now(caught_up=self._is_caught_up, behind=late, note=self._note)
