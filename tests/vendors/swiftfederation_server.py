"""SwiftFederation as its page describes it, as a function, with what a test wants to go wrong."""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from tests.conftest import LoopClock
from watcher.collect.collector import Collector, StreamSpec, Window
from watcher.collect.http import Request, Response
from watcher.errors import CollectError
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, MINUTE, Instant, parse_rfc3339, rfc3339

KEYS = {
    "kind": "sfd_hmac_v2",
    "access_key_id": "AKEXAMPLE0000001",
    "access_key_secret": "SKEXAMPLE00000000000000000000001",
}
SETTINGS: Mapping[str, Any] = {"base_url": "http://sfd.test", "auth": KEYS, "domains": ["a.test", "b.test"]}
NOW = parse_rfc3339("2026-11-22T03:00:00Z")
"""What the clock of the tests begins with."""
WINDOW = Window(parse_rfc3339("2026-11-22T02:30:00Z"), parse_rfc3339("2026-11-22T02:45:00Z"))

Build = Callable[..., Collector]
CHECK = 5 * MINUTE
"""How often the names' states are read."""


def answer(status: int, body: object, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {"x-sfd-trace-id": "trace-1", **headers}, content)


def failure(status: int, code: str, message: str = "No.", **headers: str) -> Response:
    return answer(status, {"code": code, "message": message}, **headers)


def question(request: Request) -> Any:  # noqa: ANN401 - JSON
    return json.loads(request.body or b"")


class Server:
    """Knows every name but the `unknown`; each bin of it has 90 answers 200 and 10 answers 502."""

    def __init__(self) -> None:
        self.unknown: set[str] = set()
        self.silent: set[Instant] = set()
        """Starts of bins that the answers leave out."""
        self.counts: dict[str, int] = {"200": 90, "502": 10}
        self.replies: list[Response | CollectError] = []
        """What is said, once each, before all is well."""
        self.requests: list[Request] = []

    @property
    def asked(self) -> list[list[str]]:
        """Names of each call."""
        return [question(request)["serviceNames"] for request in self.requests]

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        if self.replies:
            reply = self.replies.pop(0)
            if isinstance(reply, CollectError):
                raise reply
            return reply
        asked = question(request)
        names = asked["serviceNames"]
        if self.unknown.intersection(names):
            return failure(404, "ServiceName.NotFound", "Domain is not found.")
        width = DAY if asked["interval"] == "day" else 5 * MINUTE
        bins = range(parse_rfc3339(asked["startTime"]), parse_rfc3339(asked["endTime"]), width)
        codes = [
            {"timestamp": rfc3339(start), "httpCodeValues": self.counts}
            for start in bins
            if start not in self.silent
        ]
        return answer(200, [{"serviceName": name, "httpCodes": codes} for name in names])


def signed_by(request: Request, key_secret: str) -> str:
    """The signature this request should carry, written down from the vendor's page once more."""
    parts = urlsplit(request.url)
    lines = [request.method, parts.path]
    custom = {name.lower(): value for name, value in request.headers.items() if name.startswith("X-SFD-")}
    if "x-sfd-signature-version" in custom:
        lines += [f"host:{request.headers['Host']}", *(f"{name}:{custom[name]}" for name in sorted(custom))]
    else:
        lines += [custom["x-sfd-date"], custom["x-sfd-nonce"]]
    key_id = request.headers["Authorization"].partition(" ")[2].partition(":")[0]
    text = "\n".join([*lines, key_id, (request.body or b"").decode()])
    return f"HMAC-SHA256 {key_id}:{hmac.new(key_secret.encode(), text.encode(), sha256).hexdigest()}"


async def read(collector: Collector, window: Window = WINDOW, stream: str = "origin") -> SampleBatch:
    spec = next(spec for spec in await collector.streams() if spec.name == stream)
    return await collector.collect(spec, window)


async def states(collector: Collector, at: Instant = NOW) -> SampleBatch:
    return await collector.collect(StreamSpec("domains", 0, MINUTE), Window(at, at))


def value(batch: SampleBatch, metric: str, entity: int = 0, bin_: int = 0, **labels: str) -> float:
    at = batch.metrics.index((metric, tuple(sorted(labels.items()))))
    return float(batch.values[bin_, at, entity])


def found(batch: SampleBatch, entity: int) -> float:
    """1 for a name that is known, 0 for one that is not, NaN where nobody can say."""
    known = value(batch, "domain_status", entity, status="found")
    unknown = value(batch, "domain_status", entity, status="not_found")
    assert known + unknown == 1 or np.isnan([known, unknown]).all()
    return known


async def checks(collector: Collector, clock: LoopClock, count: int = 1) -> SampleBatch:
    """The last of some readings of states, each as much later as the daemon would make it."""
    for _ in range(count - 1):
        clock.shift += CHECK
        await states(collector)
    clock.shift += CHECK
    return await states(collector)


def resources(batch: SampleBatch) -> Sequence[str]:
    return [dict(entity)["resource"] for entity in batch.entities]
