"""`serve`: every server of a scenario, on loopback, for the length of a block."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from watcher.model.ports import Clock
from watcher.model.time import MINUTE, floor
from watcher.simulate.listeners import TlsServers, tls_servers
from watcher.simulate.ports import Reach, listening
from watcher.simulate.scenario import Scenario
from watcher.simulate.sites import Sites, serving
from watcher.simulate.truth import Planted, planted, truth
from watcher.simulate.vendor import Announced, Scene, Server, known

ServerT = TypeVar("ServerT", bound=Server)


@dataclass(frozen=True, slots=True)
class Simulation:
    """The running servers."""

    scenario: Scenario
    scene: Scene
    """What they show, and since when."""
    servers: Mapping[str, Server]
    """By vendor."""
    announced: Mapping[str, Announced]
    """By vendor."""
    tls: TlsServers
    sites: Sites

    def server(self, kind: type[ServerT]) -> ServerT:
        """The one server of a class."""
        return next(server for server in self.servers.values() if isinstance(server, kind))

    def announcement(self) -> dict[str, Any]:
        """What `watcher simulate` prints: per vendor the URLs, and a ready entry for `sources`."""
        served: dict[str, Any] = {
            name: {"base_url": at.base_url, "root_url": at.root_url, "source": dict(at.source)}
            for name, at in self.announced.items()
        }
        tls = {"tls": {"source": self.tls.source()}} if self.tls.ports else {}
        http = {"http": {"source": self.sites.source()}} if self.sites.urls else {}
        return served | tls | http

    def planted(self) -> list[Planted]:
        """What was planted where and when, and the rule under which it should be found."""
        return planted(self.scenario, self.scene)

    def truth(self) -> dict[str, Any]:
        """The same as JSON."""
        return truth(self.scenario, self.scene)


@asynccontextmanager
async def serve(
    scenario: Scenario, *, clock: Clock, port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[Simulation]:
    """Serve a scenario that starts now. `port` is the common one; 0 is any free one.

    Raises:
        OSError: the port is taken, or not allowed.
    """
    scene = Scene.of(scenario, clock=clock, anchor=floor(clock.now(), MINUTE))
    servers = {name: vendor.server(scenario.section(name), scene) for name, vendor in known().items()}
    common = web.Application()
    for name, server in servers.items():
        common.add_subapp(f"/{name}", server.application(f"/{name}"))
    async with AsyncExitStack() as stack:
        [common_port] = await stack.enter_async_context(listening(common, [Reach(host, port)]))
        announced = {}
        for name, server in servers.items():
            [own] = await stack.enter_async_context(listening(server.application(), [Reach(host)]))
            announced[name] = server.announce(f"http://{host}:{common_port}/{name}", f"http://{host}:{own}")
        tls = await stack.enter_async_context(tls_servers(scenario.tls, now=clock.now(), host=host))
        probed = serving(scenario.sites, clock=clock, anchor=scene.anchor, host=host)
        sites = await stack.enter_async_context(probed)
        yield Simulation(scenario, scene, servers, announced, tls, sites)
