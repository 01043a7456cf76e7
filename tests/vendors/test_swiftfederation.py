"""SwiftFederation's collector: what it asks, and what it makes of answers and failures."""

import numpy as np
import pytest

from tests.conftest import LoopClock
from tests.vendors.swiftfederation_server import (
    SETTINGS,
    WINDOW,
    Build,
    Server,
    answer,
    failure,
    question,
    read,
    value,
)
from watcher.collect.collector import Window
from watcher.collect.http import Response
from watcher.errors import (
    AuthenticationFailed,
    ClockSkewed,
    CollectError,
    ContractBroken,
    NetworkFailed,
    PermissionMissing,
    QuotaExceeded,
    RequestRefused,
    VendorFailed,
)
from watcher.model.time import DAY, MINUTE, parse_rfc3339

pytestmark = pytest.mark.looptime


@pytest.fixture
def server() -> Server:
    """SwiftFederation, where all is well."""
    return Server()


async def test_a_request_is_written_as_the_page_says(build: Build, server: Server) -> None:
    await read(build("swiftfederation", server, **SETTINGS))

    (request,) = server.requests
    assert (request.method, request.url) == ("POST", "http://sfd.test/cdn/v1.0/analytics/originHttpCodes")
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert request.body == (
        b'{"serviceNames":["a.test","b.test"],"startTime":"2026-11-22T02:30:00Z",'
        b'"endTime":"2026-11-22T02:45:00Z","interval":"minute"}'
    )


async def test_a_window_becomes_a_batch_with_one_start_a_bin(build: Build, server: Server) -> None:
    server.silent = {WINDOW.start + 5 * MINUTE}
    batch = await read(build("swiftfederation", server, **SETTINGS))

    assert (batch.source, batch.vendor, batch.stream, batch.width) == (
        "src",
        "swiftfederation",
        "origin",
        5 * MINUTE,
    )
    assert batch.entities == ((("resource", "a.test"),), (("resource", "b.test"),))
    assert batch.starts.tolist() == [WINDOW.start + step * 5 * MINUTE for step in range(3)]
    assert batch.settled_until == WINDOW.end
    assert np.isnan(batch.values[1]).all()
    assert not np.isnan(batch.values[[0, 2]]).any()
    assert value(batch, "cdn_requests", entity=1, bin_=2, tier="origin") == 100


async def test_a_bin_is_not_called_settled_before_its_time(build: Build, server: Server) -> None:
    late = Window(WINDOW.start, WINDOW.end + 10 * MINUTE)

    batch = await read(build("swiftfederation", server, **SETTINGS), late)

    assert batch.settled_until == batch.fetched_at - 10 * MINUTE == late.end - 5 * MINUTE


async def test_old_counts_are_asked_for_by_day(build: Build, server: Server) -> None:
    collector = build("swiftfederation", server, **SETTINGS, backfill="90d")
    end = parse_rfc3339("2026-11-20T00:00:00Z")

    batch = await read(collector, Window(end - 30 * DAY, end), "origin-1d")

    asked = question(server.requests[0])
    assert (asked["startTime"], asked["endTime"]) == ("2026-10-21T00:00:00Z", "2026-11-20T00:00:00Z")
    assert asked["interval"] == "day"
    assert len(batch.starts) == 30
    assert (batch.width, batch.stream) == (DAY, "origin-1d")


@pytest.mark.parametrize(
    "window",
    [
        Window(WINDOW.start, WINDOW.start),
        Window(WINDOW.start + MINUTE, WINDOW.end),
        Window(WINDOW.start, WINDOW.start + DAY + 5 * MINUTE),
    ],
)
async def test_a_window_that_the_vendor_does_not_allow_is_never_sent(
    build: Build, server: Server, window: Window
) -> None:
    with pytest.raises(ValueError, match="a window is whole bins"):
        await read(build("swiftfederation", server, **SETTINGS), window)

    assert server.requests == []


async def test_names_are_asked_for_fifty_at_a_time_and_make_one_batch(build: Build, server: Server) -> None:
    names = [f"n{number}.test" for number in range(120)]

    batch = await read(build("swiftfederation", server, **{**SETTINGS, "domains": names}))

    assert [len(asked) for asked in server.asked] == [50, 50, 20]
    assert [dict(entity)["resource"] for entity in batch.entities] == names
    assert not np.isnan(batch.values).any()


async def test_a_window_counts_only_when_all_its_calls_came(build: Build, server: Server) -> None:
    names = [f"n{number}.test" for number in range(60)]
    collector = build("swiftfederation", server, **{**SETTINGS, "domains": names})
    await read(collector)
    server.replies = [answer(200, []), failure(403, "Permission.Forbidden")]

    with pytest.raises(PermissionMissing):
        await read(collector)


async def test_a_code_that_no_longer_occurs_is_zero(build: Build, server: Server) -> None:
    collector = build("swiftfederation", server, **SETTINGS)
    server.counts = {"418": 3}
    await read(collector)
    server.counts = {"200": 5}

    batch = await read(collector)

    for code in ("418", "502", "530"):
        assert value(batch, "cdn_status_responses", status=code, tier="origin") == 0


async def test_a_code_is_forgotten_a_day_after_it_occurred(
    build: Build, server: Server, clock: LoopClock
) -> None:
    collector = build("swiftfederation", server, **SETTINGS)
    server.counts = {"418": 3}
    await read(collector)
    server.counts = {"200": 5}
    clock.shift += DAY

    batch = await read(collector)

    assert ("cdn_status_responses", (("status", "418"), ("tier", "origin"))) not in batch.metrics


@pytest.mark.parametrize("code", ["403", "404", "429", "499", "503", "530"])
async def test_an_error_that_occurred_before_a_restart_is_zero_after_it(
    build: Build, server: Server, code: str
) -> None:
    server.counts = {"200": 5}

    batch = await read(build("swiftfederation", server, **SETTINGS))

    assert value(batch, "cdn_status_responses", status=code, tier="origin") == 0


async def test_server_errors_come_with_the_record_behind_them(build: Build, server: Server) -> None:
    server.silent = {WINDOW.start + 10 * MINUTE}
    batch = await read(build("swiftfederation", server, **SETTINGS))

    assert [exemplar.entity for exemplar in batch.exemplars] == [0, 1]
    assert batch.exemplars[1].at == WINDOW.start + 5 * MINUTE
    assert batch.exemplars[1].facts == {"domain": "b.test", "codes": "200:90 502:10", "trace": "trace-1"}

    server.counts = {"200": 90}
    assert (await read(build("swiftfederation", server, **SETTINGS))).exemplars == ()


FAMILIES = [
    (400, "Request.BadRequest", RequestRefused),
    (400, "ServiceNames.Invalid", RequestRefused),
    (400, "Time.Invalid", RequestRefused),
    (400, "IntervalType.Invalid", RequestRefused),
    (400, "TimeRange.Exceeded", RequestRefused),
    (400, "TimeRange.EndBeforeStart", RequestRefused),
    (400, "AuthorizationFormat.Invalid", RequestRefused),
    (400, "Nonce.Invalid", RequestRefused),
    (400, "Signature.Version.Invalid", RequestRefused),
    (405, "Request.MediaTypeNotSupported", RequestRefused),
    (404, "Customer.NotFound", RequestRefused),
    (404, "", RequestRefused),
    (400, "AccessKeyId.Invalid", AuthenticationFailed),
    (401, "Signature.NotMatch", AuthenticationFailed),
    (401, "AccessCredential.Invalid", AuthenticationFailed),
    (401, "", AuthenticationFailed),
    (403, "Permission.Forbidden", PermissionMissing),
    (403, "Product.Subscription.Invalid", PermissionMissing),
    (400, "Signature.Expired", ClockSkewed),
    (400, "Timestamp.Invalid", ClockSkewed),
]


@pytest.mark.parametrize(("status", "code", "family"), FAMILIES)
async def test_a_refusal_is_told_in_the_vendors_words_and_not_repeated(
    build: Build, server: Server, status: int, code: str, family: type[CollectError]
) -> None:
    server.replies = [failure(status, code, "Because\n\x1b[31m.")]

    with pytest.raises(family) as caught:
        await read(build("swiftfederation", server, **SETTINGS))

    said = f"{code}: Because [31m." if code else "Because [31m."
    assert str(caught.value) == f"HTTP {status} {said} (trace trace-1)"
    assert caught.value.status == status
    assert len(server.requests) == 1


PASSING = [
    (failure(400, "GetOriginHttpCodes.OperationFailed"), VendorFailed),
    (failure(500, "InternalServerError"), VendorFailed),
    (failure(503, "ServiceName.NotFound"), VendorFailed),
    (answer(502, b"<html>"), VendorFailed),
    (failure(429, "TooManyRequests", **{"retry-after": "7"}), QuotaExceeded),
    (NetworkFailed("reset"), NetworkFailed),
]


@pytest.mark.parametrize(("reply", "family"), PASSING)
async def test_what_may_pass_is_asked_again(
    build: Build, server: Server, reply: Response | CollectError, family: type[CollectError]
) -> None:
    collector = build("swiftfederation", server, **SETTINGS)
    server.replies = [reply]
    assert (await read(collector)).size

    server.replies = [reply] * 3
    with pytest.raises(family):
        await read(collector)


async def test_a_retry_after_is_waited_for(build: Build, server: Server, clock: LoopClock) -> None:
    server.replies = [failure(429, "", **{"retry-after": "7"})]
    began = clock.now()

    await read(build("swiftfederation", server, **SETTINGS))

    assert clock.now() - began >= 7_000


async def test_an_answer_that_cannot_be_read_names_its_trace(build: Build, server: Server) -> None:
    server.replies = [answer(200, {"code": "Odd", "message": "no list"})]

    with pytest.raises(ContractBroken, match=r"array.*\(trace trace-1\)"):
        await read(build("swiftfederation", server, **SETTINGS))


async def test_a_signature_that_is_echoed_stays_out_of_the_error(build: Build, server: Server) -> None:
    server.replies = [failure(401, "Signature.NotMatch", "expected " + "ab12" * 16)]

    with pytest.raises(AuthenticationFailed, match=r"Signature.NotMatch: expected \*\*\* \(trace"):
        await read(build("swiftfederation", server, **SETTINGS))
