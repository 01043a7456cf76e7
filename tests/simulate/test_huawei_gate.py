"""Who may ask the simulated Huawei: signatures, tokens, locks and the throttle, over real sockets."""

import json
from collections.abc import Mapping, Sequence

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from tests.simulate.asking import NOON, simulated
from tests.simulate.huawei_asking import KEY, LOGIN, PATH, PROJECT, ask, huawei, login, send
from watcher.collect.http import Request
from watcher.collect.vendors.huawei_dsc.signing import Key, signed
from watcher.model.time import DAY, MINUTE, SECOND
from watcher.simulate.huawei.signature import Claim, Received, canonical, is_right


def received(query: str, names: Sequence[str]) -> Received:
    headers = {
        "Content-Type": "application/json",
        "Host": "sdg.ap-southeast-3.myhuaweicloud.com",
        "X-Project-Id": PROJECT,
        "X-Sdk-Date": "20261122T013000Z",
        "Accept": "*/*",
    }
    assert set(names) <= {name.lower() for name in headers}
    return Received("GET", f"{PATH}?{query}", CIMultiDictProxy(CIMultiDict(headers)), b"")


VECTORS = [
    (
        "limit=1000&start_time=1638427576000&end_time=1638515803572",
        "35a171f359fc0c2c7f426d1fcc114a11e24a30568ef73680a7d2c9703294e4bc",
    ),
    (
        "limit=2&called_url=/v1/%7Bproject_id%7D/sdg/doc/watermark/embed&marker=a%2Bb%2Fc%3D%3D",
        "e68140333b76e93cee9a2db05f97802085d75198f29ca2dc8c83bfb75077bbe6",
    ),
]


@pytest.mark.parametrize(("query", "signature"), VECTORS)
def test_the_vectors_of_the_page_are_right_and_nothing_near_them(query: str, signature: str) -> None:
    names = ("content-type", "host", "x-project-id", "x-sdk-date")
    secret = "SKEXAMPLE00000000000000000000000000000000"
    request = received(query, names)

    assert is_right(request, Claim("AKEXAMPLE0000000000X", names, signature), secret)
    assert not is_right(request, Claim("AKEXAMPLE0000000000X", names, signature[::-1]), secret)
    assert not is_right(request, Claim("AKEXAMPLE0000000000X", names[:3], signature), secret)
    assert not is_right(request, Claim("AKEXAMPLE0000000000X", names, signature), secret.lower())
    assert canonical(request, names).splitlines()[1] == f"{PATH}/"


def why(body: Mapping[str, str]) -> str:
    assert set(body) == {"error_code", "error_msg", "request_id"}
    assert body["error_code"] == "APIG.0301"
    return body["error_msg"].removeprefix("Incorrect IAM authentication information: ")


async def test_the_gateway_says_why_it_does_not_know_the_caller() -> None:
    async with simulated(sections={"huawei": {"lock_after": 100}}) as client:
        said = [
            await send(client, {}),
            await send(client, {"X-Auth-Token": "made up"}),
            await send(client, {"Authorization": "Bearer x"}),
            await ask(client, key=Key("NOBODY", KEY.secret)),
            await ask(client, key=Key(KEY.access, "wrong")),
            await ask(client, at=NOON - 15 * MINUTE - SECOND),
            await ask(client, at=NOON + 15 * MINUTE + SECOND),
        ]
        good, _ = await ask(client, at=NOON - 15 * MINUTE)

    assert [status for status, _ in said] == [401] * 7
    assert [why(body).partition(",")[0] for _, body in said] == [
        "x-auth-token not found",
        "decrypt token fail",
        "verify aksk signature fail",
        "Get secretKey failed",
        "verify aksk signature fail",
        "calc aksk signature fail:signature expired",
        "calc aksk signature fail:signature expired",
    ]
    assert good == 200


@pytest.mark.parametrize("date", ["", "2026-11-22T12:00:00Z", "20260230T120000Z"])
async def test_a_time_that_is_none_is_refused(date: str) -> None:
    async with simulated() as client:
        url = client.simulation.announced["huawei"].root_url + PATH
        headers = {**signed(Request("GET", url), KEY, NOON), "X-Sdk-Date": date}
        status, body = await send(client, headers)

    assert status == 401
    assert "x-sdk-date" in why(body)


async def test_a_temporary_key_needs_its_token_signed() -> None:
    async with simulated(sections={"huawei": {"security_token": "temporary"}}) as client:
        right, _ = await ask(client, key=Key(KEY.access, KEY.secret, "temporary"))
        without, _ = await ask(client)
        wrong, _ = await ask(client, key=Key(KEY.access, KEY.secret, "other"))

    assert (right, without, wrong) == (200, 401, 401)


async def test_bad_signatures_in_a_row_lock_the_key_for_a_while() -> None:
    wrong = Key(KEY.access, "wrong")
    async with simulated() as client:
        for _ in range(4):
            await ask(client, key=wrong)
        good, _ = await ask(client)
        bodies = [(await ask(client, key=wrong))[1] for _ in range(5)]
        locked, body = await ask(client)
        client.clock.at += 5 * MINUTE
        opened, _ = await ask(client)

    assert (good, locked, opened) == (200, 401, 200)
    assert why(bodies[-1]) == "verify aksk signature fail"
    assert why(body) == "AK access failed to reach the limit,forbidden"


@pytest.mark.parametrize("status", [403, 404])
async def test_another_project_is_refused(status: int) -> None:
    path = PATH.replace("0123", "9999")
    async with simulated(sections={"huawei": {"foreign_project": status}}) as client:
        found, body = await ask(client, path=path)

    assert found == status
    assert set(body) == {"error_code", "error_msg"}


async def test_a_login_gives_a_token_that_expires() -> None:
    async with simulated() as client:
        status, token, body = await login(client)
        fresh, _ = await send(client, {"X-Auth-Token": token})
        client.clock.at += DAY - 1
        old, _ = await send(client, {"X-Auth-Token": token})
        client.clock.at += 1
        expired, refusal = await send(client, {"X-Auth-Token": token})

    assert (status, fresh, old, expired) == (201, 200, 200, 401)
    assert len(token) == 4000
    assert body["token"]["issued_at"] == "2026-11-22T12:00:00Z"
    assert body["token"]["expires_at"] == "2026-11-23T12:00:00Z"
    assert why(refusal) == "decrypt token fail"


async def test_a_wrong_login_is_refused_as_iam_writes_it() -> None:
    wrong = json.loads(json.dumps(LOGIN).replace("demo-password", "nope"))
    async with simulated() as client:
        shapeless, _, _ = await login(client, {"identity": {}})
        methodless, _, _ = await login(client, {**LOGIN, "identity": {"methods": ["token"]}})
        foreign, _, _ = await login(client, {**LOGIN, "scope": {"project": {"id": "other"}}})
        named, _, _ = await login(client, {**LOGIN, "scope": {"project": {"name": "ap-southeast-3"}}})
        status, token, body = await login(client, wrong)
        for _ in range(4):
            await login(client, wrong)
        locked, _, _ = await login(client)

    assert (shapeless, methodless, foreign, named, status, locked) == (400, 401, 403, 201, 401, 401)
    assert not token
    assert body["error"]["message"] == "The username or password is wrong."


async def test_tokens_of_the_scenario_and_revoking_all() -> None:
    async with simulated(sections={"huawei": {"tokens": ["given"]}}) as client:
        given, _ = await send(client, {"X-Auth-Token": "given"})
        huawei(client).gate.revoke()
        revoked, _ = await send(client, {"X-Auth-Token": "given"})

    assert (given, revoked) == (200, 401)


async def test_more_than_the_limit_is_throttled() -> None:
    async with simulated(sections={"huawei": {"requests_per_minute": 2}}) as client:
        statuses = [(await ask(client))[0] for _ in range(3)]
        _, body = await ask(client)
        client.clock.at += MINUTE
        later, _ = await ask(client)

    assert (statuses, later) == ([200, 200, 429], 200)
    assert body["error_code"] == "APIG.0308"
    assert "over ratelimit,limit:2,time:1 minute" in body["error_msg"]
