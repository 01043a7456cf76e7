"""SwiftFederation over HTTP: the one call, behind the gateway that checks who asks."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from anyio import to_thread

from watcher.model.time import Instant, rfc3339
from watcher.simulate.counts import Ints
from watcher.simulate.faults import Active, Faults, Lag, Refusal, Revoked, Skewed
from watcher.simulate.swiftfederation.answers import Refused, answer, refuse
from watcher.simulate.swiftfederation.faults import Forgotten, OperationFailed
from watcher.simulate.swiftfederation.question import Question, read_question
from watcher.simulate.swiftfederation.settings import SwiftfederationSettings
from watcher.simulate.swiftfederation.signing import Gate, Received
from watcher.simulate.vendor import Announced, Scene
from watcher.simulate.wire import Wire

PATH: Final = "/cdn/v1.0/analytics/originHttpCodes"


class Swiftfederation:
    """One vendor's whole state; every application made from it shares the key, faults and the log."""

    def __init__(self, settings: SwiftfederationSettings, scene: Scene) -> None:
        self.settings = settings
        self.faults = Faults(scene.anchor, list(settings.faults))
        self.wire = Wire(scene.clock, self.faults, _planted)
        self._clock = scene.clock
        self._traffic = scene.traffic
        self._states = scene.states
        self._domains = {resource.host: resource.id for resource in scene.world.shown_by("swiftfederation")}
        self._gate = Gate(settings.access_key_id, settings.access_key_secret, settings.refuse_replays)

    def announce(self, base: str, root: str) -> Announced:
        """With the scenario's key and domains."""
        auth = {
            "kind": "sfd_hmac_v2",
            "access_key_id": self.settings.access_key_id,
            "access_key_secret": self.settings.access_key_secret,
        }
        source = {
            "name": "swiftfederation",
            "vendor": "swiftfederation",
            "base_url": base,
            "auth": auth,
            "domains": [*self._domains, *self.settings.unknown_domains],
        }
        return Announced(base, root, source)

    def application(self, prefix: str = "") -> web.Application:
        """A new application; `prefix` is where it will be added as a sub-application."""
        application = web.Application()
        application.router.add_route("POST", PATH, self.wire.route(prefix, "codes", self._codes))
        application.router.add_route("*", PATH, self.wire.route(prefix, "unknown", _wrong_method))
        application.router.add_route("*", "/{path:.*}", self.wire.route(prefix, "unknown", _nothing_here))
        return application

    async def _codes(self, request: web.Request, active: Active) -> web.Response:
        try:
            body = await request.read()
            self._admit(request, body, active)
            question = read_question(body)
            self._check_names(question, active)
        except Refused as refused:
            return refuse(refused.status, refused.code)
        if active.first(OperationFailed):
            return refuse(400, "GetOriginHttpCodes.OperationFailed")
        return answer(await to_thread.run_sync(self._rows, question, active, abandon_on_cancel=True))

    def _admit(self, request: web.Request, body: bytes, active: Active) -> None:
        """Who asks, then in what form."""
        now = self._clock.now()
        skewed = active.first(Skewed)
        headers = [(name.lower(), value) for name, value in request.headers.items()]
        received = Received(request.method, request.rel_url.raw_path, headers, body)
        if active.first(Revoked):
            raise Refused(401, "AccessCredential.Invalid")
        self._gate.check(received, now if skewed is None else skewed.by.resolve(now))
        charset = (request.charset or "utf-8").lower()
        if request.content_type != "application/json" or charset != "utf-8":
            raise Refused(405, "Request.MediaTypeNotSupported")

    def _check_names(self, question: Question, active: Active) -> None:
        forgotten, now = active.first(Forgotten), self._clock.now()
        for name in question.names:
            known = name in self._domains and self._states.domain(self._domains[name], now) is not None
            if not known or (forgotten is not None and name in (forgotten.domains or (name,))):
                raise Refused(404, "ServiceName.NotFound")

    def _rows(self, question: Question, active: Active) -> list[dict[str, Any]]:
        """By domain in the order asked for; bins that are not there yet are left out."""
        if question.first >= question.end:
            return [{"serviceName": name, "httpCodes": []} for name in question.names]
        lag = active.first(Lag)
        counts = self._traffic.bins(
            question.first,
            question.end,
            width=question.width,
            now=self._clock.now(),
            lag=self.settings.settle_lag if lag is None else lag.lag,
        )
        columns = [self._traffic.resources[self._domains[name]] for name in question.names]
        passed = counts.of(columns).passed
        starts = range(question.first, question.end, question.width)
        return [
            {"serviceName": name, "httpCodes": self._buckets(passed[:, :, column], starts)}
            for column, name in enumerate(question.names)
        ]

    def _buckets(self, counts: Ints, starts: range) -> list[dict[str, Any]]:
        """Of one domain, from counts by `[code, bin]`: codes without a request are left out."""
        buckets = []
        for place, start in enumerate(starts):
            codes = zip(self._traffic.codes, counts[:, place].tolist(), strict=True)
            values = {str(code): count for code, count in codes if count}
            if self._shown(values, start, start + starts.step):
                buckets.append({"timestamp": rfc3339(start), "httpCodeValues": values})
        return buckets

    def _shown(self, values: Mapping[str, int], start: Instant, end: Instant) -> bool:
        now, hidden = self._clock.now(), self.settings.hidden
        if start >= now or (hidden and now < end + hidden):
            return False
        return bool(values) or self.settings.quiet == "empty"


def _planted(refusal: Refusal) -> web.Response:
    return refuse(refusal.status, refusal.code, refusal.description)


async def _wrong_method(_request: web.Request, _active: Active) -> web.Response:
    return refuse(400, "Method.Invalid")


async def _nothing_here(_request: web.Request, _active: Active) -> web.Response:
    return refuse(400, "URI.Invalid")
