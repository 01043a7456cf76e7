"""One call to a simulated vendor, whichever: faults on the wire, the Date header, the log of requests."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Final, TypeAlias

import anyio
from aiohttp import web

from watcher.model.ports import Clock
from watcher.model.time import SECOND, Instant, to_datetime
from watcher.simulate.faults import Active, Dropped, Faults, Html, Nonsense, Refusal, Skewed, Slow, Truncated

PAGE: Final = "<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>"
LOG_LIMIT: Final = 100_000

Answer: TypeAlias = Callable[[web.Request, Active], Awaitable[web.Response]]
Refuse: TypeAlias = Callable[[Refusal], web.Response]
"""The vendor's own form of an error that the scenario planted."""


def as_sent(text: str) -> bytes:
    """A header's bytes as they came: aiohttp reads those that are no UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and how it was answered; without headers and bodies, so without secrets."""

    call: str
    method: str
    path: str
    """As the vendor knows it, without the prefix of the common port."""
    query: tuple[tuple[str, str], ...]
    status: int
    """0 where no answer was sent: the connection was dropped, or the client gave up."""
    at: Instant
    faults: tuple[str, ...] = ()
    """Kinds of the faults that held: what is refused without any was the caller's doing."""


@dataclass(slots=True)
class Wire:
    """What surrounds a vendor's answers; shared by all the ports it is served at."""

    clock: Clock
    faults: Faults
    refuse: Refuse
    log: deque[Exchange] = field(default_factory=lambda: deque(maxlen=LOG_LIMIT))

    def route(
        self, prefix: str, call: str, answer: Answer
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """What aiohttp is given as the end of one route."""

        async def respond(request: web.Request) -> web.Response:
            at, status = self.clock.now(), 0
            active = self.faults.active(call, at)
            try:
                response = await self._troubled(request, active, answer)
                if not self._drop(request, active):
                    status = response.status
            finally:  # a client that gave up has asked all the same
                path, query = request.path.removeprefix(prefix), tuple(request.query.items())
                kinds = tuple(fault.kind for fault in active.faults)
                self.log.append(Exchange(call, request.method, path, query, status, at, kinds))
            skew = active.first(Skewed)
            shown = at if skew is None else skew.by.resolve(at)
            response.headers["Date"] = format_datetime(to_datetime(shown), usegmt=True)
            return response

        return respond

    def _drop(self, request: web.Request, active: Active) -> bool:
        if active.first(Dropped) is None or request.transport is None:
            return False
        request.transport.abort()
        return True

    async def _troubled(self, request: web.Request, active: Active, answer: Answer) -> web.Response:
        if slow := active.first(Slow):
            await anyio.sleep(slow.delay / SECOND)
        if refusal := active.first(Refusal):
            await anyio.sleep(refusal.delay / SECOND)
            response = self.refuse(refusal)
            if refusal.retry_after is not None:
                response.headers["Retry-After"] = str(refusal.retry_after // SECOND)
            return response
        if html := active.first(Html):
            return web.Response(status=html.status, text=PAGE, content_type="text/html")
        if active.first(Nonsense):
            return web.json_response({"result": ["ok", None]})
        response = await answer(request, active)
        if active.first(Truncated) and isinstance(response.body, bytes):
            response.body = response.body[: len(response.body) // 2]
        return response
