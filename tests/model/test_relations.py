"""What an origin feeds at all sources, and which incidents others explain."""

from dataclasses import replace
from typing import Final

import pytest

from tests.notify.doubles import incident
from watcher.model.incident import Affected, Incident, IncidentKey, Status
from watcher.model.inhibition import Inhibit, Inhibition, Inhibitors
from watcher.model.inventory import Item, ItemKind, Known
from watcher.model.labels import label_set
from watcher.model.relations import Relations
from watcher.model.rule import Severity
from watcher.model.silence import matchers_of

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING
SPIKE: Final = "http_5xx_spike"
TRAFFIC: Final = Inhibition(traffic=frozenset({SPIKE, "traffic_loss", "origin_5xx_spike"}))


def listed(source: str, kind: ItemKind, id_: str, **facts: str) -> Known:
    return Known(source, "alibaba_cdn" if source == "ali" else "leaseweb", Item(kind, id_, facts))


KNOWN = [
    listed("ali", ItemKind.ORIGIN, "origin.example.com"),
    listed("ali", ItemKind.DOMAIN, "a.example.com", origins="origin.example.com"),
    listed("ali", ItemKind.DOMAIN, "b.example.com", origins="origin.example.com,other.example.com"),
    listed("ali", ItemKind.DOMAIN, "c.example.com", origins="other.example.com", account="one"),
    listed("lsw", ItemKind.ORIGIN, "o1", host="origin.example.com"),
    listed("lsw", ItemKind.ORIGIN_GROUP, "g1", origins="o1"),
    listed("lsw", ItemKind.DISTRIBUTION, "d1", name="shop", origin_group="g1"),
    listed("lsw", ItemKind.DOMAIN, "shop.example.com", distribution="d1"),
    replace(listed("ali", ItemKind.DOMAIN, "gone.example.com", origins="origin.example.com"), gone_at=1),
]
RELATIONS = Relations(KNOWN)


def about(rule: str, severity: Severity = WARNING, *, id_: str = "", **labels: str) -> Incident:
    key = IncidentKey(rule, label_set(labels))
    return replace(incident(), id=id_ or f"{rule}-{labels}", key=key, severity=severity)


A = about(SPIKE, source="ali", resource="a.example.com")
C = about(SPIKE, source="ali", resource="c.example.com")
SHOP = about(SPIKE, CRITICAL, source="lsw", resource="d1")
GROUP = about("origin_group_empty", CRITICAL, source="lsw", resource="g1")
PARENT = about("origin_5xx_spike", source="ali", origin="origin.example.com")


def explaining(subject: Incident, *standing: Incident, known: Inhibition = TRAFFIC) -> Incident | None:
    return Inhibitors([subject, *standing], RELATIONS, known).of(subject)


def test_an_origins_incident_lists_its_domains_at_every_source_the_hurt_ones_first() -> None:
    assert RELATIONS.affected(PARENT, [SHOP, A, replace(C, status=Status.RESOLVED)]) == (
        Affected("ali", "a.example.com", "a.example.com", hurt=True),
        Affected("lsw", "d1", "shop", hurt=True),
        Affected("lsw", "shop.example.com", "shop.example.com", hurt=True),
        Affected("ali", "b.example.com", "b.example.com", hurt=False),
    )


def test_a_groups_incident_lists_what_it_serves() -> None:
    assert RELATIONS.affected(GROUP, [GROUP]) == (
        Affected("lsw", "d1", "shop", hurt=False),
        Affected("lsw", "shop.example.com", "shop.example.com", hurt=False),
    )


def test_an_incident_about_the_origin_of_one_domain_lists_what_else_that_origin_feeds() -> None:
    leaf = about("origin_5xx_spike", source="ali", resource="a.example.com")

    names = [(one.name, one.hurt) for one in RELATIONS.affected(leaf, [leaf])]

    assert names == [
        ("a.example.com", True),
        ("b.example.com", False),
        ("shop", False),
        ("shop.example.com", False),
    ]


@pytest.mark.parametrize("subject", [A, about("collector_down", source="ali"), about("x", account="one")])
def test_an_incident_that_is_about_no_origin_lists_nothing(subject: Incident) -> None:
    assert RELATIONS.affected(subject, [A]) == ()


@pytest.mark.parametrize(
    ("subject", "wider"),
    [
        (A, PARENT),
        (SHOP, GROUP),
        (about(SPIKE, source="lsw", resource="d1"), PARENT),
        (C, about(SPIKE, CRITICAL, source="ali", account="one")),
        (A, about("collector_down", source="ali")),
        (A, about("data_stopped", source="ali", tier="edge")),
        (about("data_stopped", source="ali"), about("collector_down", source="ali", stream="statistics")),
    ],
)
def test_a_wider_incident_explains_what_it_reaches(subject: Incident, wider: Incident) -> None:
    assert explaining(subject, wider) == wider


@pytest.mark.parametrize(
    ("subject", "other"),
    [
        (C, PARENT),  # another origin
        (SHOP, PARENT),  # graver than what would hide it
        (A, about("collector_down", source="lsw")),  # another source
        (A, about("collector_down", source="ali", stream="listing")),  # one stream of several
        (about("certificate_expiry", source="ali", domain="a.example.com"), PARENT),  # another matter
        (about("job_failed", source="lsw", resource="d1"), GROUP),
        (PARENT, A),  # the narrower never explains the wider
        (A, A),
        (A, replace(PARENT, status=Status.RESOLVED)),
        (A, replace(PARENT, shadow=True)),
        (A, replace(PARENT, drill=True)),
        (replace(A, drill=True), PARENT),
    ],
)
def test_what_does_not_reach_it_or_is_told_to_nobody_explains_nothing(
    subject: Incident, other: Incident
) -> None:
    assert explaining(subject, other) is None


def test_leaves_of_a_wider_incident_say_what_belongs_to_it_where_no_inventory_does() -> None:
    """A resource that fails with its account by one rule is of that account for the others too."""
    account = about(SPIKE, CRITICAL, id_="wide", source="cdnv", account="one")
    leaf = replace(about(SPIKE, source="cdnv", resource="r1"), parent_id="wide")
    loss = about("traffic_loss", CRITICAL, source="cdnv", resource="r1")
    other = about("traffic_loss", CRITICAL, source="cdnv", resource="r2")

    assert explaining(loss, account, leaf) == account
    assert explaining(other, account, leaf) is None


def test_what_is_drawn_by_hand_explains_by_matchers_and_equal_labels() -> None:
    drawn = Inhibit(matchers_of({"rule": "http_probe_failing"}), matchers_of({"severity": "warning"}))
    probe = about("http_probe_failing", CRITICAL, source="ali", target="x")
    known = Inhibition((drawn,))

    assert explaining(A, probe, known=known) == probe
    assert explaining(about(SPIKE, source="lsw", resource="d1"), probe, known=known) is None
    anywhere = Inhibition((replace(drawn, equal=()),))
    assert explaining(about(SPIKE, source="lsw", resource="d1"), probe, known=anywhere) == probe


def test_what_could_explain_its_like_explains_none_of_them() -> None:
    same = matchers_of({"rule": SPIKE})
    known = Inhibition((Inhibit(same, same),))

    assert explaining(A, C, known=known) is None
    assert explaining(C, A, known=known) is None


def test_the_gravest_then_the_oldest_is_named() -> None:
    blind = about("collector_down", source="ali")
    older = replace(PARENT, id="older", opened_at=PARENT.opened_at - 1)
    grave = replace(PARENT, id="grave", severity=CRITICAL)

    assert explaining(A, blind, PARENT, older, grave) == grave
    assert explaining(A, PARENT, older) == older
