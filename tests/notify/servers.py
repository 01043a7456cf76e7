"""Real receivers on the loopback: an SMTP server and a webhook server."""

import email
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final, TypeAlias

import anyio
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from watcher.simulate.ports import Reach, listening

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Served: TypeAlias = Callable[[Handler], Awaitable[str]]
"""The fixture `served`: takes what answers every request, and gives the address where it listens."""


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """The address of a server that hands every request to `handler`, for as long as the block."""
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", handler)
    async with listening(application, [Reach()]) as [port]:
        yield f"http://127.0.0.1:{port}"


class Mailbox:
    """An SMTP server's messages, and what it answers to the next ones."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: list[str] = []
        self.refused: set[str] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}/?from=watcher@example.com&to=ops@example.com"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 accepted"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        parsed = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        return "250 accepted"


class Hook:
    """A webhook server's requests, and what it answers to the next ones."""

    path: Final = "/hooks/alpha"

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.statuses: list[int] = []
        self.hold: anyio.Event | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}{self.path}"

    async def answer(self, request: web.Request) -> web.Response:
        if request.path != self.path:
            return web.Response(status=404)
        body = await request.json()
        if self.hold is not None:
            await self.hold.wait()
        if self.statuses:
            return web.Response(status=self.statuses.pop(0), text="no")
        self.bodies.append(body)
        self.keys.append(request.headers["X-Watcher-Key"])
        return web.Response()
