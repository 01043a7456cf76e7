"""The only loop around a stream: when to ask for which window, and what to do when there is no answer."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import anyio
import structlog

from watcher.collect.breaker import Pause
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.lateness import Lateness
from watcher.collect.line import Line
from watcher.collect.pace import Pace
from watcher.collect.patience import LIVE, attempts
from watcher.collect.sight import OwnSight
from watcher.collect.unsaid import Unsaid
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

FIRST_TICK_SPREAD: Final[Duration] = 2 * SECOND
NOTED: Final[Duration] = DAY
"""How long a sight says what was left out."""


class Poller:
    """Reads one stream, oldest window first, for as long as it runs; a stream that ends, to its end.

    Each window read is one `Poll` whose cursor covers it, so that a long backfill is committed as it goes;
    each planned tick ends with one that carries the stream's own sight. Ticks stay on the grid of the first
    one, and those that pass while a poll is under way are not made up for.

    Where one answer holds several bins (`reads`), a window is as many: those of the overlap and what is new
    are then usually one call. Where such a window fails, the next polls ask for fewer bins there.

    What was read before and fails when it is read again holds up nothing that is new.
    """

    def __init__(self, line: Line, spec: StreamSpec, span: Span, cursor: Cursor | None = None) -> None:
        self.spec = spec
        self.span = span
        self.sight = OwnSight(line, spec.name, spec.every)
        self.caught_up = anyio.Event()
        self._line = line
        self._position = span.since
        self._caution = NO_CAUTION
        self._failures: dict[Instant, int] = {}
        """In how many polls a bin failed, by its start; of those that did."""
        self._left_out: set[Instant] = set()
        self._gap: tuple[Window, CollectError] | None = None
        """The run of bins left out last, until it is said."""
        self._note = ""
        self._noted = Pause()
        self._remark = ""
        """What the newest answer left unsaid."""
        self._lateness = Lateness(spec)
        self._unsaid = Unsaid(spec)
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
            self._say_gap()
        bins = self.sight.bins(delay=self._delay)
        await self._line.send(Poll(self._sight_now(), bins))

    async def _read_state(self, tick: Instant) -> None:
        batch = await self._ask(Window(tick, tick))
        self._hear(batch)
        self.sight.answered()
        await self._deliver((batch,), None)

    async def _read_due(self) -> None:
        windows = self._due(again=True)
        while windows:
            await self._read_all(windows)
            self.sight.answered()
            windows = self._due()

    async def _read_all(self, windows: Sequence[Window]) -> None:
        """Read them in order; once one fails that was read before, what is new comes first.

        A second one that fails before any is answered is no fault of what was asked for.
        """
        known, left = self._position, deque(windows)
        again: tuple[SampleBatch, ...] = ()
        failure, answered = None, False
        while left:
            window = left.popleft()
            try:
                batches = await self._ask_or_leave_out(window)
            except CollectError as error:
                if error.family == "request" and window.end - window.start > self.spec.width:
                    left.extendleft(reversed(joined(self._bins(window), self.spec.most, self._caution)))
                    continue
                held_up = window.start >= known or attempts(error, LIVE) is None
                if held_up or (failure is not None and not answered):
                    await self._deliver_again(again)
                    raise
                failure = error
                new = [Window(known, window.end)] if window.end > known else []
                left = deque(new + sorted(left, key=lambda one: one.end <= known))
                continue
            answered = True
            if window.end <= self._position:
                again += batches
            else:
                await self._advance(window.end, again + batches)
                again = ()
        await self._deliver_again(again)
        if failure is not None and not answered:
            raise failure
        if failure is None and self._position >= self._caution.end:
            self._caution = NO_CAUTION  # read to its end: what is read again may be read as a whole

    def _bins(self, window: Window) -> list[Window]:
        width = self.spec.width
        return [Window(start, start + width) for start in range(window.start, window.end, width)]

    async def _deliver_again(self, batches: tuple[SampleBatch, ...]) -> None:
        if batches:
            await self._deliver(batches, None)

    def _due(self, *, again: bool = False) -> list[Window]:
        """What to ask for now: where told to, bins that were read before once more; after them what is new.

        Both are judged together: a correction and the bin after it would else be two ticks, and an incident
        between them withdrawn in the one and opened in the other.
        """
        overlap = self.spec.overlap if again else 0
        bins = due(self.spec, self.span, self._position, self._now, overlap=overlap)
        if again and bins:
            bins = [*self._unsaid.again(min(bins[0].start, self._position), self._now), *bins]
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
        self._say_gap()
        self._failures.pop(window.start, None)
        self._hear(batch)
        self._lateness.see(batch, self._now)
        return () if self._unsaid.hear(window, batch, self._now) else (batch,)

    def _hear(self, batch: SampleBatch) -> None:
        self._remark = "; ".join(filter(None, (batch.remark, batch.note)))

    async def _advance(self, end: Instant, batches: tuple[SampleBatch, ...]) -> None:
        """What could not be handed on is as if it had not been read."""
        before, self._position = self._position, end
        self.sight.answered()
        try:
            await self._deliver(batches, self._cursor)
        except Exception:  # whatever it is goes on up; what was not handed on stays due
            self._position = before
            raise

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
        patience = attempts(error, LIVE)
        if patience is None:
            return False
        if window.end - window.start > self.spec.width:
            self._caution = Caution.after(window, self.spec.width)
            return False
        self._failures[window.start] = polls = self._failures.get(window.start, 0) + 1
        end = self._settled_end
        newest = Window(end - self.spec.width, end)
        if polls < patience or not await self._is_answered(newest, than=window):
            return False
        self._forget_old()
        self._left_out.add(window.start)
        if window.end > self._position:
            self._failures[window.end] = patience - 1  # a run of such bins is not waited for one by one
            self._note_gap(window, error)
        return True

    def _forget_old(self) -> None:
        kept = self._position - self.spec.overlap - self.spec.width
        self._left_out = {start for start in self._left_out if start >= kept}
        self._failures = {start: polls for start, polls in self._failures.items() if start >= kept}

    def _note_gap(self, window: Window, error: CollectError) -> None:
        if self._gap is not None and self._gap[0].end == window.start:
            window = Window(self._gap[0].start, window.end)
        else:
            self._say_gap()
        self._gap = window, error

    def _say_gap(self) -> None:
        if self._gap is not None:
            window, error = self._gap
            self._say_left_out(window, str(error), family=error.family)
            self._gap = None

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
