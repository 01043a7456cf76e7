"""The courier: drains the outbox, one lane a target, so that a stuck target delays no other."""

from collections.abc import Mapping
from random import Random
from typing import Final

import anyio

from watcher.model.ports import Clock, Outbox, Sender
from watcher.model.time import SECOND, Duration
from watcher.notify.lane import Lane, Pace, Renders

GRACE: Final[Duration] = 5 * SECOND
"""How long lanes may go on telling once the courier is stopped."""


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
        grace: Duration = GRACE,
    ) -> None:
        """`senders` by target (`mail/0`)."""
        pace = pace or Pace()
        self._lanes = [
            Lane(target, sender, outbox, renderer=renderer, clock=clock, rng=rng, pace=pace)
            for target, sender in senders.items()
        ]
        self._grace = grace
        self._stopping = anyio.Event()

    async def run(self) -> None:
        """Until stopped: what is due then is told within the grace, the rest waits for the next start."""
        async with anyio.create_task_group() as tasks:
            for lane in self._lanes:
                tasks.start_soon(lane.run)
            await self._stopping.wait()
            tasks.cancel_scope.deadline = anyio.current_time() + self._grace / SECOND

    def notify(self) -> None:
        """Something was committed that may be due: every lane looks now."""
        for lane in self._lanes:
            lane.wake()

    def stop(self) -> None:
        """Let `run` end."""
        for lane in self._lanes:
            lane.stop()
        self._stopping.set()
