"""TLS probes of names: every address of them, and those that other sources know."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import structlog
import trustme

from tests.vendors.tls_servers import (
    AT,
    NOT_AFTER_SECONDS,
    UNTIL,
    Probing,
    context_of,
    issued,
    reissued,
    serving,
    target,
    values,
)
from watcher.collect.discovery import discovered, fresh
from watcher.errors import NetworkFailed
from watcher.model.inventory import Item, ItemKind, Known
from watcher.model.time import DAY, Instant
from watcher.store.codec import decode, encode

WWW = "www.example.com"
HOSTS = ("127.0.0.1", "127.0.0.2", "::1")


def domain(name: str, *, source: str = "ali", seen: Instant = AT, **facts: str) -> Known:
    return Known(source, "alibaba_cdn", Item(ItemKind.DOMAIN, name, facts), seen, seen)


@asynccontextmanager
async def on_one_port(*servers: tuple[object, str]) -> AsyncIterator[int]:
    """Servers on several addresses of loopback with one port, as (context, host)."""
    async with AsyncExitStack() as stack:
        port = 0
        for context, host in servers:
            address = await stack.enter_async_context(serving(context, host, port))  # type: ignore[arg-type]
            port = int(address.rpartition(":")[2])
        yield port


async def test_every_address_of_a_name_is_probed(ca: trustme.CA, ca_file: str) -> None:
    good = issued(ca, WWW, until=UNTIL)
    async with on_one_port(*((good, host) for host in HOSTS)) as port:
        batch = await Probing(ca_file, f"{WWW}:{port}", dns={WWW: HOSTS}).read()

    for address in (f"127.0.0.1:{port}", f"127.0.0.2:{port}", f"[::1]:{port}"):
        found = values(batch, domain=WWW, address=address)
        assert found == {"not_after": NOT_AFTER_SECONDS, "chain": 1, "host": 1}
    assert values(batch, domain=WWW) == {"same": 1}
    assert batch.complete
    assert batch.remark == ""


async def test_addresses_that_disagree_are_told_of_with_what_each_presents(
    ca: trustme.CA, ca_file: str
) -> None:
    new, old = issued(ca, WWW, until=UNTIL), issued(ca, WWW, until=UNTIL - dt.timedelta(days=60))
    async with on_one_port((new, "127.0.0.1"), (old, "127.0.0.2")) as port:
        batch = await Probing(ca_file, f"{WWW}:{port}", dns={WWW: HOSTS[:2]}).read()

    assert values(batch, domain=WWW) == {"same": 0}
    told = [one.facts for one in batch.exemplars if one.entity == 2]
    assert [facts["address"] for facts in told] == [f"127.0.0.1:{port}", f"127.0.0.2:{port}"]
    assert [facts["not_after"][:10] for facts in told] == ["2027-03-01", "2026-12-31"]


async def test_whether_addresses_agree_is_unknown_while_one_is_silent(ca: trustme.CA, ca_file: str) -> None:
    async with on_one_port((issued(ca, WWW), "127.0.0.1")) as port:
        batch = await Probing(ca_file, f"{WWW}:{port}", dns={WWW: HOSTS[:2]}).read()

    assert values(batch, domain=WWW) == {}
    assert values(batch, domain=WWW, address=f"127.0.0.2:{port}") == {}
    assert batch.complete
    assert batch.remark == f"1 of 2 targets not known: {WWW} at 127.0.0.2:{port}: connection refused"


async def test_ports_of_a_name_may_differ(ca: trustme.CA, ca_file: str) -> None:
    async with serving(issued(ca, WWW)) as one, serving(issued(ca, WWW)) as other:
        batch = await Probing(ca_file, target(one), target(other)).read()

    assert values(batch, domain=WWW) == {"same": 1}


async def test_an_address_that_vanishes_from_dns_is_gone(ca: trustme.CA, ca_file: str) -> None:
    dns: dict[str, tuple[str, ...]] = {WWW: HOSTS[:2]}
    good = issued(ca, WWW, until=UNTIL)
    async with on_one_port((good, "127.0.0.1"), (good, "127.0.0.2")) as port:
        probing = Probing(ca_file, f"{WWW}:{port}", dns=dns)
        before = await probing.read()
        dns[WWW] = ("127.0.0.2",)
        after = await probing.read()

    assert len(before.entities) == 3
    assert [dict(entity).get("address") for entity in after.entities] == [f"127.0.0.2:{port}", None]
    assert after.complete
    assert values(after, domain=WWW) == {"same": 1}


async def test_a_name_that_does_not_resolve_for_a_while_is_probed_where_it_last_was(
    ca: trustme.CA, ca_file: str
) -> None:
    dns = {WWW: HOSTS[:1]}
    async with serving(issued(ca, WWW, until=UNTIL)) as address:
        port = address.rpartition(":")[2]
        probing = Probing(ca_file, f"{WWW}:{port}", dns=dns)
        await probing.read()
        del dns[WWW]
        with structlog.testing.capture_logs() as logs:
            batches = [await probing.read(), await probing.read()]

    for batch in batches:
        assert values(batch, domain=WWW, address=address)["chain"] == 1
        assert batch.remark == f"1 of 1 targets not known: {WWW}: the name does not resolve"
        assert batch.complete
    assert [(log["event"], log["target"]) for log in logs] == [("probe_failed", WWW)]


async def test_after_a_name_that_never_resolved_nothing_is_said_to_be_all_there_is(
    ca: trustme.CA, ca_file: str
) -> None:
    """An incident of its last run must not end as gone."""
    async with serving(issued(ca, WWW)) as address:
        batch = await Probing(ca_file, target(address), "missing.example:443").read()

    assert not batch.complete
    assert not batch.listings[0].complete


async def test_no_name_resolving_at_all_is_a_failed_poll(ca_file: str) -> None:
    with pytest.raises(NetworkFailed, match=r"www\.example\.com: the name does not resolve"):
        await Probing(ca_file, WWW).read()


async def test_more_addresses_than_an_endpoint_has_are_cut_and_told_of(ca: trustme.CA, ca_file: str) -> None:
    many = [f"127.0.0.{n}" for n in range(1, 20)]
    async with on_one_port((issued(ca, WWW), "127.0.0.1")) as port:
        batch = await Probing(ca_file, f"{WWW}:{port}", dns={WWW: many}).read()

    assert len(batch.entities) == 17
    assert batch.note == f"{WWW} has 19 addresses, of which 16 are probed"


async def test_a_name_is_asked_for_in_ascii(ca: trustme.CA, ca_file: str) -> None:
    async with serving(issued(ca, "xn--bcher-kva.example", until=UNTIL)) as address:
        port = address.rpartition(":")[2]
        dns = {"Bücher.Example": ["127.0.0.1"]}
        batch = await Probing(ca_file, f"Bücher.Example:{port}", dns=dns).read()

    assert values(batch, domain="xn--bcher-kva.example", address=address)["host"] == 1


async def test_the_certificate_of_each_name_is_listed_with_the_one_that_ends_first(
    ca: trustme.CA, ca_file: str
) -> None:
    new, old = issued(ca, WWW, until=UNTIL), issued(ca, WWW, until=UNTIL - dt.timedelta(days=60))
    async with on_one_port((new, "127.0.0.1"), (old, "127.0.0.2")) as port:
        probing = Probing(ca_file, f"{WWW}:{port}", dns={WWW: HOSTS[:2]})
        (listing,) = (await probing.read()).listings

    (item,) = listing.items
    assert (listing.kind, listing.complete, item.id) == (ItemKind.CERTIFICATE, True, f"{WWW}:{port}")
    assert (item.facts["domains"], item.facts["not_after"][:10]) == (WWW, "2026-12-31")
    assert item.facts.keys() == {"domains", "fingerprint", "issuer", "not_after", "not_before", "serial"}


# --- chains


async def test_the_end_of_the_chain_is_the_end_of_the_certificate(ca: trustme.CA, ca_file: str) -> None:
    short = dt.datetime(2026, 12, 5, tzinfo=dt.UTC)
    between = ca.create_child_ca(key_type=trustme.KeyType.ECDSA)
    shorter = reissued(ca, between, short)
    leaf = shorter.issue_cert(WWW, not_after=UNTIL, key_type=trustme.KeyType.ECDSA)
    async with serving(context_of(leaf)) as address:
        batch = await Probing(ca_file, target(address)).read()

    assert values(batch, domain=WWW, address=address) == {
        "not_after": short.timestamp(),
        "chain": 1,
        "host": 1,
    }
    facts = batch.exemplars[0].facts
    assert facts["not_after"] == "2027-03-01T00:00:00Z"
    assert facts["chain_not_after"] == "2026-12-05T00:00:00Z"
    assert "Testing CA" in facts["ends_first"]


async def test_what_is_sent_along_and_verifies_nothing_ends_nothing(
    ca: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    """An old cross-signed certificate, as many servers still send."""
    old = reissued(trustme.CA(), trustme.CA().create_child_ca(), dt.datetime(2021, 1, 1, tzinfo=dt.UTC))
    leaf = ca.issue_cert(WWW, not_after=UNTIL, key_type=trustme.KeyType.ECDSA)
    file = tmp_path / "chain.pem"
    parts = (leaf.private_key_pem, *leaf.cert_chain_pems, old.cert_pem)
    file.write_bytes(b"".join(part.bytes() for part in parts))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    async with serving(context) as address:
        trusted = await Probing(ca_file, target(address)).read()
        untrusted = await Probing(None, target(address)).read()

    assert values(trusted, domain=WWW, address=address)["not_after"] == NOT_AFTER_SECONDS
    assert (
        values(untrusted, domain=WWW, address=address)["not_after"]
        == dt.datetime(2021, 1, 1, tzinfo=dt.UTC).timestamp()
    )


# --- discovery


async def test_domains_that_other_sources_know_are_probed_too(ca: trustme.CA, ca_file: str) -> None:
    known = [domain(WWW, status="online"), domain("b.example.com")]
    async with serving(issued(ca, WWW, until=UNTIL)) as address:
        probing = Probing(ca_file, target(address), discover=True, known=known)
        batch = await probing.read()

    assert values(batch, domain=WWW, address=address)["host"] == 1
    assert batch.remark.startswith("2 of 1 targets not known: b.example.com: the name does not resolve")


def test_what_is_discovered() -> None:
    known = [
        domain("b.example.com"),
        domain("a.example.com", status="Online"),
        domain("a.example.com", source="lsw", status="enabled", tls="yes"),
        domain("own.example.com", source="edge"),
        domain("plain.example.com", tls="no"),
        domain("off.example.com", status="offline"),
        domain("c.example.com", status="configuring"),
        domain("unknown.example.com", status="a new word"),
        domain("*.example.com"),
        domain(".example.com"),
        domain("Bücher.example"),
        domain("stale.example.com", seen=AT - 8 * DAY),
        Known("ali", "alibaba_cdn", Item(ItemKind.ORIGIN, "origin.example.com")),
    ]

    assert discovered(fresh(known, AT), "edge") == (
        "a.example.com",
        "b.example.com",
        "c.example.com",
        "unknown.example.com",
        "xn--bcher-kva.example",
    )


async def test_a_domain_that_is_being_configured_stays_probed_and_keeps_what_was_learned(
    ca: trustme.CA, ca_file: str
) -> None:
    dns = {"b.example.com": ["127.0.0.1"]}
    async with serving(issued(ca, WWW, until=UNTIL)) as address:
        probing = Probing(ca_file, target(address), discover=True, dns=dns, known=[domain("b.example.com")])
        entities = (await probing.read()).entities
        for status in ("configuring", "configure_failed", "applying"):
            probing.known = [domain("b.example.com", status=status)]
            assert (await probing.read()).entities == entities
        probing.known = [domain("b.example.com", status="stopping")]
        after = await probing.read()

    assert len(after.entities) == len(entities) - 2


async def test_what_is_configured_is_not_probed_twice(ca: trustme.CA, ca_file: str) -> None:
    dns = {WWW: ["127.0.0.1"]}
    async with serving(issued(ca, WWW)) as address:
        probing = Probing(
            ca_file, target(address), f"{WWW}:443", "WWW.example.com.:443", discover=True, dns=dns
        )
        probing.known.append(domain(WWW))
        batch = await probing.read()

    assert len(batch.entities) == 3


async def test_any_number_of_names_may_be_discovered(ca: trustme.CA, ca_file: str) -> None:
    names = [f"d{n:04}.example.com" for n in range(600)]
    dns = {name: ["127.0.0.1"] for name in names}
    async with serving(issued(ca, WWW)) as address:
        probing = Probing(ca_file, target(address), discover=True, dns=dns, known=map(domain, names))
        batch = await probing.read()

    assert len(batch.entities) == 2 * 601
    assert batch.complete
    assert batch.note == ""


async def test_before_any_source_has_listed_a_domain_there_is_nothing_to_probe(ca_file: str) -> None:
    probing = Probing(ca_file, discover=True)
    (stream,) = await probing.collector.streams()
    batch = await probing.read()

    assert (stream.name, batch.entities, batch.complete) == ("handshakes", (), False)
    assert (batch.remark, batch.note) == ("", "no source has listed a domain yet")
    assert decode(encode(batch)).values.shape == batch.values.shape


# --- many
