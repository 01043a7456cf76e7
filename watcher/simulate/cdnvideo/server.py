"""CDNvideo over HTTP: the token call, the accounts call, and the two data calls."""

from aiohttp import web

from watcher.simulate.cdnvideo.answers import Refused, answer, refuse
from watcher.simulate.cdnvideo.faults import (
    AbsentMetrics,
    EchoedToken,
    Empty,
    ExtraMetrics,
    RefusedInside,
    TooLarge,
)
from watcher.simulate.cdnvideo.metrics import Served
from watcher.simulate.cdnvideo.query import Query, read_query
from watcher.simulate.cdnvideo.rows import EXTRA, Row, build_rows, identity
from watcher.simulate.cdnvideo.settings import Account, CdnvideoSettings
from watcher.simulate.cdnvideo.tokens import Tokens
from watcher.simulate.faults import Active, Faults, Lag, Refusal, Revoked
from watcher.simulate.vendor import Announced, Scene
from watcher.simulate.wire import Answer, Wire
from watcher.simulate.world import Resource


class Cdnvideo:
    """One vendor's whole state; every application made from it shares tokens, faults and the log."""

    def __init__(self, settings: CdnvideoSettings, scene: Scene) -> None:
        self.settings = settings
        self.tokens = Tokens(settings)
        self.faults = Faults(scene.anchor, list(settings.faults))
        self.wire = Wire(scene.clock, self.faults, _planted)
        self._clock = scene.clock
        self._resources = scene.world.shown_by("cdnvideo")
        self._traffic = scene.traffic
        self._accounts = {account.name: account for account in settings.accounts}

    def announce(self, base: str, root: str) -> Announced:
        """With the scenario's login and accounts."""
        source = {
            "name": "cdnvideo",
            "vendor": "cdnvideo",
            "base_url": base,
            "username": self.settings.username,
            "password": self.settings.password,
            "accounts": list(self._accounts),
        }
        return Announced(base, root, source)

    def application(self, prefix: str = "") -> web.Application:
        """A new application; `prefix` is where it will be added as a sub-application."""
        calls: tuple[tuple[str, str, str, Answer], ...] = (
            ("POST", "/app/oauth/v1/token", "token", self._token),
            ("GET", "/app/inventory/v1/accounts", "accounts", self._inventory),
            ("GET", "/app/metrics/v1", "metrics", self._aggregate),
            ("GET", "/app/metrics/v1/resources", "metrics", self._by_resource),
        )
        application = web.Application()
        for method, path, call, answer_to in calls:
            for form in (path, f"{path}/"):
                application.router.add_route(method, form, self.wire.route(prefix, call, answer_to))
        application.router.add_route("*", "/{path:.*}", self.wire.route(prefix, "unknown", _nothing_here))
        return application

    async def _token(self, request: web.Request, active: Active) -> web.Response:
        if inside := active.first(RefusedInside):
            return answer({"status": inside.status, "description": inside.description})
        try:
            form = await request.post()
        except (ValueError, LookupError):
            return refuse(400, "The form cannot be read")
        username, password = form.get("username"), form.get("password")
        if not isinstance(username, str) or not isinstance(password, str):
            return refuse(400, "Form fields username and password are required")
        try:
            token = self.tokens.give(username, password, self._clock.now())
        except Refused as refused:
            return refuse(refused.status, refused.description)
        return answer({"status": 200, "person_id": 17, "token": token.text, "lifetime": token.lifetime})

    async def _inventory(self, request: web.Request, active: Active) -> web.Response:
        if not self._authorised(request, active):
            return refuse(401, "Invalid token")
        accounts = enumerate(self.settings.accounts, start=1)
        return answer([_inventory_row(number, account) for number, account in accounts])

    async def _aggregate(self, request: web.Request, active: Active) -> web.Response:
        return self._data(request, active, split=False)

    async def _by_resource(self, request: web.Request, active: Active) -> web.Response:
        return self._data(request, active, split=True)

    def _data(self, request: web.Request, active: Active, *, split: bool) -> web.Response:
        try:
            query = self._permitted(request, active)
        except Refused as refused:
            return refuse(refused.status, refused.description)
        too_large = active.first(TooLarge)
        if too_large and query.minutes * len(query.metrics) > too_large.limit:
            return refuse(504, "Request execution timeout exceeded")
        if echoed := active.first(EchoedToken):
            token = request.headers.get("CDN-AUTH-TOKEN", "")
            return refuse(echoed.status, f"Invalid token {token}")
        status = {"status": 200} if self.settings.with_status else {}
        body = {
            "start": query.start_text,
            "end": query.end_text,
            "account": query.account,
            "metrics": query.metrics,
            "data": [] if active.first(Empty) else self._rows(query, active, split=split),
        }
        return answer(status | body)

    def _authorised(self, request: web.Request, active: Active) -> bool:
        if active.first(Revoked):
            self.tokens.revoke()
        return self.tokens.valid(request.headers.get("CDN-AUTH-TOKEN", ""), self._clock.now())

    def _permitted(self, request: web.Request, active: Active) -> Query:
        if not self._authorised(request, active):
            raise Refused(403, "Invalid token")
        query = read_query(request.query, max_window=self.settings.max_window)
        if query.account not in self._accounts:
            raise Refused(403, "No access to this account")
        return query

    def _rows(self, query: Query, active: Active, *, split: bool) -> list[Row]:
        late = self._traffic.missing_resources(query.start, query.end, now=self._clock.now())
        shown = [resource for resource in self._shown(query) if resource.id not in late]
        if not shown:
            return []
        lagging = active.first(Lag)
        lag = self.settings.settle_lag if lagging is None else lagging.lag
        counts = self._traffic.window(query.start, query.end, now=self._clock.now(), lag=lag)
        counts = counts.of([self._traffic.resources[resource.id] for resource in shown])
        rows = build_rows(
            Served(counts if split else counts.total(), self._traffic.codes, query.end - query.start),
            query.metrics,
            identities=[identity(resource) for resource in shown] if split else [{}],
            quiet=self.settings.quiet,
            flat=self.settings.request_time == "flat",
        )
        if absent := active.first(AbsentMetrics):
            rows = [
                {name: value for name, value in row.items() if name not in absent.metrics} for row in rows
            ]
        return [row | EXTRA for row in rows] if active.first(ExtraMetrics) else rows

    def _shown(self, query: Query) -> list[Resource]:
        chosen = self._accounts[query.account].resources
        return [
            resource
            for resource in self._resources
            if (not chosen or resource.id in chosen) and query.resource in {None, resource.id}
        ]


def _inventory_row(number: int, account: Account) -> dict[str, str]:
    return {
        "status": account.status,
        "utoken": f"utoken-{number}",
        "uid": f"1-1-{number}",
        "name": account.name,
    }


def _planted(refusal: Refusal) -> web.Response:
    return refuse(refusal.status, refusal.description)


async def _nothing_here(request: web.Request, _active: Active) -> web.Response:
    return refuse(404, f"No such resource: {request.method} {request.path}")
