"""Who we are to Huawei: signatures, tokens, and what happens when it says no."""

import json
from typing import Any

import anyio
import pytest

from tests.conftest import LoopClock
from tests.vendors.huawei_dsc_server import (
    KEY,
    PROJECT,
    SETTINGS,
    USER,
    Build,
    Feed,
    answer,
    read,
    refused,
)
from watcher.collect.http import Response
from watcher.errors import (
    AuthenticationFailed,
    CollectError,
    NetworkFailed,
    QuotaExceeded,
    VendorFailed,
)
from watcher.model.time import DAY, HOUR

pytestmark = pytest.mark.looptime

IAM = "Incorrect IAM authentication information: "
REJECTIONS = (
    "verify aksk signature fail",
    "AK access failed to reach the limit,forbidden",
    "Get secretKey failed,ak:AKEXAMPLE,err:ak not exist",
    "decrypt token fail",
)


@pytest.fixture
def feed(clock: LoopClock) -> Feed:
    return Feed(clock)


def iam(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - as YAML has it
    return {**SETTINGS, "auth": {**USER, **more}}


async def test_every_attempt_is_signed_anew(build: Build, feed: Feed) -> None:
    feed.replies = [refused(500, "APIG.0201", "Backend unavailable")] * 2

    await read(build("huawei_dsc", feed, **SETTINGS))

    dates = [request.headers["X-Sdk-Date"] for request in feed.requests]
    assert dates[0] < dates[-1]
    first = feed.requests[0].headers
    assert first["Host"] == "sdg.ap-southeast-3.myhuaweicloud.com"
    assert first["X-Project-Id"] == PROJECT
    assert first["Authorization"].startswith("SDK-HMAC-SHA256 Access=AKEXAMPLE, SignedHeaders=content-type;")


@pytest.mark.parametrize("code", ["APIG.0301", "APIGW.0301"])
@pytest.mark.parametrize("text", REJECTIONS)
async def test_a_rejected_key_is_never_tried_again(build: Build, feed: Feed, code: str, text: str) -> None:
    feed.replies = [refused(401, code, IAM + text)]

    with pytest.raises(AuthenticationFailed, match=text.partition(",")[0]):
        await read(build("huawei_dsc", feed, **SETTINGS))

    assert len(feed.requests) == 1


async def test_a_rejection_while_our_clock_is_off_names_the_clock_and_stays_a_rejection(
    build: Build, feed: Feed
) -> None:
    late = {"date": "Sun, 22 Nov 2026 03:20:00 GMT"}
    feed.replies = [refused(401, "APIG.0301", IAM + REJECTIONS[0], **late)]

    with pytest.raises(AuthenticationFailed, match="behind the vendor") as caught:
        await read(build("huawei_dsc", feed, **SETTINGS))

    assert caught.value.family == "clock"


@pytest.mark.parametrize("wrong", ["no\nheader", "schlüssel"])
async def test_a_key_that_no_header_can_carry_is_not_sent(build: Build, feed: Feed, wrong: str) -> None:
    with pytest.raises(AuthenticationFailed, match="no header can carry"):
        await read(build("huawei_dsc", feed, **{**SETTINGS, "auth": {**KEY, "access_key": wrong}}))

    assert not feed.requests


async def test_a_key_that_is_not_there_is_said_to_be(build: Build, feed: Feed) -> None:
    auth = {**KEY, "secret_key": {"env": "NOT_SET_ANYWHERE"}}

    with pytest.raises(AuthenticationFailed, match="NOT_SET_ANYWHERE is not set"):
        await read(build("huawei_dsc", feed, **{**SETTINGS, "auth": auth}))


async def test_a_given_token_is_sent_and_not_renewed(build: Build, feed: Feed) -> None:
    feed.tokens = {"given"}
    settings = {**SETTINGS, "auth": {"kind": "token", "token": "given"}}
    await read(build("huawei_dsc", feed, **settings))
    assert "Authorization" not in feed.requests[0].headers

    feed.tokens.clear()
    with pytest.raises(AuthenticationFailed, match="decrypt token fail"):
        await read(build("huawei_dsc", feed, **settings))
    assert len(feed.requests) == 2


async def test_a_user_logs_in_once_as_the_page_says(build: Build, feed: Feed, secrets: set[str]) -> None:
    collector = build("huawei_dsc", feed, **iam())

    for _ in range(3):
        await read(collector)

    assert feed.logins == 1
    login = feed.requests[0]
    assert login.url == "https://iam.ap-southeast-3.myhuaweicloud.com/v3/auth/tokens"
    assert json.loads(login.body or b"") == {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {"name": "bob", "password": "hunter2-hunter2", "domain": {"name": "acme"}}
                },
            },
            "scope": {"project": {"id": PROJECT}},
        }
    }
    assert "X-Auth-Token" not in login.headers
    assert secrets == {"MIIx1"}


async def test_iam_may_be_elsewhere_and_the_project_named(build: Build, feed: Feed) -> None:
    await read(build("huawei_dsc", feed, **iam(iam_url="http://iam.test/", project="ap-southeast-3")))

    assert feed.requests[0].url == "http://iam.test/v3/auth/tokens"
    body = json.loads(feed.requests[0].body or b"")
    assert body["auth"]["scope"] == {"project": {"name": "ap-southeast-3"}}


async def test_a_token_is_renewed_when_a_tenth_of_its_life_is_left(build: Build, feed: Feed) -> None:
    collector = build("huawei_dsc", feed, **iam())
    await read(collector)
    await anyio.sleep(0.89 * DAY / 1000)
    await read(collector)
    assert feed.logins == 1

    await anyio.sleep(0.02 * DAY / 1000)
    await read(collector)
    assert feed.logins == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        {"token": {}},
        {"token": {"issued_at": "x", "expires_at": 5}},
        {"token": {"issued_at": "2026-11-22T03:00:00Z", "expires_at": "2026-11-22T03:00:01Z"}},
    ],
)
async def test_a_token_that_does_not_say_how_long_it_lives_lives_a_day(
    build: Build, feed: Feed, body: object
) -> None:
    feed.tokens, feed.login_reply = {"t"}, answer(201, body, **{"x-subject-token": "t"})
    collector = build("huawei_dsc", feed, **iam())
    await read(collector)
    await anyio.sleep(20 * HOUR / 1000)
    await read(collector)

    assert feed.logins == 1


async def test_a_token_that_is_refused_is_renewed_once(build: Build, feed: Feed) -> None:
    collector = build("huawei_dsc", feed, **iam())
    await read(collector)
    feed.tokens.clear()
    await read(collector)
    assert feed.logins == 2

    feed.tokens.clear()
    feed.login_reply = answer(201, {}, **{"x-subject-token": "of no use"})
    with pytest.raises(AuthenticationFailed, match="a new token is refused"):
        await read(collector)
    assert feed.logins == 3


@pytest.mark.parametrize(
    "reply",
    [
        answer(401, {"error": {"code": 401, "message": "The username or password is wrong."}}),
        answer(403, {"error": {"code": 403, "message": "The account is locked."}}),
        answer(400, {"error_code": "IAM.0001", "error_msg": "bad"}),
        answer(404, b""),
        answer(200, {}),
        answer(201, {}, **{"x-subject-token": "a\nb"}),
        answer(201, b"<html>"),
        answer(302, b"", location="/login"),
    ],
)
async def test_a_rejected_login_is_not_repeated(build: Build, feed: Feed, reply: Response) -> None:
    feed.login_reply = reply

    with pytest.raises(AuthenticationFailed, match="login rejected"):
        await read(build("huawei_dsc", feed, **iam()))

    assert len(feed.requests) == 1


@pytest.mark.parametrize(
    ("reply", "family"),
    [
        (answer(503, b""), VendorFailed),
        (refused(429, "IAM.0429", "slow down"), QuotaExceeded),
        (NetworkFailed("reset"), NetworkFailed),
    ],
)
async def test_a_login_that_fails_in_passing_says_nothing_of_the_password(
    build: Build, feed: Feed, reply: Response | CollectError, family: type[CollectError]
) -> None:
    feed.login_reply = reply
    collector = build("huawei_dsc", feed, **iam())
    with pytest.raises(family):
        await read(collector)

    feed.login_reply = None
    await read(collector)


async def test_a_token_that_lives_serves_while_iam_does_not_answer(build: Build, feed: Feed) -> None:
    collector = build("huawei_dsc", feed, **iam())
    await read(collector)
    await anyio.sleep(0.95 * DAY / 1000)
    feed.login_reply = answer(503, b"")
    await read(collector)

    await anyio.sleep(0.06 * DAY / 1000)
    with pytest.raises(VendorFailed):
        await read(collector)


async def test_a_login_that_is_rejected_ends_the_token_that_still_lives(build: Build, feed: Feed) -> None:
    collector = build("huawei_dsc", feed, **iam())
    await read(collector)
    await anyio.sleep(0.95 * DAY / 1000)
    feed.login_reply = answer(401, b"")

    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            await read(collector)
