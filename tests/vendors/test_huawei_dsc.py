"""Huawei DSC's collector: what it asks, and what it makes of answers."""

import anyio
import numpy as np
import pytest
import structlog

from tests.conftest import LoopClock
from tests.vendors.huawei_dsc_server import (
    BASE,
    PROJECT,
    SETTINGS,
    START,
    WINDOW,
    Build,
    Feed,
    answer,
    read,
    record,
    refused,
    values,
)
from watcher.errors import (
    ClockSkewed,
    CollectError,
    ContractBroken,
    NetworkFailed,
    PermissionMissing,
    QuotaExceeded,
    RequestRefused,
    VendorFailed,
)
from watcher.model.time import DAY, HOUR, MINUTE

pytestmark = pytest.mark.looptime

EMBED = "POST /v1/{project_id}/sdg/doc/watermark/embed"


@pytest.fixture
def feed(clock: LoopClock) -> Feed:
    return Feed(clock)


async def test_a_minute_in_which_nothing_happened_costs_one_small_call(build: Build, feed: Feed) -> None:
    batch = await read(build("huawei_dsc", feed, **SETTINGS))

    [request] = feed.requests
    assert request.url == f"{BASE}/v1/{PROJECT}/openapi/called-records"
    assert list(request.query) == [
        ("end_time", str(WINDOW.end - 1)),
        ("limit", "1"),
        ("start_time", str(WINDOW.start)),
    ]
    assert values(batch) == {"succeeded": 0, "failed": 0}
    assert (batch.source, batch.vendor, batch.stream, batch.width) == ("src", "huawei_dsc", "calls", MINUTE)
    assert batch.entities == ((),)
    assert batch.starts.tolist() == [START]
    assert batch.settled_until == WINDOW.end


async def test_all_pages_are_read_when_something_failed(build: Build, feed: Feed) -> None:
    feed.size = 3
    feed.records = [record(START + number) for number in range(7)]
    feed.records += [record(START + 8, "400", "Invalid parameter"), record(START + MINUTE)]

    batch = await read(build("huawei_dsc", feed, **SETTINGS))

    assert feed.limits == ["1", "2000", "2000", "2000"]
    assert [query.get("marker") for query in feed.reads] == [None, None, "m3", "m6"]
    assert values(batch) == {"succeeded": 7, "failed": 1, f"{EMBED} 400 Invalid parameter": 1}
    assert batch.remark == ""


@pytest.mark.parametrize(
    "end",
    [(), [("next_marker", None)], [("next_marker", "")], [("next_marker", " ")], [("next_marker", "m6")]],
    ids=["absent", "null", "empty", "blank", "the one sent"],
)
async def test_pages_end_in_every_way_they_can(
    build: Build, feed: Feed, end: list[tuple[str, object]]
) -> None:
    feed.size, feed.end = 3, end
    feed.records = [record(START + number, "500") for number in range(8)]

    batch = await read(build("huawei_dsc", feed, **SETTINGS))

    assert values(batch)[f"{EMBED} 500"] == 8
    assert len(feed.requests) == 4


async def test_a_page_without_records_ends_them_too(build: Build, feed: Feed) -> None:
    feed.size, feed.end = 4, [("next_marker", "m8")]
    feed.records = [record(START + number, "500") for number in range(8)]

    assert values(await read(build("huawei_dsc", feed, **SETTINGS)))[f"{EMBED} 500"] == 8
    assert [query.get("marker") for query in feed.reads] == [None, None, "m4", "m8"]


async def test_markers_that_go_round_in_a_circle_end_them_too(build: Build, feed: Feed) -> None:
    feed.size, feed.end = 4, [("next_marker", "m4")]
    feed.records = [record(START + number, "500") for number in range(12)]

    assert values(await read(build("huawei_dsc", feed, **SETTINGS)))[f"{EMBED} 500"] == 12
    assert len(feed.requests) == 4


async def test_pages_are_not_read_for_ever(build: Build, feed: Feed) -> None:
    feed.size = 2
    feed.records = [record(START + number, "500") for number in range(20)]

    batch = await read(build("huawei_dsc", feed, **SETTINGS, max_pages=3))

    assert len(feed.requests) == 4
    assert values(batch) == {"succeeded": 0, "failed": 20, f"{EMBED} 500": 6}
    assert batch.remark == "only 6 of 20 records were read (max_pages)"


async def test_equal_records_are_calls_of_their_own(build: Build, feed: Feed) -> None:
    feed.size = 2
    feed.records = [record(START, "500") for _ in range(6)]

    assert values(await read(build("huawei_dsc", feed, **SETTINGS))) == {
        "succeeded": 0,
        "failed": 6,
        f"{EMBED} 500": 6,
    }


async def test_records_that_come_in_while_paging_count_none_twice(build: Build, feed: Feed) -> None:
    feed.size = 3
    feed.records = [record(START + number, "500") for number in range(9)]
    late = [record(START + 50, "500")]
    feed.while_paging = lambda: (
        feed.records.insert(0, late.pop()) if late and len(feed.requests) > 1 else None
    )

    collector = build("huawei_dsc", feed, **SETTINGS)

    batch = await read(collector)
    assert values(batch) == {"succeeded": 0, "failed": 9, f"{EMBED} 500": 9}
    assert batch.remark == ""
    assert values(await read(collector))[f"{EMBED} 500"] == 10


async def test_a_minute_asked_for_again_costs_one_small_call_while_its_counters_stay(
    build: Build, feed: Feed
) -> None:
    feed.records = [record(START, "500"), record(START + 1)]
    collector = build("huawei_dsc", feed, **SETTINGS)
    first = await read(collector)
    feed.requests.clear()

    again = await read(collector)
    assert feed.limits == ["1"]
    assert values(again) == values(first)

    feed.records.append(record(START + 2, "500"))
    assert values(await read(collector)) == {"succeeded": 1, "failed": 2, f"{EMBED} 500": 2}


async def test_records_outside_the_minute_do_not_count(build: Build, feed: Feed) -> None:
    """A vendor whose bounds are whole seconds, say."""
    records = [record(START), record(WINDOW.end), record(WINDOW.end, "500"), record(START - 1, "500")]
    body = {"total": 4, "succeed": 2, "failed": 2, "openapi_called_records": records}
    feed.replies = [answer(200, body)] * 2

    assert values(await read(build("huawei_dsc", feed, **SETTINGS))) == {"succeeded": 1, "failed": 0}


async def test_records_of_another_day_are_not_what_was_asked_for(build: Build, feed: Feed) -> None:
    old = record(START - DAY)
    feed.replies = [answer(200, {"total": 1, "succeed": 1, "failed": 0, "openapi_called_records": [old]})]

    with pytest.raises(ContractBroken, match="a record of 2026-11-21T02:50:00Z in the answer for 2026-11-22"):
        await read(build("huawei_dsc", feed, **SETTINGS))


async def test_counters_and_records_that_disagree_are_flagged_and_counters_win(
    build: Build, feed: Feed
) -> None:
    records = [record(START, "500"), record(START + 1, "503")]
    odd = answer(200, {"total": 2, "succeed": 1, "failed": 1, "openapi_called_records": records})
    feed.replies = [odd] * 4
    collector = build("huawei_dsc", feed, **SETTINGS)

    with structlog.testing.capture_logs() as logs:
        batch = await read(collector)
        await read(collector)
        await read(collector, START + MINUTE)
        assert len(logs) == 1
        await read(collector)

    assert values(batch) == {"succeeded": 1, "failed": 1, f"{EMBED} 500": 1, f"{EMBED} 503": 1}
    assert batch.remark == "1 failed calls in the counters, 2 in the records"
    assert [log["event"] for log in logs] == ["counters_disagree", "counters_agree"]


async def test_records_that_come_later_than_their_counters_are_read_again(build: Build, feed: Feed) -> None:
    counters = {"total": 2, "succeed": 0, "failed": 2}
    first, both = [record(START, "500")], [record(START, "500"), record(START + 1, "503")]
    collector = build("huawei_dsc", feed, **SETTINGS)
    feed.replies = [answer(200, {**counters, "openapi_called_records": first})] * 2
    assert (await read(collector)).remark == "2 calls in the counters, 1 in the records"

    feed.replies = [answer(200, {**counters, "openapi_called_records": both})] * 2
    batch = await read(collector)

    assert values(batch) == {"succeeded": 0, "failed": 2, f"{EMBED} 500": 1, f"{EMBED} 503": 1}
    assert batch.remark == ""


async def test_counters_that_do_not_add_up_are_flagged(build: Build, feed: Feed) -> None:
    feed.replies = [answer(200, {"total": 3, "succeed": 0, "failed": 0})]

    batch = await read(build("huawei_dsc", feed, **SETTINGS))

    assert batch.remark == "the counters do not add up: 0 succeeded and 0 failed of 3 calls"


async def test_what_has_failed_before_is_said_to_fail_no_more_for_a_day(build: Build, feed: Feed) -> None:
    feed.records = [record(START, "500")]
    collector = build("huawei_dsc", feed, **SETTINGS)
    await read(collector)

    assert values(await read(collector, START + MINUTE)) == {"succeeded": 0, "failed": 0, f"{EMBED} 500": 0}
    assert values(await read(collector, START + DAY)) == {"succeeded": 0, "failed": 0}


async def test_what_was_not_read_is_not_said_to_fail_no_more(build: Build, feed: Feed) -> None:
    feed.records = [record(START, "404"), *[record(START + MINUTE, "500")] * 3]
    feed.size = 2
    collector = build("huawei_dsc", feed, **SETTINGS, max_pages=1)
    await read(collector)

    found = values(await read(collector, START + MINUTE))

    assert found[f"{EMBED} 500"] == 2
    assert np.isnan(found[f"{EMBED} 404"])


async def test_signatures_beyond_the_cap_are_one(build: Build, feed: Feed) -> None:
    feed.records = [record(START + number, str(400 + number % 5)) for number in range(9)]

    found = values(await read(build("huawei_dsc", feed, **SETTINGS, signatures=2)))

    assert found == {"succeeded": 0, "failed": 9, f"{EMBED} 400": 2, f"{EMBED} 401": 2, "other": 5}


async def test_evidence_does_not_say_who_called(build: Build, feed: Feed) -> None:
    reason = "User zhang.san (u-8812) of acme may not embed, request 77812, code dsc.40000011"
    feed.records = [record(START + 7, "403", reason)]

    batch = await read(build("huawei_dsc", feed, **SETTINGS))

    [exemplar] = batch.exemplars
    assert (exemplar.entity, exemplar.at) == (0, START + 7)
    assert dict(exemplar.facts) == {
        "url": "/v1/{project_id}/sdg/doc/watermark/embed",
        "method": "POST",
        "status": "403",
        "reason": "User {user} ({user}) of {user} may not embed, request {n}, code dsc.40000011",
        "time": "2026-11-22T02:50:00.007Z",
        "path": "/v1/{project_id}/sdg/doc/watermark/embed",
        "message": "User {user} ({user}) of {user} may not embed, request 77812, code dsc.40000011",
    }
    assert {labels for name, labels in batch.metrics if name == "api_failed_calls"} == {
        tuple(sorted((name, exemplar.facts[name]) for name in ("url", "method", "status", "reason")))
    }


async def test_evidence_says_who_called_where_that_is_asked_for(build: Build, feed: Feed) -> None:
    feed.records = [record(START, "403", "zhang.san may not")]

    batch = await read(build("huawei_dsc", feed, **SETTINGS, show_users=True))

    facts = batch.exemplars[0].facts
    assert (facts["user"], facts["user_id"], facts["message"]) == ("zhang.san", "u-8812", "zhang.san may not")
    assert facts["reason"] == "{user} may not"


async def test_evidence_is_a_few_of_each_kind_the_newest_first(build: Build, feed: Feed) -> None:
    feed.records = [record(START + number, str(400 + number % 10)) for number in range(100)]

    batch = await read(build("huawei_dsc", feed, **SETTINGS))

    assert len(batch.exemplars) == 20
    assert batch.exemplars[0].at == START + 99
    assert len({exemplar.facts["status"] for exemplar in batch.exemplars}) == 10


async def test_a_bin_is_not_called_settled_before_its_time(
    build: Build, feed: Feed, clock: LoopClock
) -> None:
    clock.shift = WINDOW.end + MINUTE - clock.now()

    batch = await read(build("huawei_dsc", feed, **SETTINGS))

    assert batch.settled_until == batch.fetched_at - 3 * MINUTE < WINDOW.end


async def test_one_stream_is_read_without_asking_the_vendor(build: Build, feed: Feed) -> None:
    [stream] = await build("huawei_dsc", feed, **SETTINGS).streams()

    assert (stream.name, stream.width, stream.every) == ("calls", MINUTE, MINUTE)
    assert (stream.settle, stream.overlap, stream.backfill) == (3 * MINUTE, 5 * MINUTE, 6 * HOUR)
    assert not feed.requests


REFUSALS = [
    (refused(400, "dsc.40000011", "Invalid parameter"), RequestRefused, 1),
    (refused(404, "APIG.0101", "The API does not exist"), RequestRefused, 1),
    (refused(404, "APIGW.0101", "The API does not exist"), RequestRefused, 1),
    (refused(404, "DSC.00000001", "No such project"), PermissionMissing, 1),
    (refused(403, "DSC.00000403", "Forbidden"), PermissionMissing, 1),
    (refused(500, "APIG.0201", "Backend unavailable"), VendorFailed, 3),
    (answer(503, b"<html>"), VendorFailed, 3),
    (refused(429, "APIGW.0308", "The throttling threshold has been reached"), QuotaExceeded, 3),
    (refused(400, "APIG.0308", "over ratelimit,limit:2,time:1 second"), QuotaExceeded, 3),
    (NetworkFailed("reset"), NetworkFailed, 3),
]


@pytest.mark.parametrize(("reply", "family", "attempts"), REFUSALS)
async def test_every_failure_has_its_family(
    build: Build, feed: Feed, reply: object, family: type[CollectError], attempts: int
) -> None:
    feed.replies = [reply] * 3  # type: ignore[list-item]  # parametrized

    with pytest.raises(family):
        await read(build("huawei_dsc", feed, **SETTINGS))

    assert len(feed.requests) == attempts


async def test_a_refusal_says_what_the_vendor_said(build: Build, feed: Feed) -> None:
    feed.replies = [refused(400, "DSC.00000004", "Invalid parameter\n\x1b[31m of " + "A1" * 20)]

    with pytest.raises(RequestRefused) as caught:
        await read(build("huawei_dsc", feed, **SETTINGS))

    assert str(caught.value) == "HTTP 400, dsc.00000004: Invalid parameter [31m of ***"


async def test_a_quota_is_waited_for_as_long_as_it_is_counted(build: Build, feed: Feed) -> None:
    text = "The throttling threshold has been reached: policy user over ratelimit,limit:2,time:1 minute"
    feed.replies = [refused(429, "APIG.0308", text)]

    began = anyio.current_time()
    await read(build("huawei_dsc", feed, **SETTINGS))

    assert 60 <= anyio.current_time() - began < 61


async def test_an_old_signature_is_our_clock_and_is_not_sent_over_and_over(build: Build, feed: Feed) -> None:
    """Each counts as a bad one, and a few in a row lock the key."""
    why = "calc aksk signature fail:signature expired, signature time:20261122T024303Z,server time:2026"
    feed.replies = [refused(401, "APIGW.0301", f"Incorrect IAM authentication information: {why}")]

    with pytest.raises(ClockSkewed, match="signature expired") as caught:
        await read(build("huawei_dsc", feed, **SETTINGS))

    assert len(feed.requests) == 1
    assert caught.value.retry_after == 300
