"""The dead man's switch: a ping goes out only while every part of the daemon gets on."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import anyio
import structlog

from watcher.errors import DeliveryError
from watcher.model.time import SECOND, Duration

Ping: TypeAlias = Callable[[], Awaitable[None]]


class Heartbeat:
    """Pings, or says once which part keeps it from that."""

    def __init__(self, stalled: Callable[[], Sequence[str]], ping: Ping, *, every: Duration) -> None:
        """`stalled` names parts that stand still; `ping` raises a `DeliveryError` where it went astray."""
        self._stalled = stalled
        self._ping = ping
        self._every = every
        self._withheld: Sequence[str] = ()
        self._failing = False
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Until cancelled; the first ping is due once there was time to get on."""
        while True:
            await anyio.sleep(self._every / SECOND)
            await self.once()

    async def once(self) -> None:
        """Ping unless something stands still."""
        stalled = self._stalled()
        if stalled != self._withheld and stalled:
            self._log.error("heartbeat_withheld", stalled=[*stalled])
        elif self._withheld and not stalled:
            self._log.info("heartbeat_goes_on")
        self._withheld = stalled
        if not stalled:
            await self._pinged()

    async def _pinged(self) -> None:
        try:
            await self._ping()
        except DeliveryError as error:
            if not self._failing:
                self._log.warning("heartbeat_failed", error=str(error))
            self._failing = True
        else:
            self._failing = False
