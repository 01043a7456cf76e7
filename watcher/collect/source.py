"""One source: asks what streams there are, and runs a poller for each."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from watcher.collect.breaker import Pause
from watcher.collect.collector import StreamSpec
from watcher.collect.line import Line
from watcher.collect.poller import Poller
from watcher.collect.sight import OwnSight
from watcher.collect.windows import spans
from watcher.errors import CollectError
from watcher.model.sample import Cursor, Poll
from watcher.model.time import HOUR, MINUTE, SECOND, Duration, Instant

STREAMS: Final = "streams"
"""The stream whose sight says whether the source could tell what there is to read."""
ASK_AGAIN: Final[Duration] = HOUR
GO_ON: Final[Duration] = 10 * MINUTE
"""How long a stream waits for an earlier one that is not answered."""


class SourceReader:
    """Everything that is read of one source. `cursors` are those stored of it, by stream."""

    def __init__(self, line: Line, cursors: Mapping[str, Cursor]) -> None:
        self._line = line
        self._cursors = cursors
        self._pollers: dict[str, Poller] = {}
        self._sight = OwnSight(line, STREAMS, line.every)
        self._asked: Pause | None = None

    def renew_credentials(self) -> None:
        """The secrets may have changed: rejected ones are tried again at the next tick."""
        self._line.credentials.renew()

    async def run(self) -> None:
        """Read until cancelled."""
        async with anyio.create_task_group() as group:
            await self._sight.keep(partial(self._run, group))

    async def _run(self, group: TaskGroup) -> None:
        tick = self._line.clock.now()
        while True:
            tick = await self._line.wake(tick, self._line.every)
            if self._sight.begin(tick) and self._is_time_to_look(tick):
                await self._look(group)
            bins = self._sight.bins(delay=0)
            await self._line.send(Poll(self._sight.now(caught_up=self._asked is not None), bins))
            tick = self._sight.next_tick

    def _is_time_to_look(self, tick: Instant) -> bool:
        """Not while credentials are rejected and there are streams to probe them.

        What streams there are may be known without asking the vendor: such an answer would be no proof.
        """
        if self._pollers and self._line.credentials.rejected:
            return False
        return self._asked is None or self._asked.is_over(tick)

    async def _look(self, group: TaskGroup) -> None:
        try:
            specs = await self._line.ask(self._line.collector.streams)
        except CollectError as error:
            self._sight.failed(error)
            return
        await self._launch(specs, group)
        now = self._line.clock.now()
        self._asked = Pause(now, now + ASK_AGAIN)
        self._sight.answered()

    async def _launch(self, specs: Sequence[StreamSpec], group: TaskGroup) -> None:
        """Start what is new.

        All are made known before any runs, and those with a backlog before those without: so a source is at
        no time taken to have caught up because its backlog has not been heard of yet.
        """
        found = spans(specs, self._cursors, self._line.clock.now())
        new = {
            spec.name: Poller(self._line, spec, found[spec.name], self._cursors.get(spec.name))
            for spec in specs
            if spec.name not in self._pollers
        }
        openings = [poller.opening() for poller in new.values()]
        for opening in sorted(openings, key=lambda poll: poll.sight.caught_up):
            await self._line.send(opening)
        self._pollers |= new
        for name, poller in new.items():
            group.start_soon(
                poller.sight.keep, partial(self._read, poller), name=f"{self._line.source}/{name}"
            )

    async def _read(self, poller: Poller) -> None:
        if poller.spec.after in self._pollers:
            await self._wait_for(self._pollers[poller.spec.after], poller.spec)
        await poller.run()

    async def _wait_for(self, earlier: Poller, spec: StreamSpec) -> None:
        while not earlier.caught_up.is_set():
            with anyio.move_on_after(spec.every / SECOND):
                await earlier.caught_up.wait()
            silent = self._line.clock.now() - self._last_answer(spec.after)
            if silent > GO_ON and not earlier.caught_up.is_set():
                log = structlog.get_logger().bind(source=self._line.source, stream=spec.name)
                log.warning("not_waiting_longer", earlier=spec.after)
                return

    def _last_answer(self, stream: str) -> Instant:
        """When a stream was last answered, or the one that it waits for itself, and so on."""
        seen: dict[str, Instant] = {}
        while stream in self._pollers and stream not in seen:
            seen[stream] = self._pollers[stream].sight.answered_at
            stream = self._pollers[stream].spec.after
        return max(seen.values())
