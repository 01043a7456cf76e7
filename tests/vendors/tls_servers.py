"""TLS servers with certificates of every kind, and a collector that finds them by names of our own."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import trustme
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.hosts import Resolve
from watcher.collect.probing import BUDGET
from watcher.collect.vendors.tls.collector import Tls
from watcher.collect.vendors.tls.readings import METRICS
from watcher.collect.vendors.tls.settings import TlsSettings
from watcher.errors import NetworkFailed
from watcher.model.inventory import Known
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, SECOND, Duration, Instant, parse_rfc3339

AT = parse_rfc3339("2026-11-22T03:00:00Z")
NOT_AFTER = parse_rfc3339("2027-03-01T00:00:00Z")
UNTIL = dt.datetime(2027, 3, 1, tzinfo=dt.UTC)
STREAM = StreamSpec("handshakes", 0, MINUTE)


def context_of(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def issued(ca: trustme.CA, *names: str, until: dt.datetime | None = None) -> ssl.SSLContext:
    return context_of(ca.issue_cert(*names, not_after=until, key_type=trustme.KeyType.ECDSA))


def made(
    ca: trustme.CA,
    tmp_path: Path,
    *names: x509.ExtensionType,
    begins: dt.datetime = dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
) -> ssl.SSLContext:
    """A certificate of a month, its name in the CN, as was custom before 2000, and with these extensions."""
    key = ec.generate_private_key(ec.SECP256R1())
    root_key = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    assert isinstance(root_key, ec.EllipticCurvePrivateKey)
    root = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.com")]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(0xABCDEF)
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=31))
    )
    for extension in names:
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(root_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "leaf.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def reissued(root: trustme.CA, between: trustme.CA, until: dt.datetime) -> trustme.CA:
    """An intermediate authority anew, with another end: trustme knows only long-lived ones."""
    old = x509.load_pem_x509_certificate(between.cert_pem.bytes())
    key = serialization.load_pem_private_key(root.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - dt.timedelta(days=365))
        .not_valid_after(until)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    again = trustme.CA.from_pem(pem, between.private_key_pem.bytes())
    again.parent_cert = between.parent_cert
    return again


def self_signed(root: trustme.CA, until: dt.datetime) -> trustme.CA:
    """A root authority anew, with another end."""
    return reissued(root, root, until)


def named(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def raw_names(der: str) -> x509.UnrecognizedExtension:
    """A SAN of any bytes."""
    return x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex(der))


@asynccontextmanager
async def serving(
    context: ssl.SSLContext | None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """A server on loopback, as `host:port`; without a context it accepts and says nothing."""

    async def serve(stream: Any) -> None:  # noqa: ANN401 - plain or TLS
        async with stream:
            if context is None:
                await anyio.sleep_forever()

    plain = await anyio.create_tcp_listener(local_host=host, local_port=port)
    listener = plain if context is None else Listener(plain, context, standard_compatible=False)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        shown = f"[{host}]" if ":" in host else host
        yield f"{shown}:{port_of(plain)}"
        group.cancel_scope.cancel()


class Listener(TLSListener):
    """Clients that dislike the certificate break off: no fault of the server."""

    @staticmethod
    async def handle_handshake_error(exc: BaseException, stream: Any) -> None:  # noqa: ANN401, ARG004 - theirs
        await stream.aclose()


def port_of(listener: Any) -> int:  # noqa: ANN401 - of several sockets, which share nothing else
    return int(listener.extra(SocketAttribute.local_port))  # noqa: S610 - not Django's


def names(table: Mapping[str, Sequence[str]]) -> Resolve:
    """DNS as a table, looked at on each question; a name that is not in it does not resolve."""

    async def look_up(host: str, timeout: Duration) -> Sequence[str]:  # noqa: ASYNC109 - as the real one
        del timeout
        if host not in table:
            raise NetworkFailed("the name does not resolve")
        return table[host]

    return look_up


class Probing:
    """A TLS source at a time set by hand, over an inventory that can be changed."""

    def __init__(
        self,
        ca_file: str | None,
        *targets: object,
        dns: Mapping[str, Sequence[str]] | None = None,
        known: Iterable[Known] = (),
        budget: Duration = BUDGET,
        **settings: object,
    ) -> None:
        self.at: Instant = AT
        self.known = list(known)
        read = TlsSettings.model_validate(
            {"name": "edge", "targets": list(targets), "ca_file": ca_file, **settings}
        )
        access = Access(_no_transport, lambda: self.at, _nothing, lambda: self.known)
        self.collector = Tls(read, access, budget=budget, look_up=names(dns or {}))

    async def read(self) -> SampleBatch:
        return await self.collector.collect(STREAM, Window(self.at, self.at))


def _no_transport(middlewares: object) -> Any:  # noqa: ANN401 - never called
    raise AssertionError(middlewares)


def _nothing(secret: str) -> None:
    raise AssertionError(secret)


def values(batch: SampleBatch, **labels: str) -> dict[str, float]:
    """What the one entity of these labels reads, without what is unknown."""
    (place,) = [
        place
        for place, entity in enumerate(batch.entities)
        if labels.items() <= dict(entity).items() and ("address" in dict(entity)) == ("address" in labels)
    ]
    column = batch.values[0, :, place]
    names_of = [dict(more).get("check", "not_after") for _, more in METRICS]
    return {name: float(value) for name, value in zip(names_of, column, strict=True) if value == value}  # noqa: PLR0124 - NaN


def readings(batch: SampleBatch, entity: int = 0) -> list[float]:
    """Not after, chain, host."""
    return [float(value) for value in batch.values[0, :3, entity]]


def target(address: str, name: str = "www.example.com") -> dict[str, str]:
    return {"address": address, "server_name": name}


NOT_AFTER_SECONDS = NOT_AFTER / SECOND
