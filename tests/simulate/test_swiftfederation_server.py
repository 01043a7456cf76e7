"""The simulated SwiftFederation against every line of its documentation, over real sockets."""

from dataclasses import replace
from typing import Any

import pytest

from tests.simulate.asking import NOON, simulated
from tests.simulate.swiftfederation_asking import (
    BLOG,
    EMPTY,
    KEY_ID,
    SHOP,
    Call,
    ask,
    asked,
    question,
    written,
)
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, parse_rfc3339, rfc3339
from watcher.simulate.faults import Lag, Refusal, Revoked, Skewed
from watcher.simulate.moment import Moment
from watcher.simulate.swiftfederation.faults import Forgotten, OperationFailed
from watcher.simulate.swiftfederation.server import Swiftfederation
from watcher.simulate.swiftfederation.settings import SwiftfederationSettings

RIGHT = Call(question())


@pytest.mark.parametrize("prefixed", [True, False])
@pytest.mark.parametrize("version", ["2", None])
@pytest.mark.parametrize("custom", [(), (("X-SFD-FZone", "SG"),)])
async def test_both_signatures_are_taken_under_the_prefix_and_at_the_root(
    prefixed: bool,  # noqa: FBT001 - a parameter of the test
    version: str | None,
    custom: tuple[tuple[str, str], ...],
) -> None:
    async with simulated() as client:
        found = await ask(client, replace(RIGHT, version=version, custom=custom), prefixed=prefixed)

        assert found.status == 200
        assert len(found.headers["x-sfd-trace-id"]) == 32


WRONG_SIGNATURES = [
    (replace(RIGHT, authorization=""), 400, "AuthorizationFormat.Invalid"),
    (replace(RIGHT, authorization="Bearer x"), 400, "AuthorizationFormat.Invalid"),
    (replace(RIGHT, authorization=f"HMAC-SHA256 {KEY_ID}"), 400, "AuthorizationFormat.Invalid"),
    (replace(RIGHT, authorization=f"HMAC-SHA256 {KEY_ID}:{'AB' * 32}"), 400, "AuthorizationFormat.Invalid"),
    (replace(RIGHT, authorization=f"HMAC-SHA1 {KEY_ID}:{'ab' * 32}"), 400, "AuthorizationFormat.Invalid"),
    (replace(RIGHT, key_id="AKOTHER"), 401, "AccessCredential.Invalid"),
    (replace(RIGHT, date=None), 400, "Timestamp.Invalid"),
    (replace(RIGHT, date="2026-11-22T12:00:00Z"), 400, "Timestamp.Invalid"),
    (replace(RIGHT, date="20261322T120000Z"), 400, "Timestamp.Invalid"),
    (replace(RIGHT, date="20261122T130001Z"), 400, "Signature.Expired"),
    (replace(RIGHT, date="20261122T105959Z"), 400, "Signature.Expired"),
    (replace(RIGHT, nonce=None), 400, "Nonce.Invalid"),
    (replace(RIGHT, nonce="12a45"), 400, "Nonce.Invalid"),
    (replace(RIGHT, nonce="1" * 19), 400, "Nonce.Invalid"),
    (replace(RIGHT, version="3"), 400, "Signature.Version.Invalid"),
    (replace(RIGHT, key_secret="wrong"), 401, "Signature.NotMatch"),
    (replace(RIGHT, version=None, key_secret="wrong"), 401, "Signature.NotMatch"),
    (replace(RIGHT, authorization=f"HMAC-SHA256 {KEY_ID}:{'ab' * 32}"), 401, "Signature.NotMatch"),
    (replace(RIGHT, sent=RIGHT.body + b" "), 401, "Signature.NotMatch"),
    (replace(RIGHT, unsigned=(("X-SFD-FZone", "SG"),)), 401, "Signature.NotMatch"),
]


@pytest.mark.parametrize(("call", "status", "code"), WRONG_SIGNATURES)
async def test_a_wrong_signature_is_refused_by_what_is_wrong_with_it(
    call: Call, status: int, code: str
) -> None:
    async with simulated() as client:
        found = await ask(client, call)

        assert (found.status, found.code) == (status, code)
        assert found.headers["x-sfd-trace-id"]


async def test_a_date_may_be_an_hour_off_on_either_side() -> None:
    async with simulated() as client:
        for date in (NOON - HOUR, NOON + HOUR):
            assert (await ask(client, replace(RIGHT, date=written(date)))).status == 200


async def test_a_nonce_may_come_again_unless_the_scenario_says_otherwise() -> None:
    async with simulated() as client:
        assert [(await ask(client, RIGHT)).status for _ in range(2)] == [200, 200]
    async with simulated(sections={"swiftfederation": {"refuse_replays": True}}) as client:
        assert [(await ask(client, RIGHT)).status for _ in range(2)] == [200, 400]
        assert (await ask(client, replace(RIGHT, nonce="15122"))).status == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
async def test_another_content_type_is_refused(kind: str) -> None:
    async with simulated() as client:
        found = await ask(client, replace(RIGHT, content_type=kind))

        assert (found.status, found.code) == (405, "Request.MediaTypeNotSupported")


async def test_other_methods_and_paths_are_refused() -> None:
    async with simulated() as client:
        assert (await ask(client, replace(RIGHT, method="PUT"))).code == "Method.Invalid"
        found = await ask(client, replace(RIGHT, path="/cdn/v1.0/analytics/httpCodes"))
        assert (found.status, found.code) == (400, "URI.Invalid")


SHUFFLED: dict[str, Any] = {"serviceNames": [], "startTime": None, "endTime": "x", "interval": "hour"}
WRONG_BODIES: list[tuple[bytes, int, str, str]] = [
    (b"", 400, "Request.BadRequest", "Bad request."),
    (b"{", 400, "Request.BadRequest", "Bad request."),
    (b"[]", 400, "Request.BadRequest", "Bad request."),
    (b"\xff", 400, "Request.BadRequest", "Bad request."),
    (question(None), 400, "ServiceNames.Invalid", "Domains is empty or invalid."),
    (question([]), 400, "ServiceNames.Invalid", "Domains is empty or invalid."),
    (question(SHOP), 400, "ServiceNames.Invalid", "Domains is empty or invalid."),
    (question([SHOP, 7]), 400, "ServiceNames.Invalid", "Domains is empty or invalid."),
    (
        question([f"n{n}.test" for n in range(51)]),
        400,
        "ServiceNames.Invalid",
        "Domains is empty or invalid.",
    ),
    (question(startTime=None), 400, "Time.Invalid", "StartTime or EndTime is required."),
    (question(endTime=None), 400, "Time.Invalid", "StartTime or EndTime is required."),
    (question(endTime=7), 400, "Time.Invalid", "StartTime or EndTime is required."),
    (question(startTime="2026-11-22T11:00:00"), 400, "Time.Invalid", "StartTime or EndTime is required."),
    (
        question(startTime="2026-11-22T11:00:00.000Z"),
        400,
        "Time.Invalid",
        "StartTime or EndTime is required.",
    ),
    (question(startTime="2026-02-30T11:00:00Z"), 400, "Time.Invalid", "StartTime or EndTime is required."),
    (question(interval="day"), 400, "Time.Invalid", "StartTime or EndTime is required."),
    (question(interval="hour"), 400, "IntervalType.Invalid", "Interval type must be minute or day."),
    (question(interval=5), 400, "IntervalType.Invalid", "Interval type must be minute or day."),
    (question(length=0), 400, "TimeRange.EndBeforeStart", "End time must be later than start time."),
    (question(length=-HOUR), 400, "TimeRange.EndBeforeStart", "End time must be later than start time."),
    (
        question(ago=2 * DAY, length=DAY + SECOND),
        400,
        "TimeRange.Exceeded",
        "The difference between EndTime and StartTime cannot exceed 24 hours.",
    ),
    (
        question(ago=40 * DAY + 12 * HOUR, length=31 * DAY, interval="day"),
        400,
        "TimeRange.Exceeded",
        "The difference between EndTime and StartTime cannot exceed 24 hours.",
    ),
    (question(["nobody.example.com"]), 404, "ServiceName.NotFound", "Domain is not found."),
    (question([SHOP, BLOG, "nobody.example.com"]), 404, "ServiceName.NotFound", "Domain is not found."),
]


@pytest.mark.parametrize(("body", "status", "code", "message"), WRONG_BODIES)
async def test_a_body_that_is_not_as_documented_is_refused_in_the_vendors_words(
    body: bytes, status: int, code: str, message: str
) -> None:
    async with simulated() as client:
        found = await asked(client, body)

        assert (found.status, found.body) == (status, {"code": code, "message": message})


async def test_what_is_wrong_is_told_in_the_vendors_order() -> None:
    steps: list[tuple[dict[str, Any], str]] = [
        ({}, "ServiceNames.Invalid"),
        ({"serviceNames": ["nobody.example.com"]}, "Time.Invalid"),
        ({"startTime": "2026-11-22T11:00:00Z"}, "Time.Invalid"),
        ({"endTime": "2026-11-20T11:00:00Z"}, "IntervalType.Invalid"),
        ({"interval": "minute"}, "TimeRange.EndBeforeStart"),
        ({"endTime": "2026-11-24T11:00:00Z"}, "TimeRange.Exceeded"),
        ({"endTime": "2026-11-22T12:00:00Z"}, "ServiceName.NotFound"),
    ]
    fields: dict[str, Any] = {**SHUFFLED}
    async with simulated() as client:
        for mended, code in steps:
            fields |= mended
            assert (await asked(client, question(**fields))).code == code
        fields["serviceNames"] = [SHOP]
        assert (await asked(client, question(**fields))).status == 200


async def test_an_answer_is_a_bare_list_by_domain_in_the_order_asked_for() -> None:
    async with simulated() as client:
        found = await asked(client, question([BLOG, SHOP, EMPTY]))

        assert [set(row) for row in found.body] == [{"serviceName", "httpCodes"}] * 3
        assert [row["serviceName"] for row in found.body] == [BLOG, SHOP, EMPTY]
        assert found.body[2]["httpCodes"] == []
        times = [bucket["timestamp"] for bucket in found.body[1]["httpCodes"]]
        assert times == [rfc3339(NOON - HOUR + n * 5 * MINUTE) for n in range(12)]
        for bucket in found.body[1]["httpCodes"]:
            assert set(bucket) == {"timestamp", "httpCodeValues"}
            assert all(isinstance(count, int) and count > 0 for count in bucket["httpCodeValues"].values())
            assert all(100 <= int(code) <= 599 for code in bucket["httpCodeValues"])


async def test_counts_are_what_the_origin_answered() -> None:
    async with simulated() as client:
        found = await asked(client, question([SHOP]))
        traffic = client.simulation.server(Swiftfederation)._traffic
        passed = traffic.window(NOON - HOUR, NOON).passed[:, traffic.resources["shop"]]

        told = sum(sum(bucket["httpCodeValues"].values()) for bucket in found.body[0]["httpCodes"])
        assert told == passed.sum()


async def test_minute_means_five_and_is_the_default() -> None:
    async with simulated() as client:
        assert (await asked(client, question())).body == (
            await asked(client, question(interval="minute"))
        ).body


async def test_days_are_the_sum_of_their_bins() -> None:
    async with simulated() as client:
        client.clock.at = NOON + 12 * HOUR
        midnight = parse_rfc3339("2026-11-22T00:00:00Z")
        window: dict[str, Any] = {"startTime": rfc3339(midnight), "endTime": rfc3339(midnight + DAY)}
        by_day = await asked(client, question(interval="day", **window))
        fine = await asked(client, question(**window))

        (day,) = by_day.body[0]["httpCodes"]
        assert day["timestamp"] == rfc3339(midnight)
        assert sum(day["httpCodeValues"].values()) == sum(
            sum(bucket["httpCodeValues"].values()) for bucket in fine.body[0]["httpCodes"]
        )


async def test_a_window_may_be_a_day_of_bins_or_thirty_days() -> None:
    async with simulated(resources=[{"id": "blog", "requests_per_minute": 1}]) as client:
        assert (await asked(client, question([BLOG], ago=DAY, length=DAY))).status == 200
        month = question([BLOG], ago=30 * DAY + 12 * HOUR, length=30 * DAY, interval="day")
        found = await asked(client, month)
        assert [bucket["timestamp"][:10] for bucket in found.body[0]["httpCodes"]][-1] == "2026-11-21"


async def test_a_start_within_a_bin_leaves_that_bin_out() -> None:
    async with simulated() as client:
        found = await asked(client, question(ago=HOUR - MINUTE, length=10 * MINUTE))
        assert [bucket["timestamp"] for bucket in found.body[0]["httpCodes"]] == [
            rfc3339(NOON - 55 * MINUTE),
            rfc3339(NOON - 50 * MINUTE),
        ]
        found = await asked(client, question(ago=HOUR - MINUTE, length=MINUTE))
        assert found.body == [{"serviceName": SHOP, "httpCodes": []}]


@pytest.mark.parametrize("times", [("0001-01-01", "0001-01-02"), ("9999-12-30", "9999-12-31")])
async def test_there_is_nothing_where_there_is_no_time(times: tuple[str, str]) -> None:
    window: dict[str, Any] = {"startTime": f"{times[0]}T00:00:00Z", "endTime": f"{times[1]}T00:00:00Z"}
    async with simulated() as client:
        assert (await asked(client, question(**window))).status == 200


async def test_what_has_not_begun_is_not_there() -> None:
    async with simulated(sections={"swiftfederation": {"quiet": "empty"}}) as client:
        found = await asked(client, question([EMPTY], ago=5 * MINUTE, length=HOUR))

        assert found.body[0]["httpCodes"] == [{"timestamp": rfc3339(NOON - 5 * MINUTE), "httpCodeValues": {}}]


async def test_recent_bins_are_missing_and_then_grow() -> None:
    section = {"hidden": "2m", "settle_lag": "10m"}
    async with simulated(sections={"swiftfederation": section}) as client:
        seen = []
        for _ in range(5):
            found = await asked(client, question(ago=5 * MINUTE, length=5 * MINUTE))
            seen.append(sum(sum(bucket["httpCodeValues"].values()) for bucket in found.body[0]["httpCodes"]))
            client.clock.at += 3 * MINUTE

        assert seen[0] == 0
        assert 0 < seen[1] < seen[2] < seen[3] <= seen[4]


async def test_a_lag_of_the_scenario_holds_in_place_of_the_usual_one() -> None:
    async with simulated() as client:
        final = (await asked(client, question(ago=10 * MINUTE, length=5 * MINUTE))).body
        client.simulation.server(Swiftfederation).faults.turn(
            Lag.model_validate({"kind": "lag", "lag": "1h"})
        )

        assert (await asked(client, question(ago=10 * MINUTE, length=5 * MINUTE))).body != final


async def test_troubles_show_with_their_codes() -> None:
    burst = {
        "kind": "single_code_burst",
        "resource": "shop",
        "start": "-20m",
        "lasts": "10m",
        "share": 0.5,
        "code": 530,
    }
    async with simulated(troubles=[burst]) as client:
        found = await asked(client, question())

        hit = [
            bucket["timestamp"] for bucket in found.body[0]["httpCodes"] if "530" in bucket["httpCodeValues"]
        ]
        assert hit == [rfc3339(NOON - 20 * MINUTE), rfc3339(NOON - 15 * MINUTE)]


async def test_a_domain_that_is_gone_or_forgotten_is_not_found() -> None:
    gone = {"kind": "domain_gone", "resource": "blog", "start": "-10m"}
    async with simulated(troubles=[gone]) as client:
        assert (await asked(client, question([BLOG]))).code == "ServiceName.NotFound"
        assert (await asked(client, question([SHOP]))).status == 200

        faults = client.simulation.server(Swiftfederation).faults
        faults.turn(Forgotten(kind="forgotten", domains=(SHOP,)))
        assert (await asked(client, question([SHOP, EMPTY]))).status == 404
        assert (await asked(client, question([EMPTY]))).status == 200
        faults.turn(Forgotten(kind="forgotten"))
        assert (await asked(client, question([EMPTY]))).status == 404


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (OperationFailed(kind="operation_failed"), 400, "GetOriginHttpCodes.OperationFailed"),
        (Revoked(kind="revoked"), 401, "AccessCredential.Invalid"),
        (Refusal(kind="refusal", status=500), 500, "Server.InternalError"),
        (Refusal(kind="refusal", status=403), 403, "Permission.Forbidden"),
        (
            Refusal(kind="refusal", status=403, code="Product.Subscription.Invalid"),
            403,
            "Product.Subscription.Invalid",
        ),
        (Skewed(kind="skewed", by=Moment(offset=2 * HOUR)), 400, "Signature.Expired"),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
async def test_a_planted_failure_has_the_vendors_form(fault: Any, status: int, code: str) -> None:  # noqa: ANN401
    async with simulated() as client:
        client.simulation.server(Swiftfederation).faults.turn(fault)
        found = await ask(client, RIGHT)

        assert (found.status, found.code) == (status, code)
        assert found.headers["x-sfd-trace-id"]


async def test_a_quota_may_say_how_long_to_wait() -> None:
    async with simulated() as client:
        faults = client.simulation.server(Swiftfederation).faults
        faults.turn(
            Refusal.model_validate({"kind": "refusal", "status": 429, "retry_after": "7s", "every": 2})
        )

        first, second = await ask(client, RIGHT), await ask(client, RIGHT)
        assert (first.status, second.status, second.headers["Retry-After"]) == (200, 429, "7")


def test_what_can_go_wrong_anywhere_is_taken_in_the_scenario() -> None:
    kinds = ("refusal", "html", "truncated", "nonsense", "slow", "dropped", "skewed", "revoked", "forgotten")
    settings = SwiftfederationSettings.model_validate({"faults": [{"kind": kind} for kind in kinds]})

    assert [fault.kind for fault in settings.faults] == [*kinds]
    with pytest.raises(ValueError, match="no such calls: token; there are codes"):
        SwiftfederationSettings.model_validate({"faults": [{"kind": "slow", "calls": ["token"]}]})


async def test_the_announcement_is_a_ready_source() -> None:
    section = {"unknown_domains": ["old.example.com"]}
    async with simulated(sections={"swiftfederation": section}) as client:
        announced = client.simulation.announced["swiftfederation"]

        assert announced.source == {
            "name": "swiftfederation",
            "vendor": "swiftfederation",
            "base_url": announced.base_url,
            "auth": {
                "kind": "sfd_hmac_v2",
                "access_key_id": KEY_ID,
                "access_key_secret": "SKDEMO00000000000000000000000001",
            },
            "domains": [SHOP, BLOG, EMPTY, "old.example.com"],
        }
