"""Leaseweb as its page describes it, as a function, and how tests read from it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import anyio

from watcher.collect.collector import Collector, Window
from watcher.collect.http import Request, Response
from watcher.errors import CollectError
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, parse_rfc3339, to_datetime

BASE = "http://lsw.test/cdn/v2"
KEY = {"api_key": "0f0f-secret", "base_url": BASE}
START = parse_rfc3339("2026-11-22T02:00:00Z")
WINDOW = Window(START, START + 15 * MINUTE)
WIDTH = 5 * MINUTE

Build = Callable[..., Collector]
Values = Sequence[float | None]


def answer(status: int, body: object, **headers: str) -> Response:
    return Response(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def refusal(status: int, message: str = "The API could not interpret your request correctly.") -> Response:
    body = {"correlationId": "289346a1-3eaf-4da4-b707-62ef12eb08be", "errorCode": str(status)}
    return answer(status, {**body, "errorDetails": {}, "errorMessage": message})


def resource(kind: str, **values: object) -> dict[str, Any]:
    return {"resourceType": kind, "data": [{"key": key, "value": value} for key, value in values.items()]}


def distribution(name: str, **values: object) -> dict[str, Any]:
    usual = {"description": "", "enabled": True, "tls": False, "certificateId": None, "updated": None}
    return resource(
        "DISTRIBUTION_VOLUME", **{**usual, "id": name, "created": "2024-08-07T10:25:00", **values}
    )


def domain(name: str) -> dict[str, Any]:
    return {"domain": name, "id": name, "distributionId": "di-1", "created": "2024-07-31T02:15:32"}


def certificate(name: str, **values: object) -> dict[str, Any]:
    masked = dict.fromkeys(("certificate", "privateKey", "caBundle"), "Hidden for security reasons")
    usual = {"id": name, "commonName": f"{name}.example.com", "issuer": "R1", "valid": True, "trusted": True}
    return {**masked, **usual, "validUntil": START // 1000 + 90 * 86_400, **values}


def action(name: str, status: str = "FINISHED", **values: object) -> dict[str, Any]:
    usual = {"type": "INVALIDATION", "created": "2026-11-22T01:00:00Z", "updated": ""}
    return {**usual, "id": name, "status": status, **values}


def label(instant: int) -> str:
    return to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%SZ")


class Server:
    """The vendor as its page describes it, with what a test wants to go wrong."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Values]] = {
            "REQUESTS": {"di-1": [1000.0, 200.0, 0.0]},
            "STATUS_2XX": {"di-1": [90.0, 50.0, 0.0]},
            "STATUS_4XX": {"di-1": [3.0, 10.0, 0.0]},
            "STATUS_5XX": {"di-1": [0.5, 33.5, 0.0]},
            "DATATRANSFER": {"di-1": [5e6, 1e6, 0.0]},
            "BANDWIDTH": {"di-1": [133333.3, 26666.7, 0.0]},
            "CACHEHIT": {"di-1": [0.9, 0.5, 0.0]},
        }
        """By metric and group: from `START` on, one value in 5 minutes; None has no point."""
        self.past_hits: Values = [0.9]
        """What CACHEHIT was in the hours before."""
        self.coarse: Response | None = None
        """What is said to whoever asks for hours."""
        self.lists: dict[str, list[Any]] = {
            "/origins": [],
            "/originGroups": [],
            "/certificates": [],
            "/actions": [],
            "/distributions": [],
        }
        """By path; one that is not here is a 404."""
        self.unlimited = {"/certificates", "/actions"}
        self.largest_page = 1_000
        self.metadata: Callable[[dict[str, int]], object] = dict
        """What a page says of itself, made from the truth."""
        self.one_object = False
        self.extra_points = 0
        """Points beyond `toDt`."""
        self.replies: dict[str, list[Response | CollectError]] = {}
        """By the end of a path: what is said, once each, before all is well."""
        self.requests: list[Request] = []

    def will(self, path: str, *replies: Response | CollectError) -> None:
        self.replies.setdefault(path, []).extend(replies)

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.url == BASE + path]

    async def __call__(self, request: Request) -> Response:
        await anyio.sleep(0.01)
        self.requests.append(request)
        for path, replies in self.replies.items():
            if request.url.endswith(path) and replies:
                reply = replies.pop(0)
                if isinstance(reply, CollectError):
                    raise reply
                return reply
        if request.headers.get("X-LSW-Auth") != "0f0f-secret":
            return refusal(401, "You are not authorized to view this resource.")
        path = unquote(request.url.removeprefix(BASE))
        if path.startswith("/statistics"):
            return self._statistics(dict(request.query))
        return self._list(path, dict(request.query))

    def _list(self, path: str, query: Mapping[str, str]) -> Response:
        if path not in self.lists:
            parent, _, item = path.rpartition("/")
            known = parent in self.lists and f"'{item}'" in repr(self.lists[parent])
            return answer(200, {}) if known else refusal(404, "Not found")
        rows, offset = self.lists[path], int(query["offset"])
        size = min(int(query["limit"]), self.largest_page)
        page = rows if path in self.unlimited else rows[offset : offset + size]
        truth = {
            "totalCount": len(rows),
            "limit": -1 if path in self.unlimited else size,
            "offset": 0 if path in self.unlimited else offset,
        }
        key = {"members": "originGroupMembers"}.get(path.rpartition("/")[2], path.rpartition("/")[2])
        body = {key: page, "_metadata": self.metadata(truth)}
        return answer(200, {name: value for name, value in body.items() if value is not None})

    def _statistics(self, query: Mapping[str, str]) -> Response:
        first, last = (parse_rfc3339(f"{query[name]}Z") for name in ("fromDt", "toDt"))
        fine = query["granularity"] == "5MIN"
        if self.coarse is not None and not fine:
            return self.coarse
        groups = self.values[query["metric"]] if fine else {"di-1": self.past_hits}
        width = WIDTH if fine else 60 * MINUTE
        since = START if fine else first
        last += self.extra_points * width
        series = {
            name: [
                {label(since + place * width): value}
                for place, value in enumerate(values)
                if value is not None and first <= since + place * width <= last
            ]
            for name, values in groups.items()
        }
        shown = [series] if self.one_object else [{name: points} for name, points in series.items()]
        echo = {"fromTs": query["fromDt"], "toTs": query["toDt"], "service": "cdn", "distributionId": None}
        return answer(
            200,
            {
                **echo,
                "granularity": query["granularity"],
                "groupBy": query.get("groupBy"),
                "series": shown,
            },
        )


async def read(
    collector: Collector, name: str = "distributions", window: Window | None = None
) -> SampleBatch:
    """One window of a stream by name; of states at `START`."""
    spec = next(spec for spec in await collector.streams() if spec.name == name)
    return await collector.collect(spec, window or (WINDOW if spec.width else Window(START, START)))


def values(batch: SampleBatch, metric: str, entity: int = 0, **labels: str) -> list[float]:
    """One series of a batch, by bin."""
    at = batch.metrics.index((metric, tuple(sorted(labels.items()))))
    found: list[float] = batch.values[:, at, entity].tolist()
    return found


def states(batch: SampleBatch, metric: str) -> dict[tuple[str, ...], str]:
    """The status that is 1 of each entity, by its labels' values."""
    found: dict[tuple[str, ...], str] = {}
    for place, entity in enumerate(batch.entities):
        for column, (name, labels) in enumerate(batch.metrics):
            if name == metric and batch.values[0, column, place] == 1:
                assert tuple(dict(entity).values()) not in found
                found[tuple(dict(entity).values())] = dict(labels)["status"]
    return found


def facts(batch: SampleBatch, kind: str) -> dict[str, dict[str, str]]:
    """Items of one kind by id."""
    items: Iterable[Any] = (item for listing in batch.listings for item in listing.items)
    return {item.id: dict(item.facts) for item in items if item.kind == kind}
