"""Leaseweb's simulator as any client sees it: section 5 of the vendor's page."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from tests.simulate.asking import NOON
from tests.simulate.leaseweb_asking import BLOG, KEY, SHOP, Asking, leaseweb, local, question
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, rfc3339
from watcher.simulate.leaseweb.catalogue import certificate_id, distribution_id, group_id
from watcher.simulate.leaseweb.faults import MissingPoints
from watcher.simulate.leaseweb.question import METRICS
from watcher.simulate.leaseweb.settings import LeasewebSettings

WRONG: Sequence[Any] = (
    question(metric=None),
    question(metric="STATUS_3XX"),
    question(metric="requests"),
    question(fromDt=None),
    question(toDt=None),
    question(fromDt="yesterday"),
    question(fromDt=local(NOON - HOUR) + "Z"),
    question(toDt="2026-02-30T00:00:00"),
    question(toDt=local(NOON - 2 * HOUR)),
    question(fromDt=local(NOON - 200 * DAY)),
    question(groupBy="COUNTRY"),
    question(granularity="1MIN"),
    question(colour="red"),
    [*question().items(), ("metric", "REQUESTS")],
)
"""Questions that the document does not allow."""


NOWHERE = (
    "/origins/or-none",
    "/originGroups/og-none/members",
    "/certificates/ce-none",
    "/actions/none",
    "/distributions/di-none",
    "/distributions/di-none/domains",
    f"/distributions/{SHOP}/domains/other.example.com",
    f"/distributions/{SHOP}/policies/po-none/acls",
    "/nowhere",
)


def values(envelope: Mapping[str, Any]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in envelope["data"]}


async def test_who_has_no_key_is_told_nothing_else() -> None:
    async with leaseweb() as lsw:
        for path in ("/statistics/customer", "/certificates", "/distributions/nothing"):
            for key in ("", "wrong", KEY.upper()):
                status, body = await lsw.get(path, key=key)

                assert status == 401
                assert body["errorCode"] == "401"
                assert set(body) == {"correlationId", "errorCode", "errorDetails", "errorMessage"}


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ({"kind": "unauthorized"}, 401, {"errorMessage": "Unauthorized"}),
        ({"kind": "denied"}, 403, {"errorCode": "ACCESS_DENIED"}),
        ({"kind": "revoked"}, 401, {"errorCode": "401"}),
        ({"kind": "refusal", "status": 503}, 503, {"errorCode": "APP00800"}),
        ({"kind": "refusal", "status": 500, "code": "APP00001"}, 500, {"errorCode": "APP00001"}),
        ({"kind": "refusal", "status": 429, "retry_after": "7s"}, 429, {"errorCode": "429"}),
    ],
)
async def test_every_form_of_failure_can_be_had(
    fault: dict[str, Any], status: int, body: dict[str, Any]
) -> None:
    async with leaseweb(faults=[{**fault, "calls": ["certificates"]}]) as lsw:
        found, said = await lsw.get("/certificates")

        assert found == status
        assert said | body == said
        assert (await lsw.get("/origins"))[0] == 200


class TestStatistics:
    async def test_labels_are_aligned_and_inclusive_at_both_ends(self) -> None:
        async with leaseweb() as lsw:
            _, body = await lsw.get("/statistics/customer", question())
            points = body["series"][0][SHOP]
            assert [*map(list, points)] == [[rfc3339(NOON - HOUR + part * 5 * MINUTE)] for part in (0, 1, 2)]
            assert all(isinstance(value, float) for point in points for value in point.values())

            _, body = await lsw.get("/statistics/customer", question(fromDt=local(NOON - HOUR + 98 * SECOND)))
            assert len(body["series"][0][SHOP]) == 2

    @pytest.mark.parametrize(
        ("granularity", "points"), [("15MIN", 97), ("HOUR", 25), ("DAY", 1), ("WEEK", 0)]
    )
    async def test_coarser_points_lie_on_their_own_grid(self, granularity: str, points: int) -> None:
        async with leaseweb() as lsw:
            query = question(
                fromDt=local(NOON - DAY - HOUR), toDt=local(NOON - HOUR), granularity=granularity
            )
            _, body = await lsw.get("/statistics/customer", query)

            assert body["granularity"] == granularity
            assert [len(column) for entry in body["series"] for column in entry.values()] == [
                points
            ] * 3 * bool(points)

    async def test_requests_and_shares_agree(self) -> None:
        burst = {"kind": "5xx_burst", "resource": "shop", "start": "-2h", "share": 0.3}
        async with leaseweb([burst]) as lsw:
            requests = (await lsw.series("REQUESTS"))[SHOP]
            shares = {name: (await lsw.series(f"STATUS_{name}"))[SHOP] for name in ("2XX", "4XX", "5XX")}

            assert all(count == int(count) > 0 for count in requests)
            for share in shares.values():
                counts = [count * part / 100 for count, part in zip(requests, share, strict=True)]
                assert counts == pytest.approx([round(count) for count in counts])
            assert min(shares["5XX"]) > 25
            assert all(sum(parts) < 100 for parts in zip(*shares.values(), strict=True))

    async def test_groupings_add_up_to_the_whole(self) -> None:
        async with leaseweb() as lsw:
            whole = await lsw.series("DATATRANSFER", groupBy="CUSTOMER")
            _, body = await lsw.get("/statistics/customer", question(metric="DATATRANSFER", groupBy=None))
            assert [list(entry) for entry in body["series"]] == [["all"]]
            assert body["groupBy"] is None

            for grouping in ("PROVIDER", "REGION", "DISTRIBUTION"):
                groups = await lsw.series("DATATRANSFER", groupBy=grouping)
                total = [sum(parts) for parts in zip(*groups.values(), strict=True)]
                assert total == pytest.approx(next(iter(whole.values())))

    async def test_layouts_are_those_of_the_document_or_as_the_scenario_says(self) -> None:
        async with leaseweb() as lsw:
            _, by_region = await lsw.get("/statistics/customer", question(groupBy="REGION"))
            _, by_provider = await lsw.get("/statistics/customer", question(groupBy="PROVIDER"))
            assert [set(entry) for entry in by_region["series"]] == [{"eu", "apac"}]
            assert [list(entry) for entry in by_provider["series"]] == [["edgio"], ["gcore"]]
        async with leaseweb(layout="one_object") as lsw:
            _, by_provider = await lsw.get("/statistics/customer", question(groupBy="PROVIDER"))
            assert [set(entry) for entry in by_provider["series"]] == [{"edgio", "gcore"}]

    async def test_one_distribution_may_be_split_by_provider(self) -> None:
        async with leaseweb() as lsw:
            both = await lsw.series("REQUESTS", groupBy="PROVIDER", distributionId=SHOP)
            shop = await lsw.series("REQUESTS", distributionId=SHOP)
            assert list(shop) == [SHOP]
            assert [sum(parts) for parts in zip(*both.values(), strict=True)] == shop[SHOP]
            assert (await lsw.get("/statistics/customer", question(distributionId="di-none")))[0] == 404

    async def test_totals_are_one_number_and_still_say_five_minutes(self) -> None:
        async with leaseweb() as lsw:
            status, body = await lsw.get("/statistics/reseller/totals", question(groupBy="PROVIDER"))
            series = await lsw.series("REQUESTS", groupBy="PROVIDER")

            assert status == 200
            assert body["granularity"] == "5MIN"
            assert body["series"] == [{name: [{"total": sum(column)}]} for name, column in series.items()]

    async def test_a_question_that_is_not_as_documented_is_refused(self) -> None:
        async with leaseweb() as lsw:
            for wrong in WRONG:
                status, body = await lsw.get("/statistics/customer", wrong)

                assert (status, body["errorCode"]) == (400, "400"), wrong
                assert body["errorMessage"]

    async def test_totals_know_no_granularity(self) -> None:
        async with leaseweb() as lsw:
            assert (await lsw.get("/statistics/customer/totals", question(granularity="HOUR")))[0] == 400

    async def test_every_metric_is_there(self) -> None:
        async with leaseweb() as lsw:
            found = {metric: (await lsw.series(metric))[SHOP][0] for metric in METRICS}

            assert 0 < found["CACHEHIT"] < 1
            assert found["BANDWIDTH"] == pytest.approx(found["DATATRANSFER"] * 8 / 300)
        async with leaseweb(hit_ratio="percent") as lsw:
            assert (await lsw.series("CACHEHIT"))[SHOP][0] == pytest.approx(100 * found["CACHEHIT"])

    async def test_recent_minutes_fill_up_and_what_is_ahead_has_no_points(self) -> None:
        async with leaseweb(settle_lag="3m") as lsw:
            ahead = {"fromDt": local(NOON), "toDt": local(NOON + HOUR)}
            assert [len(column) for column in (await lsw.series("REQUESTS", **ahead)).values()] == [1, 1, 1]
            seen = []
            for _ in range(10):
                lsw.client.clock.at += MINUTE
                seen.append((await lsw.series("REQUESTS", **ahead))[SHOP][0])

            assert seen == sorted(seen)
            assert seen[-1] == seen[-2] > seen[-4] > seen[0] > 0

    async def test_points_of_one_metric_may_be_missing(self) -> None:
        async with leaseweb() as lsw:
            lsw.server.faults.turn(MissingPoints(kind="missing_points", metric="STATUS_5XX", last=2))
            assert len((await lsw.series("STATUS_5XX"))[SHOP]) == 1
            assert len((await lsw.series("REQUESTS"))[SHOP]) == 3

    async def test_a_quiet_bin_may_have_no_points(self) -> None:
        async with leaseweb() as lsw:
            assert (await lsw.series("REQUESTS"))[distribution_id("empty")] == [0, 0, 0]
        async with leaseweb(quiet="absent") as lsw:
            assert (await lsw.series("REQUESTS"))[distribution_id("empty")] == []

    async def test_a_label_may_be_the_end_of_its_bin(self) -> None:
        async with leaseweb() as lsw:
            starts = (await lsw.series("REQUESTS"))[SHOP]
        async with leaseweb(labels="end") as lsw:
            ends = (await lsw.series("REQUESTS"))[SHOP]

        assert ends[1:] == starts[:-1]


class TestLists:
    @pytest.mark.parametrize(
        ("path", "key", "limit", "total"),
        [
            ("/origins", "origins", 20, 4),
            ("/originGroups", "originGroups", 25, 1),
            (f"/originGroups/{group_id('blogs')}/members", "originGroupMembers", 25, 2),
            ("/certificates", "certificates", -1, 2),
            ("/distributions", "distributions", 25, 3),
            (f"/distributions/{SHOP}/domains", "domains", 10, 1),
            (f"/distributions/{SHOP}/policies", "policies", 10, 1),
            ("/actions", "actions", -1, 29),
        ],
    )
    async def test_each_list_has_its_key_and_its_default_page(
        self, path: str, key: str, limit: int, total: int
    ) -> None:
        async with leaseweb() as lsw:
            status, body = await lsw.get(path)

            assert status == 200
            assert body["_metadata"] == {"totalCount": total, "limit": limit, "offset": 0}
            assert len(body[key]) == total

            _, first = await lsw.get(path, {"limit": "1", "offset": "0"})
            _, second = await lsw.get(path, {"limit": "1", "offset": "1"})
            assert first[key] + second[key] == body[key][:2]

            row = body[key][0]
            name = values(row)["id"] if "data" in row else row["id"]
            status, one = await lsw.get(f"{path}/{name}")
            assert status == 200
            assert one == ({k: v for k, v in row.items() if k != "resource"} if key == "actions" else row)

    async def test_what_is_not_there_is_a_404_in_the_services_form(self) -> None:
        async with leaseweb() as lsw:
            for path in NOWHERE:
                status, body = await lsw.get(path)

                assert (status, body["errorCode"]) == (404, "404"), path

    @pytest.mark.parametrize(
        "wrong",
        [
            *({"limit": text} for text in ("many", "-2", "1_0", " 5 ", "٣", "9" * 5_000)),
            {"offset": "-1"},
            {"filters": "PURGE"},
        ],
        ids=lambda wrong: str(wrong)[:30],
    )
    async def test_a_wrong_parameter_is_refused_as_documented_or_as_a_validator_would(
        self, wrong: dict[str, str]
    ) -> None:
        async with leaseweb() as lsw:
            status, body = await lsw.get("/actions", wrong)
            assert (status, body["errorCode"]) == (400, "400")
        async with leaseweb(wrong_parameter=422) as lsw:
            status, body = await lsw.get("/actions", wrong)
            assert (status, body["detail"][0]["loc"]) == (422, ["query", *wrong])

    async def test_a_larger_limit_is_lowered_without_a_word(self) -> None:
        async with leaseweb(largest_page=2) as lsw:
            _, body = await lsw.get("/distributions", {"limit": "50"})

            assert len(body["distributions"]) == 2
            assert body["_metadata"] == {"totalCount": 3, "limit": 2, "offset": 0}

    async def test_metadata_may_be_missing_or_lie(self) -> None:
        wrong = {"kind": "wrong_metadata"}
        async with leaseweb(faults=[{**wrong, "calls": ["origins"]}, {**wrong, "says": "own_length"}]) as lsw:
            assert "_metadata" not in (await lsw.get("/origins"))[1]
            _, body = await lsw.get("/distributions", {"limit": "2"})
            assert body["_metadata"]["totalCount"] == 2

    async def test_certificates_show_dates_and_hide_the_rest(self) -> None:
        troubles = [
            {"kind": "certificate_near_expiry", "resource": "shop", "days_left": 5},
            {
                "kind": "certificate_invalid",
                "resource": "shop",
                "start": "now",
                "valid": True,
                "trusted": False,
            },
        ]
        async with leaseweb(troubles) as lsw:
            row = (await lsw.get(f"/certificates/{certificate_id('shop')}"))[1]

            assert row["validUntil"] * SECOND == NOON + 5 * DAY
            assert row["validFrom"] < row["validUntil"]
            assert (row["daysLeft"], row["valid"], row["trusted"]) == (5, True, False)
            assert {row["certificate"], row["privateKey"], row["caBundle"]} == {"Hidden for security reasons"}

    async def test_a_distribution_is_switched_off_and_goes(self) -> None:
        troubles = [
            {"kind": "domain_offline", "resource": "shop", "start": "-10m"},
            {"kind": "domain_gone", "resource": "blog", "start": "+10m"},
        ]
        async with leaseweb(troubles) as lsw:
            shop = values((await lsw.get(f"/distributions/{SHOP}"))[1])
            assert shop["enabled"] is False
            assert shop["updated"] == local(NOON - 10 * MINUTE)
            blog = values((await lsw.get(f"/distributions/{BLOG}"))[1])
            assert (blog["enabled"], blog["updated"], blog["certificateId"]) == (True, None, None)

            lsw.client.clock.at += 10 * MINUTE
            assert (await lsw.get(f"/distributions/{BLOG}/domains"))[0] == 404

    async def test_pairs_stand_in_no_fixed_order(self) -> None:
        async with leaseweb() as lsw:
            _, body = await lsw.get("/distributions")
            orders = {tuple(pair["key"] for pair in row["data"]) for row in body["distributions"]}

            assert len(orders) > 1
            assert len({frozenset(order) for order in orders}) == 1

    async def test_an_origin_group_loses_its_active_members(self) -> None:
        trouble = {"kind": "origin_group_empty", "group": "blogs", "start": "now"}
        async with leaseweb([trouble]) as lsw:
            _, body = await lsw.get(f"/originGroups/{group_id('blogs')}/members")

            assert {values(row)["status"] for row in body["originGroupMembers"]} == {"inactive"}

    async def test_jobs_progress_get_stuck_and_fail(self) -> None:
        troubles = [
            {"kind": "stuck_job", "resource": "shop", "start": "-3h", "lasts": "4h"},
            {"kind": "failed_job", "resource": "blog", "start": "now", "status": "REJECTED"},
        ]
        async with leaseweb(troubles) as lsw:
            statuses = await _statuses(lsw)
            assert statuses.count("PENDING") == 3  # one of the usual ones has begun at noon, too
            _, pending = await lsw.get("/actions", {"filters": "INVALIDATION", "limit": "1"})
            assert (pending["actions"][0]["updated"], pending["actions"][0]["resource"]["completed"]) == (
                "",
                "",
            )

            lsw.client.clock.at += 3 * MINUTE
            statuses = await _statuses(lsw)
            assert (statuses.count("PENDING"), statuses.count("REJECTED")) == (1, 1)

            lsw.client.clock.at += 2 * HOUR
            assert "PENDING" not in await _statuses(lsw)

    async def test_a_failure_may_show_in_a_url_only(self) -> None:
        trouble = {"kind": "failed_job", "resource": "shop", "start": "-1h", "status": "REJECTED"}
        async with leaseweb([trouble], failure_shows_in="url_status") as lsw:
            _, body = await lsw.get("/actions")

            assert {row["status"] for row in body["actions"]} <= {"FINISHED", "PENDING"}
            urls = [url for row in body["actions"] for url in row.get("resource", {}).get("url_status", ())]
            assert [url["status"] for url in urls if url["message"]] == ["REJECTED"] * 2


async def _statuses(lsw: Asking) -> list[str]:
    _, body = await lsw.get("/actions")
    return [row["status"] for row in body["actions"]]


async def test_both_ports_serve_the_same_vendor() -> None:
    async with leaseweb() as lsw:
        announced = lsw.client.simulation.announced["leaseweb"]
        assert announced.base_url.endswith("/leaseweb/cdn/v2")
        assert announced.root_url.endswith("/cdn/v2")
        headers = {"X-LSW-Auth": KEY}
        async with lsw.client.session.get(announced.base_url + "/origins", headers=headers) as response:
            assert response.status == 200
        assert [exchange.path for exchange in lsw.server.wire.log] == ["/cdn/v2/origins"]
        assert KEY not in repr(lsw.server.wire.log)


def test_a_fault_names_calls_that_there_are() -> None:
    with pytest.raises(ValidationError, match="no such calls: token"):
        LeasewebSettings.model_validate({"faults": [{"kind": "denied", "calls": ["token"]}]})
