"""TLS probes against real servers with certificates of every kind."""

import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog
import trustme
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from watcher.collect.collector import Collector, StreamSpec, Window
from watcher.collect.vendors.tls.settings import TlsSettings
from watcher.errors import NetworkFailed, UserError
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, SECOND, parse_rfc3339

AT = parse_rfc3339("2026-11-22T03:00:00Z")
NOT_AFTER = parse_rfc3339("2027-03-01T00:00:00Z")

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


def nameless(ca: trustme.CA, tmp_path: Path) -> ssl.SSLContext:
    """A certificate with its name in the CN only, as was custom before 2000."""
    key = ec.generate_private_key(ec.SECP256R1())
    root_key = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    assert isinstance(root_key, ec.EllipticCurvePrivateKey)
    root = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.com")]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(0xABCDEF)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2020, 2, 1, tzinfo=dt.UTC))
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "leaf.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


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
    async with serving(nameless(ca, tmp_path)) as address:
        batch = await probed(build, target(address), ca_file=ca_file)

    assert readings(batch) == [parse_rfc3339("2020-02-01T00:00:00Z") / SECOND, 1, 0]
    assert batch.exemplars[0].facts["host"] == "it names no host"
    assert batch.exemplars[0].facts["serial"] == "abcdef"


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
    async with serving(issued(ca, "www.example.com", until=UNTIL)) as good, serving(None) as mute:
        collector = build("tls", _no_http, targets=[target(good), mute], ca_file=ca_file, timeout="50ms")
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                batch = await collector.collect(StreamSpec("handshakes", 0, MINUTE), Window(AT, AT))
                assert readings(batch, 0)[1:] == [1, 1]
                assert batch.size == 3
                assert [exemplar.entity for exemplar in batch.exemplars] == [0]

    assert [(log["event"], log["why"]) for log in logs] == [("probe_failed", "no handshake within 0 s")]


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


async def test_discovery_is_accepted_and_said_to_be_not_served_yet(build: Build) -> None:
    with structlog.testing.capture_logs() as logs:
        assert await build("tls", _no_http, discover=True).streams() == ()

    assert [(log["event"], log["key"]) for log in logs] == [("not_served_yet", "discover")]


def test_a_ca_file_that_is_none_is_for_a_person_to_mend(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(UserError, match=r"ca\.pem cannot be read"):
        build("tls", _no_http, targets=["a:1"], ca_file=str(path))
    path.write_text("nothing")
    with pytest.raises(UserError, match="holds no certificate"):
        build("tls", _no_http, targets=["a:1"], ca_file=str(path))


def settings(**more: object) -> TlsSettings:
    return TlsSettings.model_validate({"name": "edge", **more})


def test_targets_are_written_short_or_long() -> None:
    read = settings(
        targets=["www.example.com", "[::1]:8443", {"address": "10.0.0.1:443", "server_name": "bücher.de"}]
    )

    assert [(t.host, t.port, t.name) for t in read.targets] == [
        ("www.example.com", 443, "www.example.com"),
        ("::1", 8443, "::1"),
        ("10.0.0.1", 443, "xn--bcher-kva.de"),
    ]
    assert "string" in json.dumps(TlsSettings.model_json_schema()["properties"]["targets"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "nothing to probe"),
        ({"targets": []}, "nothing to probe"),
        ({"targets": ["a:0"]}, "no address"),
        ({"targets": ["a:99999"]}, "no address"),
        ({"targets": ["a:"]}, "no address"),
        ({"targets": [":443"]}, "no host name"),
        ({"targets": ["https://www.example.com"]}, "no address"),
        ({"targets": ["a b:443"]}, "no host name"),
        ({"targets": ["a:1", "a:1"]}, "stands twice"),
        ({"targets": [{"address": "a:1", "server_name": "-/-"}]}, "no host name"),
        ({"targets": [{"server_name": "a"}]}, "Field required"),
    ],
)
def test_targets_that_cannot_work_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**wrong)
