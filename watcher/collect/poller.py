"""The only loop around a stream: when to ask for which window, and what to do when there is no answer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import anyio
import structlog

from watcher.collect.breaker import Pause
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.lateness import Lateness
from watcher.collect.line import Line
from watcher.collect.pace import Pace
from watcher.collect.sight import OwnSight
from watcher.collect.windows import (
    NO_CAUTION,
    Caution,
    Span,
    behind,
    caught_up,
    complete,
    due,
    joined,
    resumed,
    settled_end,
)
from watcher.errors import CollectError
from watcher.model.sample import Cursor, Poll, SampleBatch, Sight
from watcher.model.time import DAY, SECOND, Duration, Instant, rfc3339

PATIENCE: Final[Mapping[str, int]] = {"request": 3, "contract": 10, "vendor": 20}
"""Polls after which one bin that keeps failing in these ways is left out, if a newer one is answered."""
FIRST_TICK_SPREAD: Final[Duration] = 2 * SECOND
NOTED: Final[Duration] = DAY
"""How long a sight says what was left out."""


@dataclass(frozen=True, slots=True)
class _Stuck:
    """The bin that failed last, and in how many polls it did."""

    start: Instant = 0
    polls: int = 0

    def again(self, start: Instant) -> "_Stuck":
        return _Stuck(start, self.polls + 1 if start == self.start else 1)


class Poller:
    """Reads one stream, oldest window first, for as long as it runs; a stream that ends, to its end.

    Each window read is one `Poll` whose cursor covers it, so that a long backfill is committed as it goes;
    each planned tick ends with one that carries the stream's own sight. Ticks stay on the grid of the first
    one, and those that pass while a poll is under way are not made up for.

    Where one answer holds several bins (`reads`), a window is as many: those of the overlap and what is new
    are then usually one call. Where such a window fails, the next polls ask for fewer bins there.
    """

    def __init__(self, line: Line, spec: StreamSpec, span: Span, cursor: Cursor | None = None) -> None:
        self.spec = spec
        self.span = span
        self.sight = OwnSight(line, spec.name, spec.every)
        self.caught_up = anyio.Event()
        self._line = line
        self._position = span.since
        self._caution = NO_CAUTION
        self._stuck = _Stuck()
        self._left_out: set[Instant] = set()
        self._note = ""
        self._noted = Pause()
        self._remark = ""
        """What the newest answer left unsaid."""
        self._lateness = Lateness(spec)
        self._pace = Pace()
        self._log = structlog.get_logger().bind(source=line.source, stream=spec.name)
        if cursor is not None:
            self._resume(max(cursor.position, span.since))

    @property
    def position(self) -> Instant:
        """How far it has read."""
        return self._position

    def _resume(self, position: Instant) -> None:
        self._position = resumed(self.spec, self.span, position, self._now)
        if self.spec.width and self._position > position:
            self._say_left_out(Window(position, self._position), "stopped for long")

    def opening(self) -> Poll:
        """How the stream stands before anything is asked, so that it counts as behind from the start."""
        if self._complete:
            return Poll(self._sight_now("complete"))
        return Poll(replace(self._sight_now("not asked yet"), up=False))

    async def run(self) -> None:
        """Poll at each tick until the stream is complete, or for ever.

        After the clock was set back, what was read before it had happened is due again.
        Never raises `CollectError`: failures are sights, and what failed is due again at a later tick.
        """
        spread = min(FIRST_TICK_SPREAD, self.spec.every // 10)
        tick = self._line.clock.now() + self._line.rng.randint(0, spread)
        while not self._complete:
            await self._poll(await self._line.wake(tick, self.spec.every))
            tick = self.sight.next_tick
        self._line.lookout.forget(self.spec.name)
        self.caught_up.set()

    async def _poll(self, tick: Instant) -> None:
        if self.spec.width:
            self._position = max(self.span.since, min(self._position, self._settled_end))
        if self.sight.begin(tick):
            try:
                await (self._read_due() if self.spec.width else self._read_state(tick))
            except CollectError as error:
                self.sight.failed(error)
        bins = self.sight.bins(delay=self._delay)
        await self._line.send(Poll(self._sight_now(), bins))

    async def _read_state(self, tick: Instant) -> None:
        batch = await self._ask(Window(tick, tick))
        self._remark = batch.remark
        self.sight.answered()
        await self._deliver((batch,), None)

    async def _read_due(self) -> None:
        overlap = self.spec.overlap
        while windows := self._due(overlap):
            again: tuple[SampleBatch, ...] = ()
            for window in windows:
                batches = await self._ask_or_leave_out(window)
                if window.end <= self._position:
                    again += batches
                else:
                    await self._advance(window.end, again + batches)
                    again = ()
            if again:
                await self._deliver(again, None)
            self.sight.answered()
            overlap = 0

    def _due(self, overlap: Duration) -> list[Window]:
        """What to ask for now: bins that were read before once more, and after them what is new.

        Both are judged together: a correction and the bin after it would else be two ticks, and an incident
        between them withdrawn in the one and opened in the other.
        """
        bins = due(self.spec, self.span, self._position, self._now, overlap=overlap)
        wanted = [one for one in bins if one.start not in self._left_out]
        if bins and not wanted and bins[-1].end > self._position:
            self._position = bins[-1].end
        return joined(wanted, self.spec.most, self._caution)

    async def _ask_or_leave_out(self, window: Window) -> tuple[SampleBatch, ...]:
        try:
            batch = await self._ask(window)
        except CollectError as error:
            if not await self._leave_out(window, error):
                raise
            return ()
        self._remark = batch.remark
        self._lateness.see(batch, self._now)
        return (batch,)

    async def _advance(self, end: Instant, batches: tuple[SampleBatch, ...]) -> None:
        self._position = end
        self.sight.answered()
        await self._deliver(batches, self._cursor)

    async def _ask(self, window: Window) -> SampleBatch:
        return await self._line.ask(lambda: self._line.collector.collect(self.spec, window))

    async def _deliver(self, batches: tuple[SampleBatch, ...], cursor: Cursor | None) -> None:
        bins = self.sight.bins(delay=self._delay, ended=True)
        await self._line.send(Poll(self._sight_now(), batches + bins, cursor))
        if self._is_caught_up:
            self.caught_up.set()

    async def _leave_out(self, window: Window, error: CollectError) -> bool:
        """Whether a failed window is given up: one bin that failed for long, while a newer one is answered.

        The newest is only looked at here. It is read in its turn, so that bins stay in order.
        """
        patience = PATIENCE.get(error.family)
        if patience is None:
            return False
        if window.end - window.start > self.spec.width:
            self._caution = Caution.after(window, self.spec.width)
            return False
        self._stuck = self._stuck.again(window.start)
        end = self._settled_end
        newest = Window(end - self.spec.width, end)
        if self._stuck.polls < patience or not await self._is_answered(newest, than=window):
            return False
        self._stuck = _Stuck(window.end, patience - 1)  # a run of such bins is not waited for one by one
        kept = self._position - self.spec.overlap - self.spec.width
        self._left_out = {start for start in self._left_out if start >= kept} | {window.start}
        self._say_left_out(window, str(error), family=error.family)
        return True

    def _say_left_out(self, window: Window, why: str, **more: str) -> None:
        start, end = rfc3339(window.start), rfc3339(window.end)
        self._note = f"left out {start} to {end}: {why}"
        self._noted = Pause(self._now, self._now + NOTED)
        self._log.warning("window_left_out", start=start, end=end, **more)

    async def _is_answered(self, newest: Window, *, than: Window) -> bool:
        """Whether a newer window is answered, so that the fault lies in the older one and not in all we ask.

        The last window of a stream that ends has no newer one: it is not waited for.
        """
        if newest.start <= than.start:
            return than.end == self.span.until
        try:
            await self._ask(newest)
        except CollectError:
            return False
        return True

    @property
    def _now(self) -> Instant:
        return self._line.clock.now()

    @property
    def _settled_end(self) -> Instant:
        return settled_end(self.spec, self.span, self._now)

    @property
    def _complete(self) -> bool:
        return complete(self.span, self._position)

    @property
    def _is_caught_up(self) -> bool:
        return caught_up(self.spec, self.span, self._position, self._now)

    @property
    def _delay(self) -> Duration:
        """Age of the newest bin in which the vendor said anything; a state is as old as its poll."""
        if not self.spec.width:
            return 0
        said = self._lateness.said_until
        return max(0, self._now - (self._position if said is None else said))

    @property
    def _cursor(self) -> Cursor:
        since, until = self.span.since, self.span.until
        return Cursor(self._line.source, self.spec.name, self._position, since, until)

    def _sight_now(self, note: str = "") -> Sight:
        late = behind(self.spec, self.span, self._position, self._now)
        level = self._is_caught_up
        said = (note or self._remark) if self._noted.is_over(self._now) else self._note
        progress = self._pace.words(late, self._now, caught_up=level)
        stands = self.sight.now(caught_up=level or self.spec.aside, behind=late, note=said or progress)
        return replace(stands, suggested_settle=self._lateness.suggested_settle)
