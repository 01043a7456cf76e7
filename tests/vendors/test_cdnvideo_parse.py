"""CDNvideo's answers, well-formed and not."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.collect.collector import Window
from watcher.collect.http import Response
from watcher.collect.vendors.cdnvideo.parse import COUNTED, Page, Provenance, batch_of, merged, parse_page
from watcher.collect.vendors.cdnvideo.settings import EVALUATED, METRICS
from watcher.errors import ContractBroken
from watcher.model.metrics import METRICS as KNOWN
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, parse_rfc3339

START = parse_rfc3339("2026-02-22T12:00:00Z")
WINDOW = Window(START, START + MINUTE)
PROVENANCE = Provenance("cdnv", "acme/resources", "acme", WINDOW, START + 4 * MINUTE, START + MINUTE)

QUIET = {"resource": "r1", "cname": "cdn.example.com", "resource_name": "shop"}


def page(body: bytes, *, metrics: tuple[str, ...] = EVALUATED, by_resource: bool = True) -> Page:
    response = Response(200, {"content-type": "application/json"}, body)
    return parse_page(response, account="acme", window=WINDOW, metrics=metrics, by_resource=by_resource)


def nulls(metrics: Sequence[str] = EVALUATED) -> dict[str, Any]:
    return dict.fromkeys(metrics)


def batch(
    *rows: Mapping[str, Any], metrics: tuple[str, ...] = EVALUATED, by_resource: bool = True
) -> SampleBatch:
    """Of rows in which what they do not name is null."""
    body = json.dumps({"data": [{**nulls(metrics), **row} for row in rows]}).encode()
    return batch_of(page(body, metrics=metrics, by_resource=by_resource), PROVENANCE)


def value(batch: SampleBatch, metric: str, entity: int = 0, **labels: str) -> float:
    at = batch.metrics.index((metric, tuple(sorted(labels.items()))))
    return float(batch.values[0, at, entity])


def test_what_the_vendor_does_not_say_is_unknown_never_zero() -> None:
    silent = batch_of(page(json.dumps({"data": [QUIET, {"resource": "r2", **nulls()}]}).encode()), PROVENANCE)

    assert silent.size == 0
    assert len(silent.entities) == 2


def test_no_rows_are_no_entities() -> None:
    assert batch().values.shape == (1, len(batch().metrics), 0)
    assert batch(by_resource=False).size == 0


def test_zeros_of_the_vendor_are_zeros() -> None:
    counts = dict.fromkeys((name for name in EVALUATED if name != "edge_hit_ratio"), 0)
    seen = batch({**QUIET, **counts})

    assert value(seen, "cdn_responses", tier="edge", status_class="5xx") == 0
    assert value(seen, "cdn_responses", tier="edge", status_class="other") == 0
    assert value(seen, "cdn_bytes", tier="edge") == 0
    assert np.isnan(value(seen, "cdn_hit_ratio", basis="bytes"))


def test_classes_add_up_to_requests() -> None:
    classes = {f"edge_status_{n}xx": count for n, count in ((2, 900), (3, 50), (4, 30), (5, 10))}
    seen = batch({**QUIET, **classes, "edge_requests_total": 1_000})

    parts = [value(seen, "cdn_responses", tier="edge", status_class=f"{n}xx") for n in (2, 3, 4, 5)]
    other = value(seen, "cdn_responses", tier="edge", status_class="other")
    assert other == 10
    assert sum(parts) + other == value(seen, "cdn_requests", tier="edge")


def test_more_responses_than_requests_leave_no_other() -> None:
    classes = dict.fromkeys([f"origin_status_{n}xx" for n in (2, 3, 4, 5)], 30)
    seen = batch({**QUIET, **classes, "origin_requests_total": 100})

    assert value(seen, "cdn_responses", tier="origin", status_class="other") == 0


def test_one_missing_class_makes_other_unknown() -> None:
    seen = batch({**QUIET, "edge_requests_total": 100, "edge_status_2xx": 90})

    assert np.isnan(value(seen, "cdn_responses", tier="edge", status_class="other"))
    assert np.isnan(value(seen, "cdn_responses", tier="edge", status_class="5xx"))


def test_bytes_are_hit_bytes_by_ratio() -> None:
    """Figures of the vendor's own example."""
    ratio = {"edge_hit_ratio": 0.9380079224014987, "edge_hit_bytes": 2046651070084}
    seen = batch({**QUIET, **ratio})

    assert value(seen, "cdn_bytes", tier="edge") == round(2046651070084 / 0.9380079224014987)


def test_a_cache_that_wholly_collapsed_still_has_a_weight() -> None:
    collapse = {"edge_hit_ratio": 0.0, "edge_hit_bytes": 0, "edge_bandwidth": 8_000, "edge_requests_total": 9}
    seen = batch({**QUIET, **collapse})

    assert value(seen, "cdn_hit_ratio", basis="bytes") == 0
    assert value(seen, "cdn_bytes", tier="edge") == 60_000


def test_a_ratio_without_traffic_is_unknown() -> None:
    seen = batch({**QUIET, "edge_hit_ratio": 0.0, "edge_hit_bytes": 0, "edge_requests_total": 0})

    assert np.isnan(value(seen, "cdn_hit_ratio", basis="bytes"))


def test_a_ratio_a_rounding_above_one_is_one() -> None:
    assert value(batch({**QUIET, "edge_hit_ratio": 1.0000000002}), "cdn_hit_ratio", basis="bytes") == 1


@pytest.mark.parametrize(
    "slip", [{"edge_hit_ratio": 1.2}, {"edge_requests_total": -1}, {"edge_bandwidth": 1e30}]
)
def test_one_impossible_value_blinds_only_its_own_cell(slip: Mapping[str, float]) -> None:
    body = json.dumps({"data": [{**nulls(), **QUIET, "edge_status_5xx": 3, **slip}]}).encode()
    read = page(body)

    (name,) = slip
    assert np.isnan(read.columns[name][0])
    assert read.columns["edge_status_5xx"][0] == 3
    assert read.slips[0].startswith(f"{name} of r1 is ")


def test_a_column_of_impossible_values_is_a_changed_contract() -> None:
    """Such as a ratio that became a percentage."""
    rows = [{**QUIET, "resource": f"r{n}", "edge_hit_ratio": 90.0 + n} for n in range(3)]

    with pytest.raises(ContractBroken, match="no value of edge_hit_ratio can be"):
        batch(*rows)


@pytest.mark.parametrize("metric", sorted(COUNTED))
def test_a_metric_that_has_another_name_now_is_a_changed_contract(metric: str) -> None:
    row = {**QUIET, **dict.fromkeys(EVALUATED, 1)}
    del row[metric]
    rows = [{**row, "resource": f"r{n}", f"{metric}_count": 500} for n in range(3)]

    with pytest.raises(ContractBroken, match=f"{metric} is in no row"):
        page(json.dumps({"data": rows}).encode())


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [QUIET],
        [{**QUIET, "edge_requests_total": 0, "edge_hit_ratio": 1}],
        [{**nulls(), **QUIET, "edge_requests_total": 7}],
        [{**nulls(), **QUIET, "edge_requests_total": 7}, {"resource": "r2", "edge_status_2xx": 7}],
        [{**QUIET, **{name: 7 for name in EVALUATED if name.startswith("edge") and "ratio" not in name}}],
    ],
    ids=["no rows", "no keys", "no traffic", "null", "in one row", "another tier"],
)
def test_what_a_quiet_account_leaves_out_is_no_changed_contract(rows: list[Mapping[str, Any]]) -> None:
    assert len(page(json.dumps({"data": rows}).encode()).resources) == len(rows)


def test_codes_and_request_times_may_be_left_out() -> None:
    row = {**QUIET, **{name: 1 for name in METRICS if name in COUNTED}}

    assert page(json.dumps({"data": [row]}).encode(), metrics=METRICS).resources == ("r1",)


TIMES = ("edge_request_time",)


@pytest.mark.parametrize(
    "row",
    [
        {"edge_request_time_0_250k": 0.04, "edge_request_time_4M+": 1.5},
        {"edge_request_time": {"0_250k": 0.04, "4M+": 1.5, "9m_10m": 2, "1m_2m": None}},
    ],
    ids=["flat", "nested"],
)
def test_request_times_are_read_in_both_spellings(row: Mapping[str, Any]) -> None:
    seen = batch({**QUIET, **row}, metrics=TIMES)

    assert value(seen, "cdn_request_duration_seconds", tier="edge", size="0_250k") == 0.04
    assert value(seen, "cdn_request_duration_seconds", tier="edge", size="4M+") == 1.5
    assert seen.size == 2


def test_numbers_in_quotes_and_number_ids_are_read() -> None:
    seen = batch({"resource": 17, "edge_requests_total": "12"})

    assert seen.entities == ((("account", "acme"), ("resource", "17")),)
    assert value(seen, "cdn_requests", tier="edge") == 12


def test_a_resource_is_called_by_its_name_else_by_its_host() -> None:
    rows = (QUIET, {"resource": "r2", "cname": "b.example.com"}, {"resource": "r3"})

    assert batch(*rows).names == {"r1": "shop", "r2": "b.example.com"}


def test_every_metric_made_is_in_the_table() -> None:
    seen = batch(QUIET, metrics=METRICS)

    assert {name for name, _ in seen.metrics} <= KNOWN.keys()
    assert all(set(dict(labels)) <= set(KNOWN[name].labels) for name, labels in seen.metrics)


ECHO = {"account": "acme", "start": "2026-02-22T12:00:00", "end": "2026-02-22T12:01:00"}


@pytest.mark.parametrize(
    "extra", [{}, {"status": 200}, {"status": 200, "description": None}, {"status": "ok"}]
)
def test_both_answer_shapes_are_read(extra: Mapping[str, Any]) -> None:
    assert page(json.dumps({**ECHO, **extra, "metrics": [], "data": [QUIET]}).encode()).resources == ("r1",)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><body>502 Bad Gateway</body></html>", "malformed"),
        (b"", "truncated"),
        (b'{"data": [{"resource": "r1", "edge_st', "truncated"),
        (b'{"data": [{"resource": "r1", "edge_bandwidth": NaN}]}', "malformed"),
        (b'{"data": [{"resource": "r1", "edge_bandwidth": 1e999}]}', "out of range"),
        (b'{"data": [{"resource": "r1", "edge_bandwidth": []}]}', "Expected"),
        (b'{"data": [{"resource": "r1", "edge_bandwidth": true}]}', "Expected"),
        (b'{"data": [{"edge_bandwidth": 1}]}', "missing required field `resource`"),
        (b'{"data": [{"resource": ""}]}', "resource id"),
        (b'{"data": [{"resource": "a\\u0000b"}]}', "resource id"),
        (b'{"data": [{"resource": "r1"}, {"resource": "r1"}]}', "'r1' has more than one row"),
        (b'{"data": null}', "Expected"),
        (b'{"status": 200}', "missing required field `data`"),
        (b'{"data": [], "status": 207}', "status 207"),
        (b'{"data": [], "account": "other"}', "account 'other'"),
        (b'{"data": [], "start": "2026-02-22T11:00:00"}', "another window"),
        (b'{"data": [{"resource": "r1", "x": ' + b"[" * 9_000 + b"]" * 9_000 + b"}]}", "nested too deep"),
        (b'{"data": [{"resource": "r1", "cname": "\xff"}]}', "utf-8"),
    ],
)
def test_what_is_not_as_documented_is_a_broken_contract(body: bytes, words: str) -> None:
    with pytest.raises(ContractBroken, match=words) as caught:
        page(body)

    assert len(str(caught.value)) < 400


def test_account_totals_are_one_row() -> None:
    with pytest.raises(ContractBroken, match="2 rows of account totals"):
        page(b'{"data": [{}, {}]}', by_resource=False)


def test_answers_to_parts_of_a_query_make_one_page() -> None:
    edge = page(json.dumps({"data": [QUIET, {"resource": "r2"}]}).encode(), metrics=("edge_status_5xx",))
    rows = [{"resource": "r3", "origin_status_5xx": 3}, {"resource": "r1", "origin_status_5xx": 1}]
    origin = page(json.dumps({"data": rows}).encode(), metrics=("origin_status_5xx",))

    both = merged([edge, origin])

    assert both.resources == ("r1", "r2", "r3")
    assert both.columns["origin_status_5xx"].tolist()[0] == 1
    assert both.columns["origin_status_5xx"].tolist()[2] == 3
    assert np.isnan(both.columns["origin_status_5xx"][1])
    assert both.names == {"r1": "shop"}


def read_anything(body: bytes, *, by_resource: bool) -> None:
    try:
        made = batch_of(page(body, metrics=METRICS, by_resource=by_resource), PROVENANCE)
    except ContractBroken:
        return
    finite = made.values[~np.isnan(made.values)]
    assert np.isfinite(finite).all()
    assert (finite >= 0).all()
    assert len(set(made.entities)) == len(made.entities)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
cells = (
    scalars
    | st.dictionaries(st.sampled_from(["0_250k", "4M+", "x"]), scalars, max_size=3)
    | st.lists(scalars, max_size=2)
)
keys = st.sampled_from((*METRICS, "edge_request_time_0_250k", "resource", "cname", "resource_name", "extra"))
rows = st.dictionaries(keys, cells, max_size=8) | st.fixed_dictionaries({"resource": st.text(max_size=3)})
answers = st.fixed_dictionaries(
    {"data": st.lists(rows, max_size=4) | cells},
    optional={"status": cells, "account": cells, "start": cells, "end": cells},
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(answers | json_values, st.booleans())
def test_any_json_is_samples_or_a_broken_contract(answer: object, by_resource: bool) -> None:  # noqa: FBT001
    read_anything(json.dumps(answer).encode(), by_resource=by_resource)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_samples_or_a_broken_contract(body: bytes, by_resource: bool) -> None:  # noqa: FBT001
    read_anything(body, by_resource=by_resource)


good_rows = st.lists(
    st.fixed_dictionaries(
        {"resource": st.uuids().map(str)},
        optional={
            name: st.floats(0, 1) if name == "edge_hit_ratio" else st.integers(0, 2**50) for name in EVALUATED
        },
    ),
    max_size=5,
)


@given(good_rows)
def test_any_answer_within_the_document_is_read(rows: list[dict[str, Any]]) -> None:
    made = batch(*rows)

    said = sum(len(row) - 1 for row in rows)
    assert len(made.entities) == len(rows)
    assert made.size >= said - sum("edge_hit_ratio" in row for row in rows)


def test_a_page_of_ten_thousand_resources_is_read_fast() -> None:
    """The goal is 3 M values a CPU-second; a third of it must hold on a busy machine."""
    rows = [
        {
            "resource": f"r{n}",
            "cname": f"c{n}.example.com",
            **{name: n for name in EVALUATED if "ratio" not in name},
        }
        for n in range(10_000)
    ]
    body = json.dumps({"data": rows}).encode()
    began = time.process_time()

    made = batch_of(page(body), PROVENANCE)

    assert made.size / (time.process_time() - began) > 1_000_000
