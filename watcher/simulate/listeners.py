"""Local TLS servers whose certificates are made when they start."""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import trustme
from aiohttp import web

from watcher.model.time import Instant, to_datetime
from watcher.simulate.ports import Reach, listening
from watcher.simulate.scenario import Listener

LIFETIME: Final = timedelta(days=90)
"""Of a certificate, from its first day to its last."""


@dataclass(frozen=True, slots=True)
class TlsServers:
    """What was started: listeners by name with their port, and the authority that clients should trust."""

    host: str
    ports: Mapping[str, int]
    ca_file: Path

    def source(self) -> dict[str, Any]:
        """A ready entry for `sources`."""
        targets = [
            {"address": f"{self.host}:{port}", "server_name": name} for name, port in self.ports.items()
        ]
        return {"name": "tls", "vendor": "tls", "targets": targets, "ca_file": str(self.ca_file)}


@asynccontextmanager
async def tls_servers(
    listeners: Sequence[Listener], *, now: Instant, host: str = "127.0.0.1"
) -> AsyncIterator[TlsServers]:
    """Serve every listener on a port of its own until the end of the block."""
    authority, stranger = trustme.CA(), trustme.CA()
    application = web.Application()
    application.router.add_get("/{path:.*}", _fine)
    with TemporaryDirectory(prefix="watcher-simulate-") as folder:
        ca_file = Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        contexts = [
            server_context(listener, authority if listener.trusted else stranger, now=now)
            for listener in listeners
        ]
        async with listening(application, [Reach(host, 0, context) for context in contexts]) as ports:
            names = (listener.name for listener in listeners)
            yield TlsServers(host, dict(zip(names, ports, strict=True)), ca_file)


def server_context(listener: Listener, authority: trustme.CA, *, now: Instant) -> ssl.SSLContext:
    """A server's TLS side with a new certificate."""
    not_after = to_datetime(now) + timedelta(days=listener.days_left)
    certificate = authority.issue_cert(
        listener.presents or listener.name,
        common_name=listener.presents or listener.name,
        not_before=min(not_after - LIFETIME, to_datetime(now) - timedelta(days=1)),
        not_after=not_after,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def _fine(_request: web.Request) -> web.Response:
    return web.Response(text="fine\n")
