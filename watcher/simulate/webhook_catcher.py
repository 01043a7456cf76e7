"""A webhook receiver that keeps what it is sent and can be told to misbehave."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import orjson
from aiohttp import web

from watcher.model.time import SECOND, Duration
from watcher.simulate.arrivals import Arrivals
from watcher.simulate.ports import Reach, listening


@dataclass(frozen=True, slots=True)
class Hook:
    """One request that was accepted."""

    body: Any
    """Its JSON."""
    headers: Mapping[str, str]
    """Names in lower case."""
    path: str


@dataclass(slots=True)
class WebhookCatcher:
    """What arrived, oldest first. Turn the knobs at any time; hooks answered with an error are not kept."""

    port: int = 0
    hooks: Arrivals[Hook] = field(default_factory=Arrivals)
    status: int = 200
    retry_after: Duration | None = None
    delay: Duration = 0
    """Real time before every answer."""
    refused: int = 0
    """How many were answered with an error so far."""

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def apprise_url(self) -> str:
        """The same as a receiver's URL: apprise posts JSON there."""
        return f"json://127.0.0.1:{self.port}/hook"

    async def receive(self, request: web.Request) -> web.Response:
        """Take one request and answer as the knobs say."""
        content = await request.read()
        await anyio.sleep(self.delay / SECOND)
        try:
            body = orjson.loads(content)
        except orjson.JSONDecodeError:
            self.refused += 1
            return web.Response(status=400, text="the body is not JSON\n")
        if self.status >= 400:
            self.refused += 1
            wait = {} if self.retry_after is None else {"Retry-After": str(self.retry_after // SECOND)}
            return web.Response(status=self.status, headers=wait)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.hooks.add(Hook(body, headers, request.path))
        return web.Response(status=self.status)


@asynccontextmanager
async def webhook_catcher(*, on_hook: Callable[[Hook], None] | None = None) -> AsyncIterator[WebhookCatcher]:
    """Listen on a free loopback port; `on_hook` is called with each hook kept."""
    catcher = WebhookCatcher(hooks=Arrivals(on_hook))
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", catcher.receive)
    async with listening(application, [Reach()]) as [catcher.port]:
        yield catcher
