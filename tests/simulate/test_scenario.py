"""Scenario files: what they may say, and what is refused with words that help."""

from pathlib import Path
from typing import Any

import pytest

from tests.simulate.asking import NOON, RESOURCES
from watcher.errors import ConfigurationError
from watcher.model.time import HOUR, MINUTE
from watcher.simulate.moment import Moment, parse_moment
from watcher.simulate.scenario import Scenario, load_scenario


def test_the_shipped_scenario_has_the_troubles_of_first_light() -> None:
    scenario = load_scenario()

    assert [trouble.kind for trouble in scenario.troubles] == [
        "5xx_burst",
        "hit_ratio_collapse",
        "stray_errors",
    ]
    assert min(listener.days_left for listener in scenario.tls) == 5
    assert [account.name for account in scenario.cdnvideo.accounts] == ["test_account"]


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
    scenario = Scenario.model_validate({"resources": RESOURCES, "troubles": [burst]})

    assert scenario.troubles[0].start == Moment(-MINUTE)


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
            "there are token, accounts, metrics",
        ),
        ({"cdnvideo": {"max_window": "30s"}}, "greater than or equal"),
        ({"cdnvideo": {"colour": "red"}}, "Extra inputs"),
    ],
)
def test_a_mistake_is_refused_with_its_reason(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Scenario.model_validate({"resources": RESOURCES} | wrong)


def test_a_mistake_in_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text("resources:\n  - id: shop\n    requests_per_minute: -4\n")

    with pytest.raises(ConfigurationError, match=r"scenario.yaml:3:\d+: "):
        load_scenario(file)
