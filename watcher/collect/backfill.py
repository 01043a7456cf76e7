"""Reading a span of a stream once more, beside its poller: the newest bins go on being read meanwhile."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial

import anyio
import structlog
from anyio.abc import TaskGroup

from watcher.collect.collector import StreamSpec, Window
from watcher.collect.line import Line
from watcher.collect.pace import Pace
from watcher.collect.patience import AGAIN, attempts, first_answered
from watcher.collect.poller import Poller
from watcher.collect.sight import OwnSight
from watcher.collect.windows import NO_CAUTION, Caution, Span, due, joined, settled_end
from watcher.errors import CollectError
from watcher.model.ports import Errand
from watcher.model.sample import BACKFILL, Cursor, Poll, SampleBatch, Sight
from watcher.model.time import Instant, floor, rfc3339


class Backfill:
    """One span of one stream, oldest first, window by window: each is committed with a cursor of its own.

    The cursor is stored as that of the stream `<name>.backfill`, so that a daemon that stops goes on there,
    and whoever reads cursors sees how far it is. Calls share the limiter with what is read meanwhile.
    """

    def __init__(self, line: Line, spec: StreamSpec, cursor: Cursor) -> None:
        self.cursor = cursor
        self._line = line
        self._spec = spec
        self._sight = OwnSight(line, cursor.stream, spec.every, apart=True)
        self._caution = NO_CAUTION
        self._failures = 0
        self._pace = Pace()
        self._log = structlog.get_logger().bind(source=line.source, stream=spec.name)

    def opening(self) -> Poll:
        """What makes the span known, before anything of it is read."""
        return Poll(self._sight_now(), cursor=self.cursor)

    async def run(self) -> None:
        """Read to the end of the span, through whatever bugs there are in doing so."""
        self._log.info("backfill_begins", start=rfc3339(self.cursor.position), end=_end(self.cursor))
        await self._sight.keep(self._run)
        self._log.info("backfill_ends")

    async def _run(self) -> None:
        span = Span(self.cursor.since, self.cursor.until)
        tick = self._line.clock.now()
        while windows := joined(self._bins(span), self._spec.most, self._caution):
            if not self._sight.begin(tick) or not await self._read(windows[0]):
                tick = self._line.clock.now() + self._spec.every
                tick = await self._line.wake(tick, self._spec.every)

    def _bins(self, span: Span) -> list[Window]:
        return due(self._spec, span, self.cursor.position, self._line.clock.now())

    async def _read(self, window: Window) -> bool:
        """Whether to go on at once."""
        try:
            end, batches = await self._answer(window)
        except CollectError as error:
            self._sight.failed(error)
            await self._line.send(Poll(self._sight_now()))
            return False
        if end > window.start:
            self._sight.answered()
            await self._move_on(end, batches)
        return True

    async def _answer(self, window: Window) -> tuple[Instant, tuple[SampleBatch, ...]]:
        """Where to go on, and what there is up to then."""
        try:
            batch = await self._collect(window)
        except CollectError as error:
            return await self._end_of_gap(window, error), ()
        self._failures = 0
        return window.end, (batch,)

    async def _collect(self, window: Window) -> SampleBatch:
        return await self._line.ask(partial(self._line.collector.collect, self._spec, window))

    async def _move_on(self, position: Instant, batches: tuple[SampleBatch, ...]) -> None:
        """What could not be handed on (this may be cut short there) is as if it had not been read."""
        cursor = replace(self.cursor, position=position)
        await self._line.send(Poll(self._sight_now(cursor), batches, cursor))
        self.cursor = cursor

    async def _end_of_gap(self, window: Window, error: CollectError) -> Instant:
        """Where to go on after a failure: behind what is left out, or where we are with shorter windows.

        Raises:
            CollectError: it is to be tried again later.
        """
        patience = attempts(error, AGAIN)
        if patience is None:
            raise error
        if window.end - window.start > self._spec.width:
            self._caution = Caution.after(window, self._spec.width)
            if error.family != "request":
                raise error
            return window.start
        self._failures += 1
        if self._failures < patience:
            raise error
        end = await self._left_out(window, error)
        self._failures = patience - 1  # a run of such bins is not waited for one by one
        self._log.warning(
            "window_left_out", start=rfc3339(window.start), end=rfc3339(end), family=error.family
        )
        return end

    async def _left_out(self, window: Window, error: CollectError) -> Instant:
        """End of what is left out from a window on: refused bins up to the next that is answered, else one.

        Raises:
            CollectError: not even the newest bin is answered, so that the fault is not in the older ones.
        """
        spec = self._spec
        starts = range(
            window.start, settled_end(spec, Span(window.start), self._line.clock.now()), spec.width
        )

        async def is_refused(place: int) -> bool:
            try:
                await self._collect(Window(starts[place], starts[place] + spec.width))
            except CollectError as refusal:
                if attempts(refusal, AGAIN) is None:
                    raise
                return True
            return False

        last = len(starts) - 1
        if last < 1 or await is_refused(last):
            raise error
        if error.family != "request":
            return window.end
        return min(starts[await first_answered(last, is_refused)], self.cursor.until or window.end)

    def _sight_now(self, cursor: Cursor | None = None) -> Sight:
        cursor = cursor or self.cursor
        left = (cursor.until or 0) - cursor.position
        words = self._pace.words(left, self._line.clock.now(), caught_up=not left)
        again = words.replace("catching up", "reading again").replace(" behind", " to read")
        return self._sight.now(caught_up=True, behind=left, note=again or "read again")


class Backfills:
    """Those of one source, one a stream at most."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._under_way: dict[str, tuple[Backfill, anyio.CancelScope]] = {}

    async def begin(self, errand: Errand, poller: Poller, least: Instant | None, group: TaskGroup) -> None:
        """Read the errand's span of a stream again, as far as it has been read and not before `least`.

        One that is under way there becomes part of it.
        """
        cursor = self._span(errand, poller, least)
        if cursor is None:
            return
        backfill = Backfill(self._line, poller.spec, cursor)
        await self._line.send(backfill.opening())
        self._start(backfill, group)

    def resume(self, spec: StreamSpec, cursors: Mapping[str, Cursor], group: TaskGroup) -> None:
        """Go on with what a daemon before did not end."""
        cursor = cursors.get(spec.name + BACKFILL)
        if spec.width and cursor is not None and cursor.position < (cursor.until or 0):
            self._start(Backfill(self._line, spec, cursor), group)

    def _span(self, errand: Errand, poller: Poller, least: Instant | None) -> Cursor | None:
        spec = poller.spec
        if not spec.width:
            return None
        since = floor(errand.since, spec.align or spec.width)
        since = since if least is None else max(since, least)
        read = floor(poller.position, spec.width)
        until = read if errand.until is None else min(read, floor(errand.until, spec.width))
        if since >= until:
            return None
        if spec.name in self._under_way:
            other, scope = self._under_way[spec.name]
            scope.cancel()
            since = min(since, other.cursor.position)
            until = max(until, other.cursor.until or until)
        return Cursor(self._line.source, spec.name + BACKFILL, since, since, until)

    def _start(self, backfill: Backfill, group: TaskGroup) -> None:
        stream = backfill.cursor.stream.removesuffix(BACKFILL)
        scope = anyio.CancelScope()
        self._under_way[stream] = (backfill, scope)
        group.start_soon(self._run, backfill, scope, name=f"{self._line.source}/{stream} again")

    async def _run(self, backfill: Backfill, scope: anyio.CancelScope) -> None:
        with scope:
            await backfill.run()
        stream = backfill.cursor.stream.removesuffix(BACKFILL)
        if self._under_way.get(stream, (None,))[0] is backfill:
            del self._under_way[stream]


def without_streams(line: Line, cursors: Mapping[str, Cursor], streams: Collection[str]) -> Iterator[Poll]:
    """What ends those whose streams are no more: nobody will go on with them."""
    for name, cursor in cursors.items():
        is_over = cursor.position >= (cursor.until or 0)
        if name.endswith(BACKFILL) and name.removesuffix(BACKFILL) not in streams and not is_over:
            sight = OwnSight(line, name, line.every, apart=True)
            ended = replace(cursor, position=cursor.until or cursor.position)
            yield Poll(sight.now(caught_up=True, note="the stream is no more"), cursor=ended)


def _end(cursor: Cursor) -> str:
    return rfc3339(cursor.until or cursor.position)
