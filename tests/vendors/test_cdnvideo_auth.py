"""Who we are to CDNvideo: logins, tokens, and never too many of either."""

import anyio
import pytest

from tests.vendors.cdnvideo_server import LOGIN, Build, Server, answer, read
from watcher.collect.http import Response
from watcher.errors import (
    AuthenticationFailed,
    ContractBroken,
    PermissionMissing,
    RequestRefused,
)

pytestmark = pytest.mark.looptime


async def test_one_login_serves_all_streams_at_once(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(read, collector)

    assert server.logins == 1


async def test_a_token_is_renewed_when_a_tenth_of_its_life_is_left(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    await read(collector)
    await anyio.sleep(0.89 * 6 * 3_600)
    await read(collector)
    assert server.logins == 1

    await anyio.sleep(0.02 * 6 * 3_600)
    await read(collector)
    assert server.logins == 2


async def test_a_renewal_that_fails_leaves_the_old_token_in_use(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    await read(collector)
    await anyio.sleep(0.95 * 6 * 3_600)
    server.will("/token/", answer(503, b""), answer(503, b""))

    await read(collector)
    await read(collector)
    assert len(server.asked("/token/")) == 2

    await anyio.sleep(60)
    await read(collector)
    assert len(server.asked("/token/")) == 3


async def test_a_token_without_a_lifetime_is_used_until_it_is_refused(build: Build, server: Server) -> None:
    server.lifetime = None
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    await read(collector)
    await anyio.sleep(24 * 3_600)
    await read(collector)
    assert server.logins == 1

    server.good.clear()
    await read(collector)
    assert server.logins == 2


async def test_a_token_refused_mid_run_is_replaced_once_for_all_streams(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    await read(collector)
    server.good.clear()

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(read, collector)

    assert server.logins == 2


async def test_a_foreign_account_costs_one_login_an_hour_and_is_named(build: Build, server: Server) -> None:
    server.foreign = {"other"}
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme", "other"])
    await read(collector)

    for _ in range(30):
        with pytest.raises(PermissionMissing, match=r"account other: no access \(HTTP 403: no access"):
            await read(collector, account="other")
        await read(collector)
        await anyio.sleep(60)

    assert server.logins == 2


async def test_a_rejected_login_is_never_simply_repeated(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **{**LOGIN, "password": "wrong"}, accounts=["acme"])

    for _ in range(30):
        with pytest.raises(AuthenticationFailed, match=r"login rejected \(HTTP 401"):
            await read(collector)
        await anyio.sleep(60)

    assert server.logins == 1


async def test_a_rejected_login_is_tried_four_times_at_most(build: Build, server: Server) -> None:
    """Seven would ban the account; other programs may share it."""
    collector = build("cdnvideo", server, **{**LOGIN, "password": "wrong"}, accounts=["acme"])

    for _ in range(48):
        with pytest.raises(AuthenticationFailed):
            await read(collector)
        await anyio.sleep(3_600)

    assert server.logins == 4


async def test_new_credentials_are_tried_at_once(
    build: Build, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDNV_PASSWORD", "wrong")
    collector = build(
        "cdnvideo", server, **{**LOGIN, "password": {"env": "CDNV_PASSWORD"}}, accounts=["acme"]
    )
    with pytest.raises(AuthenticationFailed):
        await read(collector)

    monkeypatch.setenv("CDNV_PASSWORD", "hunter2-hunter2")
    await read(collector)

    assert server.logins == 2


async def test_a_secret_that_is_gone_sends_nothing(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **{**LOGIN, "password": {"env": "NOT_SET"}}, accounts=["acme"])

    with pytest.raises(AuthenticationFailed, match="NOT_SET is not set"):
        await read(collector)

    assert server.requests == []


@pytest.mark.parametrize(
    "reply",
    [
        answer(401, {"status": 401, "description": "no"}),
        answer(200, {"status": 401, "description": "no"}),
        answer(400, b""),
        answer(401, b"", date="Sun, 22 Nov 2026 09:00:00 GMT"),
    ],
    ids=["401", "401 in a 200", "400", "401 and a skewed clock"],
)
async def test_every_way_to_reject_a_login_is_remembered(
    build: Build, server: Server, reply: Response
) -> None:
    server.will("/token/", reply)
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])

    for _ in range(3):
        with pytest.raises(AuthenticationFailed):
            await read(collector)

    assert len(server.requests) == 1


async def test_a_ban_is_waited_out(build: Build, server: Server) -> None:
    server.will("/token/", answer(403, {"status": 403, "description": "banned"}))
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    for _ in range(170):
        with pytest.raises(AuthenticationFailed):
            await read(collector)
        await anyio.sleep(60)
    assert len(server.requests) == 1

    await anyio.sleep(11 * 60)
    await read(collector)


async def test_logins_are_at_most_twenty_in_any_minute(build: Build, server: Server) -> None:
    server.lifetime = 1
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])

    with anyio.move_on_after(59.9):
        while True:
            await read(collector)

    assert 15 <= server.logins <= 20


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, {"status": 200}),
        answer(200, {"status": 200, "token": "a\nb", "lifetime": 1000}),
        answer(200, {"status": 200, "token": "cdn1_secret", "lifetime": -1}),
        answer(200, b"<html>cdn1_secret</html>"),
    ],
)
async def test_a_strange_token_answer_is_a_broken_contract(
    build: Build, server: Server, reply: Response
) -> None:
    server.will("/token/", reply)

    with pytest.raises(ContractBroken) as caught:
        await read(build("cdnvideo", server, **LOGIN, accounts=["acme"]))

    assert "secret" not in str(caught.value)


async def test_the_other_name_of_the_token_is_read(build: Build, server: Server) -> None:
    server.good.add("cdn1_x")
    server.will("/token/", answer(200, {"auth_token": "cdn1_x", "lifetime": 21599000}))

    assert (await read(build("cdnvideo", server, **LOGIN, accounts=["acme"]))).size


TOKEN = {"token": "given-token", "base_url": "http://cdnv.test"}


async def test_a_given_token_never_logs_in(build: Build, server: Server) -> None:
    server.good.add("given-token")
    await read(build("cdnvideo", server, **TOKEN, accounts=["acme"]))

    assert server.logins == 0
    assert [request.headers["CDN-AUTH-TOKEN"] for request in server.requests] == ["given-token"]


async def test_an_invalid_given_token_is_told_from_a_foreign_account(build: Build, server: Server) -> None:
    server.foreign = {"other"}
    collector = build("cdnvideo", server, **TOKEN, accounts=["acme", "other"])
    with pytest.raises(AuthenticationFailed, match="the token is invalid"):
        await read(collector)

    server.good.add("given-token")
    with pytest.raises(PermissionMissing, match="account other"):
        await read(collector, account="other")


async def test_no_secret_is_in_an_error(build: Build, server: Server) -> None:
    server.will("/token/", answer(401, {"status": 401, "description": "bob:hunter2-hunter2 is wrong"}))
    with pytest.raises(AuthenticationFailed) as caught:
        await read(build("cdnvideo", server, **LOGIN, accounts=["acme"]))
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"

    server.good.add("given-token")
    server.will("/resources", answer(422, {"status": 422, "description": "given-token"}))
    with pytest.raises(RequestRefused) as refused:
        await read(build("cdnvideo", server, **TOKEN, accounts=["acme"]))
    assert "given-token" not in str(refused.value)
