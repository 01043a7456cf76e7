"""Leaseweb over HTTP: the statistics calls, and every list of the document with its items."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, get_args

from aiohttp import web
from anyio import to_thread

from watcher.model.time import Instant
from watcher.simulate.faults import Active, Faults, Refusal, Revoked
from watcher.simulate.leaseweb.answers import (
    GATEWAY_CODE,
    Refused,
    Unprocessable,
    answer,
    bare,
    denied,
    gateway,
    refuse,
    unprocessable,
)
from watcher.simulate.leaseweb.catalogue import Catalogue
from watcher.simulate.leaseweb.faults import Denied, Unauthorized, WrongMetadata
from watcher.simulate.leaseweb.paging import Paged
from watcher.simulate.leaseweb.question import read_question
from watcher.simulate.leaseweb.settings import LeasewebSettings
from watcher.simulate.leaseweb.statistics import Statistics
from watcher.simulate.troubles import JobKind
from watcher.simulate.vendor import Announced, Scene
from watcher.simulate.wire import Answer, Wire, as_sent

ROOT: Final = "/cdn/v2"
JOB_KINDS: Final[Sequence[str]] = get_args(JobKind)

Rows: TypeAlias = Sequence[dict[str, Any]]
Body: TypeAlias = Callable[[web.Request, Active], Mapping[str, Any]]
Find: TypeAlias = Callable[[web.Request], Rows | None]
"""The rows that a request is about; None where what they lie within is not there."""


class Leaseweb:
    """One vendor's whole state; every application made from it shares the key, faults and the log."""

    def __init__(self, settings: LeasewebSettings, scene: Scene) -> None:
        self.settings = settings
        self.faults = Faults(scene.anchor, list(settings.faults))
        self.wire = Wire(scene.clock, self.faults, _planted)
        self._clock = scene.clock
        self._catalogue = Catalogue(settings, scene)
        self._statistics = Statistics(settings, scene)

    def announce(self, base: str, root: str) -> Announced:
        """With the scenario's key."""
        source = {
            "name": "leaseweb",
            "vendor": "leaseweb",
            "base_url": base + ROOT,
            "api_key": self.settings.api_key,
            "scope": "customer",
        }
        return Announced(base + ROOT, root + ROOT, source)

    def application(self, prefix: str = "") -> web.Application:
        """A new application; `prefix` is where it will be added as a sub-application."""
        application = web.Application()

        def get(path: str, call: str, body: Body) -> None:
            respond = self.wire.route(prefix, call, self._guarded(body))
            application.router.add_route("GET", ROOT + path, respond)

        for scope in ("customer", "reseller"):
            get(f"/statistics/{scope}", "statistics", self._series(totals=False))
            get(f"/statistics/{scope}/totals", "statistics", self._series(totals=True))
        for path, call, default_limit, find in self._lists():
            key = {"groups": "originGroups", "members": "originGroupMembers"}.get(call, call)
            get(path, call, self._page(Paged(key, default_limit), find))
            get(f"{path}/{{id}}", call, self._one(find))
        application.router.add_route("*", "/{path:.*}", self.wire.route(prefix, "unknown", _nothing_here))
        return application

    def _lists(self) -> Sequence[tuple[str, str, int, Find]]:
        """Path, kind of call, default page size, and rows of each."""
        there = self._catalogue

        def all_of(rows: Callable[[Instant], Rows]) -> Find:
            return lambda _request: rows(self._clock.now())

        def within(rows: Callable[[str, Instant], Rows | None]) -> Find:
            return lambda request: rows(request.match_info["within"], self._clock.now())

        policies = "/distributions/{within}/policies"
        return (
            ("/origins", "origins", 20, all_of(there.origins)),
            ("/originGroups", "groups", 25, all_of(there.groups)),
            ("/originGroups/{within}/members", "members", 25, within(there.members)),
            ("/certificates", "certificates", -1, all_of(there.certificates)),
            ("/actions", "actions", -1, self._actions),
            ("/distributions", "distributions", 25, all_of(there.distributions)),
            ("/distributions/{within}/domains", "domains", 10, within(there.domains)),
            (policies, "policies", 10, within(there.policies)),
            (policies + "/{policy}/acls", "acls", 10, self._acls),
        )

    def _actions(self, request: web.Request) -> Rows:
        """One by its id says less than the list does."""
        rows = self._catalogue.actions(self._clock.now())
        if "id" in request.match_info:
            return [{name: value for name, value in row.items() if name != "resource"} for row in rows]
        wanted = request.query.getall("filters", [])
        if any(kind not in JOB_KINDS for kind in wanted):
            raise Unprocessable("filters", f"value is not one of {', '.join(JOB_KINDS)}")
        return [row for row in rows if not wanted or row["type"] in wanted]

    def _acls(self, request: web.Request) -> Rows | None:
        policies = self._catalogue.policies(request.match_info["within"], self._clock.now()) or ()
        return [] if any(row["id"] == request.match_info["policy"] for row in policies) else None

    def _guarded(self, body: Body) -> Answer:
        """Who asks comes before what is asked. Counting may take seconds: in a thread nobody waits for it."""

        async def respond(request: web.Request, active: Active) -> web.Response:
            if (kept_out := self._kept_out(request, active)) is not None:
                return kept_out
            try:
                return answer(await to_thread.run_sync(body, request, active, abandon_on_cancel=True))
            except Refused as refused:
                return refuse(refused.status, refused.message)
            except Unprocessable as wrong:
                if self.settings.wrong_parameter == 422:
                    return unprocessable(wrong.name, wrong.message)
                return refuse(400, f"{wrong.name}: {wrong.message}")

        return respond

    def _kept_out(self, request: web.Request, active: Active) -> web.Response | None:
        if active.first(Unauthorized):
            return bare(401)
        if active.first(Denied):
            return denied()
        given = as_sent(request.headers.get("X-LSW-Auth", ""))
        known = hmac.compare_digest(given, self.settings.api_key.encode())
        return refuse(401) if active.first(Revoked) or not known else None

    def _series(self, *, totals: bool) -> Body:
        def body(request: web.Request, active: Active) -> Mapping[str, Any]:
            question = read_question(request.query, totals=totals)
            return self._statistics.answer(question, active, totals=totals)

        return body

    def _page(self, paged: Paged, find: Find) -> Body:
        def body(request: web.Request, active: Active) -> Mapping[str, Any]:
            page = paged.cut(_found(find, request), request.query, largest=self.settings.largest_page)
            wrong = active.first(WrongMetadata)
            if wrong is None:
                return page
            if wrong.says == "nothing":
                return {paged.key: page[paged.key]}
            return {**page, "_metadata": {**page["_metadata"], "totalCount": len(page[paged.key])}}

        return body

    def _one(self, find: Find) -> Body:
        def body(request: web.Request, _active: Active) -> Mapping[str, Any]:
            for row in _found(find, request):
                if _id_of(row) == request.match_info["id"]:
                    return row
            raise Refused(404)

        return body


def _found(find: Find, request: web.Request) -> Rows:
    rows = find(request)
    if rows is None:
        raise Refused(404)
    return rows


def _id_of(row: Mapping[str, Any]) -> str:
    """Of a flat object, or of one in an envelope."""
    if "data" in row:
        return next(str(pair["value"]) for pair in row["data"] if pair["key"] == "id")
    return str(row["id"])


def _planted(refusal: Refusal) -> web.Response:
    """503 comes from the gateway, and so does whatever carries its kind of code."""
    if refusal.status == 503 or refusal.code.startswith("APP"):
        return gateway(refusal.status, refusal.code or GATEWAY_CODE)
    return refuse(refusal.status, refusal.description)


async def _nothing_here(request: web.Request, _active: Active) -> web.Response:
    return refuse(404, f"No route found for {request.method} {request.path}")
