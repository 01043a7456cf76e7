"""What Huawei's answers become: counts, signatures, evidence, or a contract error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vendors.huawei_dsc_server import OWN, PROJECT, START, WINDOW, record
from watcher.collect.http import Response
from watcher.collect.vendors.huawei_dsc.parse import Page, Reading, joined, parse_page, read
from watcher.collect.vendors.huawei_dsc.signatures import (
    KnownSignatures,
    Signature,
    reason_template,
    url_template,
)
from watcher.errors import ContractBroken
from watcher.model.time import DAY

COUNTERS = {"total": 0, "succeed": 0, "failed": 0}


def page(*records: dict[str, Any], total: int | None = None, failed: int = 0, marker: object = None) -> Page:
    count = len(records) if total is None else total
    body = {"total": count, "succeed": count - failed, "failed": failed, "next_marker": marker}
    return parsed({**body, "openapi_called_records": list(records)})


def parsed(body: object) -> Page:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_page(Response(200, {}, content), WINDOW)


def whole(*pages: Page) -> Reading:
    return read(pages, WINDOW, PROJECT, whole=True, most=200, show_users=False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"total": 1',
        b"[" * 100_000,
        {},
        {"total": 1, "succeed": 1},
        {**COUNTERS, "total": None},
        {**COUNTERS, "total": "11"},
        {**COUNTERS, "total": True},
        {**COUNTERS, "total": 1.5},
        {**COUNTERS, "failed": -1},
        {**COUNTERS, "failed": 2**53 + 1},
        {**COUNTERS, "failed": 10**400},
        {**COUNTERS, "next_marker": 7},
        {**COUNTERS, "next_marker": "m" * 5_000},
        {**COUNTERS, "openapi_called_records": {}},
        {**COUNTERS, "openapi_called_records": [None]},
        {**COUNTERS, "openapi_called_records": [{}]},
        {**COUNTERS, "openapi_called_records": [{"timestamp": str(START)}]},
        {**COUNTERS, "openapi_called_records": [{"timestamp": START / 1000}]},
        {**COUNTERS, "openapi_called_records": [{"timestamp": START // 1000}]},
        {**COUNTERS, "openapi_called_records": [{"timestamp": 2**50}]},
        {**COUNTERS, "openapi_called_records": [record(request_url=[])]},
        {**COUNTERS, "openapi_called_records": [record(response_code=True)]},
        b'{"total": NaN, "succeed": 0, "failed": 0}',
    ],
)
def test_what_is_not_as_documented_breaks_the_contract(body: object) -> None:
    with pytest.raises(ContractBroken):
        parsed(body)


def test_a_broken_contract_names_nobody() -> None:
    with pytest.raises(ContractBroken) as caught:
        parsed({"openapi_called_records": [record()]})

    assert "zhang" not in str(caught.value)


def test_what_the_vendor_leaves_out_of_a_record_is_tolerated() -> None:
    nothing = {"timestamp": START, **dict.fromkeys(("request_url", "fail_reason", "user_name"), None)}

    reading = whole(page(nothing, {"timestamp": START, "extra": {}}, record(code="500"), failed=1))

    assert reading.calls == {Signature("/v1/{project_id}/sdg/doc/watermark/embed", "POST", "500"): 1}


@pytest.mark.parametrize(
    ("code", "reason", "fails"),
    [
        ("200", "", False),
        ("304", "", False),
        ("200", "watermark not found", True),
        ("400", "", True),
        ("503", "", True),
        (" 404 ", " ", True),
        (404, "", True),
        (200, None, False),
        ("", "", None),
        (None, None, None),
        ("OK", "", None),
        ("dsc.40000011", "", None),
        ("99", "", None),
        ("600", "", None),
        ("٤٠٤", "", None),
        ("4" * 50, "", None),
    ],
)
def test_a_record_fails_by_its_reason_or_its_code(
    code: object, reason: object, *, fails: bool | None
) -> None:
    [one] = page(record(response_code=code, fail_reason=reason)).records

    assert one.fails is fails


def test_a_record_that_does_not_say_failed_if_the_counters_have_as_many() -> None:
    unclear = record(code="")
    failed = whole(page(record(), record(code="500"), unclear, failed=2))
    succeeded = whole(page(record(), record(code="500"), unclear, failed=1))

    assert sum(failed.calls.values()) == 2
    assert sum(succeeded.calls.values()) == 1
    assert failed.remark == succeeded.remark == ""


def test_calls_for_the_records_are_ours_however_their_url_is_written() -> None:
    forms = (OWN, f"{OWN}/", f"{OWN}?limit=1", f"https://sdg.example.com{OWN}", OWN.replace(PROJECT, "x"))

    reading = whole(page(*(record(request_url=url) for url in forms), record()))

    assert (reading.own_succeeded, reading.succeeded, reading.failed) == (5, 1, 0)


def test_pages_overlap_only_where_there_are_more_records_than_counted() -> None:
    first = page(record(), record(), record(START + 1), total=5)
    again = page(record(START + 1), record(START + 2), record(START + 3), total=5)
    full = page(record(START + 1), record(START + 2), total=5)

    assert len(joined([first, again])) == 5
    assert len(joined([first, full])) == 5
    assert len(joined([first, page(record(START + 9), record(), record(), total=5)])) == 6


@pytest.mark.parametrize(
    ("url", "template"),
    [
        (f"/v1/{PROJECT}/sdg/doc/watermark/embed", "/v1/{project_id}/sdg/doc/watermark/embed"),
        (f"/v1/{PROJECT.upper()}/x", "/v1/{project_id}/x"),
        (f"https://sdg.example.com:443/v2/{PROJECT}/x?token=s#f", "/v2/{project_id}/x"),
        (f"/v1/{PROJECT}/jobs/17/files/0a1b2c3d4e5f", "/v1/{project_id}/jobs/{id}/files/{id}"),
        ("/v1/x/8f14e45f-ceea-467f-a0e6-1f2d3c4b5a69/y", "/v1/x/{id}/y"),
        ("/v1/x/Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==", "/v1/x/{id}"),
        ("/v1.0/scan-jobs/masking", "/v1.0/scan-jobs/masking"),
        ("/" + "a/" * 500, ("/" + "a/" * 500)[:200]),
        ("", ""),
        ("\x00\n", ""),
    ],
)
def test_what_differs_from_call_to_call_is_out_of_urls(url: str, template: str) -> None:
    assert url_template(url, PROJECT) == template


@pytest.mark.parametrize(
    ("reason", "template"),
    [
        ("Invalid parameter", "Invalid parameter"),
        ("dsc.40000011: page 17 of 20", "dsc.40000011: page {n} of {n}"),
        ("request 8f14e45f-ceea-467f-a0e6-1f2d3c4b5a69 timed out", "request {id} timed out"),
        ("at 2026-11-22T03:00:00.123Z from 10.0.0.7", "at {time} from {n}.{n}.{n}.{n}"),
        ("job a8f31c2b9 and SHA256", "job {id} and SHA256"),
        ("x" * 500, "x" * 120),
        ("1" * 100_000, "{n}"),
    ],
)
def test_what_differs_from_call_to_call_is_out_of_reasons(reason: str, template: str) -> None:
    assert reason_template(reason) == template


def test_signatures_are_forgotten_after_a_day_and_make_room() -> None:
    known = KnownSignatures(1)
    first, second = Signature("/a"), Signature("/b")

    assert known.count({first: 2, second: 3}, START) == {first: 2, Signature("other"): 3}
    assert set(known) == {first, Signature("other")}
    assert known.count({second: 3}, START + DAY) == {second: 3}
    assert set(known) == {second}


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([START, START + 1, "200", "500", "", OWN])
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
ANY_RECORD = st.fixed_dictionaries(
    {},
    optional={
        "timestamp": st.sampled_from([START, START + 59_999, START - 1]) | LEAVES,
        "request_url": st.text() | LEAVES,
        "request_method": LEAVES,
        "response_code": LEAVES,
        "fail_reason": st.text() | LEAVES,
        "user_name": LEAVES,
        "user_id": st.text() | LEAVES,
    },
)
BODIES = st.fixed_dictionaries(
    {name: st.integers(0, 9) | LEAVES for name in COUNTERS},
    optional={"openapi_called_records": st.lists(ANY_RECORD, max_size=5) | VALUES, "next_marker": LEAVES},
)


@given(body=BODIES | VALUES)
def test_whatever_comes_is_a_reading_or_a_broken_contract(body: object) -> None:
    try:
        reading = whole(parsed(body))
    except ContractBroken:
        return

    assert isinstance(body, dict)
    assert 0 <= reading.succeeded <= body["succeed"]
    assert 0 <= reading.failed <= body["failed"]
    assert sum(reading.calls.values()) <= len(body.get("openapi_called_records") or [])


@given(content=st.binary(max_size=200))
def test_whatever_bytes_come_are_a_reading_or_a_broken_contract(content: bytes) -> None:
    try:
        parsed(content)
    except ContractBroken:
        return
