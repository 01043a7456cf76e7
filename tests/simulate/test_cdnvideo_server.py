"""The simulated CDNvideo against every line of its documentation, over real sockets."""

from typing import Any

import pytest

from tests.simulate.asking import NOON, query, simulated, text
from watcher.model.time import HOUR, MINUTE, SECOND
from watcher.simulate.cdnvideo.metrics import ALL, CODES, SIZES
from watcher.simulate.cdnvideo.server import Cdnvideo
from watcher.simulate.wire import Exchange

AGGREGATE = "/app/metrics/v1/"
BY_RESOURCE = "/app/metrics/v1/resources"


async def test_a_token_has_a_lifetime_in_milliseconds_and_then_expires() -> None:
    async with simulated() as client:
        status, body = await client.login()
        assert status == 200
        assert {key: body[key] for key in ("status", "person_id", "lifetime")} == {
            "status": 200,
            "person_id": 17,
            "lifetime": 6 * HOUR,
        }

        client.clock.at += 6 * HOUR - 1
        assert (await client.data(query(), token=body["token"]))[0] == 200
        client.clock.at += 1
        assert (await client.data(query(), token=body["token"]))[0] == 403


async def test_a_configured_token_never_expires() -> None:
    async with simulated(tokens=["fixed"]) as client:
        client.clock.at += 1000 * HOUR

        assert (await client.data(query(), token="fixed"))[0] == 200


@pytest.mark.parametrize("form", [{}, {"username": "demo"}, {"password": "x"}])
async def test_a_token_call_without_both_fields_is_a_bad_request(form: dict[str, str]) -> None:
    async with simulated() as client:
        status, body = await client.ask("POST", "/app/oauth/v1/token/", data=form)

        assert (status, body["status"]) == (400, 400)


async def test_seven_wrong_passwords_ban_the_account_for_three_hours() -> None:
    async with simulated() as client:
        for _ in range(7):
            assert (await client.login(password="wrong"))[0] == 401
        assert (await client.login())[0] == 403

        client.clock.at += 3 * HOUR - 1
        assert (await client.login())[0] == 403
        client.clock.at += 1
        assert (await client.login())[0] == 200


async def test_a_right_password_forgives_the_wrong_ones_before_it() -> None:
    async with simulated(ban_after=2) as client:
        for password, expected in (
            ("wrong", 401),
            ("demo-password", 200),
            ("wrong", 401),
            ("demo-password", 200),
        ):
            assert (await client.login(password=password))[0] == expected


async def test_an_unknown_user_is_told_the_same_as_a_wrong_password() -> None:
    async with simulated() as client:
        assert await client.login(username="nobody") == await client.login(password="wrong")


async def test_the_twenty_first_token_call_of_a_minute_is_refused() -> None:
    async with simulated() as client:
        for _ in range(20):
            await client.token()
        assert (await client.login())[0] == 429

        client.clock.at += MINUTE
        assert (await client.login())[0] == 200


async def test_accounts_are_listed_to_who_holds_a_token() -> None:
    async with simulated(accounts=[{"name": "one"}, {"name": "two", "status": "blocked"}]) as client:
        path = "/app/inventory/v1/accounts/"
        headers = {"CDN-AUTH-TOKEN": await client.token()}
        status, body = await client.ask("GET", path, headers=headers)

        assert status == 200
        assert [(row["name"], row["status"]) for row in body] == [("one", "active"), ("two", "blocked")]
        assert set(body[0]) == {"status", "utoken", "uid", "name"}
        assert (await client.ask("GET", path))[0] == 401


@pytest.mark.parametrize("token", ["", "unknown", "cdn1_"])
async def test_data_without_a_valid_token_is_forbidden(token: str) -> None:
    async with simulated() as client:
        for path in (AGGREGATE, BY_RESOURCE):
            assert await client.data(query(), token=token, path=path) == (
                403,
                {"status": 403, "description": "Invalid token"},
            )


async def test_a_foreign_account_is_forbidden() -> None:
    async with simulated() as client:
        status, body = await client.data(query(account="somebody_else"))

        assert (status, body["status"]) == (403, 403)


def asked(**changed: str | None) -> list[tuple[str, str]]:
    """A valid query with parameters changed, or taken away by None."""
    params = dict(query()) | changed
    return [(name, value) for name, value in params.items() if value is not None]


@pytest.mark.parametrize(
    "wrong",
    [
        asked(account=None),
        asked(start=None),
        asked(end=None),
        asked(start="yesterday"),
        asked(start="2026-11-22T11:30:00Z"),
        asked(start="2026-11-22T11:30:00+00:00"),
        asked(start="2026-11-22 11:30:00"),
        asked(start="2026-11-22T11:30"),
        asked(start="2026-02-30T11:30:00"),
        asked(end=asked()[1][1]),
        asked(end=text(NOON - HOUR)),
        asked(end=text(NOON - 19 * MINUTE)),
        asked(metric="edge_status_418"),
        asked(metric=""),
        asked(metrics="edge_status_5xx"),
        [*query(), ("account", "test_account")],
        [*query(), ("resource", "shop"), ("resource", "blog")],
    ],
    ids=str,
)
async def test_a_query_that_is_not_as_documented_is_unprocessable(wrong: list[tuple[str, str]]) -> None:
    async with simulated() as client:
        for path in (AGGREGATE, BY_RESOURCE):
            status, body = await client.data(wrong, path=path)

            assert (status, body["status"]) == (422, 422)
            assert body["description"]


@pytest.mark.parametrize("name", ["start", "end"])
async def test_seconds_that_are_not_zero_are_refused_in_the_vendors_words(name: str) -> None:
    async with simulated() as client:
        status, body = await client.data(asked(**{name: "2026-11-22T11:30:30"}))

        assert status == 422
        assert body == {
            "status": 422,
            "description": "Invalid time format. Time must be at minute precision",
        }


async def test_windows_are_from_one_to_ten_minutes_unless_the_vendor_allows_less() -> None:
    async with simulated() as client:
        assert (await client.data(query(length=10 * MINUTE)))[0] == 200
        assert (await client.data(query(length=11 * MINUTE)))[0] == 422
    async with simulated(max_window="1m") as client:
        assert (await client.data(query()))[0] == 200
        assert (await client.data(query(length=2 * MINUTE)))[0] == 422


async def test_the_answer_repeats_the_question_in_its_order() -> None:
    async with simulated() as client:
        metrics = ("edge_hit_bytes", "edge_status_2xx", "origin_requests_total")
        _, body = await client.data(query(*metrics))

        assert {key: body[key] for key in ("start", "end", "account", "metrics")} == {
            "start": "2026-11-22T11:30:00",
            "end": "2026-11-22T11:31:00",
            "account": "test_account",
            "metrics": list(metrics),
        }
        assert "status" not in body
        [row] = body["data"]
        assert set(row) == set(metrics)


async def test_the_answer_carries_a_status_where_the_vendor_writes_one() -> None:
    async with simulated(with_status=True) as client:
        assert (await client.data(query()))[1]["status"] == 200


async def test_without_a_filter_every_metric_is_given() -> None:
    async with simulated() as client:
        status, body = await client.data(query())

        assert status == 200
        assert body["metrics"] == list(ALL)
        assert set(body["data"][0]) == set(ALL)


async def test_rows_by_resource_carry_who_they_are() -> None:
    async with simulated() as client:
        rows = await client.rows(query("edge_requests_total"))

        assert [(row["resource"], row["resource_name"], row["cname"]) for row in rows] == [
            ("shop", "Web shop", "shop.example.com"),
            ("blog", "blog", "blog.example.com"),
            ("empty", "empty", "empty.example.com"),
        ]
        assert [row["edge_requests_total"] > 0 for row in rows] == [True, True, False]


async def test_one_resource_may_be_chosen_and_an_unknown_one_is_an_empty_list() -> None:
    async with simulated() as client:
        everything = await client.rows(query("edge_requests_total"))
        chosen = await client.rows([*query("edge_requests_total"), ("resource", "blog")])
        unknown = [*query(), ("resource", "nothing")]

        assert chosen == everything[1:2]
        assert await client.rows(unknown) == []
        assert (await client.data(unknown))[1]["data"] == []


async def test_an_account_sees_its_own_resources_only() -> None:
    async with simulated(accounts=[{"name": "test_account", "resources": ["blog"]}]) as client:
        rows = await client.rows(query("edge_requests_total"))
        _, body = await client.data(query("edge_requests_total"))

        assert [row["resource"] for row in rows] == ["blog"]
        assert body["data"] == [{"edge_requests_total": rows[0]["edge_requests_total"]}]


@pytest.mark.parametrize("path", [AGGREGATE, AGGREGATE.rstrip("/"), BY_RESOURCE, f"{BY_RESOURCE}/"])
async def test_paths_are_served_with_and_without_the_last_slash(path: str) -> None:
    async with simulated() as client:
        assert (await client.data(query(), path=path))[0] == 200


async def test_every_answer_is_json_errors_and_unknown_paths_included() -> None:
    async with simulated() as client:
        for method, path in (("GET", "/nowhere"), ("POST", AGGREGATE), ("GET", "/app/oauth/v1/token/")):
            status, body = await client.ask(method, path)

            assert (status, body["status"]) == (404, 404)


def consistent(row: dict[str, Any], seconds: float) -> bool:
    """Section 5.4 of the vendor's page."""
    for tier in ("edge", "origin"):
        classes = {family: row[f"{tier}_status_{family}xx"] for family in CODES}
        if any(
            classes[f] < sum(row[f"{tier}_status_{code}"] for code in codes) for f, codes in CODES.items()
        ):
            return False
        if row[f"{tier}_requests_total"] < sum(classes.values()):
            return False
    total = row["edge_bandwidth"] * seconds / 8
    return bool(total == 0 or row["edge_hit_ratio"] == pytest.approx(row["edge_hit_bytes"] / total))


async def test_figures_agree_with_one_another() -> None:
    burst = {
        "kind": "5xx_burst",
        "resource": "shop",
        "start": "-40m",
        "share": 0.3,
        "codes": {502: 1, 530: 1},
    }
    async with simulated(troubles=[burst]) as client:
        rows = await client.rows(query(length=5 * MINUTE))
        shop = rows[0]

        assert all(consistent(row, 300) for row in rows)
        assert shop["edge_status_5xx"] > sum(shop[f"edge_status_{code}"] for code in CODES[5])
        assert 0 < shop["origin_requests_total"] < shop["edge_requests_total"]
        assert 0 < shop["edge_hit_ratio"] < 1


async def test_request_times_come_in_either_spelling() -> None:
    async with simulated() as client:
        nested = (await client.rows(query("edge_request_time", "origin_request_time")))[0]
    async with simulated(request_time="flat") as client:
        flat = (await client.rows(query("edge_request_time", "origin_request_time")))[0]

    assert list(nested["edge_request_time"]) == list(SIZES)
    assert nested["origin_request_time"]["4M+"] > nested["edge_request_time"]["4M+"] > 0
    assert flat["origin_request_time_0_250k"] == nested["origin_request_time"]["0_250k"]


@pytest.mark.parametrize(
    ("quiet", "expected"),
    [
        ("zeros", {"edge_requests_total": 0, "edge_hit_ratio": None}),
        ("nulls", {"edge_requests_total": None, "edge_hit_ratio": None}),
        ("absent", {}),
        ("no_row", None),
    ],
)
async def test_a_resource_without_traffic_looks_as_the_scenario_says(
    quiet: str, expected: dict[str, Any] | None
) -> None:
    async with simulated(quiet=quiet) as client:
        rows = await client.rows(query("edge_requests_total", "edge_hit_ratio"))

        figures = [
            {name: value for name, value in row.items() if name.startswith("edge")}
            for row in rows
            if row["resource"] == "empty"
        ]
        assert figures == ([] if expected is None else [expected])


async def test_recent_minutes_fill_up_until_the_lag_has_passed() -> None:
    async with simulated(settle_lag="3m") as client:
        seen = []
        for _ in range(6):
            [row] = (await client.data(query("edge_requests_total", ago=0)))[1]["data"]
            seen.append(row["edge_requests_total"])
            client.clock.at += MINUTE
        [final] = (await client.data(query("edge_requests_total", ago=0)))[1]["data"]

        assert seen[0] == 0
        assert seen[0] < seen[1] < seen[2] < seen[3] < seen[4] == seen[5] == final["edge_requests_total"]


async def test_the_common_port_serves_the_same_vendor_under_its_prefix() -> None:
    async with simulated() as client:
        token = await client.token()
        url = client.base_url + AGGREGATE
        async with client.session.get(url, params=query(), headers={"CDN-AUTH-TOKEN": token}) as response:
            assert response.status == 200

        assert client.base_url.endswith("/cdnvideo")
        assert [exchange.path for exchange in client.simulation.server(Cdnvideo).wire.log] == [
            "/app/oauth/v1/token/",
            AGGREGATE,
        ]


async def test_requests_are_logged_without_their_secrets() -> None:
    async with simulated() as client:
        await client.login(password="hunter2")
        client.clock.at += 5 * SECOND
        await client.data(asked(metric="nonsense"), token="cdn1_secret")

        log = client.simulation.server(Cdnvideo).wire.log
        assert list(log) == [
            Exchange("token", "POST", "/app/oauth/v1/token/", (), 401, NOON),
            Exchange("metrics", "GET", AGGREGATE, tuple(asked(metric="nonsense")), 403, NOON + 5 * SECOND),
        ]
        assert "hunter2" not in repr(log)
        assert "cdn1_secret" not in repr(log)
