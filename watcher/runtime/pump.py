"""Hops 4 to 6: one task takes polls and acts off the bus, owns the engine, and commits a tick at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
import anyio.to_thread
import structlog

from watcher.collect.bus import Bus
from watcher.engine.engine import Engine
from watcher.errors import StoreUnavailable
from watcher.model.act import Act
from watcher.model.incident import Asked, Transition
from watcher.model.message import Owed
from watcher.model.ports import Book, Clock, Committed, Tick
from watcher.model.sample import Poll
from watcher.model.snapshot import TrackState
from watcher.model.time import Instant
from watcher.runtime.catching_up import CatchingUp
from watcher.runtime.keeping import Keeping
from watcher.runtime.late import Late
from watcher.runtime.refusals import Refusals

MOST_POLLS = 64
"""Polls and acts taken into one tick; more wait on the bus."""
FIRST_WAIT, LONGEST_WAIT = 0.25, 15.0
"""Seconds between attempts to commit while the database is unavailable."""

Router = Callable[[Transition, Instant, bool], Sequence[Owed]]
"""Who is owed a message of a transition decided at a time, while its source is catching up or not."""
Listener = Callable[[Tick, Sequence[Committed]], None]
"""Hears what a tick became, after it was committed."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the engine made of a tick."""

    transitions: Sequence[Transition] = ()
    states: Sequence[TrackState] | None = None
    """Where it stands, where that has changed."""
    acts: Sequence[Act] = ()


class Pump:
    """Sole owner of the engine, so nothing here is locked.

    A tick that cannot be committed is tried again for as long as it takes: meanwhile the bus fills and
    pollers wait. Nothing is judged twice and nothing is lost.
    """

    def __init__(
        self,
        bus: Bus,
        engine: Engine,
        book: Book,
        *,
        clock: Clock,
        router: Router,
        told: Listener,
        keeping: Keeping | None = None,
    ) -> None:
        """Without `keeping` no snapshot of the engine is kept."""
        self._bus = bus
        self._engine = engine
        self._book = book
        self._clock = clock
        self._router = router
        self._told = told
        self._keeping = keeping
        self._catching_up = CatchingUp()
        self._snapshot: Sequence[TrackState] = ()
        self._late = Late()
        self._refusals = Refusals(engine.guard)
        self._log = structlog.get_logger()

    async def run(self, untold: Sequence[Transition] = ()) -> None:
        """Commit what a rebuild found untold, with the snapshot it was found by; pump until the bus ends.

        Raises:
            LeaseLost: another daemon owns the database.
        """
        if self._keeping is not None:
            await self._keeping.at_start(self._engine.dump)
        if untold or (self._keeping is not None and self._keeping.durable is not None):
            states = await anyio.to_thread.run_sync(self._moved)
            await self._commit(self._tick(self._clock.now(), (), _Judged(untold, states)))
        while taken := await self._bus.take(MOST_POLLS):
            at = self._clock.now()
            polls = [one for one in taken if isinstance(one, Poll)]
            asked = [one for one in taken if isinstance(one, Asked)]
            judged = await anyio.to_thread.run_sync(self._judge, polls, asked, at)
            polls = [self._refusals.remarked(poll) for poll in polls]
            await self._commit(self._tick(at, polls, judged))
            if self._keeping is not None:
                await self._keeping.after_tick(self._engine.dump)
        await self._end()

    async def _end(self) -> None:
        if self._keeping is not None:
            await self._keeping.at_end(self._engine.dump)
            if self._keeping.durable is not None:
                await self._commit(self._tick(self._clock.now(), (), _Judged()))

    def _judge(self, polls: Sequence[Poll], asked: Sequence[Asked], at: Instant) -> "_Judged":
        """What people asked for counts from where the streams stand with these polls."""
        for poll in polls:
            for batch in poll.batches:
                self._engine.ingest(batch)
        transitions = self._engine.evaluate(at)
        self._late.see(self._engine.late, at)
        self._refusals.tell()
        acts, ends = self._engine.act(asked, at)
        return _Judged([*transitions, *ends], self._moved(), acts)

    def _tick(self, at: Instant, polls: Sequence[Poll], judged: "_Judged") -> Tick:
        released = self._catching_up.see(poll.sight for poll in polls)
        changes = [
            (change, self._router(change, at, self._is_behind(change))) for change in judged.transitions
        ]
        kept = self._keeping.durable if self._keeping is not None else None
        return Tick(at, polls, changes, released, judged.states, kept, judged.acts)

    def _moved(self) -> Sequence[TrackState] | None:
        """Where the engine stands, where that has changed."""
        now = self._engine.snapshot()
        if now == self._snapshot:
            return None
        self._snapshot = now
        return now

    def _is_behind(self, transition: Transition) -> bool:
        """Whether what it owes waits until its source has caught up; a person's act waits for nothing."""
        return transition.act is None and dict(transition.key.labels)["source"] in self._catching_up

    async def _commit(self, tick: Tick) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                committed = await self._book.commit(tick)
            except StoreUnavailable as error:
                if wait == FIRST_WAIT:
                    self._log.error("database_unavailable", error=str(error), polls_waiting=self._bus.depth)
                await anyio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
            else:
                if wait > FIRST_WAIT:
                    self._log.info("database_available")
                if self._keeping is not None and tick.kept is not None:
                    self._keeping.named(tick.kept)
                self._told(tick, committed)
                return
