"""TLS probes against real servers with certificates of every kind."""

import datetime as dt
import ssl
from pathlib import Path

import anyio
import numpy as np
import pytest
import structlog
import trustme
from anyio.abc import SocketStream

from tests.vendors.tls_servers import (
    AT,
    NOT_AFTER,
    UNTIL,
    Probing,
    context_of,
    issued,
    made,
    named,
    port_of,
    raw_names,
    readings,
    reissued,
    self_signed,
    serving,
    target,
)
from watcher.collect.vendors.tls.endpoint import Endpoint
from watcher.collect.vendors.tls.probe import probe, trusting
from watcher.errors import NetworkFailed
from watcher.model.sample import SampleBatch
from watcher.model.time import SECOND, parse_rfc3339

MONTH = dt.timedelta(days=31)


async def probed(ca_file: str, *targets: object) -> SampleBatch:
    return await Probing(ca_file, *targets).read()


async def test_a_good_certificate(ca: trustme.CA, ca_file: str) -> None:
    async with serving(issued(ca, "www.example.com", until=UNTIL)) as address:
        batch = await probed(ca_file, target(address))

    assert readings(batch) == [NOT_AFTER / SECOND, 1, 1]
    assert batch.entities == (
        (("address", address), ("domain", "www.example.com")),
        (("domain", "www.example.com"),),
    )
    assert (batch.width, batch.starts.tolist(), batch.settled_until) == (0, [AT], AT)
    facts = batch.exemplars[0].facts
    assert facts["not_after"] == "2027-03-01T00:00:00Z"
    assert len(facts["fingerprint"]) == 64
    assert facts.keys() == {"fingerprint", "issuer", "subject", "serial", "not_after"}


async def test_a_wildcard_and_an_address_fit(ca: trustme.CA, ca_file: str) -> None:
    async with serving(issued(ca, "*.example.com", "127.0.0.1", until=UNTIL)) as address:
        batch = await probed(ca_file, target(address), address)

    assert readings(batch, 0)[1:] == [1, 1]
    assert readings(batch, 1)[1:] == [1, 1]
    assert dict(batch.entities[1])["domain"] == "127.0.0.1"


async def test_a_certificate_for_another_host(ca: trustme.CA, ca_file: str) -> None:
    async with serving(issued(ca, "other.example.com", until=UNTIL)) as address:
        batch = await probed(ca_file, target(address))

    assert readings(batch) == [NOT_AFTER / SECOND, 1, 0]
    assert batch.exemplars[0].facts["host"] == "not for www.example.com"


async def test_a_common_name_is_no_host_and_expiry_is_no_fault_of_the_chain(
    ca: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    async with serving(made(ca, tmp_path)) as address:
        batch = await probed(ca_file, target(address))

    assert readings(batch) == [parse_rfc3339("2020-02-01T00:00:00Z") / SECOND, 1, 0]
    assert batch.exemplars[0].facts["host"] == "it names no host"
    assert batch.exemplars[0].facts["serial"] == "abcdef"


@pytest.mark.parametrize(
    "odd", ["*.example", "*", "*.com", "*.*.example.com", "a.*.example.com", "f*.example.com", "", "1.2.3.4"]
)
async def test_a_name_that_nobody_may_use_spoils_none_of_the_others(
    ca: trustme.CA, ca_file: str, tmp_path: Path, odd: str
) -> None:
    async with serving(made(ca, tmp_path, named("a.example", odd))) as address:
        batch = await probed(ca_file, target(address, "a.example"))

    assert readings(batch)[1:] == [1, 1]


@pytest.mark.parametrize("useless", ["*", "*.com", "*.*.example.com", "a.*.com"])
async def test_a_wildcard_that_nobody_may_use_fits_nothing(
    ca: trustme.CA, ca_file: str, tmp_path: Path, useless: str
) -> None:
    async with serving(made(ca, tmp_path, named(useless, "other.example"))) as address:
        batch = await probed(ca_file, target(address, "b.example.com"))

    assert readings(batch)[1:] == [1, 0]


X400 = "3004a3023000"
SHORT_ADDRESS = "30058703010203"


@pytest.mark.parametrize("san", [X400, SHORT_ADDRESS], ids=["x400", "3 bytes of IP"])
async def test_names_that_cannot_be_read_leave_expiry_and_chain_known_and_other_targets_too(
    ca: trustme.CA, ca_file: str, tmp_path: Path, san: str
) -> None:
    good = issued(ca, "www.example.com", until=UNTIL)
    with structlog.testing.capture_logs() as logs:
        async with serving(made(ca, tmp_path, raw_names(san))) as odd, serving(good) as address:
            batch = await probed(ca_file, target(odd), target(address))

    assert readings(batch, 0)[:2] == [parse_rfc3339("2020-02-01T00:00:00Z") / SECOND, 1]
    assert np.isnan(readings(batch, 0)[2])
    assert readings(batch, 1) == [NOT_AFTER / SECOND, 1, 1]
    why = "the certificate's names cannot be read"
    assert batch.exemplars[0].facts["host"] == why
    assert [(log["event"], log["why"]) for log in logs] == [("probe_failed", why)]


async def test_an_expired_certificate_keeps_its_chain(ca: trustme.CA, ca_file: str) -> None:
    expired = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)
    async with serving(issued(ca, "www.example.com", until=expired)) as address:
        batch = await probed(ca_file, target(address))

    assert readings(batch) == [expired.timestamp(), 1, 1]


async def test_a_certificate_that_is_not_valid_yet_breaks_the_chain(
    ca: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    """Clients refuse it, though its end is far."""
    begins = dt.datetime(2199, 1, 1, tzinfo=dt.UTC)
    async with serving(made(ca, tmp_path, named("www.example.com"), begins=begins)) as address:
        batch = await probed(ca_file, target(address))

    assert readings(batch) == [(begins + MONTH).timestamp(), 0, 1]
    assert batch.exemplars[0].facts["chain"] == "not valid before 2199-01-01T00:00:00Z"


async def test_an_expired_certificate_of_a_stranger_is_no_less_untrusted(
    ca_file: str, tmp_path: Path
) -> None:
    async with serving(made(trustme.CA(key_type=trustme.KeyType.ECDSA), tmp_path)) as address:
        batch = await probed(ca_file, target(address))

    assert readings(batch)[1] == 0


@pytest.mark.parametrize("old_first", [True, False])
async def test_of_two_intermediates_with_one_key_the_one_that_serves_counts(
    ca: trustme.CA,
    ca_file: str,
    tmp_path: Path,
    old_first: bool,  # noqa: FBT001 - both ways
) -> None:
    """The old one is still sent along by a server whose bundle was only added to."""
    between = ca.create_child_ca(key_type=trustme.KeyType.ECDSA)
    old = reissued(ca, between, dt.datetime(2021, 1, 1, tzinfo=dt.UTC))
    leaf = between.issue_cert("www.example.com", not_after=UNTIL, key_type=trustme.KeyType.ECDSA)
    sent = [old.cert_pem, between.cert_pem] if old_first else [between.cert_pem, old.cert_pem]
    path = tmp_path / "bundle.pem"
    path.write_bytes(b"".join(one.bytes() for one in (leaf.private_key_pem, leaf.cert_chain_pems[0], *sent)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    async with serving(context) as address:
        batch = await probed(ca_file, target(address))

    assert readings(batch) == [NOT_AFTER / SECOND, 1, 1]


@pytest.mark.parametrize(
    "ends", [dt.datetime(2021, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 5, tzinfo=dt.UTC)]
)
async def test_the_end_of_an_authority_of_our_own_counts(tmp_path: Path, ends: dt.datetime) -> None:
    root = self_signed(trustme.CA(key_type=trustme.KeyType.ECDSA), ends)
    path = tmp_path / "company.pem"
    root.cert_pem.write_to_path(path)
    async with serving(issued(root, "www.example.com", until=UNTIL)) as address:
        batch = await probed(str(path), target(address))

    assert readings(batch) == [ends.timestamp(), 1, 1]
    assert "Testing CA" in batch.exemplars[0].facts["ends_first"]


async def test_an_untrusted_certificate_is_read_nevertheless(ca_file: str) -> None:
    stranger = trustme.CA(key_type=trustme.KeyType.ECDSA)
    async with serving(issued(stranger, "www.example.com", until=UNTIL)) as address:
        batch = await probed(ca_file, target(address))

    assert readings(batch) == [NOT_AFTER / SECOND, 0, 1]
    assert "issuer" in batch.exemplars[0].facts["chain"]


async def test_a_chain_with_an_intermediate_is_good_and_one_that_lacks_it_is_not(
    ca: trustme.CA, ca_file: str
) -> None:
    between = ca.create_child_ca(key_type=trustme.KeyType.ECDSA)
    leaf = between.issue_cert("www.example.com", not_after=UNTIL, key_type=trustme.KeyType.ECDSA)
    alone = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with leaf.private_key_pem.tempfile() as key, leaf.cert_chain_pems[0].tempfile() as certificate:
        alone.load_cert_chain(certificate, key)

    async with serving(context_of(leaf)) as whole, serving(alone) as broken:
        batch = await probed(ca_file, target(whole), target(broken))

    assert readings(batch, 0)[1] == 1
    assert readings(batch, 1)[1] == 0


async def test_the_systems_authorities_are_trusted_without_a_file(ca: trustme.CA) -> None:
    async with serving(issued(ca, "www.example.com", until=UNTIL)) as address:
        batch = await Probing(None, target(address)).read()

    assert readings(batch)[1] == 0


async def test_a_target_that_does_not_answer_is_unknown_and_told_on_change(
    ca: trustme.CA, ca_file: str
) -> None:
    async with serving(None) as gone:
        pass
    async with serving(issued(ca, "www.example.com", until=UNTIL)) as good:
        probing = Probing(ca_file, target(good), gone)
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                batch = await probing.read()
                assert readings(batch, 0)[1:] == [1, 1]
                assert batch.size == 4  # the name's addresses agree, too
                assert [exemplar.entity for exemplar in batch.exemplars] == [0]
                assert batch.remark.startswith(f"1 of 2 targets not known: 127.0.0.1 at {gone}: ")

    assert [(log["event"], log["target"]) for log in logs] == [("probe_failed", f"127.0.0.1 at {gone}")]


async def test_a_target_that_says_nothing_is_not_waited_for_long(ca: trustme.CA) -> None:
    async with serving(None) as mute:
        silent = Endpoint("www.example.com", "127.0.0.1", int(mute.partition(":")[2]))
        assert await probe(silent, trusting(None), 50) == "no handshake within 0 s"
    async with serving(issued(ca, "1.2.3")) as address:
        odd = Endpoint("123", "127.0.0.1", int(address.partition(":")[2]))
        assert str(await probe(odd, trusting(None), SECOND)).startswith("cannot be read: ValueError")


async def test_any_number_of_dead_targets_leaves_time_for_the_live_ones(ca: trustme.CA, ca_file: str) -> None:
    """Here 80 that accept and say nothing stand first, and there is time for 64 of them."""
    async with serving(None) as mute, serving(issued(ca, "www.example.com", until=UNTIL)) as good:
        dead = [target(mute, f"dead-{n}.example.com") for n in range(80)]
        probing = Probing(ca_file, *dead, target(good), budget=1_900, timeout="1s")
        with pytest.raises(NetworkFailed, match=r"dead-0.example.com at .*: no handshake within 1 s"):
            await probing.read()
        batch = await probing.read()

    assert readings(batch, 80) == [NOT_AFTER / SECOND, 1, 1]


async def test_nothing_answering_at_all_is_a_failed_poll(ca_file: str) -> None:
    async with serving(None) as closed:
        pass
    with pytest.raises(NetworkFailed, match=rf"127.0.0.1 at {closed}: connect"):
        await probed(ca_file, closed)


async def test_a_server_that_speaks_no_tls_is_silent(ca_file: str) -> None:
    async def rude(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, rude)
        with pytest.raises(NetworkFailed, match="TLS: wrong version number"):
            await probed(ca_file, f"127.0.0.1:{port_of(listener)}")
        group.cancel_scope.cancel()
