"""A wrong password: however the vendor says so, it is sent four times at most. Seven ban the account."""

from collections.abc import Mapping
from itertools import pairwise

import anyio
import pytest

from tests.vendors.cdnvideo_server import LOGIN, Build, Server, answer, line_to, read
from watcher.collect.collector import Collector
from watcher.collect.http import Response
from watcher.collect.source import SourceReader
from watcher.errors import AuthenticationFailed, CollectError, ContractBroken
from watcher.model.ports import Clock
from watcher.model.time import HOUR, MINUTE, SECOND, Duration

pytestmark = pytest.mark.looptime

REFUSALS: Mapping[str, Response | CollectError] = {
    "401": answer(401, {"status": 401, "description": "wrong login or password"}),
    "401 in a 200": answer(200, {"status": 401, "description": "wrong login or password"}),
    "401 and a skewed clock": answer(401, b"", date="Sun, 22 Nov 2026 09:00:00 GMT"),
    "400": answer(400, b""),
    "422": answer(422, {"status": 422, "description": "Invalid credentials"}),
    "302": answer(302, b"", location="/login"),
    "302 that was not followed": ContractBroken("HTTP 302 leads to /login", status=302),
    "no token": answer(200, {"status": 200, "description": "Invalid credentials"}),
    "an odd token": answer(200, {"token": "a\nb", "lifetime": 1000}),
    "a page": answer(200, b"<html>Sign in</html>"),
    "nothing": answer(204, b""),
}
BANNED = answer(403, {"status": 403, "description": "banned"})
every_refusal = pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)


async def run(collector: Collector, clock: Clock, duration: Duration) -> None:
    with anyio.move_on_after(duration / SECOND):
        await SourceReader(line_to(collector, clock), {}).run()


def several_streams(build: Build, server: Server) -> Collector:
    return build("cdnvideo", server, **LOGIN, accounts=["acme", "other"], backfill="20m", every="5m")


@every_refusal
async def test_a_refused_login_is_sent_once_and_probed_three_times_by_all_streams_together(
    build: Build, server: Server, clock: Clock, refusal: Response | CollectError
) -> None:
    server.refusal = refusal

    await run(several_streams(build, server), clock, 6 * HOUR)

    assert len(server.requests) == server.logins == 4
    assert min(later - earlier for earlier, later in pairwise(server.login_times)) >= 3_600


@every_refusal
async def test_a_password_that_is_changed_while_all_streams_read_is_tried_no_oftener(
    build: Build, server: Server, clock: Clock, refusal: Response | CollectError
) -> None:
    collector = several_streams(build, server)

    async with anyio.create_task_group() as group:
        group.start_soon(run, collector, clock, 6 * HOUR)
        await anyio.sleep(600.5)
        assert server.logins == 1
        server.refusal = refusal
        server.good.clear()

    assert server.logins == 1 + 4


async def test_a_ban_is_waited_out(build: Build, server: Server, clock: Clock) -> None:
    server.refusal = BANNED

    await run(several_streams(build, server), clock, 6 * HOUR - MINUTE)

    assert [round(at / 3_600, 1) for at in server.login_times] == [0, 3]


async def test_a_rejected_login_ends_the_token_that_still_lives(build: Build, server: Server) -> None:
    """Else an answer got with it would count as an answer to the new login."""
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme", "other"])
    server.foreign = {"other"}
    await read(collector)
    server.refusal = REFUSALS["401"]
    for account in ("other", "acme"):
        with pytest.raises(AuthenticationFailed):
            await read(collector, account=account)


async def test_renewed_credentials_are_tried_at_once(
    build: Build, server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDNV_PASSWORD", "swordfish")
    login = {**LOGIN, "password": {"env": "CDNV_PASSWORD"}}
    line = line_to(build("cdnvideo", server, **login, accounts=["acme"]), clock)
    for _ in range(3):
        with pytest.raises(
            AuthenticationFailed, match=r"login rejected \(HTTP 401: wrong login or password\)"
        ):
            await line.ask(lambda: read(line.collector))
    assert server.logins == 1

    monkeypatch.setenv("CDNV_PASSWORD", "hunter2-hunter2")
    line.credentials.renew()
    await line.ask(lambda: read(line.collector))
    assert server.logins == 2


async def test_what_the_vendor_says_in_place_of_a_token_is_said(build: Build, server: Server) -> None:
    server.refusal = REFUSALS["no token"]

    with pytest.raises(AuthenticationFailed, match="HTTP 200: Invalid credentials"):
        await read(build("cdnvideo", server, **LOGIN, accounts=["acme"]))
