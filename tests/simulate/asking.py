"""A simulator on real loopback sockets under a clock that stands still, and a client that asks it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from watcher.model.time import MINUTE, Duration, Instant, parse_rfc3339, rfc3339
from watcher.simulate.scenario import scenario
from watcher.simulate.serve import Simulation, serve

NOON: Instant = parse_rfc3339("2026-11-22T12:00:00Z")

RESOURCES: Sequence[dict[str, Any]] = (
    {"id": "shop", "name": "Web shop", "cname": "shop.example.com", "requests_per_minute": 4000},
    {"id": "blog", "requests_per_minute": 50},
    {"id": "empty", "requests_per_minute": 0},
)


@dataclass(slots=True)
class StandingClock:
    """Moves only when told to."""

    at: Instant = NOON

    def now(self) -> Instant:
        return self.at


@dataclass(frozen=True, slots=True)
class Client:
    """Asks one simulator over HTTP."""

    simulation: Simulation
    clock: StandingClock
    session: aiohttp.ClientSession

    @property
    def base_url(self) -> str:
        """CDNvideo under its prefix of the common port."""
        return self.simulation.announced["cdnvideo"].base_url

    @property
    def root_url(self) -> str:
        """CDNvideo at the root of its own port."""
        return self.simulation.announced["cdnvideo"].root_url

    async def login(self, username: str = "demo", password: str = "demo-password") -> tuple[int, Any]:
        form = {"username": username, "password": password}
        return await self.ask("POST", "/app/oauth/v1/token/", data=form)

    async def token(self) -> str:
        status, body = await self.login()
        assert status == 200
        return str(body["token"])

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:  # noqa: ANN401 - as aiohttp takes it
        async with self.session.request(method, self.root_url + path, **more) as response:
            return response.status, await response.json()

    async def data(
        self, query: Sequence[tuple[str, str]], *, token: str | None = None, path: str = "/app/metrics/v1/"
    ) -> tuple[int, Any]:
        headers = {"CDN-AUTH-TOKEN": await self.token() if token is None else token}
        return await self.ask("GET", path, params=query, headers=headers)

    async def rows(self, query: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """By resource."""
        status, body = await self.data(query, path="/app/metrics/v1/resources")
        assert status == 200
        rows: list[dict[str, Any]] = body["data"]
        return rows


@asynccontextmanager
async def simulated(
    *,
    resources: Sequence[Mapping[str, Any]] = RESOURCES,
    troubles: Sequence[Mapping[str, Any]] = (),
    tls: Sequence[Mapping[str, Any]] = (),
    sections: Mapping[str, Any] | None = None,
    at: Instant = NOON,
    **cdnvideo: object,
) -> AsyncIterator[Client]:
    """A small world, with these sections of its vendors, or these settings of its CDNvideo."""
    clock = StandingClock(at)
    content = {"resources": resources, "troubles": troubles, "tls": tls, "cdnvideo": cdnvideo}
    story = scenario(content | dict(sections or {}))
    async with serve(story, clock=clock) as simulation, aiohttp.ClientSession() as session:
        yield Client(simulation, clock, session)


def text(instant: Instant) -> str:
    """As CDNvideo writes times."""
    return rfc3339(instant).removesuffix("Z")


def query(
    *metrics: str, ago: Duration = 30 * MINUTE, length: Duration = MINUTE, account: str = "test_account"
) -> list[tuple[str, str]]:
    """A valid query for a window that began so long before noon."""
    window = [("account", account), ("start", text(NOON - ago)), ("end", text(NOON - ago + length))]
    return window + [("metric", metric) for metric in metrics]
