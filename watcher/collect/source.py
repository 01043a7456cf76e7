"""One source: asks what streams there are, runs a poller for each, and does what commands leave for it."""

import traceback
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from watcher.collect.backfill import Backfills, without_streams
from watcher.collect.breaker import Pause
from watcher.collect.collector import StreamSpec
from watcher.collect.line import Line
from watcher.collect.lookout import STREAMS
from watcher.collect.poller import Poller
from watcher.collect.sight import OwnSight
from watcher.collect.windows import spans
from watcher.document.redaction import redact
from watcher.errors import CollectError
from watcher.model.ports import Errand, ErrandKind
from watcher.model.sample import Cursor, Poll
from watcher.model.time import HOUR, MINUTE, SECOND, Duration, Instant

ASK_AGAIN: Final[Duration] = HOUR
GO_ON: Final[Duration] = 10 * MINUTE
"""How long a stream waits for an earlier one that is not answered."""
CREDENTIALS: Final[Duration] = MINUTE
"""How often it is looked whether a secret's value has changed."""
ERRANDS: Final[Duration] = 5 * SECOND
"""How often it is looked whether a command has left something to do."""


class SourceReader:
    """Everything that is read of one source. `cursors` are those stored of it, by stream."""

    def __init__(self, line: Line, cursors: Mapping[str, Cursor]) -> None:
        self._line = line
        self._cursors = cursors
        self._pollers: dict[str, Poller] = {}
        self._sight = OwnSight(line, STREAMS, line.every)
        self._asked: Pause | None = None
        self._backfills = Backfills(line)
        self._done: set[int] = set()
        """Errands taken up whose end is not yet known to be committed."""

    def renew_credentials(self) -> None:
        """The secrets may have changed: rejected ones are tried again at the next tick."""
        self._line.credentials.renew()

    async def run(self) -> None:
        """Read until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._beside, self._watch_credentials)
            group.start_soon(self._beside, partial(self._run_errands, group))
            await self._sight.keep(partial(self._run, group))

    async def _beside(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run what stands beside the streams, and again after a bug of ours ended it: they go on."""
        log, said = structlog.get_logger().bind(source=self._line.source), ""
        while True:
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - whatever it is, streams have nothing to do with it
                bug = redact("".join(traceback.format_exception(error)), self._line.secrets)
                if said != (said := repr(error)):
                    log.error("source_bug", exception=bug)  # noqa: TRY400 - redacted, as in all sights
            await anyio.sleep(self._line.every / SECOND)

    async def _run(self, group: TaskGroup) -> None:
        tick = self._line.clock.now()
        while True:
            tick = await self._line.wake(tick, self._line.every)
            if self._sight.begin(tick) and self._is_time_to_look(tick):
                await self._look(group)
            bins = self._sight.bins(delay=0)
            bins += self._sight.bins_of_all(bins)
            await self._line.send(Poll(self._sight.now(caught_up=self._asked is not None), bins))
            tick = self._sight.next_tick

    def _is_time_to_look(self, tick: Instant) -> bool:
        """Not while credentials are rejected and there are streams to probe them.

        What streams there are may be known without asking the vendor: that would be a probe for nothing.
        """
        if self._pollers and self._line.credentials.rejected:
            return False
        return self._asked is None or self._asked.is_over(tick)

    async def _look(self, group: TaskGroup) -> None:
        try:
            specs = await self._line.ask(self._line.collector.streams, proof=False)
        except CollectError as error:
            self._sight.failed(error)
            return
        if self._asked is None:
            for ended in without_streams(self._line, self._cursors, {spec.name for spec in specs}):
                await self._line.send(ended)
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
        for spec in specs:
            if spec.name in new:
                self._backfills.resume(spec, self._cursors, group)
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

    async def _watch_credentials(self) -> None:
        """Rejected credentials are good for a try as soon as their value is another.

        One that cannot be read has not changed: what is there later is compared with what was there before.
        Only digests are remembered; the new values are kept from sight like the old ones.
        """
        before = _digest(self._line.credential_values())
        while True:
            await anyio.sleep(CREDENTIALS / SECOND)
            values = self._line.credential_values()
            if values is not None and (now := _digest(values)) != before:
                before = now
                self._line.secrets.update(values)
                structlog.get_logger().info("credentials_changed", source=self._line.source)
                self.renew_credentials()

    async def _run_errands(self, group: TaskGroup) -> None:
        while True:
            for errand in await self._line.errands():
                if errand.id not in self._done:
                    await self._run_errand(errand, group)
            await anyio.sleep(ERRANDS / SECOND)

    async def _run_errand(self, errand: Errand, group: TaskGroup) -> None:
        """One errand; it is struck off in the transaction that holds what came of it.

        A span to read again waits until it is known what streams there are.
        """
        if errand.kind is ErrandKind.RENEW:
            self.renew_credentials()
        elif self._asked is None:
            return
        else:
            for poller in self._pollers.values():
                await self._backfills.begin(errand, poller, self._lower_bound(poller), group)
        self._done.add(errand.id)
        sight = self._sight.now(caught_up=self._asked is not None)
        await self._line.send(Poll(sight, errands=(errand.id,)))

    def _lower_bound(self, poller: Poller) -> Instant | None:
        """Before what a stream must not be read, as another of another width is there."""
        earlier = self._pollers.get(poller.spec.after)
        ends = earlier is not None and earlier.span.until is not None
        return poller.span.since if ends else None

    def _last_answer(self, stream: str) -> Instant:
        """When a stream was last answered, or the one that it waits for itself, and so on."""
        seen: dict[str, Instant] = {}
        while stream in self._pollers and stream not in seen:
            seen[stream] = self._pollers[stream].sight.answered_at
            stream = self._pollers[stream].spec.after
        return max(seen.values())


def _digest(values: Collection[str] | None) -> bytes:
    if values is None:
        return b""
    return blake2b("\0".join(sorted(values)).encode("utf-8", "surrogateescape")).digest()
