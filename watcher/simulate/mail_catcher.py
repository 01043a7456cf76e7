"""An SMTP server that keeps the mail it is sent and can be told to refuse."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from watcher.simulate.arrivals import Arrivals


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that was accepted: envelope and parsed message."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        """Decoded."""
        return str(self.message["subject"] or "")

    def body(self, kind: str = "plain") -> str:
        """The text of the `plain` or the `html` part; empty where there is none."""
        part = self.message.get_body((kind,))
        return "" if part is None else str(part.get_content())


@dataclass
class MailCatcher:
    """What arrived, oldest first.

    Without slots: aiosmtpd looks at every member of it, which Python 3.11.2 refuses of a slotted dataclass.
    """

    port: int = 0
    mails: Arrivals[Mail] = field(default_factory=Arrivals)
    answer: str = ""
    """An SMTP reply such as "451 Try later" to every mail from now on; empty accepts."""
    refused: int = 0
    """How many were answered with an error so far."""

    @property
    def apprise_url(self) -> str:
        """As a receiver's URL: plain SMTP, from watcher@example.com to oncall@example.com."""
        return f"mailto://127.0.0.1:{self.port}?mode=insecure&from=watcher@example.com&to=oncall@example.com"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one mail and answer as told."""
        if self.answer:
            self.refused += 1
            return self.answer
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        message = message_from_bytes(raw, policy=policy.default)
        assert isinstance(message, EmailMessage)  # noqa: S101 - what this policy makes
        self.mails.add(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), message))
        return "250 OK"


@asynccontextmanager
async def mail_catcher(*, on_mail: Callable[[Mail], None] | None = None) -> AsyncIterator[MailCatcher]:
    """Listen on a free loopback port; `on_mail` is called with each mail kept."""
    catcher = MailCatcher(mails=Arrivals(on_mail))
    sessions: WeakSet[SMTP] = WeakSet()

    def session() -> SMTP:
        protocol = SMTP(catcher, hostname="localhost", enable_SMTPUTF8=True, loop=loop)
        sessions.add(protocol)
        return protocol

    # aiosmtpd's own Controller runs a thread and cannot take port 0.
    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0)
    catcher.port = server.sockets[0].getsockname()[1]
    try:
        yield catcher
    finally:
        server.close()
        for protocol in list(sessions):
            if protocol.transport is not None:
                protocol.transport.close()
        await server.wait_closed()
        await asyncio.sleep(0)  # lets the sessions see that they are closed
