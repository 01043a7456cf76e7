"""Who we are to SwiftFederation: signatures of both versions, and headers."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.vendors.swiftfederation_server import KEYS, SETTINGS, Build, Server, failure, read, signed_by
from watcher.collect.vendors.swiftfederation.auth import (
    Call,
    signature,
    string_to_sign_v1,
    string_to_sign_v2,
)
from watcher.errors import AuthenticationFailed

pytestmark = pytest.mark.looptime

SECRET = KEYS["access_key_secret"]
BODY = (
    b'{"serviceNames":["www.example.com"],"startTime":"2026-11-22T00:00:00Z",'
    b'"endTime":"2026-11-22T01:00:00Z","interval":"minute"}'
)
HEADERS = {"X-SFD-Date": "20261122T013000Z", "X-SFD-Nonce": "15121"}
SECOND_VERSION = {**HEADERS, "X-SFD-Signature-Version": "2"}


@pytest.fixture
def server() -> Server:
    """SwiftFederation, where all is well."""
    return Server()


def call(**headers: str) -> Call:
    return Call("POST", "/cdn/v1.0/analytics/originHttpCodes", "open-api.swiftfederation.com", headers, BODY)


@pytest.mark.parametrize(
    ("custom", "expected"),
    [
        ({}, "bd40cb8da4ab739996c15c7610f5c044e3b662e510d04f88aa27dd0b423c9aa6"),
        ({"X-SFD-FZone": "SG"}, "0d446a8f609c45c47ffa9c7eda0a4d9ea020234c714324b6c5da646c9323393d"),
    ],
)
def test_the_second_version_gives_the_published_signatures(custom: dict[str, str], expected: str) -> None:
    text = string_to_sign_v2(call(**custom, **SECOND_VERSION), KEYS["access_key_id"])

    assert signature(SECRET, text) == expected


def test_the_first_version_gives_the_published_signature() -> None:
    text = string_to_sign_v1(call(**HEADERS), KEYS["access_key_id"])

    assert signature(SECRET, text) == "b2e536414cf07efd2cd38e0d94a1e682915127ab5cb1a3626e78d78fb4db2256"


def test_the_string_to_sign_has_no_blank_line() -> None:
    text = string_to_sign_v2(call(**SECOND_VERSION), KEYS["access_key_id"])

    assert text.decode().splitlines() == [
        "POST",
        "/cdn/v1.0/analytics/originHttpCodes",
        "host:open-api.swiftfederation.com",
        "x-sfd-date:20261122T013000Z",
        "x-sfd-nonce:15121",
        "x-sfd-signature-version:2",
        "AKEXAMPLE0000001",
        BODY.decode(),
    ]


@pytest.mark.parametrize("kind", ["sfd_hmac_v2", "sfd_hmac_v1"])
@pytest.mark.parametrize("fzone", ["", "SG"])
async def test_what_is_sent_is_what_was_signed(build: Build, server: Server, kind: str, fzone: str) -> None:
    settings = {**SETTINGS, "auth": {**KEYS, "kind": kind}, "fzone": fzone}
    await read(build("swiftfederation", server, **settings))

    (request,) = server.requests
    assert request.headers["Authorization"] == signed_by(request, SECRET)
    assert request.headers.get("X-SFD-Signature-Version", "1") == kind[-1]
    assert request.headers.get("X-SFD-FZone", "") == fzone
    assert request.headers["Host"] == "sfd.test"
    assert request.headers["X-SFD-Date"] == "20261122T030000Z"
    assert re.fullmatch(r"[1-9][0-9]{4,17}", request.headers["X-SFD-Nonce"])


@pytest.mark.parametrize(
    ("base", "host", "path"),
    [
        ("http://sfd.test:8080/gate/", "sfd.test:8080", "/gate/cdn/v1.0/analytics/originHttpCodes"),
        ("https://sfd.test:443", "sfd.test", "/cdn/v1.0/analytics/originHttpCodes"),
        ("http://[::1]:81", "[::1]:81", "/cdn/v1.0/analytics/originHttpCodes"),
    ],
)
async def test_host_and_path_are_signed_as_they_are_sent(
    build: Build, server: Server, base: str, host: str, path: str
) -> None:
    await read(build("swiftfederation", server, **{**SETTINGS, "base_url": base}))

    (request,) = server.requests
    assert request.headers["Host"] == host
    assert request.url.endswith(path)
    assert request.headers["Authorization"] == signed_by(request, SECRET)


async def test_the_second_version_is_the_default(build: Build, server: Server) -> None:
    keys = {name: value for name, value in KEYS.items() if name != "kind"}
    await read(build("swiftfederation", server, **{**SETTINGS, "auth": keys}))

    assert server.requests[0].headers["X-SFD-Signature-Version"] == "2"


async def test_every_attempt_has_its_own_date_and_nonce(build: Build, server: Server) -> None:
    server.replies = [failure(500, "Internal", **{"retry-after": "2"})] * 2
    await read(build("swiftfederation", server, **SETTINGS))

    dates = [request.headers["X-SFD-Date"] for request in server.requests]
    assert len(set(dates)) == 3
    assert len({request.headers["X-SFD-Nonce"] for request in server.requests}) == 3
    assert len({request.body for request in server.requests}) == 1
    assert all(request.headers["Authorization"] == signed_by(request, SECRET) for request in server.requests)


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        ({"kind": "bearer", "token": "t0ken"}, {"Authorization": "Bearer t0ken"}),
        ({"kind": "header", "name": "X-Api-Key", "value": "t0ken"}, {"X-Api-Key": "t0ken"}),
        ({"kind": "none"}, {}),
    ],
)
async def test_other_gateways_take_a_header_or_nothing(
    build: Build, server: Server, auth: dict[str, str], headers: dict[str, str]
) -> None:
    await read(build("swiftfederation", server, **{**SETTINGS, "auth": auth, "fzone": "SG"}))

    content = {"Content-Type": "application/json; charset=utf-8"}
    assert server.requests[0].headers == {**content, "X-SFD-FZone": "SG", **headers}


@pytest.mark.parametrize("secret", ["clé", "two\nlines"])
async def test_a_key_that_no_header_can_carry_is_not_sent(build: Build, server: Server, secret: str) -> None:
    with pytest.raises(AuthenticationFailed, match="characters that no header can carry"):
        await read(
            build("swiftfederation", server, **{**SETTINGS, "auth": {"kind": "bearer", "token": secret}})
        )

    assert server.requests == []


async def test_a_secret_is_read_anew_for_each_call(build: Build, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("first")
    file.chmod(0o600)
    auth: dict[str, Any] = {**KEYS, "access_key_secret": {"file": str(file)}}
    collector = build("swiftfederation", server, **{**SETTINGS, "auth": auth})

    await read(collector)
    file.write_text("second")
    await read(collector)
    file.unlink()
    with pytest.raises(AuthenticationFailed, match="cannot be read"):
        await read(collector)

    first, second = server.requests
    assert first.headers["Authorization"] == signed_by(first, "first")
    assert second.headers["Authorization"] == signed_by(second, "second")
