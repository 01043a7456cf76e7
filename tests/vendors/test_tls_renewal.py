"""TLS probes and time: what vendors have and endpoints do not present, and renewals that are late."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tests.vendors.tls_servers import AT, UNTIL, Probing, issued, serving, target, values
from watcher.collect.vendors.tls.claims import Claims
from watcher.collect.vendors.tls.probe import Finding
from watcher.collect.vendors.tls.renewal import Record, overdue, recorded
from watcher.model.inventory import Item, ItemKind, Known
from watcher.model.time import DAY, HOUR, Duration, Instant, rfc3339

WWW = "www.example.com"


def finding(
    serial: str = "ab12", *, begins: Instant = AT - 60 * DAY, ends: Instant = AT + 30 * DAY
) -> Finding:
    prints = serial.rjust(64, "0")
    return Finding(
        not_after=ends,
        chain_fault="",
        host_fault="",
        leaf_begins=begins,
        leaf_ends=ends,
        fingerprint=prints,
        sha1=prints[-40:],
        serial=serial,
        issuer="CN=Authority",
        facts={},
    )


def certificate(
    slot: str = "c1", /, *, source: str = "lsw", ends: Instant = AT + 90 * DAY, **facts: str
) -> Known:
    item = Item(ItemKind.CERTIFICATE, slot, {"domains": WWW, "not_after": rfc3339(ends), **facts})
    return Known(source, "leaseweb", item, AT, AT)


def served(certificates: str, *, source: str = "lsw", **facts: str) -> Known:
    return Known(source, "leaseweb", Item(ItemKind.DOMAIN, WWW, {"certificate": certificates, **facts}))


# --- renewed, but not deployed


def test_a_later_certificate_at_the_vendor_is_a_contradiction() -> None:
    claims = Claims([certificate(serial="cd34")])

    assert claims.contradiction(WWW, finding()) == "lsw has certificate c1 until 2027-02-20T03:00:00Z"


@pytest.mark.parametrize(
    "facts",
    [
        {"serial": "00:AB:12"},
        {"serial": "0xAB12"},
        {"serial": str(0xAB12)},
        {"fingerprint": "ab12".rjust(64, "0").upper()},
        {"fingerprint": "ab12".rjust(40, "0")},
    ],
)
def test_the_certificate_presented_is_known_however_it_is_named(facts: dict[str, Any]) -> None:
    assert Claims([certificate(**facts)]).contradiction(WWW, finding()) == ""


@pytest.mark.parametrize(
    "known",
    [
        [certificate(ends=AT + 30 * DAY + HOUR)],
        [certificate(serial="cd34", ends=AT + 20 * DAY)],
        [certificate(domains="other.example.com")],
        [certificate(not_after="soon")],
        [certificate(), Known("lsw", "leaseweb", Item(ItemKind.DISTRIBUTION, "d", {"certificate": "c2"}))],
        [certificate("new", source="ali"), certificate("own", serial="ab12")],
        [certificate(), certificate("c2", serial="ab12"), served("c2")],
    ],
    ids=[
        "the same end",
        "earlier",
        "for another name",
        "no end",
        "unused",
        "another vendor's",
        "another domain's",
    ],
)
def test_what_is_no_contradiction(known: Sequence[Known]) -> None:
    assert Claims(known).contradiction(WWW, finding()) == ""


def test_a_wildcard_at_the_vendor_fits_one_label() -> None:
    wild = Claims([certificate(domains="example.com, *.Example.com", serial="cd34")])

    assert wild.contradiction(WWW, finding())
    assert wild.contradiction("a.b.example.com", finding()) == ""


def test_what_a_domain_is_served_with_by_its_vendor_needs_no_name() -> None:
    unnamed = [certificate(domains="", name="bought in May"), served("c1, c9")]

    assert Claims(unnamed).contradiction(WWW, finding())
    assert Claims(unnamed[:1]).contradiction(WWW, finding()) == ""
    assert Claims([certificate(domains="", common_name=WWW)]).contradiction(WWW, finding())


def test_where_no_vendor_has_certificates_nobody_can_say() -> None:
    probes = Known("edge2", "tls", certificate().item)

    assert Claims([]).contradiction(WWW, finding()) is None
    assert Claims([probes]).contradiction(WWW, finding()) is None


def test_where_another_vendor_serves_the_name_and_does_not_say_with_what_nobody_can_say() -> None:
    """A name served by two CDNs: what is presented may be the other's, for good."""
    ours, other = certificate(serial="cd34"), served("", source="ali", status="online")

    assert Claims([ours, other]).contradiction(WWW, finding()) is None
    wild = Known("ali", "alibaba_cdn", Item(ItemKind.DOMAIN, ".example.com"))
    assert Claims([ours, wild]).contradiction(WWW, finding()) is None
    assert Claims([ours, served("", source="ali", status="offline")]).contradiction(WWW, finding())
    assert Claims([ours, served("c9"), other]).contradiction(WWW, finding()) == ""
    own = certificate("old", serial="ab12")
    assert Claims([ours, own, other]).contradiction(WWW, finding()), "the one presented is known to be ours"


async def test_what_its_vendor_has_not_listed_for_long_is_no_claim(ca: trustme.CA, ca_file: str) -> None:
    stale = replace(certificate(ends=AT + 300 * DAY), last_seen=AT - 8 * DAY)
    async with serving(issued(ca, WWW, until=UNTIL)) as address:
        batch = await Probing(ca_file, target(address), known=[stale]).read()

    assert "deployed" not in values(batch, domain=WWW, address=address)


def test_of_a_vendor_that_has_both_the_newer_one_counts() -> None:
    claims = Claims([certificate("old", serial="ab12"), certificate("new", serial="cd34")])

    assert claims.contradiction(WWW, finding()) == "lsw has certificate new until 2027-02-20T03:00:00Z"


async def test_an_endpoint_that_presents_the_old_certificate(ca: trustme.CA, ca_file: str) -> None:
    async with serving(issued(ca, WWW, until=UNTIL)) as address:
        probing = Probing(ca_file, target(address), known=[certificate(ends=AT + 300 * DAY)])
        before = await probing.read()
        probing.known = [certificate(ends=AT + 300 * DAY, serial=before.exemplars[0].facts["serial"])]
        after = await probing.read()

    assert values(before, domain=WWW, address=address)["deployed"] == 0
    assert before.exemplars[0].facts["deployed"] == "lsw has certificate c1 until 2027-09-18T03:00:00Z"
    assert values(after, domain=WWW, address=address)["deployed"] == 1


# --- overdue


def test_overdue_is_a_tenth_later_than_usual() -> None:
    assert not overdue(AT + 28 * DAY, 30 * DAY, AT)
    assert overdue(AT + 26 * DAY, 30 * DAY, AT)


@pytest.mark.parametrize("where", ["target", "source"])
async def test_a_certificate_that_renews_at_30_days_and_has_20(
    ca: trustme.CA, ca_file: str, where: str
) -> None:
    soon = dt.datetime(2026, 12, 12, 3, tzinfo=dt.UTC)
    async with serving(issued(ca, WWW, until=soon)) as address:
        own = target(address) | ({"renews_at": "30d"} if where == "target" else {})
        more: dict[str, Any] = {"renews_at": "30d"} if where == "source" else {}
        late = await Probing(ca_file, own, **more).read()
        relaxed = await Probing(ca_file, target(address) | {"renews_at": "10d"}, renews_at="30d").read()
        unsaid = await Probing(ca_file, target(address)).read()

    assert values(late, domain=WWW, address=address)["renewal"] == 0
    words = "renews with 30 d left and has 20 d, until 2026-12-12T03:00:00Z"
    assert late.exemplars[0].facts["renewal"] == words
    assert values(relaxed, domain=WWW, address=address)["renewal"] == 1
    assert "renewal" not in values(unsaid, domain=WWW, address=address)


def seen(*left: Duration, life: Duration = 90 * DAY) -> Record:
    """A name whose certificates were renewed with so much time left, one after the other."""
    now, record = AT, Record.of(finding("0", begins=AT, ends=AT + life))
    for number, more in enumerate(left, start=1):
        now = record.ends - more
        record = record.followed(finding(f"{number}", begins=now, ends=now + life), now)
    return record


def test_what_is_usual_is_learned_from_two_renewals_at_least() -> None:
    assert seen(30 * DAY).renews_at is None
    assert seen(30 * DAY, 29 * DAY).renews_at == 29 * DAY
    assert seen(10 * DAY, 30 * DAY, 30 * DAY).renews_at == 10 * DAY
    assert seen(10 * DAY, *[30 * DAY] * 5).renews_at == 30 * DAY


def test_what_is_no_habit_teaches_nothing() -> None:
    """A new key in the first half of a certificate's life, and what came after its end."""
    assert seen(80 * DAY, 80 * DAY).renewed_with == ()
    assert seen(-DAY, -DAY).renewed_with == ()


def test_one_renewal_is_one_however_often_the_old_certificate_is_seen_again() -> None:
    """As where addresses that were renewed and such that were not take turns in DNS."""
    old, new = finding("0"), finding("1", begins=AT, ends=AT + 90 * DAY)
    record = Record.of(old)
    for hour in range(10):
        record = record.followed(new if hour % 2 == 0 else old, AT + hour * HOUR)

    assert record.renewed_with == (30 * DAY,)
    assert recorded(record.item(WWW, WWW).facts) == record


def test_certificates_that_live_shorter_have_another_habit() -> None:
    record = seen(30 * DAY, 30 * DAY)
    now = record.ends - 30 * DAY
    shorter = record.followed(finding("9", begins=now, ends=now + 47 * DAY), now)

    assert record.renews_at == 30 * DAY
    assert shorter.renewed_with == ()
    alike = record.followed(finding("9", begins=now, ends=now + 88 * DAY), now)
    assert alike.renews_at == 30 * DAY


def test_the_same_certificate_and_an_older_one_are_no_renewals() -> None:
    record = Record.of(finding())
    older = record.followed(finding("1", begins=AT - 89 * DAY, ends=AT + DAY), AT)

    assert record.followed(finding(), AT + DAY) == record
    assert older.renewed_with == ()
    assert older.ends == AT + DAY


@given(st.lists(st.integers(1, 45 * 24 * 60), max_size=7))
def test_what_was_learned_survives_a_restart(minutes: list[int]) -> None:
    record = seen(*(minute * 60_000 for minute in minutes))

    assert recorded(record.item(WWW, WWW).facts) == record


@pytest.mark.parametrize("broken", [{}, {"not_after": "soon"}, {"renewed_with": "often"}])
def test_what_cannot_be_read_is_learned_anew(broken: dict[str, str]) -> None:
    facts = {**seen(DAY).item(WWW, WWW).facts, **broken} if broken else {}

    assert recorded(facts) is None


async def test_what_an_earlier_run_learned_is_found_in_the_inventory(ca: trustme.CA, ca_file: str) -> None:
    soon = dt.datetime(2026, 12, 12, 3, tzinfo=dt.UTC)
    async with serving(issued(ca, WWW, until=soon)) as address:
        first = Probing(ca_file, target(address))
        ((item,),) = (listing.items for listing in (await first.read()).listings)
        learned = Item(item.kind, item.id, {**item.facts, "renewed_with": "30d2h, 31d"})
        probing = Probing(ca_file, target(address), known=[Known("edge", "tls", learned)])
        batch = await probing.read()

    assert values(batch, domain=WWW, address=address)["renewal"] == 0
    assert batch.listings[0].items == (learned,)


async def test_a_name_that_is_silent_stays_listed_as_it_was(ca: trustme.CA, ca_file: str) -> None:
    async with serving(issued(ca, "b.example.com")) as other:
        async with serving(issued(ca, WWW)) as address:
            probing = Probing(ca_file, target(address), target(other, "b.example.com"))
            before = await probing.read()
        after = await probing.read()

    assert after.listings == before.listings
