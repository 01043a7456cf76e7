"""TLS probes against real servers with certificates of every kind."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
import structlog
import trustme
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

from watcher.collect.collector import Access, Collector, StreamSpec, Window
from watcher.collect.vendors.tls.collector import Tls
from watcher.collect.vendors.tls.probe import probe, trusting
from watcher.collect.vendors.tls.settings import Target, TlsSettings
from watcher.errors import NetworkFailed
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, SECOND, parse_rfc3339

AT = parse_rfc3339("2026-11-22T03:00:00Z")
NOT_AFTER = parse_rfc3339("2027-03-01T00:00:00Z")

STREAM = StreamSpec("handshakes", 0, MINUTE)

Build = Callable[..., Collector]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return str(path)


def context_of(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def issued(ca: trustme.CA, *names: str, until: dt.datetime | None = None) -> ssl.SSLContext:
    return context_of(ca.issue_cert(*names, not_after=until, key_type=trustme.KeyType.ECDSA))


def made(ca: trustme.CA, tmp_path: Path, *names: x509.ExtensionType) -> ssl.SSLContext:
    """A certificate with its name in the CN, as was custom before 2000, and with these extensions."""
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
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2020, 2, 1, tzinfo=dt.UTC))
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


def named(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def raw_names(der: str) -> x509.UnrecognizedExtension:
    """A SAN of any bytes."""
    return x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex(der))


@asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """A server on loopback, as `host:port`; without a context it accepts and says nothing."""

    async def serve(stream: Any) -> None:  # noqa: ANN401 - plain or TLS
        async with stream:
            if context is None:
                await anyio.sleep_forever()

    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    listener = plain if context is None else Listener(plain, context, standard_compatible=False)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield f"127.0.0.1:{port_of(plain)}"
        group.cancel_scope.cancel()


class Listener(TLSListener):
    """Clients that dislike the certificate break off: no fault of the server."""

    @staticmethod
    async def handle_handshake_error(exc: BaseException, stream: Any) -> None:  # noqa: ANN401, ARG004 - theirs
        await stream.aclose()


def port_of(listener: Any) -> int:  # noqa: ANN401 - of several sockets, which share nothing else
    return int(listener.extra(SocketAttribute.local_port))  # noqa: S610 - not Django's


async def probed(build: Build, *targets: object, **settings: object) -> SampleBatch:
    collector = build("tls", _no_http, targets=list(targets), **settings)
    (stream,) = await collector.streams()
    return await collector.collect(stream, Window(AT, AT))


def _no_transport(middlewares: object) -> Any:  # noqa: ANN401 - never called
    raise AssertionError(middlewares)


async def _no_http(request: object) -> Any:  # noqa: ANN401 - never called
    raise AssertionError(request)


def readings(batch: SampleBatch, entity: int = 0) -> list[float]:
    """Not after, chain, host."""
    return [float(value) for value in batch.values[0, :, entity]]


def target(address: str, name: str = "www.example.com") -> dict[str, str]:
    return {"address": address, "server_name": name}


UNTIL = dt.datetime(2027, 3, 1, tzinfo=dt.UTC)


async def test_a_good_certificate(build: Build, ca: trustme.CA, ca_file: str) -> None:
    async with serving(issued(ca, "www.example.com", until=UNTIL)) as address:
        batch = await probed(build, target(address), ca_file=ca_file)

    assert readings(batch) == [NOT_AFTER / SECOND, 1, 1]
    assert batch.entities == ((("address", address), ("domain", "www.example.com")),)
    assert (batch.width, batch.starts.tolist(), batch.settled_until) == (0, [AT], AT)
    facts = batch.exemplars[0].facts
    assert facts["not_after"] == "2027-03-01T00:00:00Z"
    assert len(facts["fingerprint"]) == 64
    assert facts.keys() == {"fingerprint", "issuer", "subject", "serial", "not_after"}


async def test_a_wildcard_and_an_address_fit(build: Build, ca: trustme.CA, ca_file: str) -> None:
    async with serving(issued(ca, "*.example.com", "127.0.0.1", until=UNTIL)) as address:
        batch = await probed(build, target(address), address, ca_file=ca_file)

    assert readings(batch, 0)[1:] == [1, 1]
    assert readings(batch, 1)[1:] == [1, 1]
    assert dict(batch.entities[1])["domain"] == "127.0.0.1"


async def test_a_certificate_for_another_host(build: Build, ca: trustme.CA, ca_file: str) -> None:
    async with serving(issued(ca, "other.example.com", until=UNTIL)) as address:
        batch = await probed(build, target(address), ca_file=ca_file)

    assert readings(batch) == [NOT_AFTER / SECOND, 1, 0]
    assert batch.exemplars[0].facts["host"] == "not for www.example.com"


async def test_a_common_name_is_no_host_and_expiry_is_no_fault_of_the_chain(
    build: Build, ca: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    async with serving(made(ca, tmp_path)) as address:
        batch = await probed(build, target(address), ca_file=ca_file)

    assert readings(batch) == [parse_rfc3339("2020-02-01T00:00:00Z") / SECOND, 1, 0]
    assert batch.exemplars[0].facts["host"] == "it names no host"
    assert batch.exemplars[0].facts["serial"] == "abcdef"


@pytest.mark.parametrize(
    "odd", ["*.example", "*", "*.com", "*.*.example.com", "a.*.example.com", "f*.example.com", "", "1.2.3.4"]
)
async def test_a_name_that_nobody_may_use_spoils_none_of_the_others(
    build: Build, ca: trustme.CA, ca_file: str, tmp_path: Path, odd: str
) -> None:
    async with serving(made(ca, tmp_path, named("a.example", odd))) as address:
        batch = await probed(build, target(address, "a.example"), ca_file=ca_file)

    assert readings(batch)[1:] == [1, 1]


@pytest.mark.parametrize("useless", ["*", "*.com", "*.*.example.com", "a.*.com"])
async def test_a_wildcard_that_nobody_may_use_fits_nothing(
    build: Build, ca: trustme.CA, ca_file: str, tmp_path: Path, useless: str
) -> None:
    async with serving(made(ca, tmp_path, named(useless, "other.example"))) as address:
        batch = await probed(build, target(address, "b.example.com"), ca_file=ca_file)

    assert readings(batch)[1:] == [1, 0]


X400 = "3004a3023000"
SHORT_ADDRESS = "30058703010203"


@pytest.mark.parametrize("san", [X400, SHORT_ADDRESS], ids=["x400", "3 bytes of IP"])
async def test_names_that_cannot_be_read_leave_expiry_and_chain_known_and_other_targets_too(
    build: Build, ca: trustme.CA, ca_file: str, tmp_path: Path, san: str
) -> None:
    good = issued(ca, "www.example.com", until=UNTIL)
    with structlog.testing.capture_logs() as logs:
        async with serving(made(ca, tmp_path, raw_names(san))) as odd, serving(good) as address:
            batch = await probed(build, target(odd), target(address), ca_file=ca_file)

    assert readings(batch, 0)[:2] == [parse_rfc3339("2020-02-01T00:00:00Z") / SECOND, 1]
    assert np.isnan(readings(batch, 0)[2])
    assert readings(batch, 1) == [NOT_AFTER / SECOND, 1, 1]
    why = "the certificate's names cannot be read"
    assert batch.exemplars[0].facts["host"] == why
    assert [(log["event"], log["why"]) for log in logs] == [("probe_failed", why)]


async def test_an_expired_certificate_keeps_its_chain(build: Build, ca: trustme.CA, ca_file: str) -> None:
    expired = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)
    async with serving(issued(ca, "www.example.com", until=expired)) as address:
        batch = await probed(build, target(address), ca_file=ca_file)

    assert readings(batch) == [expired.timestamp(), 1, 1]


async def test_an_untrusted_certificate_is_read_nevertheless(build: Build, ca_file: str) -> None:
    stranger = trustme.CA(key_type=trustme.KeyType.ECDSA)
    async with serving(issued(stranger, "www.example.com", until=UNTIL)) as address:
        batch = await probed(build, target(address), ca_file=ca_file)

    assert readings(batch) == [NOT_AFTER / SECOND, 0, 1]
    assert "issuer" in batch.exemplars[0].facts["chain"]


async def test_a_chain_with_an_intermediate_is_good_and_one_that_lacks_it_is_not(
    build: Build, ca: trustme.CA, ca_file: str
) -> None:
    between = ca.create_child_ca(key_type=trustme.KeyType.ECDSA)
    leaf = between.issue_cert("www.example.com", not_after=UNTIL, key_type=trustme.KeyType.ECDSA)
    alone = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with leaf.private_key_pem.tempfile() as key, leaf.cert_chain_pems[0].tempfile() as certificate:
        alone.load_cert_chain(certificate, key)

    async with serving(context_of(leaf)) as whole, serving(alone) as broken:
        batch = await probed(build, target(whole), target(broken), ca_file=ca_file)

    assert readings(batch, 0)[1] == 1
    assert readings(batch, 1)[1] == 0


async def test_the_systems_authorities_are_trusted_without_a_file(build: Build, ca: trustme.CA) -> None:
    async with serving(issued(ca, "www.example.com", until=UNTIL)) as address:
        batch = await probed(build, target(address))

    assert readings(batch)[1] == 0


async def test_a_target_that_does_not_answer_is_unknown_and_told_on_change(
    build: Build, ca: trustme.CA, ca_file: str
) -> None:
    async with serving(None) as gone:
        pass
    async with serving(issued(ca, "www.example.com", until=UNTIL)) as good:
        collector = build("tls", _no_http, targets=[target(good), gone], ca_file=ca_file)
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                batch = await collector.collect(STREAM, Window(AT, AT))
                assert readings(batch, 0)[1:] == [1, 1]
                assert batch.size == 3
                assert [exemplar.entity for exemplar in batch.exemplars] == [0]
                assert batch.remark.startswith(f"1 of 2 targets not known: 127.0.0.1 at {gone}: ")

    assert [(log["event"], log["target"]) for log in logs] == [("probe_failed", f"127.0.0.1 at {gone}")]


async def test_a_target_that_says_nothing_is_not_waited_for_long(ca: trustme.CA) -> None:
    async with serving(None) as mute:
        assert await probe(Target(address=mute), trusting(None), 50) == "no handshake within 0 s"
    async with serving(issued(ca, "1.2.3")) as address:
        odd = Target.model_construct(address=address, server_name="123")
        assert str(await probe(odd, trusting(None), SECOND)).startswith("cannot be read: ValueError")


async def test_any_number_of_dead_targets_leaves_time_for_the_live_ones(
    ca: trustme.CA, ca_file: str, secrets: set[str]
) -> None:
    """Here 80 that accept and say nothing stand first, and time is short."""
    async with serving(None) as mute, serving(issued(ca, "www.example.com", until=UNTIL)) as good:
        dead = [target(mute, f"dead-{n}.example.com") for n in range(80)]
        read = TlsSettings.model_validate(
            {"name": "edge", "targets": [*dead, target(good)], "ca_file": ca_file}
        )
        access = Access(_no_transport, lambda: AT, learned=secrets.add)
        collector = Tls(read, access, budget=2 * SECOND)
        with pytest.raises(NetworkFailed, match=r"dead-0.example.com at .*: no answer within 2 s"):
            await collector.collect(STREAM, Window(AT, AT))
        batch = await collector.collect(STREAM, Window(AT, AT))

    assert readings(batch, 80) == [NOT_AFTER / SECOND, 1, 1]
    assert batch.size == 3


async def test_nothing_answering_at_all_is_a_failed_poll(build: Build) -> None:
    async with serving(None) as closed:
        pass
    with pytest.raises(NetworkFailed, match=rf"127.0.0.1 at {closed}: connect"):
        await probed(build, closed)


async def test_a_server_that_speaks_no_tls_is_silent(build: Build) -> None:
    async def rude(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, rude)
        with pytest.raises(NetworkFailed, match="TLS: wrong version number"):
            await probed(build, f"127.0.0.1:{port_of(listener)}")
        group.cancel_scope.cancel()


async def test_discovery_is_accepted_and_said_once_to_be_not_served_yet(build: Build) -> None:
    collector = build("tls", _no_http, discover=True)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert await collector.streams() == ()

    assert [(log["event"], log["key"]) for log in logs] == [("not_served_yet", "discover")]
