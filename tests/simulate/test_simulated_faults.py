"""The knobs: what goes wrong, for which calls, when and how often."""

import logging

import aiohttp
import pytest

from tests.simulate.asking import NOON, query, simulated
from watcher.model.time import MINUTE
from watcher.simulate.cdnvideo.server import Cdnvideo
from watcher.simulate.faults import Fault, Faults, Refusal


async def test_a_refusal_has_the_vendors_form_and_may_ask_to_wait() -> None:
    faults = [{"kind": "refusal", "status": 429, "retry_after": "30s", "calls": ["metrics"]}]
    async with simulated(faults=faults) as client:
        headers = {"CDN-AUTH-TOKEN": await client.token()}
        url = client.root_url + "/app/metrics/v1/"
        async with client.session.get(url, params=query(), headers=headers) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "30")
            assert (await response.json())["status"] == 429


async def test_a_page_of_html_may_come_in_place_of_json() -> None:
    async with simulated(faults=[{"kind": "html"}]) as client:
        response = await client.session.get(client.root_url + "/app/metrics/v1/")

        assert (response.status, response.content_type) == (200, "text/html")
        assert "<h1>" in await response.text()


async def test_an_answer_may_be_cut_in_the_middle() -> None:
    async with simulated(faults=[{"kind": "truncated"}]) as client:
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            await client.login()


async def test_an_answer_may_be_json_of_another_form() -> None:
    async with simulated(faults=[{"kind": "nonsense"}]) as client:
        assert await client.login() == (200, {"result": ["ok", None]})


async def test_an_answer_may_be_slower_than_the_client_waits() -> None:
    async with simulated(faults=[{"kind": "slow", "delay": "30s"}]) as client:
        with pytest.raises(TimeoutError):
            await client.ask("GET", "/app/metrics/v1/", timeout=aiohttp.ClientTimeout(total=0.05))

    assert [exchange.status for exchange in client.simulation.server(Cdnvideo).wire.log] == [0]


async def test_a_connection_may_be_dropped_without_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    async with simulated(faults=[{"kind": "dropped"}]) as client:
        with caplog.at_level(logging.WARNING), pytest.raises(aiohttp.ClientError):
            await client.login()

        assert [exchange.status for exchange in client.simulation.server(Cdnvideo).wire.log] == [0]
        assert not caplog.records


@pytest.mark.parametrize(
    ("faults", "date"),
    [
        ([], "Sun, 22 Nov 2026 12:00:00 GMT"),
        ([{"kind": "skewed", "by": "-10m"}], "Sun, 22 Nov 2026 11:50:00 GMT"),
        ([{"kind": "skewed", "by": "+1h"}], "Sun, 22 Nov 2026 13:00:00 GMT"),
    ],
)
async def test_the_date_header_shows_the_vendors_clock(faults: list[dict[str, str]], date: str) -> None:
    async with simulated(faults=faults) as client:
        response = await client.session.get(client.root_url)

        assert response.headers["Date"] == date


async def test_windows_may_be_empty() -> None:
    async with simulated(faults=[{"kind": "empty"}]) as client:
        assert await client.rows(query()) == []


async def test_a_query_of_many_minutes_and_metrics_times_out() -> None:
    async with simulated(faults=[{"kind": "too_large", "limit": 10}]) as client:
        metrics = ("edge_requests_total", "edge_status_5xx")

        assert (await client.data(query(*metrics, length=5 * MINUTE)))[0] == 200
        assert (await client.data(query(*metrics, length=6 * MINUTE)))[0] == 504
        assert (await client.data(query(metrics[0], length=6 * MINUTE)))[0] == 200


async def test_rows_may_carry_metrics_nobody_knows() -> None:
    async with simulated(faults=[{"kind": "extra_metrics"}]) as client:
        _, body = await client.data(query("edge_requests_total"))

        assert set(body["data"][0]) > {"edge_requests_total", "edge_status_418", "edge_note"}


async def test_tokens_may_be_revoked_before_they_expire() -> None:
    async with simulated(faults=[{"kind": "revoked", "calls": ["metrics"], "every": 2}]) as client:
        token = await client.token()

        assert (await client.data(query(), token=token))[0] == 200
        assert (await client.data(query(), token=token))[0] == 403
        assert (await client.data(query(), token=await client.token()))[0] == 200


async def test_the_lag_may_grow_for_a_while() -> None:
    async with simulated(faults=[{"kind": "lag", "lag": "1h", "start": "now", "lasts": "10m"}]) as client:
        wanted = query("edge_requests_total", ago=5 * MINUTE)
        [late] = (await client.data(wanted))[1]["data"]
        client.clock.at += 10 * MINUTE
        [final] = (await client.data(wanted))[1]["data"]

        assert 0 < late["edge_requests_total"] < final["edge_requests_total"] / 5


async def test_a_refusal_may_take_its_time() -> None:
    faults = [{"kind": "refusal", "status": 504, "delay": "30s"}]
    async with simulated(faults=faults) as client:
        with pytest.raises(TimeoutError):
            await client.ask("GET", "/app/metrics/v1/", timeout=aiohttp.ClientTimeout(total=0.05))
        client.simulation.server(Cdnvideo).faults.turn(Refusal.model_validate(faults[0] | {"delay": "1ms"}))
        assert (await client.data(query(), token=""))[0] == 504


async def test_a_token_may_be_refused_inside_a_good_answer() -> None:
    async with simulated(faults=[{"kind": "refused_inside", "calls": ["token"]}]) as client:
        assert await client.login() == (200, {"status": 401, "description": "Invalid username or password"})


async def test_an_error_may_repeat_the_token() -> None:
    async with simulated(faults=[{"kind": "echoed_token", "calls": ["metrics"]}]) as client:
        token = await client.token()

        assert await client.data(query(), token=token) == (
            403,
            {"status": 403, "description": f"Invalid token {token}"},
        )


async def test_a_metric_may_be_absent_though_asked_for() -> None:
    faults = [{"kind": "absent_metrics", "metrics": ["edge_status_5xx"]}]
    async with simulated(faults=faults) as client:
        _, body = await client.data(query("edge_status_5xx", "edge_requests_total"))

        assert set(body["data"][0]) == {"edge_requests_total"}


async def test_the_log_says_what_was_planted_and_what_was_the_callers_doing() -> None:
    async with simulated(faults=[{"kind": "refusal", "calls": ["token"]}]) as client:
        await client.login()
        await client.ask("GET", "/nowhere")
        log = client.simulation.server(Cdnvideo).wire.log

    assert [(call.status, call.faults) for call in log] == [(500, ("refusal",)), (404, ())]


async def test_knobs_can_be_turned_while_the_simulator_runs() -> None:
    async with simulated() as client:
        client.simulation.server(Cdnvideo).faults.turn(Refusal(kind="refusal", status=503))
        assert (await client.login())[0] == 503
        client.simulation.server(Cdnvideo).faults.turn()
        assert (await client.login())[0] == 200


def holds(knob: Fault, *calls: tuple[str, int]) -> list[bool]:
    faults = Faults(NOON, [knob])
    return [bool(faults.active(call, at).faults) for call, at in calls]


def test_a_fault_holds_within_its_span_only() -> None:
    knob = Refusal.model_validate({"kind": "refusal", "start": "-5m", "lasts": "10m"})
    times = (NOON - 5 * MINUTE - 1, NOON - 5 * MINUTE, NOON + 5 * MINUTE - 1, NOON + 5 * MINUTE)

    assert holds(knob, *(("metrics", at) for at in times)) == [False, True, True, False]


def test_a_fault_of_every_third_call_counts_the_calls_it_is_for() -> None:
    knob = Refusal(kind="refusal", calls=("metrics",), every=3)
    calls = ["metrics", "metrics", "token", "metrics", "metrics", "metrics", "metrics"]

    assert holds(knob, *((call, NOON) for call in calls)) == [False, False, False, True, False, False, True]


async def test_late_bins_are_no_rows_until_they_come() -> None:
    late = {"kind": "late_bins", "resource": "shop", "start": "-1h", "lasts": "1h", "by": "40m"}
    async with simulated(troubles=[late]) as client:
        assert [row["resource"] for row in await client.rows(query("edge_requests_total"))] == [
            "blog",
            "empty",
        ]
        client.clock.at += 20 * MINUTE
        rows = await client.rows(query("edge_requests_total"))

    assert [row["resource"] for row in rows] == ["shop", "blog", "empty"]
