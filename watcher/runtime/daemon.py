"""The daemon: readers, pump and courier in one task group, started and stopped in the right order."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio

from watcher.collect.bus import Bus
from watcher.errors import StoreUnavailable
from watcher.model.incident import Transition
from watcher.model.time import SECOND, Duration
from watcher.runtime.pump import Pump
from watcher.runtime.settled import settled

Task: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

HEARTBEAT: Duration = 5 * SECOND
"""How often the lease is renewed beside the ticks."""
DRAIN: Duration = 10 * SECOND
"""How long what is on the bus may take to be committed at a stop."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a daemon runs; made and married in `watcher.app`."""

    bus: Bus
    readers: Sequence[Task]
    """One a source: reads until cancelled, and closes its own producer of the bus."""
    pump: Pump
    courier: Task
    stop_courier: Callable[[], None]
    chores: Sequence[Task] = ()
    """What goes on beside the pump until that has ended, and is then cancelled."""


async def run(parts: Parts, stop: anyio.Event, untold: Sequence[Transition] = ()) -> None:
    """Run until `stop` is set, then drain: readers end, the bus is committed, what is due is told.

    Raises:
        LeaseLost: another daemon owns the database; nothing more is written.
    """
    with settled():
        await _run(parts, stop, untold)


async def _run(parts: Parts, stop: anyio.Event, untold: Sequence[Transition]) -> None:
    async with anyio.create_task_group() as telling:
        telling.start_soon(parts.courier)
        async with anyio.create_task_group() as path:
            path.start_soon(_pump, parts, untold)
            await _read(parts, stop)
            path.cancel_scope.deadline = anyio.current_time() + DRAIN / SECOND
        parts.stop_courier()


async def _pump(parts: Parts, untold: Sequence[Transition]) -> None:
    async with anyio.create_task_group() as chores:
        for chore in parts.chores:
            chores.start_soon(chore)
        await parts.pump.run(untold)
        chores.cancel_scope.cancel()


@asynccontextmanager
async def kept(heartbeat: Task) -> AsyncIterator[None]:
    """Keep the lease for as long as the body runs, a rebuild of minutes included.

    Raises:
        LeaseLost: in a group; another daemon owns the database, and the body was cancelled.
    """
    async with anyio.create_task_group() as beating:
        beating.start_soon(_beat, heartbeat)
        yield
        beating.cancel_scope.cancel()


async def _read(parts: Parts, stop: anyio.Event) -> None:
    """Readers until told to stop; when they have ended, the bus ends behind them."""
    async with anyio.create_task_group() as readers:
        for reader in parts.readers:
            readers.start_soon(reader)
        await stop.wait()
        readers.cancel_scope.cancel()
    parts.bus.seal()


async def _beat(heartbeat: Task) -> None:
    """A database that is away is the pump's to report."""
    while True:
        await anyio.sleep(HEARTBEAT / SECOND)
        with suppress(StoreUnavailable):
            await heartbeat()
