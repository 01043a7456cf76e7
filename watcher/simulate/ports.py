"""Serving an aiohttp application on loopback ports for the length of a block."""

import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

SHUTDOWN: Final = 0.5
"""Seconds that calls under way get to end."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where to listen; port 0 is any free one."""

    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None


@asynccontextmanager
async def listening(application: web.Application, reaches: Sequence[Reach]) -> AsyncIterator[list[int]]:
    """The ports that were opened, in order; all closed at the end, calls under way included.

    Raises:
        OSError: a port is taken, or not allowed.
    """
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    try:
        ports = []
        for reach in reaches:
            opened = _open(reach)
            ports.append(opened.getsockname()[1])
            await web.SockSite(runner, opened, ssl_context=reach.tls).start()
        yield ports
    finally:
        await runner.cleanup()


def _open(reach: Reach) -> socket.socket:
    family = socket.AF_INET6 if ":" in reach.host else socket.AF_INET
    return socket.create_server((reach.host, reach.port), family=family)
