"""Web servers on loopback, and a collector that finds them by names of our own."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.vendors.tls_servers import names
from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.hosts import Resolve
from watcher.collect.probing import BUDGET
from watcher.collect.vendors.http.collector import METRICS, Http
from watcher.collect.vendors.http.settings import HttpSettings
from watcher.model.inventory import Known
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, Duration, parse_rfc3339

AT = parse_rfc3339("2026-11-22T03:00:00Z")
STREAM = StreamSpec("probes", 0, MINUTE)

UP = {"up": 1.0, "status": 200.0}

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def web_server(
    answer: Answering, host: str = "127.0.0.1", port: int = 0, trust: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A server that answers all requests alike; its port."""
    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=trust)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class Asking:
    """An HTTP source with a table for DNS."""

    def __init__(
        self,
        *targets: object,
        dns: Mapping[str, Sequence[str]] | None = None,
        budget: Duration = BUDGET,
        known: Iterable[Known] = (),
        look_up: Resolve | None = None,
        **settings: object,
    ) -> None:
        self.known = list(known)
        read = HttpSettings.model_validate({"name": "web", "targets": list(targets), **settings})
        access = Access(_no_transport, lambda: AT, _nothing, lambda: self.known)
        self.collector = Http(read, access, budget=budget, look_up=look_up or names(dns or {}))

    async def read(self) -> SampleBatch:
        return await self.collector.collect(STREAM, Window(AT, AT))


def _no_transport(middlewares: object) -> Any:  # noqa: ANN401 - never called
    raise AssertionError(middlewares)


def _nothing(secret: str) -> None:
    raise AssertionError(secret)


def read(batch: SampleBatch, place: int = 0) -> dict[str, float]:
    """What one entity reads, without the duration and what is unknown."""
    column = batch.values[0, :, place]
    found = {
        metric.removeprefix("http_probe_"): float(value)
        for (metric, _), value in zip(METRICS, column, strict=True)
    }
    return {name: value for name, value in found.items() if value == value and name != "duration_seconds"}  # noqa: PLR0124 - NaN


def reason(batch: SampleBatch, place: int = 0) -> str:
    """What evidence says is wrong."""
    return next((one.facts["reason"] for one in batch.exemplars if one.entity == place), "")


def answering(text: str = "all is well", status: int = 200, **headers: str) -> Answering:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(text=text, status=status, headers=headers)

    return answer


def recorded(requests: list[tuple[str, str, dict[str, str]]], answer: Answering) -> Answering:
    """Method, path and headers of each request."""

    async def record(request: web.BaseRequest) -> web.StreamResponse:
        requests.append((request.method, request.path_qs, dict(request.headers)))
        return await answer(request)

    return record
