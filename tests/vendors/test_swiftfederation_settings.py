"""What a person configures of SwiftFederation, and the streams that makes."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.vendors.swiftfederation_server import KEYS
from watcher.collect.collector import StreamSpec
from watcher.collect.vendors import vendor
from watcher.collect.vendors.swiftfederation.collector import source_streams
from watcher.collect.vendors.swiftfederation.settings import SwiftfederationSettings
from watcher.document.load import load_yaml, validate
from watcher.errors import ConfigurationError
from watcher.model.time import DAY, HOUR, MINUTE

PAGE = Path(__file__).parents[2] / "docs" / "vendors" / "swiftfederation.md"


def settings(**more: object) -> SwiftfederationSettings:
    return SwiftfederationSettings.model_validate(
        {"name": "src", "auth": KEYS, "domains": ["www.example.com"], **more}
    )


def test_a_short_backfill_is_fine_throughout() -> None:
    fine, states = source_streams(settings())

    assert (fine.name, fine.width, fine.reads) == ("origin", 5 * MINUTE, DAY)
    assert (fine.settle, fine.overlap, fine.backfill) == (10 * MINUTE, 15 * MINUTE, 6 * HOUR)
    assert (fine.every, fine.align, fine.after) == (MINUTE, 5 * MINUTE, "")
    assert states == StreamSpec("domains", width=0, every=5 * MINUTE)


def test_a_long_backfill_is_read_by_day_first_and_meets_the_fine_one_at_midnight() -> None:
    past, fine, _ = source_streams(settings(backfill="60d"))

    assert (past.name, past.width, past.reads) == ("origin-1d", DAY, 30 * DAY)
    assert (past.backfill, past.until, past.overlap) == (60 * DAY, 2 * DAY, 0)
    assert (fine.backfill, fine.after) == (2 * DAY, "origin-1d")
    assert past.align == fine.align == DAY


def test_how_much_is_read_fine_can_be_chosen() -> None:
    past, fine, _ = source_streams(settings(backfill="60d", fine_backfill="7d"))

    assert past.until == fine.backfill == 7 * DAY


@pytest.mark.parametrize(
    ("names", "bins", "days"),
    [(1, 288, 30), (100, 288, 30), (400, 72, 30), (2_000, 14, 14), (40_000, 1, 1)],
)
def test_many_names_make_shorter_windows(names: int, bins: int, days: int) -> None:
    """A reading is held in memory whole: each of its bins may hold 500 codes of each name."""
    domains = [f"n{number}.example.com" for number in range(names)]
    past, fine, _ = source_streams(settings(domains=domains, backfill="60d"))

    assert (fine.most, past.most) == (bins, days)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"domains": []}, "at least 1 item"),
        ({"domains": ["a.test", "a.test"]}, "stands twice"),
        ({"domains": ["a.test", "A.test"]}, "stands twice"),
        ({"domains": ["https://a.test"]}, "no domain name"),
        ({"domains": ["bücher.test"]}, "no domain name"),
        ({"domains": ["a.test/"]}, "no domain name"),
        ({"fzone": "S G"}, "match pattern"),
        ({"fine_backfill": "401d"}, "out of bounds"),
        ({"fine_backfill": "0s"}, "out of bounds"),
        ({"auth": {"kind": "header", "name": "Host", "value": "x"}}, "header of the call itself"),
        ({"auth": {"kind": "header", "name": "X-SFD-Date", "value": "x"}}, "header of the call itself"),
        ({"auth": {"kind": "header", "name": "a b", "value": "x"}}, "match pattern"),
        ({"base_url": "ftp://x"}, "not an HTTP address"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**wrong)


@pytest.mark.parametrize("name", ["*.example.com", "_x.example.com", "API53-core.Example.com"])
def test_names_are_taken_as_the_vendor_lists_them(name: str) -> None:
    assert settings(domains=[name]).domains == (name,)


@pytest.mark.parametrize(
    ("auth", "complaint"),
    [
        (
            "{kind: sfd_hmac_v2, access_key_id: {env: A}, access_key_secrets: {env: B}}",
            "x.yaml:4:52: unknown key `access_key_secrets`",
        ),
        ("{access_key_id: {env: A}}", "x.yaml:4:7: `access_key_secret` is missing"),
        (
            "{kind: sfd_hmac_v1, access_key_id: 7, access_key_secret: {env: B}}",
            "x.yaml:4:42: access_key_id: expected a secret",
        ),
        ("{kind: bearer, access_key_id: {env: A}}", "x.yaml:4:7: `token` is missing"),
        ("{kind: header, name: X-Key}", "x.yaml:4:7: `value` is missing"),
        ("{kind: none, token: x}", "x.yaml:4:20: unknown key `token`"),
        ("{kind: hmac}", "x.yaml:4:14: kind: expected 'sfd_hmac_v2'"),
        ("sfd_hmac_v2", "x.yaml:4:7: auth: "),
    ],
)
def test_a_mistake_in_auth_is_shown_where_it_stands(auth: str, complaint: str) -> None:
    text = f"name: sfd\nvendor: swiftfederation\ndomains: [a.test]\nauth: {auth}\n"

    with pytest.raises(ConfigurationError, match=f"(?m)^{re.escape(complaint)}"):
        validate(load_yaml(text, "x.yaml"), SwiftfederationSettings)


def test_the_page_shows_the_defaults() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    read = validate(load_yaml(block, "page"), SwiftfederationSettings, at=("sources", 0))

    own = {"name", "auth", "domains"}
    assert read.model_dump(exclude=own) == settings().model_dump(exclude=own)
    found = vendor("swiftfederation")
    assert found is not None
    assert found.settings is SwiftfederationSettings
