"""What a 401 of Leaseweb says: that the key is wrong, or that it may not see this."""

import pytest

from tests.conftest import LoopClock
from tests.vendors.leaseweb_server import KEY, Build, Server, action, answer, certificate, read, refusal
from watcher.collect.http import Response
from watcher.errors import AuthenticationFailed, PermissionMissing
from watcher.model.time import HOUR

pytestmark = pytest.mark.looptime

DENIED = refusal(401, "You are not authorized to view this resource.")


@pytest.fixture
def lsw() -> Server:
    server = Server()
    server.lists |= {"/certificates": [certificate("ce-1")], "/actions": [action("a1")]}
    return server


async def test_a_key_that_was_never_answered_is_wrong(build: Build, lsw: Server) -> None:
    lsw.will("/actions", DENIED)

    with pytest.raises(AuthenticationFailed):
        await read(build("leaseweb", lsw, **KEY), "actions")


async def test_a_key_that_is_answered_elsewhere_may_not_see_this(build: Build, lsw: Server) -> None:
    collector = build("leaseweb", lsw, **KEY)
    lsw.will("/actions", *[DENIED] * 9)

    for _ in range(3):
        await read(collector, "certificates")
        for _ in range(3):
            with pytest.raises(PermissionMissing, match="HTTP 401"):
                await read(collector, "actions")

    assert (await read(collector, "certificates")).size


async def test_an_answer_proves_a_key_for_some_minutes(build: Build, lsw: Server, clock: LoopClock) -> None:
    collector = build("leaseweb", lsw, **KEY)
    await read(collector, "certificates")
    clock.shift += HOUR
    lsw.will("/actions", DENIED)

    with pytest.raises(AuthenticationFailed):
        await read(collector, "actions")


async def test_a_key_that_is_revoked_is_tried_twice(build: Build, lsw: Server) -> None:
    """The first refusal may be of one resource. A second one, with nothing answered in between, is not."""
    collector = build("leaseweb", lsw, **KEY)
    await read(collector, "certificates")
    await read(collector, "actions")
    lsw.will("/certificates", DENIED)
    lsw.will("/actions", DENIED)

    with pytest.raises(PermissionMissing):
        await read(collector, "actions")
    with pytest.raises(AuthenticationFailed):
        await read(collector, "certificates")


async def test_a_bare_refusal_is_of_the_key(build: Build, lsw: Server) -> None:
    collector = build("leaseweb", lsw, **KEY)
    await read(collector, "certificates")
    lsw.will("/actions", answer(401, {"errorMessage": "Unauthorized"}))

    with pytest.raises(AuthenticationFailed, match="HTTP 401: Unauthorized"):
        await read(collector, "actions")


async def test_another_key_has_to_prove_itself(
    build: Build, lsw: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSW_KEY", "0f0f-secret")
    collector = build("leaseweb", lsw, **{**KEY, "api_key": {"env": "LSW_KEY"}})
    await read(collector, "certificates")
    monkeypatch.setenv("LSW_KEY", "wrong-key")

    with pytest.raises(AuthenticationFailed, match="You are not authorized"):
        await read(collector, "actions")


async def test_a_clock_that_differs_makes_no_key_wrong(build: Build, lsw: Server) -> None:
    collector = build("leaseweb", lsw, **KEY)
    await read(collector, "certificates")
    late = {**DENIED.headers, "date": "Sun, 22 Nov 2037 02:50:00 GMT"}
    lsw.will("/actions", Response(DENIED.status, late, DENIED.body))

    with pytest.raises(PermissionMissing, match="our clock is"):
        await read(collector, "actions")
