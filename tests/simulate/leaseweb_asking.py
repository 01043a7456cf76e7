"""How tests ask the simulated Leaseweb."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.simulate.asking import NOON, Client, simulated
from watcher.model.time import HOUR, MINUTE, Instant, rfc3339
from watcher.simulate.leaseweb.catalogue import distribution_id
from watcher.simulate.leaseweb.server import Leaseweb

KEY = "demo-leaseweb-key"
SHOP, BLOG = distribution_id("shop"), distribution_id("blog")
RESOURCES = (
    {
        "id": "shop",
        "name": "Web shop",
        "cname": "shop.example.com",
        "requests_per_minute": 4000,
        "providers": {"edgio": 0.7, "gcore": 0.3},
        "regions": {"eu": 0.5, "apac": 0.5},
    },
    {"id": "blog", "requests_per_minute": 50, "tls": False, "origin_group": "blogs"},
    {"id": "empty", "requests_per_minute": 0},
)
GROUPS = [{"id": "blogs", "members": {"b1.example.net": "active", "b2.example.net": "backup"}}]


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks the simulated Leaseweb."""

    client: Client

    async def get(self, path: str, params: Any = None, key: str = KEY) -> tuple[int, Any]:  # noqa: ANN401 - JSON
        url = self.client.simulation.announced["leaseweb"].root_url + path
        headers = {"X-LSW-Auth": key} if key else {}
        async with self.client.session.get(url, params=params or [], headers=headers) as response:
            return response.status, await response.json()

    async def series(self, metric: str, **more: str) -> dict[str, list[float]]:
        status, body = await self.get("/statistics/customer", question(metric=metric, **more))
        assert status == 200, body
        return {
            name: [value for point in points for value in point.values()]
            for entry in body["series"]
            for name, points in entry.items()
        }

    @property
    def server(self) -> Leaseweb:
        return self.client.simulation.server(Leaseweb)


def local(at: Instant) -> str:
    return rfc3339(at).removesuffix("Z")


def question(**changed: str | None) -> dict[str, str]:
    usual: Mapping[str, str | None] = {
        "fromDt": local(NOON - HOUR),
        "toDt": local(NOON - HOUR + 10 * MINUTE),
        "metric": "REQUESTS",
        "groupBy": "DISTRIBUTION",
    }
    return {name: value for name, value in {**usual, **changed}.items() if value is not None}


@asynccontextmanager
async def leaseweb(troubles: Sequence[Mapping[str, Any]] = (), **settings: object) -> AsyncIterator[Asking]:
    sections = {"leaseweb": settings, "origin_groups": GROUPS, "jobs_every": "6h"}
    async with simulated(sections=sections, resources=RESOURCES, troubles=troubles) as client:
        yield Asking(client)
