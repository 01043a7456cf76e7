"""The truth of a simulation: what should be found, and what may be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.simulate.asking import NOON, RESOURCES, StandingClock
from watcher.model.time import parse_duration
from watcher.simulate.findable import FLOORS, WAITS
from watcher.simulate.scenario import scenario
from watcher.simulate.truth import Planted, planted
from watcher.simulate.vendor import Scene

Entry = Mapping[str, Any]


def told(**written: Any) -> list[Planted]:  # noqa: ANN401 - as in a scenario file
    story = scenario({"resources": RESOURCES, **written})
    return planted(story, Scene.of(story, clock=StandingClock(), anchor=NOON))


def rule_at(vendor: str, **written: Any) -> str | None:  # noqa: ANN401 - as in a scenario file
    """Of the only thing that is planted at a vendor."""
    (found,) = [one for one in told(**written) if one.vendor == vendor]
    return found.rule


@pytest.mark.parametrize(
    ("listener", "rule", "also"),
    [
        ({}, None, set()),
        ({"days_left": 3}, "certificate_expiry", set()),
        ({"trusted": False}, "certificate_invalid", set()),
        ({"days_left": 3, "trusted": False}, "certificate_invalid", {"certificate_expiry"}),
    ],
)
def test_a_certificate_may_be_wrong_in_two_ways(
    listener: dict[str, Any], rule: str | None, also: set[str]
) -> None:
    (found,) = told(tls=[{"name": "a.example.com", **listener}])

    assert (found.rule, set(found.also)) == (rule, also)


@pytest.mark.parametrize(
    ("changed", "rule", "also"),
    [
        ({}, "collector_down", set()),
        ({"every": 20}, None, {"collector_down"}),
        ({"start": "+1m", "lasts": "2m"}, None, {"collector_down"}),
        ({"start": "+1m", "lasts": "7m"}, "collector_down", set()),
        ({"start": "-1h", "lasts": "50m"}, None, set()),
    ],
)
def test_a_refusal_now_and_then_or_for_a_moment_need_not_be_told_of(
    changed: Entry, rule: str | None, also: set[str]
) -> None:
    fault = {"kind": "refusal", "status": 504, **changed}
    (found,) = told(cdnvideo={"faults": [fault]})

    assert (found.rule, set(found.also)) == (rule, also)


@pytest.mark.parametrize(
    ("vendor", "fault", "rule"),
    [
        ("leaseweb", {"kind": "unauthorized"}, "credentials_rejected"),
        ("leaseweb", {"kind": "revoked"}, "credentials_rejected"),
        ("leaseweb", {"kind": "denied"}, "permission_missing"),
        ("leaseweb", {"kind": "ungrouped"}, "contract_changed"),
        ("alibaba", {"kind": "revoked"}, "credentials_rejected"),
        ("alibaba", {"kind": "refusal", "status": 400, "code": "Throttling.User"}, "quota_nearly_spent"),
        ("alibaba", {"kind": "refusal", "status": 400}, "request_refused"),
        ("swiftfederation", {"kind": "revoked"}, "credentials_rejected"),
        ("swiftfederation", {"kind": "operation_failed"}, "collector_down"),
        ("swiftfederation", {"kind": "refusal", "status": 400, "code": "Signature.Expired"}, "clock_skewed"),
        ("swiftfederation", {"kind": "skewed", "by": "+3h"}, "clock_skewed"),
        ("swiftfederation", {"kind": "skewed", "by": "+10m"}, None),
        ("cdnvideo", {"kind": "skewed", "by": "-10m"}, "clock_skewed"),
        ("cdnvideo", {"kind": "skewed", "by": "+3h"}, None),
        ("cdnvideo", {"kind": "refused_inside"}, "credentials_rejected"),
        ("cdnvideo", {"kind": "refused_inside", "calls": ["metrics"]}, None),
        ("cdnvideo", {"kind": "echoed_token"}, "permission_missing"),
        ("cdnvideo", {"kind": "refusal", "status": 403, "calls": ["metrics"]}, "permission_missing"),
        ("cdnvideo", {"kind": "html"}, "contract_changed"),
        ("cdnvideo", {"kind": "html", "status": 502}, "collector_down"),
        ("cdnvideo", {"kind": "slow"}, "collector_down"),
        ("cdnvideo", {"kind": "slow", "delay": "1s"}, None),
        ("huawei", {"kind": "refusal", "status": 401}, "credentials_rejected"),
        ("huawei", {"kind": "refusal", "status": 400, "code": "APIG.0308"}, "quota_nearly_spent"),
        ("huawei", {"kind": "skewed", "by": "+20m"}, "clock_skewed"),
    ],
)
def test_a_fault_is_found_under_the_rule_of_its_family(vendor: str, fault: Entry, rule: str | None) -> None:
    assert rule_at(vendor, **{vendor: {"faults": [fault]}}) == rule


def brokered(trouble: Entry, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as in a scenario file
    resource = {"id": "a", "requests_per_minute": 900, "providers": {"edgio": 0.9, "gcore": 0.1}}
    return {"resources": [resource], "troubles": [{"resource": "a", "start": "-1h", **trouble}], **more}


@pytest.mark.parametrize(
    ("vendor", "trouble", "rule"),
    [
        ("cdnvideo", {"kind": "single_code_burst", "code": 404, "share": 0.4}, "http_4xx_surge"),
        ("cdnvideo", {"kind": "single_code_burst", "code": 502, "share": 0.4}, "http_5xx_spike"),
        ("cdnvideo", {"kind": "single_code_burst", "code": 301, "share": 0.4}, None),
        ("leaseweb", {"kind": "single_code_burst", "code": 404, "share": 0.4}, "http_4xx_surge"),
        ("leaseweb", {"kind": "single_code_burst", "code": 530, "share": 0.4}, "http_5xx_spike"),
        ("swiftfederation", {"kind": "single_code_burst", "code": 530, "share": 0.4}, "http_status_burst"),
        ("swiftfederation", {"kind": "5xx_burst", "share": 0.4}, "origin_5xx_spike"),
        ("swiftfederation", {"kind": "5xx_burst", "share": 0.4, "tier": "edge"}, None),
        ("cdnvideo", {"kind": "5xx_burst", "share": 0.4, "tier": "edge"}, "http_5xx_spike"),
        ("cdnvideo", {"kind": "5xx_burst", "share": 0}, None),
        ("cdnvideo", {"kind": "5xx_burst", "share": 0.4, "lasts": "1m"}, None),
        ("cdnvideo", {"kind": "5xx_burst", "share": 0.1, "provider": "gcore"}, None),
        ("cdnvideo", {"kind": "hit_ratio_collapse", "to": 0.85}, None),
        ("cdnvideo", {"kind": "traffic_loss", "share": 0.5}, None),
        ("cdnvideo", {"kind": "traffic_loss", "share": 0.95}, "traffic_loss"),
        ("cdnvideo", {"kind": "slowness", "times": 1.2}, None),
        ("leaseweb", {"kind": "certificate_near_expiry", "days_left": 80}, None),
        ("leaseweb", {"kind": "certificate_near_expiry"}, "certificate_expiry"),
        ("leaseweb", {"kind": "certificate_invalid", "valid": True}, None),
        ("leaseweb", {"kind": "failed_job", "status": "FINISHED"}, None),
        ("leaseweb", {"kind": "failed_job"}, "job_failed"),
        ("leaseweb", {"kind": "stuck_job", "lasts": "10m"}, None),
        ("leaseweb", {"kind": "stuck_job"}, "job_stuck"),
        ("leaseweb", {"kind": "stuck_change"}, "domain_not_serving"),
        ("alibaba", {"kind": "domain_offline", "status": "online"}, None),
        ("alibaba", {"kind": "domain_offline"}, "domain_not_serving"),
        ("alibaba", {"kind": "domain_offline", "lasts": "30m"}, None),
        ("alibaba", {"kind": "stuck_change"}, "domain_stuck"),
        ("alibaba", {"kind": "domain_gone"}, "origin_orphaned"),
    ],
)
def test_a_trouble_is_found_by_how_large_it_is_and_what_it_says(
    vendor: str, trouble: Entry, rule: str | None
) -> None:
    assert rule_at(vendor, **brokered(trouble)) == rule


def test_an_origin_that_feeds_another_domain_is_no_orphan() -> None:
    resources = [{"id": name, "requests_per_minute": 0, "origin": "o.example.com"} for name in "ab"]
    gone = {"kind": "domain_gone", "resource": "a", "start": "now"}

    assert rule_at("alibaba", resources=resources, troubles=[gone]) is None


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({}, "api_failed_calls"),
        ({"share": 0.01}, "api_new_failure"),
        ({"share": 0}, None),
        ({"status": "200"}, None),
    ],
)
def test_failing_calls_are_found_by_their_share_of_all(changed: Entry, rule: str | None) -> None:
    trouble = {
        "kind": "failing_api_calls",
        "start": "-30m",
        "share": 0.5,
        "url": "/v1/{project_id}/data/mask",
    }

    assert rule_at("huawei", troubles=[{**trouble, **changed}]) == rule


def test_a_partial_outage_is_told_for_each_resource_that_it_befalls() -> None:
    resources = [{"id": name, "requests_per_minute": 900, "vendors": ["cdnvideo"]} for name in "abcd"]
    outage = {"kind": "partial_outage", "start": "-10m", "share": 0.5, "of": 0.5}
    found = told(resources=resources, troubles=[outage])

    assert len({one.about for one in found}) == 2
    assert {(one.vendor, one.rule) for one in found} == {("cdnvideo", "http_5xx_spike")}


def test_waits_and_floors_are_those_of_the_shipped_rules() -> None:
    rules = Path(__file__).parents[2] / "rules"
    for name in WAITS:
        (path,) = rules.glob(f"*/{name}.yaml")
        rule = YAML(typ="safe").load(path)
        assert WAITS[name] == parse_duration(rule["for"])
        assert FLOORS.get(name) == rule["with"].get("floor")


def test_late_bins_wake_nobody_unless_the_data_stop() -> None:
    late = {"kind": "late_bins", "resource": "shop", "start": "-1h", "by": "40m"}
    found = {one.vendor: (one.rule, sorted(one.also)) for one in told(troubles=[late])}

    assert found["cdnvideo"] == found["leaseweb"] == found["swiftfederation"] == (None, ["data_stopped"])
    assert found["alibaba"] == (None, [])
