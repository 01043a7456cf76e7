"""What all sources know, joined."""

from watcher.model.estate import joined
from watcher.model.inventory import Item, ItemKind, Known

ORIGIN, GROUP, DOMAIN = ItemKind.ORIGIN, ItemKind.ORIGIN_GROUP, ItemKind.DOMAIN
DISTRIBUTION, CERTIFICATE = ItemKind.DISTRIBUTION, ItemKind.CERTIFICATE


def known(source: str, kind: ItemKind, name: str, /, **facts: str) -> Known:
    vendor = {"ali": "alibaba_cdn", "lsw": "leaseweb", "edge": "tls"}[source]
    return Known(source, vendor, Item(kind, name, facts))


def test_an_origin_leads_to_its_domains_whoever_says_so() -> None:
    estate = joined(
        [
            known("ali", ORIGIN, "origin.example.com", domains="a.example.com,b.example.com"),
            known("ali", DOMAIN, "a.example.com", origins="origin.example.com"),
            known("ali", DOMAIN, "b.example.com"),
            known("lsw", ORIGIN, "o-1", host="origin.example.com"),
            known("lsw", GROUP, "g-1", origins="o-1"),
            known("lsw", DISTRIBUTION, "d-1", origin_group="g-1"),
            known("lsw", DOMAIN, "c.example.com", distribution="d-1"),
            known("lsw", DOMAIN, "d.example.com"),
        ]
    )

    (origin,) = estate.origins
    assert (origin.name, {one.source for one in origin.listed}) == ("origin.example.com", {"ali", "lsw"})
    assert origin.domains == ("a.example.com", "b.example.com", "c.example.com")
    assert [domain.name for domain in estate.domains if not domain.origins] == ["d.example.com"]


def test_an_origin_that_only_a_domain_names_is_one() -> None:
    estate = joined([known("ali", DOMAIN, "a", origins="x, y"), known("ali", ORIGIN, "z")])

    assert [(origin.name, origin.domains) for origin in estate.origins] == [
        ("x", ("a",)),
        ("y", ("a",)),
        ("z", ()),
    ]


def test_a_domain_has_the_certificates_it_refers_to_those_that_name_it_and_what_probes_saw() -> None:
    estate = joined(
        [
            known("edge", CERTIFICATE, "a.example.com", domains="a.example.com", not_after="2027"),
            known("lsw", CERTIFICATE, "c1", name="bought in May", not_after="2028"),
            known("lsw", CERTIFICATE, "c2", common_name="*.Example.com"),
            known("lsw", CERTIFICATE, "c3", common_name="example.com"),
            known("lsw", DISTRIBUTION, "d-1", certificate="c1,c9"),
            known("lsw", DOMAIN, "a.example.com", distribution="d-1"),
            known("ali", DOMAIN, "a.example.com"),
        ]
    )

    (domain,) = estate.domains
    assert [one.known.item.id for one in domain.certificates] == ["c1", "c2", "a.example.com"]
    assert [one.not_after for one in domain.certificates] == ["2028", "", "2027"]
    assert [one.source for one in domain.listed] == ["lsw", "ali"]


def test_a_name_that_is_only_probed_is_a_domain_that_nobody_lists() -> None:
    probed = known("edge", CERTIFICATE, "a.example.com:8443", domains="a.example.com")
    (domain,) = joined([probed]).domains

    assert (domain.name, domain.listed, domain.is_served) == ("a.example.com", (), False)
    assert [one.known for one in domain.certificates] == [probed]


def test_what_is_gone_is_left_out() -> None:
    gone = Known("ali", "alibaba_cdn", Item(DOMAIN, "old"), gone_at=1)
    (domain,) = joined([gone, known("ali", DOMAIN, "a", status="configuring")]).domains

    assert domain.name == "a"
    assert domain.is_served


def test_an_origin_whose_source_links_no_domain_feeds_nobody_knows_what() -> None:
    estate = joined(
        [
            known("lsw", ORIGIN, "o-1", host="origin.example.com"),
            known("lsw", GROUP, "g-1", origins="o-1,o-2"),
            known("lsw", DOMAIN, "c.example.com"),
            known("ali", ORIGIN, "idle.example.com"),
            known("ali", DOMAIN, "a.example.com", origins="fed.example.com"),
        ]
    )

    assert [(one.name, one.is_linked, [group.item.id for group in one.groups]) for one in estate.origins] == [
        ("fed.example.com", True, []),
        ("idle.example.com", True, []),
        ("origin.example.com", False, ["g-1"]),
    ]
