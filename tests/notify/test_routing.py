"""Who is owed a message."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from tests.notify.doubles import SPIKE, T
from watcher.document.secrets import SecretUrl
from watcher.model.incident import Change, IncidentKey, Transition
from watcher.model.labels import label_set
from watcher.model.message import Owed, Policy
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE
from watcher.notify.receivers import ReceiverSettings
from watcher.notify.routing import GROUP_INTERVAL, GROUP_WAIT, OWN_TROUBLE, Router, RouteSettings

ONCALL = ReceiverSettings.model_validate({"name": "oncall", "urls": ["json://127.0.0.1/a"]})
MAIL = ReceiverSettings.model_validate(
    {"name": "mail", "urls": ["mailto://a.example.com", "mailto://b.example.com"]}
)


def transition(change: Change = Change.OPENED, severity: Severity = Severity.CRITICAL) -> Transition:
    labels = label_set({"source": "cdnv", "vendor": "cdnvideo", "resource": "shop"})
    key = IncidentKey("http_5xx_spike", labels)
    return Transition(change, key, severity, T, T, None, T, "summary", SPIKE)


def router(*routes: dict[str, object]) -> Router:
    return Router([RouteSettings.model_validate(route) for route in routes], [ONCALL, MAIL])


def targets(router: Router, moved: Transition, *, follow: bool = False) -> list[str]:
    """Whom today's routes point to, or who else is told what follows an opening they heard of."""
    return [owed.target for owed in router.owed(moved, at=T, catching_up=False) if owed.follows is follow]


def test_the_first_route_that_matches_wins() -> None:
    routes = router({"match": {"severity": "critical"}, "to": ["oncall"]}, {"to": ["mail"]})

    assert targets(routes, transition()) == ["oncall/0"]
    assert targets(routes, transition(severity=Severity.INFO)) == ["mail/0", "mail/1"]


def test_continue_goes_on_and_a_target_is_told_once_by_the_first_route_that_names_it() -> None:
    routes = router(
        {"match": {"source": ["cdnv", "lsw"]}, "to": ["oncall"], "continue": True, "repeat": "1h"},
        {"match": {}, "to": ["mail", "oncall"], "repeat": "24h"},
    )

    owed = {row.target: row.repeat for row in routes.owed(transition(), at=T, catching_up=False)}

    assert owed == {"oncall/0": HOUR, "mail/0": 24 * HOUR, "mail/1": 24 * HOUR}


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"rule": "~http_.*"}, True),
        ({"rule": "~5xx"}, False),
        ({"resource": ["shop", "blog"]}, True),
        ({"resource": "shop", "region": ""}, True),
        ({"resource": "shop", "severity": "warning"}, False),
    ],
)
def test_matchers_see_labels_rule_and_severity(match: dict[str, object], *, expected: bool) -> None:
    routes = router({"match": match, "to": ["oncall"]})

    assert bool(targets(routes, transition())) is expected


def test_what_no_route_matches_is_owed_to_nobody() -> None:
    assert targets(router({"match": {"rule": "other"}, "to": ["mail"]}), transition()) == []


def test_without_routes_every_receiver_is_told_and_without_receivers_nobody() -> None:
    assert targets(router(), transition()) == ["oncall/0", "mail/0", "mail/1"]
    assert Router([], []).owed(transition(), at=T, catching_up=False) == ()


def test_a_moved_start_is_not_told() -> None:
    assert targets(router(), transition(Change.MOVED)) == []


@pytest.mark.parametrize(
    "change", [Change.RESOLVED, Change.REOPENED, Change.WITHDRAWN, Change.MERGED, Change.UNJUDGED]
)
def test_what_comes_after_an_opening_follows_it_to_every_target_that_heard_of_it(change: Change) -> None:
    """The book knows where the opening went: neither the severity nor the routes need be the same now."""
    routes = router({"match": {"severity": "critical"}, "to": ["oncall"]})

    assert targets(routes, transition(change)) == ["oncall/0"]
    assert targets(routes, transition(change), follow=True) == ["mail/0", "mail/1"]
    assert targets(routes, transition(change, Severity.INFO), follow=True) == ["oncall/0", "mail/0", "mail/1"]


def test_an_opening_follows_nothing() -> None:
    routes = router({"to": ["oncall"]})

    assert targets(routes, transition(), follow=True) == []


def test_only_an_opening_waits_for_its_group_and_is_repeated() -> None:
    routes = router({"to": ["oncall"], "group_wait": "30s", "repeat": "1h"})

    opened = routes.owed(transition(), at=T, catching_up=False)
    over, *_followers = routes.owed(transition(Change.RESOLVED), at=T, catching_up=False)

    ready = T + MINUTE // 2
    assert opened == (Owed("oncall/0", ready, held=False, repeat=HOUR, ready_at=ready, route="routes[0]"),)
    assert over == Owed("oncall/0", T, held=False, repeat=0, ready_at=T, route="routes[0]")


def test_while_catching_up_a_row_is_held_for_a_minute_at_most() -> None:
    owed = router({"to": ["oncall"]}).owed(transition(Change.RESOLVED), at=T, catching_up=True)

    assert owed[0] == Owed("oncall/0", T + MINUTE, held=True, repeat=0, ready_at=T, route="routes[0]")
    assert {(row.not_before, row.held) for row in owed} == {(T + MINUTE, True)}


def test_a_held_opening_is_ready_when_its_group_has_waited() -> None:
    routes = router({"to": ["oncall"], "group_wait": "30s"})

    owed = routes.owed(transition(), at=T, catching_up=True)

    assert [(row.not_before, row.ready_at) for row in owed] == [(T + MINUTE, T + MINUTE // 2)]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"to": ["mail"], "matches": {}}, "Extra inputs"),
        ({"to": []}, "at least 1 item"),
        ({"to": ["mail"], "match": {"rule": "~("}}, "not a regular expression"),
        ({"to": ["mail"], "repeat": 60}, "60 has no unit"),
    ],
)
def test_a_route_that_cannot_be_is_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        RouteSettings.model_validate(settings)


def test_each_url_of_a_receiver_is_a_target_whose_secret_is_never_printed() -> None:
    receiver = ReceiverSettings.model_validate(
        {"name": "mail", "urls": [{"env": "SLACK_URL"}, "mailto://user:{env:PW}@example.com"]}
    )

    assert list(receiver.targets()) == ["mail/0", "mail/1"]
    assert all(isinstance(url, SecretUrl) for url in receiver.targets().values())
    assert "{env: SLACK_URL}" in repr(receiver)


def test_a_rise_points_to_the_routes_of_the_new_severity_and_follows_elsewhere() -> None:
    routes = router(
        {"match": {"severity": "critical"}, "to": ["oncall"], "repeat": "1h", "group_wait": "5m"},
        {"to": ["mail"]},
    )
    rose = transition(Change.ROSE)
    (first,) = [row for row in routes.owed(rose, at=T, catching_up=False) if not row.follows]

    assert (first.target, first.repeat, first.not_before) == ("oncall/0", HOUR, T)
    assert targets(routes, rose, follow=True) == ["mail/0", "mail/1"]


@pytest.mark.parametrize("change", [Change.FELL, Change.JOINED, Change.MOVED])
def test_what_is_only_recorded_is_owed_to_nobody(change: Change) -> None:
    assert router({"to": ["mail"]}).owed(transition(change), at=T, catching_up=False) == ()


def test_what_a_wider_incident_tells_of_is_owed_to_nobody() -> None:
    quiet = replace(transition(), quiet=True)

    assert router({"to": ["mail"]}).owed(quiet, at=T, catching_up=False) == ()


def test_a_rule_on_trial_opens_for_nobody_and_ends_where_it_was_told_before() -> None:
    routes = router({"to": ["mail"]})
    opened = replace(transition(), shadow=True)
    over = replace(transition(Change.RESOLVED), shadow=True)

    assert routes.owed(opened, at=T, catching_up=False) == ()
    assert targets(routes, over) == []
    assert targets(routes, over, follow=True) == ["oncall/0", "mail/0", "mail/1"]


def test_what_no_wider_incident_explains_after_all_is_routed_as_an_opening() -> None:
    assert targets(router({"to": ["mail"]}), transition(Change.PARTED)) == ["mail/0", "mail/1"]


def test_a_row_says_by_which_route_it_is_told_in_which_group_and_how() -> None:
    routes = router(
        {"match": {"severity": "info"}, "to": ["mail"]},
        {
            "name": "ops",
            "to": ["oncall"],
            "group_by": ["source", "rule", "region"],
            "repeat": "1h",
            "repeat_max": "8h",
            "mute": ["nights"],
            "digest": "1h",
            "digest_below": "critical",
        },
    )

    owed = routes.owed(transition(), at=T, catching_up=False)[0]

    assert (owed.route, owed.not_before) == ("ops", T + GROUP_WAIT)
    assert owed.group == '{"region": "", "rule": "http_5xx_spike", "source": "cdnv"}'
    assert owed.policy == Policy(8 * HOUR, GROUP_INTERVAL, ("nights",), HOUR, Severity.CRITICAL)


def test_a_drill_waits_for_no_group_no_digest_and_no_mute() -> None:
    calm = router(
        {"to": ["oncall"], "group_by": ["source"], "group_wait": "5m", "digest": "1h", "mute": ["nights"]}
    )

    [owed] = calm.owed(replace(transition(), drill=True), at=T, catching_up=False)

    assert (owed.not_before, owed.ready_at, owed.group, owed.policy) == (T, T, "", Policy())
    assert owed.route == "routes[0]"


def test_a_group_of_no_labels_is_the_whole_route_and_without_any_each_is_told_by_itself() -> None:
    whole, each = router({"to": ["oncall"], "group_by": []}), router({"to": ["oncall"]})

    groups = [one.owed(transition(), at=T, catching_up=False)[0].group for one in (whole, each)]
    assert groups == ["{}", ""]


def failing(target: str, change: Change = Change.OPENED) -> Transition:
    labels = label_set({"source": "watcher", "vendor": "watcher", "target": target})
    return replace(transition(change), key=IncidentKey(OWN_TROUBLE, labels))


def test_that_a_target_takes_nothing_is_told_to_others() -> None:
    everybody = router({"to": ["oncall", "mail"]})

    assert targets(everybody, failing("oncall/0")) == ["mail/0", "mail/1"]
    assert targets(everybody, failing("mail/0")) == ["oncall/0", "mail/1"]


def test_where_the_routes_lead_nowhere_else_it_is_told_to_all_others() -> None:
    alone = router({"to": ["oncall"]})

    assert targets(alone, failing("oncall/0")) == ["mail/0", "mail/1"]
    assert targets(alone, failing("oncall/0", Change.RESOLVED)) == ["mail/0", "mail/1"]
    assert targets(router({"match": {"rule": "other"}, "to": ["oncall"]}), failing("oncall/0")) == [
        "mail/0",
        "mail/1",
    ]


def test_the_end_of_what_flaps_is_due_when_it_cannot_come_back_and_says_why() -> None:
    end = replace(transition(Change.RESOLVED), rest=30 * MINUTE)
    told = router({"to": ["mail"]}).owed(end, at=T, catching_up=True)

    assert {(row.not_before, row.ready_at, row.reason) for row in told} == {
        (T + 30 * MINUTE, T + 30 * MINUTE, "flapping")
    }


def test_that_something_flaps_is_told_at_once_and_that_it_no_longer_does_to_nobody() -> None:
    of_group = router({"to": ["oncall"], "group_by": [], "repeat": "1h"})
    flaps, *others = of_group.owed(transition(Change.FLAPPING), at=T, catching_up=False)

    assert all(row.follows for row in others)
    assert (flaps.not_before, flaps.repeat, flaps.reason) == (T, HOUR, "")
    assert of_group.owed(transition(Change.STEADY), at=T, catching_up=False) == ()
