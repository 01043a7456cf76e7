"""What a person configures of HTTP probes."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.vendors.pages import sample
from watcher.collect.vendors.http.answer import status_range
from watcher.collect.vendors.http.settings import HttpSettings
from watcher.config.settings import secrets_in
from watcher.document.context import ValidationContext
from watcher.document.load import load_yaml, validate
from watcher.errors import ConfigurationError


def settings(*targets: object, **more: object) -> HttpSettings:
    return HttpSettings.model_validate({"name": "web", "targets": list(targets), **more})


def test_what_needs_no_saying() -> None:
    (target,) = settings({"url": "https://www.example.com/health"}).targets

    assert (target.label, target.method, target.expect_status) == (
        "https://www.example.com/health",
        "GET",
        ("2xx",),
    )
    assert not target.follow_redirects
    assert not target.per_address


def test_the_schema_says_what_may_be_written() -> None:
    schema = json.dumps(HttpSettings.model_json_schema())

    assert '"expect_status"' in schema
    assert '"default": ["2xx"]' in schema


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("https://u:p@a.example/x?token=t&n=1#f", "https://a.example/x?token=***&n=1"),
        ("https://token@a.example/", "https://a.example/"),
        ({"env": "URL"}, "{env: URL}"),
    ],
)
def test_a_label_shows_no_secret(url: object, label: str) -> None:
    assert settings({"url": url}).targets[0].label == label


def test_headers_that_are_secrets_by_name_are_taken_for_such() -> None:
    headers = {"Accept": "text/html", "Authorization": "Bearer x", "Cookie": "y", "X-K": {"env": "K"}}
    read = settings({"url": "http://a", "headers": headers})

    assert "Bearer" not in repr(read)
    assert read.targets[0].headers["Accept"] == "text/html"
    places = [place[-1] for place, _ in secrets_in(read, ()) if place[-2] == "headers"]
    assert places == ["Authorization", "Cookie", "X-K"]


@pytest.mark.parametrize(
    ("text", "first", "last"), [("200", 200, 200), ("2xx", 200, 299), ("200-204", 200, 204)]
)
def test_statuses(text: str, first: int, last: int) -> None:
    found = status_range(text)

    assert found is not None
    assert (found[0], found[-1]) == (first, last)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "Field required"),
        ({"url": "ftp://a"}, "not an HTTP address"),
        ({"url": "http://"}, "not an HTTP address"),
        ({"url": "https://a..b/"}, "is no host name"),
        ({"url": f"https://{'x' * 64}.example/", "per_address": True}, "is no host name"),
        ({"url": "http://a", "method": "POST"}, "'GET' or 'HEAD'"),
        ({"url": "http://a", "expect_status": 99}, "no HTTP status"),
        ({"url": "http://a", "expect_status": "204-200"}, "no HTTP status"),
        ({"url": "http://a", "expect_status": []}, "no HTTP status"),
        ({"url": "http://a", "expect_status": True}, "no HTTP status"),
        ({"url": "http://a", "expect_body": "~("}, "not a regular expression"),
        ({"url": "http://a", "expect_body": r"~(a)\1"}, "not a regular expression"),
        ({"url": "http://a", "expect_body": "x", "method": "HEAD"}, "has no body"),
        ({"url": "http://a", "headers": {"A B": "c"}}, "no name of a header"),
        ({"url": "http://a", "headers": {"A": "c\r\nB: d"}}, "control character"),
        ({"url": "http://a", "headers": {"A": 5}}, "expected a secret"),
        ({"url": "http://a", "timeout": "46s"}, "out of bounds"),
        ({"url": "http://a", "max_redirects": 0}, "greater than or equal to 1"),
    ],
)
def test_targets_that_cannot_work_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(wrong)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"targets": []}, "nothing to probe"),
        ({"discover": True, "expect_status": 99}, "no HTTP status"),
        ({"targets": [{"url": "http://a"}, {"url": "http://u@a"}]}, "stands twice"),
        (
            {"targets": [{"url": "http://a", "per_address": True}], "proxy": "http://p:1"},
            "exclude each other",
        ),
        ({"targets": [{"url": "http://a"}], "timeout": "2m"}, "out of bounds"),
    ],
)
def test_sources_that_cannot_work_are_refused(more: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**more)


def test_one_url_by_two_providers_is_two_targets() -> None:
    assert len(settings({"url": "http://a"}, {"url": "http://a", "provider": "b"}).targets) == 2


def test_a_mistake_deep_inside_is_told_where_it_stands(tmp_path: Path) -> None:
    text = "name: web\nvendor: http\ntargets:\n  - url: http://a\n    headers:\n      X-Key: {enw: K}\n"
    with pytest.raises(ConfigurationError) as caught:
        validate(load_yaml(text, "w.yaml"), HttpSettings, context=ValidationContext(tmp_path))

    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (6, 14)


def test_the_page_shows_the_defaults() -> None:
    read: HttpSettings = sample("http")
    bare = settings({"url": "http://a"})

    assert read.model_dump(exclude={"targets"}) == bare.model_dump(exclude={"targets"})
    assert read.targets[2].max_redirects == bare.targets[0].max_redirects
    assert [target.per_address for target in read.targets] == [False, True, False]
