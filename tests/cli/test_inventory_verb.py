"""`sources inventory`: from origins to certificates, and what no rule looks at."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Cli, Filled
from tests.databases import NOON
from tests.store.building import Store, batch, poll
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.labels import label_set
from watcher.model.ports import Tick
from watcher.model.sample import MetricKey, SampleBatch
from watcher.model.time import MINUTE, Instant

RULES = Path(__file__).parents[2] / "rules" / "certificates"
CONFIG = f"""\
database: sqlite:///watcher.db
rules: {{packs: [], paths: ["{RULES}"]}}
sources:
  - {{name: cdnv, vendor: cdnvideo, token: {{env: NOT_SET}}}}
  - {{name: edge, vendor: tls, targets: [a.example.com]}}
  - {{name: mute, vendor: tls, targets: [z.example.com]}}
"""
ENDS = "2027-03-01T00:00:00Z"


def states(source: str, vendor: str, metric: MetricKey, *entities: dict[str, str]) -> SampleBatch:
    return SampleBatch(
        source=source,
        vendor=vendor,
        stream="states",
        width=0,
        fetched_at=NOON,
        settled_until=NOON,
        entities=tuple(map(label_set, entities)),
        metrics=(metric,),
        starts=np.array([NOON], np.int64),
        values=np.ones((1, 1, len(entities))),
    )


def listed(of: SampleBatch, *listings: Listing, at: Instant = NOON) -> SampleBatch:
    return replace(of, listings=listings, fetched_at=at)


def domains(status: str = "online", *more: str) -> Listing:
    first = Item(
        ItemKind.DOMAIN,
        "a.example.com",
        {"status": status, "cname": "a.cdn.example", "origins": "o.example.com", "certificate": "c1"},
    )
    return Listing(
        ItemKind.DOMAIN, (first, *(Item(ItemKind.DOMAIN, name, {"origins": "p"}) for name in more))
    )


async def estate(store: Store) -> None:
    """A domain that is counted and probed, one that is neither, and a silent source."""
    certificates = Listing(
        ItemKind.CERTIFICATE, (Item(ItemKind.CERTIFICATE, "c1", {"not_after": "2028-01-01T00:00:00Z"}),)
    )
    probed = Listing(
        ItemKind.CERTIFICATE,
        (Item(ItemKind.CERTIFICATE, "a.example.com", {"domains": "a.example.com", "not_after": ENDS}),),
    )
    edge = states("edge", "tls", ("tls_certificate_not_after_seconds", ()), {"domain": "a.example.com"})
    vendor = listed(batch(), domains("online", "b.example.com"), certificates)
    await store.book.commit(Tick(NOON, [poll(vendor), poll(listed(edge, probed), source="edge")]))
    later = listed(batch(), domains("offline", "b.example.com"), at=NOON + MINUTE)
    await store.book.commit(Tick(NOON, [poll(later)]))


@pytest.fixture
def config(filled: Filled) -> Path:
    path = filled(estate)
    path.write_text(CONFIG)
    return path


def test_it_shows_the_way_from_an_origin_to_its_certificates(config: Path, cli: Cli) -> None:
    ended = cli("sources", "inventory", "-c", config)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[:6] == [
        "o.example.com",
        "  a.example.com",
        "    cdnv (cdnvideo), offline, cname a.cdn.example",
        "    certificate c1 at cdnv, until 2028-01-01T00:00:00Z",
        f"    certificate a.example.com seen by edge, until {ENDS}",
        "    rules: certificate_expiry, certificate_renewal_overdue",
    ]
    assert "p\n  b.example.com\n    cdnv (cdnvideo)\n    rules: none\n" in ended.out


def test_it_says_what_no_rule_looks_at(config: Path, cli: Cli) -> None:
    ended = cli("sources", "inventory", "-c", config)

    assert ended.out.partition("not looked at\n")[2].splitlines() == [
        "  source cdnv: no rule looks at anything it gives",
        "  source mute: has given nothing yet",
        "  origin p: no rule looks at it, nor at any of its domains",
        "  domain b.example.com: no rule looks at it",
    ]


def test_a_domain_that_is_counted_but_not_probed_is_told_of(filled: Filled, cli: Cli) -> None:
    async def counted(store: Store) -> None:
        one = Listing(ItemKind.DOMAIN, (Item(ItemKind.DOMAIN, "shop"),))
        requests = [
            (name, label_set({"tier": "edge", "status_class": of}))
            for name, of in (("cdn_requests", ""), ("cdn_responses", "5xx"))
        ]
        both = replace(batch(), metrics=tuple(requests), values=np.ones((1, 2, 1)), listings=(one,))
        await store.book.commit(Tick(NOON, [poll(both)]))

    ended = cli("sources", "inventory", "--json", "-c", filled(counted))

    assert ended.json["uncovered"] == [
        {"kind": "domain", "name": "shop", "why": "no probe of TLS or HTTP asks it"}
    ]
    assert "http_5xx_spike" in ended.json["domains"][0]["rules"]


def test_an_origin_is_looked_at_by_what_looks_at_its_group_and_its_domains_may_not_be_known(
    filled: Filled, cli: Cli
) -> None:
    async def groups(store: Store) -> None:
        """As Leaseweb lists them: no domain says where it comes from."""
        listings = (
            Listing(ItemKind.ORIGIN, (Item(ItemKind.ORIGIN, "o-1", {"host": "o.example.com"}),)),
            Listing(ItemKind.ORIGIN_GROUP, (Item(ItemKind.ORIGIN_GROUP, "g-1", {"origins": "o-1"}),)),
            Listing(ItemKind.DOMAIN, (Item(ItemKind.DOMAIN, "a.example.com"),)),
        )
        members = ("origin_group_members", label_set({"status": "active"}))
        counted = replace(states("cdnv", "leaseweb", members, {"resource": "g-1"}), listings=listings)
        await store.book.commit(Tick(NOON, [poll(counted)]))

    path = filled(groups)
    ended = cli("sources", "inventory", "-c", path)
    origins = cli("sources", "inventory", "--json", "-c", path).json["origins"]

    assert ended.out.splitlines()[:2] == ["o.example.com", "  domains not known"]
    assert "origin o.example.com" not in ended.out
    assert origins == [{"origin": "o.example.com", "sources": ["cdnv"], "domains": None, "groups": ["g-1"]}]


def test_as_json_it_holds_everything(config: Path, cli: Cli) -> None:
    found = cli("sources", "inventory", "--json", "-c", config).json

    assert [one["origin"] for one in found["origins"]] == ["o.example.com", "p"]
    first = found["domains"][0]
    assert (first["domain"], first["vendors"], first["origins"]) == (
        "a.example.com",
        ["cdnvideo"],
        ["o.example.com"],
    )
    assert [(one["certificate"], one["probed"]) for one in first["certificates"]] == [
        ("c1", False),
        ("a.example.com", True),
    ]
    assert {(one["kind"], one["id"]) for one in found["items"]} == {
        ("domain", "a.example.com"),
        ("domain", "b.example.com"),
        ("certificate", "c1"),
        ("certificate", "a.example.com"),
    }


def test_changes_are_told_newest_first(config: Path, cli: Cli) -> None:
    ended = cli("sources", "inventory", "--changes", "-c", config)
    as_json = cli("sources", "inventory", "--changes", "--limit", 1, "--json", "-c", config).json["changes"]
    none = cli("sources", "inventory", "--changes", "--since", "0s", "-c", config)

    assert ended.out.splitlines()[1].endswith("domain       a.example.com  status: online -> offline")
    assert [line.split()[-1] for line in ended.out.splitlines()[2:]] == ["appeared"] * 4
    (change,) = as_json
    assert (change["fact"], change["before"], change["after"]) == ("status", "online", "offline")
    assert none.out == "nothing has changed\n"


def test_sources_that_are_no_longer_configured_are_left_out(config: Path, cli: Cli) -> None:
    config.write_text("sources: [{name: other, vendor: tls, targets: [a.example.com]}]\n")
    ended = cli("sources", "inventory", "-c", config)

    assert ended.code == 0
    assert ended.out.splitlines() == [
        "no source has listed anything yet",
        "not looked at",
        "  source other: has given nothing yet",
    ]


def test_without_a_database_it_is_wrong_use(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "watcher.yaml"
    path.write_text("sources: [{name: edge, vendor: tls, targets: [a.example.com]}]\n")
    ended = cli("sources", "inventory", "-c", path)

    assert ended.code == 2
    assert "there is no such file" in ended.err
