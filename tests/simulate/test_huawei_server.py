"""The simulated feed of Huawei: counters, pages, markers, late records, and what is refused."""

import pytest

from tests.simulate.asking import NOON, simulated
from tests.simulate.huawei_asking import KEY, PATH, PROJECT, Query, ask, huawei, minute
from watcher.collect.http import Request
from watcher.collect.vendors.huawei_dsc.signing import signed
from watcher.model.time import HOUR, MINUTE


async def test_counters_are_of_the_whole_filter_and_records_of_the_page() -> None:
    async with simulated() as client:
        status, body = await ask(client, minute(limit=1))
        truth = huawei(client).feed._calls.between(NOON - 10 * MINUTE, NOON - 9 * MINUTE)

    assert status == 200
    assert (body["total"], body["succeed"], body["failed"]) == (len(truth), len(truth), 0)
    [record] = body["openapi_called_records"]
    assert set(record) == {
        *("user_name", "user_id", "domain_name", "domain_id", "request_url", "request_method"),
        *("response_code", "fail_reason", "timestamp"),
    }
    assert record["request_url"].startswith(f"/v1/{PROJECT}/")
    assert (record["response_code"], record["fail_reason"]) == ("200", "")
    assert body["next_marker"]


@pytest.mark.parametrize("end", ["absent", "null", "empty", "same", "no_records"])
@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_hold_every_record_once_and_end_as_the_scenario_says(end: str, order: str) -> None:
    async with simulated(sections={"huawei": {"end": end, "order": order, "page": 3}}) as client:
        _, body = await ask(client, minute())
        bodies, marker = [body], ""
        while body.get("next_marker", "") not in {marker, None, ""} and body["openapi_called_records"]:
            marker = body["next_marker"]
            _, body = await ask(client, minute(marker=marker))
            bodies.append(body)

    times = [record["timestamp"] for one in bodies for record in one["openapi_called_records"]]
    assert len(times) == body["total"] > 6
    assert times == sorted(times, reverse=order == "newest")
    said = bodies[-1].get("next_marker", "absent")
    expected = {"null": None, "empty": "", "same": marker}.get(end, "absent")
    assert said == expected
    assert bool(bodies[-1]["openapi_called_records"]) is (end != "no_records")


@pytest.mark.parametrize(
    "query",
    [
        [("limit", "0")],
        [("limit", "2001")],
        [("limit", "-1")],
        [("limit", "ten")],
        [("limit", "")],
        [("limit", "1"), ("limit", "2")],
        [("start_time", "yesterday")],
        [("start_time", "1.5")],
        [("start_time", "2"), ("end_time", "1")],
        [("marker", "unknown")],
        [("marker", "bm90IG91cnMtLS0tLTEw")],
        [("page", "1")],
    ],
)
async def test_an_invalid_parameter_is_refused_as_documented(query: Query) -> None:
    async with simulated() as client:
        status, body = await ask(client, query)

    assert status == 400
    assert body == {"error_code": "dsc.40000011", "error_msg": "Invalid parameter"}


async def test_a_marker_belongs_to_its_filter() -> None:
    async with simulated(sections={"huawei": {"page": 3}}) as client:
        _, body = await ask(client, minute())
        right, _ = await ask(client, minute(marker=body["next_marker"]))
        wrong, _ = await ask(client, minute(11, marker=body["next_marker"]))

    assert (right, wrong) == (200, 400)


async def test_records_are_found_by_url_with_the_projects_id_or_braces() -> None:
    real = f"/v1/{PROJECT}/sdg/doc/watermark/embed"
    async with simulated() as client:
        _, everything = await ask(client, minute())
        answers = [
            await ask(client, [*minute(), ("called_url", url)])
            for url in (real, real.replace(PROJECT, "{project_id}"), "/v1/x")
        ]

    urls = [record["request_url"] for record in everything["openapi_called_records"]]
    assert [body["total"] for _, body in answers] == [urls.count(real), urls.count(real), 0]
    assert 0 < urls.count(real) < len(urls)


async def test_records_come_late() -> None:
    async with simulated(
        sections={"huawei": {"settle_lag": "1m", "late_share": 0.5, "late_by": "5m"}}
    ) as client:
        counts = []
        for passed in (1, 2, 6, 7):
            client.clock.at = NOON + passed * MINUTE
            _, body = await ask(client, minute(0))
            counts.append(body["total"])

    assert counts[0] < counts[1] < counts[3]
    assert counts == sorted(counts)


async def test_calls_for_the_records_are_records_unless_the_scenario_says_no() -> None:
    async with simulated() as client:
        await ask(client)
        await ask(client, [("limit", "0")])
        client.clock.at += MINUTE
        _, body = await ask(client, [("called_url", PATH), ("end_time", str(NOON + MINUTE - 1))])
    async with simulated(sections={"huawei": {"logs_reads": False}}) as client:
        await ask(client)
        _, silent = await ask(client, [("called_url", PATH)])

    outcomes = [(one["response_code"], one["request_method"]) for one in body["openapi_called_records"]]
    assert sorted(outcomes) == [("200", "GET"), ("400", "GET")]
    assert silent["total"] == 0


async def test_faults_of_the_feed() -> None:
    faults = [
        {"kind": "inserts", "count": 2, "start": "+1h", "lasts": "1h"},
        {"kind": "miscounted", "by": 3, "start": "+2h", "lasts": "1h"},
        {"kind": "odd_codes", "code": "N/A", "start": "+3h", "lasts": "1h"},
        {"kind": "unlogged", "start": "+4h", "lasts": "1h"},
        {"kind": "refusal", "status": 503, "start": "+5h"},
    ]
    trouble = {"kind": "failing_api_calls", "start": "-20m", "lasts": "20m", "share": 1.0}
    async with simulated(sections={"huawei": {"faults": faults}}, troubles=[trouble]) as client:
        bodies = []
        for hour in range(6):
            client.clock.at = NOON + hour * HOUR
            bodies.append(await ask(client, minute()))
        _, normal = bodies[0]

    assert normal["failed"] == normal["total"]
    assert [body["total"] for _, body in bodies[1:4]] == [
        normal["total"],
        normal["total"] + 2,
        normal["total"] + 2,
    ]
    assert bodies[2][1]["failed"] == normal["failed"] + 2
    codes = {record["response_code"] for record in bodies[3][1]["openapi_called_records"]}
    assert codes == {"N/A", "200"}
    assert (bodies[5][0], bodies[5][1]["error_code"]) == (503, "APIG.0201")


async def test_an_unknown_path_is_no_api() -> None:
    async with simulated() as client:
        status, body = await ask(client, path="/v1/nothing")

    assert status == 404
    assert body["error_code"] == "APIG.0101"


async def test_the_feed_of_the_common_port_is_signed_with_its_prefix() -> None:
    async with simulated() as client:
        announced = client.simulation.announced["huawei"]
        url = announced.base_url + PATH
        headers = signed(Request("GET", url), KEY, NOON)
        async with client.session.get(url, headers=headers) as response:
            status = response.status

    assert status == 200
    assert announced.source["vendor"] == "huawei_dsc"
    assert announced.source["base_url"] == announced.base_url
