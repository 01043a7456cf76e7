"""CDNvideo's collector: what it asks, and what it makes of answers and failures."""

from typing import Any

import anyio
import pytest
import structlog

from tests.vendors.cdnvideo_server import LOGIN, WINDOW, Build, Server, answer, read
from watcher.collect.http import Response
from watcher.collect.vendors.cdnvideo.settings import EVALUATED
from watcher.errors import (
    CollectError,
    ContractBroken,
    NetworkFailed,
    PermissionMissing,
    QuotaExceeded,
    RequestRefused,
    VendorFailed,
)
from watcher.model.time import MINUTE

pytestmark = pytest.mark.looptime


async def test_requests_are_written_as_the_page_says(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])

    await read(collector)
    await read(collector, "totals")

    login, resources, totals = server.requests
    assert login.url == "http://cdnv.test/app/oauth/v1/token/"
    assert resources.url == "http://cdnv.test/app/metrics/v1/resources"
    assert totals.url == "http://cdnv.test/app/metrics/v1/"
    assert list(totals.query) == [
        ("account", "acme"),
        ("start", "2026-11-22T02:50:00"),
        ("end", "2026-11-22T02:51:00"),
        *(("metric", metric) for metric in EVALUATED),
    ]


async def test_a_window_becomes_a_batch_that_says_where_it_is_from(build: Build, server: Server) -> None:
    batch = await read(build("cdnvideo", server, **LOGIN, accounts=["acme"]))

    assert (batch.source, batch.vendor, batch.stream, batch.width) == (
        "src",
        "cdnvideo",
        "acme/resources",
        MINUTE,
    )
    assert batch.entities == ((("account", "acme"), ("resource", "r1")),)
    assert batch.starts.tolist() == [WINDOW.start]
    assert batch.settled_until == WINDOW.end
    assert batch.names == {"r1": "shop"}


async def test_totals_belong_to_the_account(build: Build, server: Server) -> None:
    batch = await read(build("cdnvideo", server, **LOGIN, accounts=["acme"]), "totals")

    assert batch.entities == ((("account", "acme"),),)


async def test_a_bin_is_not_called_settled_before_its_time(build: Build, server: Server, clock: Any) -> None:  # noqa: ANN401 - LoopClock
    clock.shift = WINDOW.end + MINUTE - clock.now()

    batch = await read(build("cdnvideo", server, **LOGIN, accounts=["acme"]))

    assert batch.settled_until == batch.fetched_at - 3 * MINUTE < WINDOW.end


async def test_a_refused_request_is_not_repeated_and_says_why(build: Build, server: Server) -> None:
    text = "Invalid time format. Time must be at minute precision"
    server.will("/resources", answer(422, {"status": 422, "description": f"{text}\n\x1b[31m"}))

    with pytest.raises(RequestRefused) as caught:
        await read(build("cdnvideo", server, **LOGIN, accounts=["acme"]))

    assert str(caught.value) == f"HTTP 422: {text} [31m"
    assert len(server.asked("/resources")) == 1


@pytest.mark.parametrize(
    ("reply", "family"),
    [
        (answer(500, {"status": 500, "description": "oops"}), VendorFailed),
        (answer(500, b"<html>"), VendorFailed),
        (answer(200, {"status": 500, "description": "oops"}), VendorFailed),
        (answer(503, b""), VendorFailed),
        (answer(429, b"", **{"retry-after": "7"}), QuotaExceeded),
        (NetworkFailed("reset"), NetworkFailed),
    ],
)
async def test_what_may_pass_is_asked_again(
    build: Build, server: Server, reply: Response | CollectError, family: type[CollectError]
) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    server.will("/resources", reply)
    assert (await read(collector)).size

    server.will("/resources", *[reply] * 3)
    with pytest.raises(family):
        await read(collector)


async def test_a_query_that_times_out_is_asked_in_parts(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    whole = await read(collector)
    server.most_metrics = 6
    server.requests.clear()

    parts = await read(collector)

    assert parts.size == whole.size
    assert parts.metrics == whole.metrics
    asked = [sum(name == "metric" for name, _ in request.query) for request in server.requests]
    assert asked == [22, 11, 6, 6, 6, 4]

    server.requests.clear()
    await read(collector)
    assert len(server.requests) == 4


async def test_a_query_is_asked_whole_again_after_an_hour(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    server.most_metrics = 11
    await read(collector)
    server.most_metrics = 22
    await anyio.sleep(3_601)
    server.requests.clear()

    await read(collector)

    assert len(server.requests) == 1


async def test_a_query_that_times_out_however_small_is_the_vendors_failure(
    build: Build, server: Server
) -> None:
    server.most_metrics = 0
    with pytest.raises(VendorFailed, match="HTTP 504") as caught:
        await read(build("cdnvideo", server, **LOGIN, accounts=["acme"]))

    assert caught.value.status == 504
    assert len(server.asked("/resources")) == 4


async def test_a_query_that_takes_longer_than_we_wait_is_asked_in_parts_too(
    build: Build, server: Server
) -> None:
    server.most_in_time = 11
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])

    assert len((await read(collector)).metrics) > 20
    asked = [sum(name == "metric" for name, _ in request.query) for request in server.asked("/resources")]
    assert asked == [22, 11, 11]

    server.most_in_time = 0
    with pytest.raises(NetworkFailed, match="no answer within 30 s"):
        await read(collector)


async def test_a_network_that_is_down_is_no_reason_to_ask_in_parts(build: Build, server: Server) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    server.will("/resources", *[NetworkFailed("refused")] * 3)
    with pytest.raises(NetworkFailed, match="refused"):
        await read(collector)
    await read(collector)

    assert len(server.asked("/resources")) == 4


async def test_an_impossible_value_is_logged_when_it_comes_and_when_it_goes(
    build: Build, server: Server
) -> None:
    collector = build("cdnvideo", server, **LOGIN, accounts=["acme"])
    slip = answer(200, {"data": [{"resource": "r1", "edge_bandwidth": -1}]})
    server.will("/resources", slip, slip)

    with structlog.testing.capture_logs() as logs:
        for _ in range(4):
            await read(collector)

    assert [log["event"] for log in logs] == ["impossible_value", "possible_again"]


async def test_active_accounts_are_found_and_others_named_in_the_log(build: Build, server: Server) -> None:
    server.accounts = [
        {"status": "active", "utoken": "u", "uid": "1-1-1", "name": "acme"},
        {"status": "blocked", "name": "old"},
    ]

    collector = build("cdnvideo", server, **LOGIN)
    with structlog.testing.capture_logs() as logs:
        assert await collector.streams() == await collector.streams()
        streams = await collector.streams()

    assert {stream.name.rpartition("/")[0] for stream in streams} == {"acme"}
    assert [(log["event"], log["account"], log["status"]) for log in logs] == [
        ("account_inactive", "old", "blocked")
    ]

    server.accounts[1]["status"] = "active"
    with structlog.testing.capture_logs() as logs:
        await collector.streams()
    assert [(log["event"], log["account"]) for log in logs] == [("account_no_longer_inactive", "old")]


async def test_a_wrapped_list_of_accounts_is_read(build: Build, server: Server) -> None:
    server.accounts = {"status": 200, "data": [{"status": "active", "name": "acme"}]}

    assert await build("cdnvideo", server, **LOGIN).streams()


@pytest.mark.parametrize(
    ("accounts", "family"),
    [
        ([], ContractBroken),
        ({"data": 1}, ContractBroken),
        ([{"name": ""}], ContractBroken),
        ("no", ContractBroken),
        ([{"status": "blocked", "name": "old"}], PermissionMissing),
    ],
)
async def test_no_account_to_read_is_an_error(
    build: Build, server: Server, accounts: object, family: type[CollectError]
) -> None:
    server.accounts = accounts
    with pytest.raises(family):
        await build("cdnvideo", server, **LOGIN).streams()
