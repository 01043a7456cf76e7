"""When a long-running verb ends: at a signal, or after the time it was given."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskStatus

from watcher.model.time import SECOND, Duration


@asynccontextmanager
async def stopping(
    after: Duration | None, *, hangup: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[anyio.Event]:
    """An event that is set by SIGTERM or SIGINT, or after this long; `hangup` is what SIGHUP does.

    Once it is set, Ctrl-C is what it always was: who does not want to wait for the draining presses it again.
    """
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        await group.start(_watch_signals, stop, hangup)
        if after is not None:
            group.start_soon(_watch_time, stop, after)
        yield stop
        group.cancel_scope.cancel()


async def _watch_signals(
    stop: anyio.Event, hangup: Callable[[], Awaitable[None]] | None, *, task_status: TaskStatus[None]
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number != signal.SIGHUP:
                stop.set()
                return
            if hangup is not None:
                await hangup()


async def _watch_time(stop: anyio.Event, after: Duration) -> None:
    await anyio.sleep(after / SECOND)
    stop.set()
