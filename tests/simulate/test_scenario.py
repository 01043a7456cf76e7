"""Scenario files: what they may say, and what is refused with words that help."""

from pathlib import Path
from typing import Any

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
from watcher.simulate.vendor import Scene, known


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
        ({"resources": [RESOURCES[0], RESOURCES[0]]}, "named twice: shop"),
        ({"resources": [RESOURCES[0] | {"mix": {200: 0}}]}, "mix holds no answers"),
        (
            {"troubles": [{"kind": "traffic_loss", "resource": "x", "start": "now", "share": 1}]},
            "resources: x",
        ),
        (
            {"troubles": [{"kind": "traffic_loss", "resource": "shop", "start": 5, "share": 1}]},
            "write a time",
        ),
        ({"troubles": [{"kind": "traffic_loss", "resource": "shop", "share": 1}]}, "Field required"),
        ({"cdnvideo": {"accounts": [{"name": "a", "resources": ["x"]}]}}, "unknown resources: x"),
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


def test_the_page_on_scenarios_shows_one_that_loads_and_names_every_trouble_and_common_fault(
    tmp_path: Path,
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
    file = tmp_path / "scenario.yaml"
    file.write_text(page.partition("```yaml\n")[2].partition("```")[0])

    assert len(load_scenario(file).resources) == 2
    for kind in (*kinds(AnyTrouble), *kinds(AnyFault)):
        assert f"`{kind}`" in page


def kinds(union: Any) -> list[str]:  # noqa: ANN401 - a union is no type
    """The words by which a file chooses one of a union's classes."""
    schema = TypeAdapter(union).json_schema()
    return list(schema["discriminator"]["mapping"])
