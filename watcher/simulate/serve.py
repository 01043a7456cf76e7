"""`serve`: every server of a scenario, on loopback, for the length of a block."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from watcher.model.ports import Clock
from watcher.model.time import MINUTE, Instant, floor
from watcher.simulate.cdnvideo.server import Cdnvideo
from watcher.simulate.listeners import TlsServers, tls_servers
from watcher.simulate.ports import Reach, listening
from watcher.simulate.scenario import Scenario
from watcher.simulate.traffic import Traffic

CDNVIDEO: Final = "/cdnvideo"
"""Where the common port has it."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """The running servers."""

    scenario: Scenario
    anchor: Instant
    """The start, rounded down to the minute: what relative times of the scenario are relative to."""
    traffic: Traffic
    """The truth: `traffic.window(...)` for numbers, `traffic.episodes` for the troubles in time."""
    cdnvideo: Cdnvideo
    tls: TlsServers
    base_url: str
    """CDNvideo under its prefix of the common port."""
    root_url: str
    """CDNvideo at the root of its own port."""

    def announcement(self) -> dict[str, Any]:
        """What `watcher simulate` prints: per vendor the URLs, and a ready entry for `sources`."""
        settings = self.scenario.cdnvideo
        source = {
            "name": "cdnvideo",
            "vendor": "cdnvideo",
            "base_url": self.base_url,
            "username": settings.username,
            "password": settings.password,
            "accounts": [account.name for account in settings.accounts],
        }
        served = {"cdnvideo": {"base_url": self.base_url, "root_url": self.root_url, "source": source}}
        return served | ({"tls": {"source": self.tls.source()}} if self.tls.ports else {})


@asynccontextmanager
async def serve(
    scenario: Scenario, *, clock: Clock, port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[Simulation]:
    """Serve a scenario that starts now. `port` is the common one; 0 is any free one.

    Raises:
        OSError: the port is taken, or not allowed.
    """
    anchor = floor(clock.now(), MINUTE)
    traffic = Traffic(scenario, anchor=anchor)
    cdnvideo = Cdnvideo(scenario.cdnvideo, scenario.resources, traffic, clock=clock, anchor=anchor)
    common = web.Application()
    common.add_subapp(CDNVIDEO, cdnvideo.application(CDNVIDEO))
    async with AsyncExitStack() as stack:
        [common_port] = await stack.enter_async_context(listening(common, [Reach(host, port)]))
        [own_port] = await stack.enter_async_context(listening(cdnvideo.application(), [Reach(host)]))
        tls = await stack.enter_async_context(tls_servers(scenario.tls, now=clock.now(), host=host))
        yield Simulation(
            scenario=scenario,
            anchor=anchor,
            traffic=traffic,
            cdnvideo=cdnvideo,
            tls=tls,
            base_url=f"http://{host}:{common_port}{CDNVIDEO}",
            root_url=f"http://{host}:{own_port}",
        )
