"""CDNvideo as its page describes it, as a function, and how tests read from it."""

import json
import random
from collections.abc import Callable
from typing import Any

import anyio

from watcher.collect.collector import Collector, StreamSpec, Window
from watcher.collect.http import Request, Response
from watcher.collect.line import Line
from watcher.collect.vendors.cdnvideo.settings import METRICS
from watcher.errors import (
    CollectError,
)
from watcher.model.ports import Clock
from watcher.model.sample import Poll, SampleBatch
from watcher.model.time import HOUR, MINUTE, parse_rfc3339

LOGIN = {"username": "bob", "password": "hunter2-hunter2", "base_url": "http://cdnv.test"}
WINDOW = Window(parse_rfc3339("2026-11-22T02:50:00Z"), parse_rfc3339("2026-11-22T02:51:00Z"))


Build = Callable[..., Collector]


def answer(status: int, body: object, **headers: str) -> Response:
    return Response(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


class Server:
    """The vendor as its page describes it, with what a test wants to go wrong."""

    def __init__(self) -> None:
        self.lifetime: int | None = 6 * HOUR
        self.good: set[str] = set()
        self.login_times: list[float] = []
        """On the loop's clock."""
        self.refusal: Response | CollectError | None = None
        """What every login is told, as long as it stands."""
        self.foreign: set[str] = set()
        self.accounts: Any = [{"status": "active", "name": "acme"}]
        self.replies: dict[str, list[Response | CollectError]] = {}
        """By the last part of a path: what is said, once each, before all is well."""
        self.requests: list[Request] = []
        self.most_metrics = len(METRICS)
        self.most_in_time = len(METRICS)
        """More metrics than these take a minute to find."""

    @property
    def logins(self) -> int:
        return len(self.login_times)

    def will(self, path: str, *replies: Response | CollectError) -> None:
        self.replies.setdefault(path, []).extend(replies)

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.url.endswith(path)]

    async def __call__(self, request: Request) -> Response:
        await anyio.sleep(0.01)
        self.requests.append(request)
        for path, replies in self.replies.items():
            if request.url.endswith(path) and replies:
                return _said(replies.pop(0))
        if request.url.endswith("/app/oauth/v1/token/"):
            return self._log_in(request)
        return await self._answer(request)

    async def _answer(self, request: Request) -> Response:
        if request.headers.get("CDN-AUTH-TOKEN") not in self.good:
            status = 401 if request.url.endswith("/accounts/") else 403
            return answer(status, {"status": status, "description": "Forbidden"})
        if request.url.endswith("/app/inventory/v1/accounts/"):
            return answer(200, self.accounts)
        if sum(name == "metric" for name, _ in request.query) > self.most_in_time:
            await anyio.sleep(60)
        return self._data(request)

    def _log_in(self, request: Request) -> Response:
        assert request.method == "POST"
        assert not request.retry
        self.login_times.append(anyio.current_time())
        if self.refusal is not None:
            return _said(self.refusal)
        if request.form != (("username", "bob"), ("password", "hunter2-hunter2")):
            return answer(401, {"status": 401, "description": "wrong login or password"})
        token = f"cdn1_{self.logins}"
        self.good.add(token)
        return answer(200, {"status": 200, "person_id": 17, "token": token, "lifetime": self.lifetime})

    def _data(self, request: Request) -> Response:
        query = dict(request.query)
        metrics = [value for name, value in request.query if name == "metric"]
        if query["account"] in self.foreign:
            return answer(403, {"status": 403, "description": "no access"})
        if len(metrics) > self.most_metrics:
            return answer(504, {"status": 504, "description": "Request execution timeout exceeded"})
        row: dict[str, Any] = dict.fromkeys((name for name in metrics if "ratio" not in name), 5)
        if request.url.endswith("/resources"):
            row |= {"resource": "r1", "resource_name": "shop", "cname": "shop.example.com"}
        echo = {name: query[name] for name in ("account", "start", "end")}
        return answer(200, {**echo, "metrics": metrics, "data": [row]})


def _said(reply: Response | CollectError) -> Response:
    if isinstance(reply, CollectError):
        raise reply
    return reply


async def read(collector: Collector, kind: str = "resources", account: str = "acme") -> SampleBatch:
    return await collector.collect(StreamSpec(f"{account}/{kind}", MINUTE, MINUTE, settle=3 * MINUTE), WINDOW)


def line_to(collector: Collector, clock: Clock) -> Line:
    async def send(_: Poll) -> None:
        """Nobody listens."""

    return Line(
        source="src",
        vendor="cdnvideo",
        collector=collector,
        clock=clock,
        rng=random.Random(1),  # noqa: S311 - spreads polls
        send=send,
    )
