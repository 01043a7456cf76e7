"""What a person configures of Leaseweb."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from watcher.collect.vendors.leaseweb.settings import LeasewebSettings
from watcher.document.load import load_yaml, validate
from watcher.errors import ConfigurationError
from watcher.model.time import DAY, MINUTE


def settings(**more: object) -> LeasewebSettings:
    return LeasewebSettings.model_validate({"name": "lsw", "api_key": "k", **more})


def test_a_key_is_enough() -> None:
    read = settings()

    assert read.base_url.reveal() == "https://api.leaseweb.com/cdn/v2"
    assert (read.scope, read.hit_ratio_scale, read.limit) == ("customer", "auto", 1.0)
    assert (read.every, read.settle, read.backfill) == (5 * MINUTE, 15 * MINUTE, DAY)
    assert read.statistics_path == "/statistics/customer"
    assert settings(scope="reseller").statistics_path == "/statistics/reseller"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"api_key": None}, "secret"),
        ({"scope": "owner"}, "'customer' or 'reseller'"),
        ({"customer_path": "statistics"}, "is no path"),
        ({"customer_path": "/statistics/"}, "is no path"),
        ({"reseller_path": "/statistics?a=1"}, "is no path"),
        ({"views": []}, "at least 1 item"),
        ({"views": ["providers", "providers"]}, "stands twice"),
        ({"views": ["policies"]}, "'distributions'"),
        ({"hit_ratio_scale": "permille"}, "'auto'"),
        ({"labels": "middle"}, "'start' or 'end'"),
        ({"page_size": 0}, "greater than or equal to 1"),
        ({"limit": 0}, "greater than or equal to 0.001"),
        ({"base_url": "ftp://api.example.com"}, "not an HTTP address"),
        ({"settle": "2d"}, "out of bounds"),
        ({"fine_backfill": "0s"}, "out of bounds"),
        ({"fine_backfill": "401d"}, "out of bounds"),
        ({"colour": "red"}, "not permitted"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**wrong)


def test_a_mistake_is_shown_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "lsw.yaml"
    file.write_text("name: lsw\napi_key: {env: LSW_KEY}\nviews: [providers, shields]\n")

    with pytest.raises(ConfigurationError) as caught:
        validate(load_yaml(file), LeasewebSettings)

    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (3, 20)


def test_the_page_shows_the_defaults() -> None:
    page = (Path(__file__).parents[2] / "docs" / "vendors" / "leaseweb.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    read = validate(load_yaml(block, "leaseweb.md"), LeasewebSettings, at=("sources", 0))

    assert read.model_dump(exclude={"api_key"}) == settings().model_dump(exclude={"api_key"})
