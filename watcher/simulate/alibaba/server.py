"""Alibaba Cloud CDN over HTTP: one call, by GET or POST, under either signature."""

from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from watcher.model.time import Instant
from watcher.simulate.alibaba.answers import Refused, Value, answer, refuse
from watcher.simulate.alibaba.claims import Claim, Pairs, Received, claim
from watcher.simulate.alibaba.directory import Directory, sources_of
from watcher.simulate.alibaba.faults import BareDomains, Flat
from watcher.simulate.alibaba.gate import Gate, no_such_key
from watcher.simulate.alibaba.settings import AlibabaSettings
from watcher.simulate.faults import Active, Faults, Refusal, Revoked, Skewed
from watcher.simulate.vendor import Announced, Scene
from watcher.simulate.wire import Wire

ACTION: Final = "DescribeDomainsBySource"
VERSION: Final = "2018-05-10"
FORM: Final = "application/x-www-form-urlencoded"
CODES: Final = {
    400: "InvalidParameter",
    403: "Forbidden.RAM",
    404: "InvalidAction.NotFound",
    429: "Throttling.User",
    503: "ServiceUnavailable",
}
"""Of a planted refusal that names none; `InternalError` for others."""


class Alibaba:
    """One vendor's whole state; every application made from it shares nonces, limits, faults and the log."""

    def __init__(self, settings: AlibabaSettings, scene: Scene) -> None:
        self.settings = settings
        self.directory = Directory(settings, scene)
        self.faults = Faults(scene.anchor, list(settings.faults))
        self.wire = Wire(scene.clock, self.faults, _planted)
        self._clock = scene.clock
        self._gate = Gate(settings)

    def announce(self, base: str, root: str) -> Announced:
        """With the scenario's key and all origins."""
        token = self.settings.security_token
        auth = {
            "kind": self.settings.kind,
            "access_key_id": self.settings.access_key_id,
            "access_key_secret": self.settings.access_key_secret,
            **({"security_token": token} if token else {}),
        }
        source = {
            "name": "alibaba",
            "vendor": "alibaba_cdn",
            "base_url": base,
            "auth": auth,
            "origins": list(self.directory.origins),
        }
        return Announced(base, root, source)

    def application(self, prefix: str = "") -> web.Application:
        """A new application; `prefix` is where it will be added as a sub-application."""

        async def domains(request: web.Request, active: Active) -> web.Response:
            received = await _received(request, prefix)
            try:
                return self._answer(received, active)
            except Refused as refused:
                return refuse(refused, xml=received.wants_xml)

        application = web.Application()
        for path in ("/", "") if prefix else ("/",):
            for method in ("GET", "POST"):
                application.router.add_route(method, path, self.wire.route(prefix, "domains", domains))
        application.router.add_route("*", "/{path:.*}", self.wire.route(prefix, "unknown", _nothing_here))
        return application

    def _answer(self, received: Received, active: Active) -> web.Response:
        claimed = claim(received)
        if active.first(Revoked):
            raise no_such_key()
        self._gate.admit(claimed, self._server_now(active))
        _check_call(claimed)
        text = dict((*received.query, *received.form)).get("Sources", "")
        sources, at = sources_of(text), self._clock.now()
        if self.settings.nothing_found == "refusal" and not self.directory.feeds(sources, at):
            raise Refused(400, "InvalidSources.NotFound", "The specified sources are not found.")
        xml = received.wants_xml
        flat = not xml and (self.settings.layout == "flat" or active.first(Flat) is not None)
        entries = self.directory.entries(sources, at, flat=flat, bare=self._bare(active))
        body: dict[str, Value] = {
            "Sources": text,
            "DomainsList": entries if flat else {"DomainsData": entries},
        }
        return answer(body, xml=xml, root=f"{ACTION}Response")

    def _bare(self, active: Active) -> Collection[str]:
        fault = active.first(BareDomains)
        return () if fault is None else fault.resources or self.directory.resources

    def _server_now(self, active: Active) -> Instant:
        at, skewed = self._clock.now(), active.first(Skewed)
        return at if skewed is None else skewed.by.resolve(at)


async def _received(request: web.Request, prefix: str) -> Received:
    body = await request.read()
    form = _pairs(body.decode(errors="replace")) if request.content_type == FORM else ()
    sent = request.rel_url.raw_path
    return Received(
        method=request.method,
        paths=("/", sent) if prefix else (sent,),
        query=_pairs(request.rel_url.raw_query_string),
        form=form,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )


def _pairs(text: str) -> Pairs:
    return parse_qsl(text, keep_blank_values=True, errors="replace")


def _check_call(claimed: Claim) -> None:
    """After the signature, as gateways do: a stranger learns nothing of the calls there are."""
    if not claimed.action:
        raise Refused(400, "MissingParameter", "Action is mandatory for this action.")
    if claimed.action != ACTION:
        raise Refused(
            404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."
        )
    if claimed.version != VERSION:
        raise Refused(400, "NoSuchVersion", "The specified version does not exist.")


def usual_code(refusal: Refusal) -> str:
    """Of an error that names none."""
    return CODES.get(refusal.status, "InternalError")


def _planted(refusal: Refusal) -> web.Response:
    code = refusal.code or usual_code(refusal)
    return refuse(Refused(refusal.status, code, refusal.description))


async def _nothing_here(_request: web.Request, _active: Active) -> web.Response:
    return refuse(Refused(404, "InvalidAction.NotFound", "Specified api is not found."))
