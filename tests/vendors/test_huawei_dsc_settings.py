"""What a person configures of Huawei DSC."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from watcher.collect.vendors.huawei_dsc.settings import (
    HuaweiDscSettings,
    IamAuth,
    KeyAuth,
    TokenAuth,
    iam_of,
)
from watcher.document.load import load_yaml, validate
from watcher.errors import ConfigurationError

KEY = {"kind": "aksk", "access_key": "AK", "secret_key": "SK"}
USER = {"kind": "iam", "username": "bob", "password": "p", "domain": "acme"}
BASE = "https://sdg.ap-southeast-3.myhuaweicloud.com"


def settings(**more: Any) -> HuaweiDscSettings:  # noqa: ANN401 - as YAML has it
    whole = {"name": "dsc", "base_url": BASE, "project_id": "0" * 32, "auth": KEY, **more}
    return HuaweiDscSettings.model_validate(whole)


def test_each_kind_of_credentials_is_read() -> None:
    assert isinstance(settings().auth, KeyAuth)
    assert isinstance(settings(auth={**KEY, "security_token": "t"}).auth, KeyAuth)
    assert isinstance(settings(auth={"kind": "token", "token": "t"}).auth, TokenAuth)
    assert isinstance(settings(auth={**USER, "project": "ap-southeast-3"}).auth, IamAuth)


def test_nothing_secret_is_printed() -> None:
    read = settings(auth={**USER, "password": "hunter2"})

    assert "hunter2" not in f"{read!r}{read}{read.model_dump_json()}"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"base_url": "ftp://x"}, "not an HTTP address"),
        ({"project_id": "0123"}, "not a project id"),
        ({"project_id": "A" * 32}, "not a project id"),
        ({"auth": {"kind": "aksk", "access_key": "AK"}}, "secret_key"),
        ({"auth": {"kind": "apikey"}}, "aksk"),
        ({"auth": {"access_key": "AK", "secret_key": "SK"}}, "kind"),
        ({"auth": {**KEY, "colour": "red"}}, "not permitted"),
        ({"auth": USER, "base_url": "http://127.0.0.1:8080"}, "does not tell where IAM is"),
        ({"max_pages": 0}, "greater than or equal to 1"),
        ({"signatures": 0}, "greater than or equal to 1"),
        ({"overlap": "2d"}, "out of bounds"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**wrong)


def test_a_mistake_in_the_credentials_is_pointed_at() -> None:
    text = f"name: dsc\nbase_url: {BASE}\nproject_id: {'0' * 32}\nauth:\n  kind: aksk\n  access_key: 17\n"

    with pytest.raises(ConfigurationError) as caught:
        validate(load_yaml(text, "watcher.yaml"), HuaweiDscSettings)

    lines = str(caught.value).splitlines()
    assert any(line.startswith("watcher.yaml:6:15: ") for line in lines)
    assert any("secret_key" in line for line in lines)


@pytest.mark.parametrize(
    ("base_url", "iam"),
    [
        (BASE, "https://iam.ap-southeast-3.myhuaweicloud.com"),
        ("https://sdg.eu-west-101.myhuaweicloud.eu/", "https://iam.eu-west-101.myhuaweicloud.eu"),
    ],
)
def test_iam_is_that_of_the_region(base_url: str, iam: str) -> None:
    assert iam_of(base_url) == iam


def test_an_endpoint_that_is_not_known_yet_may_be_anyone() -> None:
    assert isinstance(settings(auth=USER, base_url={"env": "NOT_SET_ANYWHERE"}).auth, IamAuth)


def test_the_page_shows_the_defaults() -> None:
    page = Path(__file__).parents[2] / "docs" / "vendors" / "huawei_dsc.md"
    block = page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    read = validate(load_yaml(block, "page"), HuaweiDscSettings, at=("sources", 0))

    own = {"project_id", "auth"}
    assert read.model_dump(exclude=own) == settings().model_dump(exclude=own)
