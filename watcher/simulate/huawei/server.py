"""Huawei over HTTP: IAM's token call, and DSC's query for the calls of its open API."""

from dataclasses import replace
from typing import Any, Final

import orjson
from aiohttp import web

from watcher.model.time import Instant, rfc3339
from watcher.simulate.calls import Call
from watcher.simulate.faults import Active, Faults, Lag, Revoked, Skewed
from watcher.simulate.huawei.answers import Refused, answer, planted, refuse, refuse_login
from watcher.simulate.huawei.faults import Inserts, Miscounted, OddCodes, Unlogged
from watcher.simulate.huawei.feed import Feed, Page
from watcher.simulate.huawei.gate import Gate, Token
from watcher.simulate.huawei.query import Query, read_query
from watcher.simulate.huawei.settings import HuaweiSettings
from watcher.simulate.huawei.signature import Received
from watcher.simulate.vendor import Announced, Scene
from watcher.simulate.wire import Answer, Wire
from watcher.simulate.world import Caller

RECORDS: Final = "/v1/{project_id}/openapi/called-records"
_ENDS: Final[dict[str, dict[str, str | None]]] = {"null": {"next_marker": None}, "empty": {"next_marker": ""}}
"""How the last page may say that it is."""


class Huawei:
    """One vendor's whole state; every application made from it shares keys, tokens, faults, feed and log."""

    def __init__(self, settings: HuaweiSettings, scene: Scene) -> None:
        self.settings = settings
        self.faults = Faults(scene.anchor, list(settings.faults))
        self.wire = Wire(scene.clock, self.faults, planted)
        self.gate = Gate(settings)
        self.feed = Feed(settings, scene.calls)
        self._clock = scene.clock

    def announce(self, base: str, root: str) -> Announced:
        """With the scenario's access key."""
        settings = self.settings
        auth = {"kind": "aksk", "access_key": settings.access_key, "secret_key": settings.secret_key}
        if settings.security_token:
            auth["security_token"] = settings.security_token
        source = {
            "name": "huawei",
            "vendor": "huawei_dsc",
            "base_url": base,
            "project_id": settings.project_id,
            "auth": auth,
        }
        return Announced(base, root, source)

    def application(self, prefix: str = "") -> web.Application:
        """A new application; `prefix` is where it will be added as a sub-application."""
        calls: tuple[tuple[str, str, str, Answer], ...] = (
            ("POST", "/v3/auth/tokens", "token", self._token),
            ("GET", RECORDS, "records", self._records),
        )
        application = web.Application()
        for method, path, call, answer_to in calls:
            for form in (path, f"{path}/"):
                application.router.add_route(method, form, self.wire.route(prefix, call, answer_to))
        application.router.add_route("*", "/{path:.*}", self.wire.route(prefix, "unknown", _nothing_here))
        return application

    def _now(self, active: Active) -> Instant:
        """By the vendor's clock."""
        skewed = active.first(Skewed)
        return self._clock.now() if skewed is None else skewed.by.resolve(self._clock.now())

    async def _token(self, request: web.Request, active: Active) -> web.Response:
        try:
            asked = orjson.loads(await request.read())["auth"]
            identity, scope = asked["identity"], asked["scope"]["project"]
        except (ValueError, KeyError, TypeError):
            return refuse_login(400, "Bad Request", "The request body is invalid")
        token = self.gate.log_in(identity, self._now(active))
        if token is None:
            return refuse_login(401, "Unauthorized", "The username or password is wrong.")
        if scope not in ({"id": self.settings.project_id}, {"name": self.settings.project}):
            return refuse_login(403, "Forbidden", "You have no rights in this project.")
        response = answer({"token": self._described(token)}, 201)
        response.headers["X-Subject-Token"] = token.text
        return response

    def _described(self, token: Token) -> dict[str, Any]:
        times = {"issued_at": token.issued_at, "expires_at": token.expires_at}
        project = {"id": self.settings.project_id, "name": self.settings.project}
        return {name: rfc3339(at) for name, at in times.items()} | {
            "methods": ["password"],
            "project": {**project, "domain": {"name": self.settings.domain}},
            "user": {"name": self.settings.username, "domain": {"name": self.settings.domain}},
        }

    async def _records(self, request: web.Request, active: Active) -> web.Response:
        if active.first(Revoked):
            self.gate.revoke()
        received = Received(request.method, request.raw_path, request.headers, await request.read())
        try:
            self.gate.admit(received, self._now(active))
        except Refused as refused:
            return refuse(refused)
        try:
            body = self._answered(request, active)
        except Refused as refused:
            self._log_read(request, active, str(refused.status), refused.message)
            return refuse(refused)
        self._log_read(request, active, "200", "")
        return answer(body)

    def _answered(self, request: web.Request, active: Active) -> dict[str, Any]:
        status = self.settings.foreign_project
        if request.match_info["project_id"] != self.settings.project_id:
            raise Refused(status, f"DSC.00000{status}", "The project is not yours")
        query, now = read_query(request.query), self._clock.now()
        late = active.first(Lag)
        lag = self.settings.settle_lag if late is None else late.lag
        page = self.feed.page(query, now=now, lag=lag)
        if inserts := active.first(Inserts):
            self._insert(query, page, inserts.count)
        return self._body(query, page, active)

    def _body(self, query: Query, page: Page, active: Active) -> dict[str, Any]:
        off = active.first(Miscounted)
        failed = page.failed + (min(off.by, page.total - page.failed) if off else 0)
        if odd := active.first(OddCodes):
            calls = [replace(call, code=odd.code) if call.failed else call for call in page.calls]
            page = replace(page, calls=calls)
        counters = {"total": page.total, "succeed": page.total - failed, "failed": failed}
        records = {"openapi_called_records": list(self.feed.records(page))}
        return {**counters, **records, **self._marker(query, page)}

    def _marker(self, query: Query, page: Page) -> dict[str, str | None]:
        if page.next_marker is not None:
            return {"next_marker": page.next_marker}
        if self.settings.end == "same" and query.marker:
            return {"next_marker": query.marker}
        return _ENDS.get(self.settings.end, {})

    def _insert(self, query: Query, page: Page, count: int) -> None:
        """New records before those of a page: at the end of the filter's time, or its beginning."""
        if query.limit == 1 or not page.calls:
            return
        ends = (query.filter.start, page.calls[0].at)
        at = ends[self.settings.order == "newest"]
        for _ in range(count):
            self.feed.add(Call(at, page.calls[0].caller, page.calls[0].url, "POST", "200", ""))

    def _log_read(self, request: web.Request, active: Active, code: str, reason: str) -> None:
        if not self.settings.logs_reads or active.first(Unlogged):
            return
        caller = Caller(name=self.settings.username, id=f"id-of-{self.settings.username}")
        url = RECORDS.format(project_id=request.match_info["project_id"])
        self.feed.add(Call(self._clock.now(), caller, url, request.method, code, reason))


async def _nothing_here(_request: web.Request, _active: Active) -> web.Response:
    return refuse(Refused(404, "APIG.0101", "The API does not exist or has not been published"))
