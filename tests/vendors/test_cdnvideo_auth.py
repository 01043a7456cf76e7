"""Who we are to CDNvideo: logins, tokens, and never too many of either."""

import anyio
import pytest
import structlog

from tests.conftest import BASE, LoopClock
from tests.vendors.cdnvideo_server import LOGIN, Build, Server, answer, line_to, read
from watcher.collect.http import Request, Response
from watcher.errors import (
    AuthenticationFailed,
    CollectError,
    ContractBroken,
    NetworkFailed,
    PermissionMissing,
    QuotaExceeded,
    RequestRefused,
    VendorFailed,
)
from watcher.model.time import SECOND

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


async def test_a_rejected_login_is_never_simply_repeated(
    build: Build, server: Server, clock: LoopClock
) -> None:
    """For hours and for every kind of refusal: test_cdnvideo_rejection.py."""
    line = line_to(build("cdnvideo", server, **{**LOGIN, "password": "wrong"}, accounts=["acme"]), clock)

    for _ in range(30):
        with pytest.raises(AuthenticationFailed, match=r"login rejected \(HTTP 401"):
            await line.ask(lambda: read(line.collector))
        await anyio.sleep(60)

    assert server.logins == 1


async def test_a_secret_that_is_gone_sends_nothing(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **{**LOGIN, "password": {"env": "NOT_SET"}}, accounts=["acme"])

    with pytest.raises(AuthenticationFailed, match="NOT_SET is not set"):
        await read(collector)

    assert server.requests == []


async def test_logins_are_at_most_twenty_in_any_minute(build: Build, server: Server) -> None:
    server.lifetime = 1
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])

    with anyio.move_on_after(59.9):
        while True:
            await read(collector)

    assert 15 <= server.logins <= 20


async def test_a_lifetime_that_cannot_be_is_as_if_none_were_said(build: Build, server: Server) -> None:
    server.lifetime = -1
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    for _ in range(3):
        await read(collector)

    assert server.logins == 1


@pytest.mark.parametrize(
    "reply",
    [answer(503, b""), answer(504, b""), answer(429, b"", **{"retry-after": "2"}), NetworkFailed("reset")],
    ids=["503", "504", "429", "network"],
)
async def test_no_login_is_repeated_by_the_retry_of_the_call_that_needed_it(
    build: Build, server: Server, reply: Response | CollectError
) -> None:
    server.refusal = reply
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    for _ in range(5):
        with pytest.raises((VendorFailed, QuotaExceeded, NetworkFailed)):
            await read(collector)
    assert server.logins == 1

    server.refusal = None
    await anyio.sleep(60)
    await read(collector)
    assert server.logins == 2


async def test_a_token_call_that_takes_too_long_is_no_query_that_did(
    build: Build, server: Server, clock: LoopClock
) -> None:
    async def stuck(request: Request) -> Response:
        await anyio.sleep(60)
        return await server(request)

    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises(NetworkFailed, match="no answer within 30 s"),
    ):
        await read(build("cdnvideo", stuck, **LOGIN, accounts=["acme"]))

    assert logs == []
    assert clock.now() - BASE < 40 * SECOND


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


LONG = "cdn1_" + "aB3/xY9+" * 20


@pytest.mark.parametrize(
    "echo",
    [
        answer(200, {"error": "quota", "token": LONG}),
        answer(200, {"error": "quota", "of": LONG}),
        answer(200, LONG.encode()),
        answer(200, {"account": LONG, "data": []}),
        answer(200, {"data": [{"resource": LONG + "\n"}]}),
        answer(422, {"status": 422, "description": f"{'no ' * 64}{LONG}"}),
        answer(200, {"status": 422, "description": f"{'-' * 31} {LONG}"}),
    ],
    ids=["keyed", "elsewhere", "bare", "account", "resource", "cut off", "in a 200"],
)
async def test_a_token_got_by_logging_in_is_in_no_error_not_even_a_part_of_it(
    build: Build, server: Server, secrets: set[str], echo: Response
) -> None:
    server.good.add(LONG)
    server.will("/token/", answer(200, {"token": LONG}))
    server.will("/resources", echo)

    with pytest.raises((ContractBroken, RequestRefused)) as caught:
        await read(build("cdnvideo", server, **LOGIN, accounts=["acme"]))

    assert "aB3" not in str(caught.value)
    assert secrets == {LONG}


async def test_every_token_is_told_to_those_who_mask(build: Build, server: Server, secrets: set[str]) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    await read(collector)
    server.good.clear()
    await read(collector)

    assert secrets == {"cdn1_1", "cdn1_2"}
