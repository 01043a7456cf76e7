"""Huawei's signature: the vectors of the vendor's page, made by its own SDK."""

import pytest

from watcher.collect.credentials import host_of
from watcher.collect.http import Request
from watcher.collect.vendors.huawei_dsc.signing import Key, canonical, signed
from watcher.model.time import parse_rfc3339

PROJECT = "0123456789abcdef0123456789abcdef"
URL = f"https://sdg.ap-southeast-3.myhuaweicloud.com/v1/{PROJECT}/openapi/called-records"
HEADERS = {"Content-Type": "application/json", "X-Project-Id": PROJECT}
KEY = Key("AKEXAMPLE0000000000X", "SKEXAMPLE00000000000000000000000000000000")
AT = parse_rfc3339("2026-11-22T01:30:00Z")

PERIOD = (("limit", "1000"), ("start_time", "1638427576000"), ("end_time", "1638515803572"))
FILTER = (("limit", "2"), ("called_url", "/v1/{project_id}/sdg/doc/watermark/embed"), ("marker", "a+b/c=="))


def test_the_text_that_is_signed_is_that_of_the_page() -> None:
    request = Request("GET", URL, PERIOD, HEADERS)

    assert canonical(request, {**HEADERS, "Host": host_of(URL), "X-Sdk-Date": "20261122T013000Z"}) == (
        "GET\n"
        "/v1/0123456789abcdef0123456789abcdef/openapi/called-records/\n"
        "end_time=1638515803572&limit=1000&start_time=1638427576000\n"
        "content-type:application/json\n"
        "host:sdg.ap-southeast-3.myhuaweicloud.com\n"
        "x-project-id:0123456789abcdef0123456789abcdef\n"
        "x-sdk-date:20261122T013000Z\n"
        "\n"
        "content-type;host;x-project-id;x-sdk-date\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        (PERIOD, "35a171f359fc0c2c7f426d1fcc114a11e24a30568ef73680a7d2c9703294e4bc"),
        (FILTER, "e68140333b76e93cee9a2db05f97802085d75198f29ca2dc8c83bfb75077bbe6"),
    ],
    ids=["vector 1", "vector 2: encoding"],
)
def test_signatures_are_those_of_the_page(query: tuple[tuple[str, str], ...], signature: str) -> None:
    headers = signed(Request("GET", URL, query, HEADERS), KEY, AT)

    assert headers == {
        **HEADERS,
        "Host": "sdg.ap-southeast-3.myhuaweicloud.com",
        "X-Sdk-Date": "20261122T013000Z",
        "Authorization": "SDK-HMAC-SHA256 Access=AKEXAMPLE0000000000X, "
        f"SignedHeaders=content-type;host;x-project-id;x-sdk-date, Signature={signature}",
    }


def test_a_temporary_key_sends_its_token_signed() -> None:
    headers = signed(Request("GET", URL), Key("AK", "SK", "a token"), AT)

    assert headers["X-Security-Token"] == "a token"
    assert "SignedHeaders=host;x-sdk-date;x-security-token," in headers["Authorization"]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://sdg.example.com/v1", "sdg.example.com"),
        ("https://sdg.example.com:443/v1", "sdg.example.com"),
        ("http://sdg.example.com:443/v1", "sdg.example.com:443"),
        ("http://127.0.0.1:8080/huawei", "127.0.0.1:8080"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("https://[::1]/", "[::1]"),
    ],
)
def test_the_port_is_signed_where_it_is_sent(url: str, host: str) -> None:
    assert host_of(url) == host


def test_a_path_is_signed_encoded_and_with_one_slash_at_its_end() -> None:
    plain = canonical(Request("GET", "http://h/a b/ü/"), {})
    coded = canonical(Request("GET", "http://h/a%20b/%C3%BC"), {})

    assert plain == coded
    assert plain.splitlines()[1] == "/a%20b/%C3%BC/"
    assert canonical(Request("GET", "http://h"), {}).splitlines()[1] == "/"
