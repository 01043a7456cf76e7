"""Huawei's audit feed as its page describes it, as a function, and how tests read from it."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import anyio

from watcher.collect.collector import Collector, Window
from watcher.collect.http import Request, Response
from watcher.errors import CollectError
from watcher.model.ports import Clock
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, SECOND, Instant, parse_rfc3339

PROJECT = "0123456789abcdef0123456789abcdef"
BASE = "https://sdg.ap-southeast-3.myhuaweicloud.com"
KEY = {"kind": "aksk", "access_key": "AKEXAMPLE", "secret_key": "SKEXAMPLE-SKEXAMPLE"}
USER = {"kind": "iam", "username": "bob", "password": "hunter2-hunter2", "domain": "acme"}
SETTINGS = {"base_url": BASE, "project_id": PROJECT, "auth": KEY}
OWN = f"/v1/{PROJECT}/openapi/called-records"
START = parse_rfc3339("2026-11-22T02:50:00Z")
WINDOW = Window(START, START + MINUTE)

Build = Callable[..., Collector]


def answer(status: int, body: object, **headers: str) -> Response:
    return Response(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def refused(status: int, code: str, text: str, **headers: str) -> Response:
    return answer(status, {"error_code": code, "error_msg": text, "request_id": "r-1"}, **headers)


def record(at: Instant = START, code: str = "200", reason: str = "", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    url = f"/v1/{PROJECT}/sdg/doc/watermark/embed"
    who = {"user_name": "zhang.san", "user_id": "u-8812", "domain_name": "acme", "domain_id": "d-1"}
    what = {"request_url": url, "request_method": "POST", "response_code": code, "fail_reason": reason}
    return {**who, **what, "timestamp": at, **more}


class Feed:
    """The vendor as its page describes it, with what a test wants to be odd."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.records: list[dict[str, Any]] = []
        self.logs_reads = False
        """Whether answered calls for the records become records."""
        self.date = False
        self.size = 2000
        """Records of a page, at most."""
        self.end: Sequence[tuple[str, Any]] = ()
        """What stands in the last page for the marker."""
        self.replies: list[Response | CollectError] = []
        """What calls for records are told, once each, before all is well."""
        self.requests: list[Request] = []
        self.tokens: set[str] = set()
        self.login_reply: Response | CollectError | None = None
        self.while_paging: Callable[[], None] = lambda: None
        """Happens after each page."""

    @property
    def reads(self) -> list[dict[str, str]]:
        """The queries of calls for records."""
        return [dict(request.query) for request in self.requests if request.method == "GET"]

    @property
    def limits(self) -> list[str]:
        return [query["limit"] for query in self.reads]

    @property
    def logins(self) -> int:
        return sum(request.method == "POST" for request in self.requests)

    async def __call__(self, request: Request) -> Response:
        await anyio.sleep(0.01)
        self.requests.append(request)
        if request.method == "POST":
            return self._log_in(request)
        if self.replies:
            return _said(self.replies.pop(0))
        token = request.headers.get("X-Auth-Token")
        if token is not None and token not in self.tokens:
            return refused(401, "APIGW.0301", "Incorrect IAM authentication information: decrypt token fail")
        return self._page(dict(request.query), request)

    def _log_in(self, request: Request) -> Response:
        assert not request.retry
        if self.login_reply is not None:
            return _said(self.login_reply)
        token = f"MIIx{self.logins}"
        self.tokens.add(token)
        issued, expires = "2026-11-22T03:00:00.000000Z", "2026-11-23T03:00:00.000000Z"
        body = {"token": {"issued_at": issued, "expires_at": expires}}
        return answer(201, body, **{"x-subject-token": token})

    def _page(self, query: dict[str, str], request: Request) -> Response:
        start, end = int(query["start_time"]), int(query["end_time"])
        found = [one for one in self.records if start <= one["timestamp"] <= end]
        first = int(query.get("marker", "m0")[1:])
        last = first + min(int(query["limit"]), self.size)
        failed = sum(one["response_code"] != "200" for one in found)
        body = {"total": len(found), "succeed": len(found) - failed, "failed": failed}
        body["openapi_called_records"] = found[first:last]
        body |= {"next_marker": f"m{last}"} if last < len(found) else dict(self.end)
        if self.logs_reads:
            self.records.append(record(self._clock.now(), request_url=urlsplit(request.url).path))
        self.while_paging()
        dated = "Sun, 22 Nov 2026 %H:%M:%S GMT"
        return answer(200, body, **({"date": _date(self._clock.now(), dated)} if self.date else {}))


def _date(now: Instant, form: str) -> str:
    seconds = now // SECOND % 86_400
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return form.replace("%H:%M:%S", clock)


def _said(reply: Response | CollectError) -> Response:
    if isinstance(reply, CollectError):
        raise reply
    return reply


async def read(collector: Collector, start: Instant = START) -> SampleBatch:
    [stream] = await collector.streams()
    return await collector.collect(stream, Window(start, start + stream.width))


def values(batch: SampleBatch) -> dict[str, float]:
    """`succeeded` and `failed`, and failed calls by their signature's labels, joined."""
    found = {}
    for (name, labels), value in zip(batch.metrics, batch.values[0, :, 0], strict=True):
        assert name in {"api_calls", "api_failed_calls"}
        found[" ".join(text for _, text in sorted(labels, key=_order))] = float(value)
    return found


def _order(label: tuple[str, str]) -> int:
    return ("outcome", "method", "url", "status", "reason").index(label[0])
