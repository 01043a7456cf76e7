"""The courier: drains the outbox, one lane a target, so that a stuck target delays no other."""

from collections.abc import Mapping
from contextlib import suppress
from random import Random

import anyio

from watcher.errors import StoreUnavailable
from watcher.model.ports import Clock, Outbox, Sender
from watcher.model.time import SECOND
from watcher.notify.health import Outcomes
from watcher.notify.lane import Lane, Pace, Renders, Shared
from watcher.notify.manner import Terms
from watcher.notify.rate import USUAL


class Courier:
    """Owns the lanes. Delivery is at least once: each message carries a key that is the same every time."""

    def __init__(
        self,
        outbox: Outbox,
        senders: Mapping[str, Sender],
        *,
        renderer: Renders,
        clock: Clock,
        rng: Random,
        pace: Pace | None = None,
        terms: Terms | None = None,
    ) -> None:
        """`senders` by target (`mail/0`)."""
        pace = pace or Pace()
        shared = Shared(outbox, renderer, clock, rng, pace, terms or Terms())
        self._lanes = {target: Lane(target, sender, shared) for target, sender in senders.items()}
        self._outbox, self._clock = outbox, clock
        self._longest = max((one.rate.per for one in shared.terms.manners.values()), default=USUAL.per)
        self._grace = pace.grace
        self._stopping = anyio.Event()

    def outcomes(self) -> Mapping[str, Outcomes]:
        """By target, what became of attempts since this was last called."""
        return {target: lane.outcomes() for target, lane in self._lanes.items()}

    @property
    def looked_at(self) -> float | None:
        """When the lane that is furthest behind began to look, in the loop's seconds; None without one."""
        looks = [lane.looked_at for lane in self._lanes.values() if lane.looked_at is not None]
        return min(looks, default=None)

    async def run(self) -> None:
        """Until stopped: what is due then is told within the grace, the rest waits for the next start."""
        await self._remember()
        async with anyio.create_task_group() as tasks:
            for lane in self._lanes.values():
                tasks.start_soon(lane.run)
            await self._stopping.wait()
            tasks.cancel_scope.deadline = anyio.current_time() + self._grace / SECOND

    async def _remember(self) -> None:
        """What was sent before a restart counts for the rates after it.

        What was sent later than now, by a clock that was set back since, nobody knows when to count.
        """
        now = self._clock.now()
        with suppress(StoreUnavailable):  # nothing can be sent then either; rates begin afresh
            for target, sent in (await self._outbox.attempted(since=now - self._longest)).items():
                if target in self._lanes:
                    self._lanes[target].remember(now - at for at in sent if at <= now)

    def notify(self) -> None:
        """Something was committed that may be due: every lane looks now."""
        for lane in self._lanes.values():
            lane.wake()

    def stop(self) -> None:
        """Let `run` end."""
        for lane in self._lanes.values():
            lane.stop()
        self._stopping.set()
