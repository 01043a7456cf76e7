"""Scenario files: what they may say, and what is refused with words that help."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from tests.simulate.asking import NOON, RESOURCES, StandingClock
from watcher.errors import ConfigurationError
from watcher.model.time import HOUR, MINUTE
from watcher.simulate.cdnvideo.settings import CdnvideoSettings
from watcher.simulate.faults import AnyFault
from watcher.simulate.moment import Moment, parse_moment
from watcher.simulate.scenario import FIRST_LIGHT, load_scenario, scenario
from watcher.simulate.troubles import AnyTrouble
from watcher.simulate.truth import planted
from watcher.simulate.vendor import Scene, VendorSettings, known


def test_the_scenario_of_first_light_has_its_troubles() -> None:
    story = load_scenario(FIRST_LIGHT)

    assert [trouble.kind for trouble in story.troubles] == [
        "5xx_burst",
        "hit_ratio_collapse",
        "stray_errors",
    ]
    assert min(listener.days_left for listener in story.tls) == 5
    section = story.section("cdnvideo")
    assert isinstance(section, CdnvideoSettings)
    assert [account.name for account in section.accounts] == ["test_account"]


def test_the_shipped_scenario_plants_something_at_every_vendor() -> None:
    story = load_scenario()
    scene = Scene.of(story, clock=StandingClock(), anchor=NOON)

    found_at = {one.vendor for one in planted(story, scene) if one.rule is not None}
    assert found_at == {*known(), "tls", "http"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("-50m", NOON - 50 * MINUTE),
        ("+1h30m", NOON + HOUR + 30 * MINUTE),
        ("now", NOON),
        ("2026-11-22T13:00:00+01:00", NOON),
    ],
)
def test_a_moment_is_relative_to_the_start_or_fixed(written: str, meant: int) -> None:
    assert parse_moment(written).resolve(NOON) == meant


@pytest.mark.parametrize("written", ["50m", "-50", "yesterday", "2026-11-22T12:00:00", ""])
def test_what_is_no_moment_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"no time|not a duration"):
        parse_moment(written)


def test_a_moment_may_be_given_in_code() -> None:
    burst = {"kind": "5xx_burst", "resource": "shop", "start": Moment(-MINUTE), "share": 0.1}
    story = scenario({"resources": RESOURCES, "troubles": [burst]})

    assert story.troubles[0].start == Moment(-MINUTE)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"resources": []}, "at least 1 item"),
        ({"resources": [RESOURCES[0], RESOURCES[0]]}, "`shop` stands twice"),
        ({"resources": [RESOURCES[0] | {"mix": {200: 0}}]}, "mix holds no answers"),
        (
            {"troubles": [{"kind": "traffic_loss", "resource": "x", "start": "now", "share": 1}]},
            "no such resource: `x`",
        ),
        (
            {"troubles": [{"kind": "traffic_loss", "resource": "shop", "start": 5, "share": 1}]},
            "write a time",
        ),
        ({"troubles": [{"kind": "traffic_loss", "resource": "shop", "share": 1}]}, "Field required"),
        (
            {"cdnvideo": {"accounts": [{"name": "a", "resources": ["x"]}]}},
            "accounts.0.resources.0: no such resource: `x`",
        ),
        (
            {"cdnvideo": {"faults": [{"kind": "html", "calls": ["data"]}]}},
            "there are accounts, metrics, token",
        ),
        ({"cdnvideo": {"max_window": "30s"}}, "greater than or equal"),
        ({"cdnvideo": {"colour": "red"}}, "Extra inputs"),
    ],
)
def test_a_mistake_is_refused_with_its_reason(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scenario({"resources": RESOURCES} | wrong)


def test_a_mistake_in_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text("resources:\n  - id: shop\n    requests_per_minute: -4\n")

    with pytest.raises(ConfigurationError, match=r"scenario.yaml:3:\d+: "):
        load_scenario(file)


def test_every_name_that_leads_nowhere_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(
        """resources:
  - {id: shop, requests_per_minute: 4, providers: {edgio: 1}, regions: {eu: 1}, vendors: [acme]}
  - {id: blog, requests_per_minute: 4, providers: {gcore: 1}, origin_group: g}
  - {id: copy, requests_per_minute: 4, cname: blog.example.com}
troubles:
  - {kind: provider_failing, provider: nope, start: now, share: 0.1}
  - {kind: 5xx_burst, resource: shop, region: mars, start: now, share: 0.1}
  - {kind: 5xx_burst, resource: blog, provider: edgio, start: now, share: 0.1}
  - {kind: partial_outage, provider: gcore, region: eu, start: now, share: 0.1}
  - {kind: failing_api_calls, start: now, share: 0.5, url: /nope, user: nobody}
  - {kind: domain_gone, resource: stop, start: now}
  - {kind: origin_group_empty, group: h, start: now}
alibaba:
  faults: [{kind: bare_domains, resources: [x]}]
tls: [{name: www.example.com}, {name: www.example.com}]
sites: [{name: front}, {name: front}]
"""
    )

    with pytest.raises(ConfigurationError) as caught:
        load_scenario(file)

    assert [(problem.line, problem.what) for problem in caught.value.problems] == [
        (2, "no such vendor: `acme`"),
        (3, "no such origin group: `g`"),
        (4, "`blog.example.com` stands twice"),
        (6, "no such provider: `nope`"),
        (7, "no such region: `mars`"),
        (8, "no such provider: `edgio`"),
        (9, "`gcore` serves nothing there"),
        (10, "no such endpoint: `/nope`"),
        (10, "no such caller: `nobody`"),
        (11, "no such resource: `stop`"),
        (12, "no such origin group: `h`"),
        (14, "no such resource: `x`"),
        (15, "`www.example.com` stands twice"),
        (16, "`front` stands twice"),
    ]


def test_a_job_of_no_kind_is_a_mistake() -> None:
    trouble = {"kind": "stuck_job", "resource": "shop", "start": "now", "job": "DANCE"}

    with pytest.raises(ValueError, match="INVALIDATION"):
        scenario({"resources": RESOURCES, "troubles": [trouble]})


def test_the_page_on_scenarios_shows_one_that_loads_and_names_every_trouble_and_common_fault(
    tmp_path: Path,
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
    file = tmp_path / "scenario.yaml"
    file.write_text(page.partition("```yaml\n")[2].partition("```")[0])

    assert len(load_scenario(file).resources) == 2
    for kind in (*kinds(AnyTrouble), *kinds(AnyFault)):
        assert f"`{kind}`" in page


def test_the_page_on_scenarios_names_every_key_call_and_fault_of_every_vendor() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
    for name, vendor in known().items():
        part = page.partition(f"### {name}\n")[2].partition("\n##")[0]
        faults = set(kinds(own_faults(vendor.settings)))
        keys = set(vendor.settings.model_fields) - set(VendorSettings.model_fields)
        missing = keys | set(vendor.settings.calls()) | (faults - set(kinds(AnyFault)))
        assert [word for word in sorted(missing) if f"`{word}`" not in part] == [], name


def own_faults(settings: type[VendorSettings]) -> Any:  # noqa: ANN401 - a union is no type
    """What its `faults` may be."""
    return get_args(settings.model_fields["faults"].annotation)[0]


def kinds(union: Any) -> list[str]:  # noqa: ANN401 - a union is no type
    """The words by which a file chooses one of a union's classes."""
    schema = TypeAdapter(union).json_schema()
    return list(schema["discriminator"]["mapping"])
