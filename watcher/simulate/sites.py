"""Local web servers to be probed: each answers as the scenario says, at a port of its own."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web
from pydantic import Field

from watcher.document.fields import DurationField
from watcher.model.ports import Clock
from watcher.model.time import SECOND, Instant
from watcher.simulate.moment import MomentField, Timed
from watcher.simulate.ports import Reach, listening
from watcher.simulate.world import Section


class Failing(Timed):
    """A span in which a site answers otherwise."""

    start: MomentField = Field()
    status: int = Field(default=503, ge=200, le=599)
    text: str = "out of order\n"
    delay: DurationField = 0
    """Real time before the answer."""


class Site(Section):
    """One web server."""

    name: str = Field(min_length=1)
    path: str = Field(default="/health", pattern="^/")
    text: str = "fine\n"
    failing: tuple[Failing, ...] = ()


@dataclass(frozen=True, slots=True)
class Sites:
    """What was started: the URL to probe by name."""

    urls: Mapping[str, str] = field(default_factory=dict)

    def source(self) -> dict[str, Any]:
        """A ready entry for `sources`."""
        targets = [{"url": url, "expect_status": 200} for url in self.urls.values()]
        return {"name": "http", "vendor": "http", "targets": targets}


@asynccontextmanager
async def serving(
    sites: Sequence[Site], *, clock: Clock, anchor: Instant, host: str = "127.0.0.1"
) -> AsyncIterator[Sites]:
    """Serve every site until the end of the block."""
    urls = {}
    async with AsyncExitStack() as stack:
        for site in sites:
            application = _application(site, clock, anchor)
            [port] = await stack.enter_async_context(listening(application, [Reach(host)]))
            urls[site.name] = f"http://{host}:{port}{site.path}"
        yield Sites(urls)


def _application(site: Site, clock: Clock, anchor: Instant) -> web.Application:
    async def respond(_request: web.Request) -> web.Response:
        for failing in site.failing:
            start, end = failing.span(anchor)
            if start <= clock.now() < end:
                await anyio.sleep(failing.delay / SECOND)
                return web.Response(status=failing.status, text=failing.text)
        return web.Response(text=site.text)

    application = web.Application()
    application.router.add_get(site.path, respond)
    return application
