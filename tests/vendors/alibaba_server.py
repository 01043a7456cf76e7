"""Alibaba Cloud CDN as its page describes it, as a function, and how tests read from it."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio

from watcher.collect.collector import Collector, Window
from watcher.collect.http import Request, Response
from watcher.errors import CollectError
from watcher.model.sample import SampleBatch
from watcher.model.time import parse_rfc3339

KEYS = {"access_key_id": "LTAI-TEST", "access_key_secret": "hunter2-hunter2"}
RPC = {"auth": {"kind": "rpc", **KEYS}, "base_url": "http://ali.test:8080/"}
ACS3 = {"auth": {"kind": "acs3", **KEYS}, "base_url": "http://ali.test:8080/"}
AT = parse_rfc3339("2026-11-22T03:00:00Z")
REQUEST_ID = "B0F074E5-A1AC-4B32-8EA2-6F450410D1E0"

Build = Callable[..., Collector]


def said(code: str, message: str = "", status: int = 400) -> Response:
    body = {"RequestId": REQUEST_ID, "HostId": "cdn.aliyuncs.com", "Code": code, "Message": message}
    return Response(status, {}, json.dumps({**body, "Recommend": "https://next.test"}).encode())


def info(name: str, status: str = "online", **more: str) -> dict[str, str]:
    facts = {"DomainName": name, "Status": status, "DomainCname": f"{name}.w.kunlun.test", "CdnType": "web"}
    times = {"CreateTime": "2016-07-12T11:53:19+08:00", "UpdateTime": "2017-03-31T04:49:00+08:00"}
    return {**facts, **times, **more}


def entry(source: str, *infos: Mapping[str, str], names: Sequence[str] | None = None) -> dict[str, Any]:
    listed = [each["DomainName"] for each in infos] if names is None else names
    return {
        "Source": source,
        "Domains": {"domainNames": listed},
        "DomainInfos": {"domainInfo": list(infos)},
    }


def answer(*entries: Mapping[str, Any]) -> Response:
    body = {"Sources": "echoed", "RequestId": REQUEST_ID, "DomainsList": {"DomainsData": list(entries)}}
    return Response(200, {"content-type": "application/json"}, json.dumps(body).encode())


class Server:
    """The vendor, with what a test wants to go wrong."""

    def __init__(self, **feeds: Sequence[Mapping[str, str]]) -> None:
        self.feeds: dict[str, Sequence[Mapping[str, str]]] = feeds
        """Domains by source; one that is not here is absent from the answer."""
        self.malformed: set[str] = set()
        self.replies: list[Response | CollectError] = []
        """Said once each, before all is well."""
        self.requests: list[Request] = []

    def sources(self) -> list[list[str]]:
        """Of each request so far."""
        return [dict(request.query)["Sources"].split(",") for request in self.requests]

    async def __call__(self, request: Request) -> Response:
        await anyio.sleep(0.01)
        self.requests.append(request)
        if self.replies:
            reply = self.replies.pop(0)
            if isinstance(reply, CollectError):
                raise reply
            return reply
        sources = self.sources()[-1]
        if self.malformed.intersection(sources):
            return said("InvalidSources.Malformed", "Specified Sources is malformed.")
        return answer(*(entry(source, *self.feeds[source]) for source in sources if source in self.feeds))


async def read(collector: Collector) -> SampleBatch:
    (stream,) = await collector.streams()
    return await collector.collect(stream, Window(AT, AT))


def value(batch: SampleBatch, metric: str, *labels: tuple[str, str], of: tuple[str, str]) -> float:
    """One cell, by labels of metric and entity."""
    return float(batch.values[0, batch.metrics.index((metric, labels)), batch.entities.index((of,))])
