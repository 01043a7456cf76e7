"""Routes that no incident can take: shadowed by those before, or matching what nothing has."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.rule import Severity
from watcher.notify.reach import Nameable, Unreachable, unreachable
from watcher.notify.receivers import ReceiverSettings
from watcher.notify.routing import Router, RouteSettings

MAIL = ReceiverSettings.model_validate({"name": "mail", "urls": ["json://127.0.0.1/a"]})
KNOWN = Nameable(
    {"http_5xx_spike": frozenset({"resource"}), "collector_down": frozenset({"stream"})},
    {"cdnv": "cdnvideo", "lsw": "leaseweb"},
)


Match: TypeAlias = Mapping[str, object]


def found(*matches: Match, go_on: tuple[int, ...] = ()) -> list[Unreachable]:
    routes = [
        RouteSettings.model_validate({"match": match, "to": ["mail"], "continue": at in go_on})
        for at, match in enumerate(matches)
    ]
    return list(unreachable(Router(routes, [MAIL]).routes, KNOWN))


@pytest.mark.parametrize(
    "matches",
    [
        [{}, {"severity": "critical"}],
        [{"source": "cdnv"}, {"source": "cdnv", "severity": "critical"}],
        [{"source": "cdnv"}, {"vendor": "cdnvideo"}],
        [{"severity": ["critical", "warning"]}, {"severity": "warning"}],
        [{"rule": "~http_.*"}, {"rule": "http_5xx_spike"}],
        [{"resource": ["shop", "blog"]}, {"resource": "shop"}],
        [{"resource": "~shop.*"}, {"resource": ["shop-1", "shop-2"]}],
        [{"resource": "~shop.*"}, {"resource": "~shop.*", "severity": "info"}],
    ],
)
def test_a_route_whose_incidents_one_before_takes_is_never_taken(matches: Sequence[Match]) -> None:
    assert found(*matches) == [Unreachable(1, shadowed_by=(0,))]
    assert found(*matches, go_on=(0,)) == []


def test_several_routes_together_may_take_all_that_is_left() -> None:
    every: Sequence[Match] = [{"severity": str(severity)} for severity in Severity]

    assert found(*every, {}) == [Unreachable(3, shadowed_by=(0, 1, 2))]
    assert found(*every[:2], {}) == []


@pytest.mark.parametrize(
    "matches",
    [
        [{"resource": "shop"}, {"source": "cdnv"}],
        [{"resource": "shop"}, {"resource": "~sh.*"}],
        [{"resource": "~shop-1"}, {"resource": "~shop-.*"}],
        [{"source": "cdnv", "resource": "shop"}, {"source": "cdnv"}],
        [{"stream": ""}, {}],
    ],
)
def test_a_route_that_may_be_taken_is_not_complained_of(matches: Sequence[Match]) -> None:
    assert found(*matches) == []


@pytest.mark.parametrize(
    ("match", "label"),
    [
        ({"sorce": "cdnv"}, "sorce"),
        ({"source": "cdnw"}, "source"),
        ({"severity": "crit"}, "severity"),
        ({"rule": "~https_.*"}, "rule"),
        ({"source": "cdnv", "vendor": "leaseweb"}, ""),
        ({"rule": "collector_down", "resource": "shop"}, ""),
    ],
)
def test_a_route_that_matches_what_nothing_has_says_by_which_label(match: Match, label: str) -> None:
    assert found(match) == [Unreachable(0, label=label)]


def test_a_label_that_an_incident_may_lack_can_be_asked_to_be_absent() -> None:
    assert found({"sorce": ""}, {"account": "main"}) == [Unreachable(1, shadowed_by=(0,))]


def test_without_rules_or_sources_nothing_is_known() -> None:
    routes = Router([RouteSettings(match={"sorce": "x"}, to=("mail",))], [MAIL]).routes

    assert list(unreachable(routes, Nameable({}, {"cdnv": "cdnvideo"}))) == []
    assert list(unreachable(routes, Nameable(KNOWN.rules, {}))) == []


MATCHES = st.dictionaries(
    st.sampled_from(["source", "severity", "rule", "resource"]),
    st.sampled_from(["cdnv", "lsw", "critical", "info", "http_5xx_spike", "shop", "~s.*", ""]),
    max_size=3,
)


@given(
    matches=st.lists(MATCHES, max_size=5),
    go_on=st.frozensets(st.integers(0, 4)),
    rule=st.sampled_from(sorted(KNOWN.rules)),
    source=st.sampled_from(sorted(KNOWN.sources)),
    severity=st.sampled_from(Severity),
    resource=st.sampled_from(["", "shop", "blog", "critical"]),
)
def test_no_incident_ever_takes_a_route_that_is_complained_of(
    matches: Sequence[Match],
    go_on: frozenset[int],
    rule: str,
    source: str,
    severity: Severity,
    resource: str,
) -> None:
    routes = [
        RouteSettings.model_validate({"match": match, "to": ["mail"], "continue": at in go_on})
        for at, match in enumerate(matches)
    ]
    labels = {"rule": rule, "source": source, "vendor": KNOWN.sources[source], "severity": str(severity)}
    if "resource" in KNOWN.rules[rule]:
        labels["resource"] = resource

    router = Router(routes, [MAIL])
    complained_of = {one.route for one in unreachable(router.routes, KNOWN)} if routes else set[int]()
    taken = {router.routes.index(route) for route in router.chosen(labels)}
    if routes:
        assert not taken & complained_of
