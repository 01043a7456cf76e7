"""What a person configures of CDNvideo, and the streams that makes."""

from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from watcher.collect.collector import StreamSpec
from watcher.collect.vendors import vendor
from watcher.collect.vendors.cdnvideo.collector import account_streams
from watcher.collect.vendors.cdnvideo.settings import CdnvideoSettings
from watcher.model.time import HOUR, MINUTE, Instant


def settings(**more: object) -> CdnvideoSettings:
    return CdnvideoSettings.model_validate({"name": "src", "token": "t", **more})


def spans(streams: Sequence[StreamSpec]) -> list[tuple[str, Instant, Instant, Instant, str]]:
    return [(s.name, s.width, s.backfill, s.until, s.after) for s in streams]


def test_older_windows_are_coarse_and_read_first() -> None:
    assert spans(account_streams(settings(), "a")) == [
        ("a/resources-10m", 10 * MINUTE, 6 * HOUR, HOUR, ""),
        ("a/resources", MINUTE, HOUR, 0, "a/resources-10m"),
        ("a/totals", MINUTE, HOUR, 0, "a/resources"),
    ]
    assert {stream.align for stream in account_streams(settings(), "a")} == {10 * MINUTE}


def test_a_vendor_that_answers_for_one_minute_only_has_no_coarse_stream() -> None:
    assert spans(account_streams(settings(max_window="1m"), "a")) == [
        ("a/resources", MINUTE, 6 * HOUR, 0, ""),
        ("a/totals", MINUTE, HOUR, 0, "a/resources"),
    ]


def test_a_short_backfill_is_fine_throughout() -> None:
    assert spans(account_streams(settings(backfill="30m"), "a")) == [
        ("a/resources", MINUTE, 30 * MINUTE, 0, ""),
        ("a/totals", MINUTE, 30 * MINUTE, 0, "a/resources"),
    ]


def test_coarse_windows_divide_the_hour() -> None:
    assert account_streams(settings(max_window="7m"), "a")[0].name == "a/resources-6m"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"token": None}, "no credentials"),
        ({"token": None, "username": "u"}, "password is missing"),
        ({"token": None, "password": "p"}, "username is missing"),
        ({"username": "u", "password": "p"}, "both a token and a login"),
        ({"base_url": "ftp://x"}, "not an HTTP address"),
        ({"base_url": "https://h:99999"}, "not an HTTP address"),
        ({"base_url": "https://h:0"}, "not an HTTP address"),
        ({"base_url": "https://h:abc"}, "not an HTTP address"),
        ({"base_url": "https://h h/"}, "not an HTTP address"),
        ({"base_url": "https://[::1"}, "not an HTTP address"),
        ({"base_url": "https://:443/"}, "not an HTTP address"),
        ({"base_url": "https://{env:CDNV_WRONG_HOST}"}, "not an HTTP address"),
        ({"base_url": "https://x/?a=1"}, "query or fragment"),
        ({"max_window": "11m"}, "1 to 10 whole minutes"),
        ({"max_window": "90s"}, "1 to 10 whole minutes"),
        ({"metrics": ["edge_status_418"]}, "no metric edge_status_418"),
        ({"accounts": ["a", "a"]}, "stands twice"),
        ({"accounts": []}, "at least 1 item"),
        ({"colour": "red"}, "not permitted"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    wrong: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDNV_WRONG_HOST", "a b")
    with pytest.raises(ValidationError, match=words):
        settings(**wrong)


def test_a_base_url_may_hold_a_reference_and_end_in_a_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDNV_HOST", "cdnv.test")
    read = settings(base_url="https://{env:CDNV_HOST}/")

    assert read.base_url.reveal() == "https://cdnv.test/"
    assert settings(base_url="https://{env:NOT_SET}").base_url.secrets
    assert settings(base_url="http://[::1]:8080/api").base_url.reveal() == "http://[::1]:8080/api"
    found = vendor("cdnvideo")
    assert found is not None
    assert found.settings is CdnvideoSettings
