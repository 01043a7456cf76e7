"""Leaseweb's collector: what it asks, and what it makes of statistics and failures."""

from typing import Any

import numpy as np
import pytest
import structlog

from tests.vendors.leaseweb_server import (
    BASE,
    KEY,
    START,
    WINDOW,
    Build,
    Server,
    answer,
    read,
    refusal,
    values,
)
from watcher.collect.collector import Window
from watcher.collect.http import Response
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
from watcher.model.time import DAY, HOUR, MINUTE

pytestmark = pytest.mark.looptime

GATEWAY = {
    "errorCode": "APP00800",
    "errorMessage": "The connection with the DB cannot be established.",
    "correlationId": "550e8400-e29b-41d4-a716-446655440000",
    "userMessage": "Cannot handle your request at the moment. Please try again later.",
    "reference": "https://developer.example.com/errors/APP00800",
}


@pytest.fixture
def lsw() -> Server:
    return Server()


async def test_one_window_costs_one_call_a_metric_and_asks_for_inclusive_ends(
    build: Build, lsw: Server
) -> None:
    await read(build("leaseweb", lsw, **KEY, hit_ratio_scale="ratio"))

    assert [dict(request.query)["metric"] for request in lsw.requests] == [
        "REQUESTS",
        "STATUS_5XX",
        "STATUS_4XX",
        "STATUS_2XX",
        "DATATRANSFER",
        "BANDWIDTH",
        "CACHEHIT",
    ]
    assert lsw.requests[0].url == f"{BASE}/statistics/customer"
    assert list(lsw.requests[0].query) == [
        ("fromDt", "2026-11-22T02:00:00"),
        ("toDt", "2026-11-22T02:10:00"),
        ("metric", "REQUESTS"),
        ("groupBy", "DISTRIBUTION"),
        ("granularity", "5MIN"),
    ]


async def test_shares_become_counts_that_add_up_to_requests(build: Build, lsw: Server) -> None:
    batch = await read(build("leaseweb", lsw, **KEY))

    assert batch.entities == ((("resource", "di-1"),),)
    assert batch.starts.tolist() == [START, START + 5 * MINUTE, START + 10 * MINUTE]
    assert values(batch, "cdn_requests", tier="edge") == [1000, 200, 0]
    counts = {
        name: values(batch, "cdn_responses", tier="edge", status_class=name)
        for name in ("2xx", "4xx", "5xx", "other")
    }
    assert counts == {"2xx": [900, 100, 0], "4xx": [30, 20, 0], "5xx": [5, 67, 0], "other": [65, 13, 0]}
    assert values(batch, "cdn_bytes", tier="edge") == [5e6, 1e6, 0]
    assert values(batch, "cdn_hit_ratio", basis="unknown")[:2] == [0.9, 0.5]
    assert np.isnan(values(batch, "cdn_hit_ratio", basis="unknown")[2])


@pytest.mark.parametrize("missing", ["REQUESTS", "STATUS_5XX"])
async def test_a_count_is_known_only_where_both_answers_have_the_time(
    build: Build, lsw: Server, missing: str
) -> None:
    lsw.values[missing]["di-1"] = [lsw.values[missing]["di-1"][0], None, lsw.values[missing]["di-1"][2]]

    batch = await read(build("leaseweb", lsw, **KEY))

    for name in ("5xx", "other"):
        known = ~np.isnan(values(batch, "cdn_responses", tier="edge", status_class=name))
        assert known.tolist() == [True, False, True]
    fine = np.isnan(values(batch, "cdn_responses", tier="edge", status_class="4xx"))
    assert fine.tolist() == [False, missing == "REQUESTS", False]


async def test_shares_rounded_up_together_are_still_no_more_than_all(build: Build, lsw: Server) -> None:
    lsw.values |= {
        "REQUESTS": {"di-1": [3.0, 1000.0, 5.0]},
        "STATUS_2XX": {"di-1": [50.0, 98.0, 50.1]},
        "STATUS_4XX": {"di-1": [0.0, 2.0, 0.0]},
        "STATUS_5XX": {"di-1": [50.0, 1.0, 49.9]},
    }

    batch = await read(build("leaseweb", lsw, **KEY))

    counts = [
        values(batch, "cdn_responses", tier="edge", status_class=name)
        for name in ("5xx", "4xx", "2xx", "other")
    ]
    assert counts == [[2, 10, 2], [0, 20, 0], [1, 970, 3], [0, 0, 0]]


async def test_shares_of_more_than_all_are_a_changed_contract(build: Build, lsw: Server) -> None:
    lsw.values["STATUS_5XX"]["di-1"] = [20.0, 20.0, 0.0]

    with pytest.raises(ContractBroken, match="add up to 113 percent"):
        await read(build("leaseweb", lsw, **KEY))


@pytest.mark.parametrize(
    ("view", "group_by", "label"),
    [
        ("providers", "PROVIDER", "provider"),
        ("regions", "REGION", "region"),
        ("customers", "CUSTOMER", "account"),
    ],
)
async def test_each_view_has_its_own_label(
    build: Build, lsw: Server, view: str, group_by: str, label: str
) -> None:
    lsw.values = {metric: {"one": [1.0]} for metric in lsw.values}
    lsw.values["STATUS_2XX"] = {"one": [0.0]}

    batch = await read(build("leaseweb", lsw, **KEY, views=[view]), view)

    assert batch.entities == (((label, "one"),),)
    assert dict(lsw.requests[0].query)["groupBy"] == group_by


async def test_totals_are_not_grouped(build: Build, lsw: Server) -> None:
    lsw.values = {metric: {"all": groups["di-1"]} for metric, groups in lsw.values.items()}

    batch = await read(build("leaseweb", lsw, **KEY, views=["totals"]), "totals")

    assert batch.entities == ((),)
    assert "groupBy" not in dict(lsw.requests[0].query)
    assert batch.size > 0


async def test_a_reseller_has_another_path_and_paths_may_be_given(build: Build, lsw: Server) -> None:
    await read(build("leaseweb", lsw, **KEY, scope="reseller"))
    await read(build("leaseweb", lsw, **KEY, scope="reseller", reseller_path="/statistics/resellers"))

    assert len(lsw.asked("/statistics/reseller")) == len(lsw.asked("/statistics/resellers")) == 8


async def test_times_may_name_the_end_of_a_bin(build: Build, lsw: Server) -> None:
    window = Window(WINDOW.start - 5 * MINUTE, WINDOW.end - 5 * MINUTE)

    batch = await read(build("leaseweb", lsw, **KEY, labels="end"), window=window)

    assert list(lsw.requests[0].query)[:2] == [
        ("fromDt", "2026-11-22T02:00:00"),
        ("toDt", "2026-11-22T02:10:00"),
    ]
    assert batch.starts[0] == window.start
    assert values(batch, "cdn_requests", tier="edge") == [1000, 200, 0]


async def test_a_bin_is_not_called_settled_before_its_time(build: Build, lsw: Server, clock: Any) -> None:  # noqa: ANN401 - LoopClock
    clock.shift = WINDOW.end + MINUTE - clock.now()

    batch = await read(build("leaseweb", lsw, **KEY))

    assert batch.settled_until == batch.fetched_at - 15 * MINUTE < WINDOW.end


async def test_a_long_backfill_is_read_by_the_hour_first(build: Build, lsw: Server) -> None:
    streams = await build("leaseweb", lsw, **KEY, backfill="14d").streams()
    spans = [(s.name, s.width, s.backfill, s.until, s.after, s.reads) for s in streams if s.width]

    assert spans == [
        ("distributions-1h", HOUR, 14 * DAY, DAY, "", 7 * DAY),
        ("distributions", 5 * MINUTE, DAY, 0, "distributions-1h", DAY),
        ("providers-1h", HOUR, 14 * DAY, DAY, "", 7 * DAY),
        ("providers", 5 * MINUTE, DAY, 0, "providers-1h", DAY),
    ]
    window = Window(START - DAY, START)
    lsw.values = {metric: {} for metric in lsw.values}
    lsw.past_hits = [1.0]
    batch = await read(
        build("leaseweb", lsw, **KEY, backfill="14d", hit_ratio_scale="ratio"), "distributions-1h", window
    )
    assert len(batch.starts) == 24
    assert dict(lsw.requests[0].query)["granularity"] == "HOUR"
    assert dict(lsw.requests[0].query)["toDt"] == "2026-11-22T01:00:00"


async def test_a_short_backfill_has_no_hours(build: Build, lsw: Server) -> None:
    names = [stream.name for stream in await build("leaseweb", lsw, **KEY).streams()]
    short = await build("leaseweb", lsw, **KEY, fine_backfill="10m", backfill="2h").streams()

    assert [(one.name, one.until) for one in short][:2] == [("distributions-1h", HOUR), ("distributions", 0)]
    assert names == ["distributions", "providers", "certificates", "domains", "origins", "actions"]


class TestHitRatioScale:
    async def test_one_value_above_one_makes_it_percent_for_all_that_follow(
        self, build: Build, lsw: Server
    ) -> None:
        collector = build("leaseweb", lsw, **KEY)
        lsw.values["CACHEHIT"]["di-1"] = [90.0, 0.5, 0.0]
        assert values(await read(collector), "cdn_hit_ratio", basis="unknown")[:2] == pytest.approx(
            [0.9, 0.005]
        )

        lsw.values["CACHEHIT"]["di-1"] = [0.9, 0.5, 0.0]
        assert values(await read(collector), "cdn_hit_ratio", basis="unknown")[:2] == pytest.approx(
            [0.009, 0.005]
        )

    async def test_the_day_before_decides_where_the_window_does_not(self, build: Build, lsw: Server) -> None:
        collector = build("leaseweb", lsw, **KEY)
        lsw.past_hits = [88.0]

        assert values(await read(collector), "cdn_hit_ratio", basis="unknown")[:2] == pytest.approx(
            [0.009, 0.005]
        )
        look_back = dict(lsw.requests[-1].query)
        assert (look_back["fromDt"], look_back["toDt"]) == ("2026-11-21T02:00:00", "2026-11-22T01:00:00")
        await read(collector)
        assert len(lsw.requests) == 7 + 1 + 7

    @pytest.mark.parametrize("reply", [refusal(400), refusal(403), refusal(404), answer(200, {"series": 7})])
    async def test_a_vendor_that_does_not_tell_the_day_before_is_asked_once_and_hides_nothing(
        self, build: Build, lsw: Server, reply: Response
    ) -> None:
        collector = build("leaseweb", lsw, **KEY)
        lsw.coarse = reply

        for _ in range(3):
            assert values(await read(collector), "cdn_hit_ratio", basis="unknown")[:2] == [0.9, 0.5]

        assert len(lsw.requests) == 7 + 1 + 7 + 7

    async def test_what_is_configured_is_believed(self, build: Build, lsw: Server) -> None:
        batch = await read(build("leaseweb", lsw, **KEY, hit_ratio_scale="percent"))
        assert values(batch, "cdn_hit_ratio", basis="unknown")[:2] == pytest.approx([0.009, 0.005])
        assert len(lsw.requests) == 7

        lsw.values["CACHEHIT"]["di-1"] = [90.0]
        with pytest.raises(ContractBroken, match="hit_ratio_scale says ratio"):
            await read(build("leaseweb", lsw, **KEY, hit_ratio_scale="ratio"))

    async def test_a_ratio_a_little_above_one_is_no_percentage(self, build: Build, lsw: Server) -> None:
        lsw.values["CACHEHIT"]["di-1"] = [1.0000001, 0.5]

        assert values(await read(build("leaseweb", lsw, **KEY)), "cdn_hit_ratio", basis="unknown")[:2] == [
            1.0,
            0.5,
        ]


@pytest.mark.parametrize(
    ("reply", "family", "words"),
    [
        (answer(400, GATEWAY), RequestRefused, "HTTP 400: The connection with the DB"),
        (refusal(400), RequestRefused, "HTTP 400: The API could not interpret your request correctly."),
        (
            answer(422, {"detail": [{"loc": ["query", "toDt"], "msg": "field required", "type": "missing"}]}),
            RequestRefused,
            "HTTP 422: query.toDt: field required",
        ),
        (answer(422, {"detail": "no"}), RequestRefused, "HTTP 422: no"),
        (refusal(401, "wrong"), AuthenticationFailed, "HTTP 401: wrong"),
        (answer(401, {"errorMessage": "Unauthorized"}), AuthenticationFailed, "HTTP 401: Unauthorized"),
        (refusal(403), PermissionMissing, "HTTP 403"),
        (
            answer(403, {"errorCode": "ACCESS_DENIED", "errorMessage": "Denied"}),
            PermissionMissing,
            r"HTTP 403: Denied \(ACCESS_DENIED\)",
        ),
        (
            answer(401, {"errorCode": "ACCESS_DENIED", "errorMessage": "Denied"}),
            PermissionMissing,
            "Denied",
        ),
        (refusal(404), RequestRefused, "HTTP 404"),
        (
            answer(200, {"errorCode": "401", "errorMessage": "No"}),
            AuthenticationFailed,
            r"HTTP 200: No \(401\)",
        ),
        (answer(200, GATEWAY), VendorFailed, r"HTTP 200: The .* \(APP00800\)"),
        (answer(200, {"errorMessage": "Unauthorized"}), ContractBroken, "series"),
        (answer(200, b"<html>"), ContractBroken, "malformed"),
        (answer(200, []), ContractBroken, "series|object"),
        (answer(200, {"series": None}), ContractBroken, "series"),
    ],
)
async def test_failures_are_told_apart_in_the_vendors_words(
    build: Build, lsw: Server, reply: Response, family: type[CollectError], words: str
) -> None:
    lsw.will("/statistics/customer", *[reply] * (3 if family is VendorFailed else 1))

    with pytest.raises(family, match=words) as caught:
        await read(build("leaseweb", lsw, **KEY))

    assert caught.value.family == family.family
    assert "550e8400" not in str(caught.value)
    assert len(lsw.requests) == (3 if family is VendorFailed else 1)


@pytest.mark.parametrize(
    ("reply", "family"),
    [
        (answer(503, GATEWAY), VendorFailed),
        (answer(500, b"<html>"), VendorFailed),
        (answer(429, b"", **{"retry-after": "7"}), QuotaExceeded),
        (NetworkFailed("reset"), NetworkFailed),
    ],
)
async def test_what_may_pass_is_asked_again(
    build: Build, lsw: Server, reply: Response | CollectError, family: type[CollectError]
) -> None:
    collector = build("leaseweb", lsw, **KEY)
    lsw.will("/statistics/customer", reply)
    assert (await read(collector)).size

    lsw.will("/statistics/customer", *[reply] * 3)
    with pytest.raises(family):
        await read(collector)


async def test_the_key_is_read_anew_and_never_shown(
    build: Build, lsw: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSW_KEY", "wrong-key")
    collector = build("leaseweb", lsw, **{**KEY, "api_key": {"env": "LSW_KEY"}})
    with pytest.raises(AuthenticationFailed):
        await read(collector)

    monkeypatch.setenv("LSW_KEY", "0f0f-secret")
    assert (await read(collector)).size
    monkeypatch.setenv("LSW_KEY", "a\nb")
    with pytest.raises(AuthenticationFailed, match="no header"):
        await read(collector)
    monkeypatch.delenv("LSW_KEY")
    with pytest.raises(AuthenticationFailed, match="LSW_KEY"):
        await read(collector)


async def test_an_echoed_key_is_masked(build: Build, lsw: Server) -> None:
    key = "3f6c9a1e7b2d4c5f8a0e1b2c3d4e5f6a7b8c"
    lsw.will("/statistics/customer", refusal(400, f"bad key {key}\x1b[31m"))

    with pytest.raises(RequestRefused) as caught:
        await read(build("leaseweb", lsw, **{**KEY, "api_key": key}))

    assert str(caught.value) == "HTTP 400: bad key *** [31m"


async def test_distributions_are_called_by_their_description(build: Build, lsw: Server) -> None:
    collector = build("leaseweb", lsw, **KEY)
    assert (await read(collector)).names == {}
    lsw.lists["/distributions"] = [
        {"resourceType": "DISTRIBUTION_VOLUME", "data": [{"key": "id", "value": name}, *described]}
        for name, described in (("di-1", [{"key": "description", "value": "Shop"}]), ("di-2", []))
    ]
    lsw.lists |= {"/distributions/di-1/domains": [], "/distributions/di-2/domains": []}

    await read(collector, "domains")

    assert (await read(collector)).names == {"di-1": "Shop"}


async def test_an_oddity_is_logged_when_it_begins_and_when_it_ends(build: Build, lsw: Server) -> None:
    collector = build("leaseweb", lsw, **KEY)
    row = {"id": "ce-1", "validUntil": START // 1000 + 90 * 86_400, "daysLeft": 90}
    with structlog.testing.capture_logs() as logs:
        for days in (90, 3, 3, 90):
            lsw.lists["/certificates"] = [{**row, "daysLeft": days}]
            assert (await read(collector, "certificates")).remark == ""

    assert [(log["event"], log.get("what")) for log in logs] == [
        ("answer_odd", "daysLeft of ce-1 is 3, by its date it is not"),
        ("answer_as_usual", None),
    ]
