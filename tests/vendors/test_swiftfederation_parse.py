"""SwiftFederation's answers, well-formed and not."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vendors.swiftfederation_server import value
from watcher.collect.collector import Window
from watcher.collect.http import Response
from watcher.collect.vendors.swiftfederation.batches import CLASSES, USUAL, Provenance, counts_batch
from watcher.collect.vendors.swiftfederation.parse import CODES, LARGEST, Page, parse_page
from watcher.errors import ContractBroken
from watcher.model.labels import label_set
from watcher.model.metrics import METRICS
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, MINUTE, parse_rfc3339, rfc3339

START = parse_rfc3339("2026-11-22T02:00:00Z")
WIDTH = 5 * MINUTE
WINDOW = Window(START, START + 3 * WIDTH)
TIMES = [rfc3339(START + step * WIDTH) for step in range(3)]
NAMES = ("a.test", "b.test")
PROVENANCE = Provenance("sfd", "origin", WINDOW, WIDTH, WINDOW.end, WINDOW.end)


def page(body: object, names: Sequence[str] = NAMES) -> Page:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_page(
        Response(200, {"x-sfd-trace-id": "t-1"}, content), names=names, window=WINDOW, width=WIDTH
    )


def batch(body: object) -> SampleBatch:
    return counts_batch([page(body)], PROVENANCE)


def domain(name: str = "a.test", *buckets: Any) -> dict[str, Any]:  # noqa: ANN401 - also what is wrong
    return {"serviceName": name, "httpCodes": list(buckets)}


def bucket(timestamp: str = TIMES[0], **codes: object) -> dict[str, Any]:
    return {"timestamp": timestamp, "httpCodeValues": {name[1:]: count for name, count in codes.items()}}


def test_counts_stand_in_their_bin_by_class_and_by_code() -> None:
    seen = batch([domain("b.test", bucket(TIMES[1], c200=7, c204=1, c404=2, c502=3, c530=1, c101=1, c302=4))])

    expected = {"1xx": 1, "2xx": 8, "3xx": 4, "4xx": 2, "5xx": 4, "other": 0}
    assert {
        name: value(seen, "cdn_responses", 1, 1, status_class=name, tier="origin")
        for name in (*CLASSES, "other")
    } == expected
    assert value(seen, "cdn_requests", 1, 1, tier="origin") == 19
    assert value(seen, "cdn_status_responses", 1, 1, status="530", tier="origin") == 1


def test_what_the_vendor_does_not_say_is_unknown_never_zero() -> None:
    seen = batch([domain("b.test", bucket(TIMES[1], c200=7))])

    assert np.isnan(seen.values[:, :, 0]).all()
    assert np.isnan(seen.values[[0, 2], :, 1]).all()
    assert batch([]).size == 0
    assert batch([domain("a.test")]).size == 0


def test_an_empty_bin_that_is_there_is_known_zero() -> None:
    seen = counts_batch([page([domain("a.test", bucket(TIMES[2]))])], PROVENANCE, codes=USUAL)

    assert (seen.values[2, :, 0] == 0).all()
    assert seen.size == len(seen.metrics) == 1 + 6 + len(USUAL)


def test_a_code_that_only_another_bin_has_is_zero_in_this_one() -> None:
    seen = batch([domain("a.test", bucket(TIMES[0], c200=7), bucket(TIMES[1], c503=2))])

    assert value(seen, "cdn_status_responses", 0, 0, status="503", tier="origin") == 0
    assert value(seen, "cdn_status_responses", 0, 1, status="200", tier="origin") == 0


def test_pages_of_one_window_stand_side_by_side() -> None:
    first = page([domain("a.test", bucket(c200=1))], ("a.test",))
    second = page([domain("b.test", bucket(c503=2))], ("b.test",))

    seen = counts_batch([first, second], PROVENANCE)

    assert [dict(entity)["resource"] for entity in seen.entities] == ["a.test", "b.test"]
    assert seen.values[0, 0].tolist() == [1, 2]
    assert value(seen, "cdn_status_responses", 0, status="503", tier="origin") == 0
    assert seen.exemplars[0].entity == 1


def test_labels_are_those_of_the_metrics() -> None:
    for name, labels in batch([domain("a.test", bucket(c200=1))]).metrics:
        assert set(dict(labels)) <= {*METRICS[name].labels}
        assert labels == label_set(labels)


@pytest.mark.parametrize("code", ["100", "299", "530", "599"])
def test_every_code_from_100_to_599_is_read(code: str) -> None:
    assert page([domain("a.test", {"timestamp": TIMES[0], "httpCodeValues": {code: 1}})]).codes == (code,)


@pytest.mark.parametrize("name", ["A.TEST", "a.Test"])
def test_case_makes_no_other_domain(name: str) -> None:
    assert page([domain(name, bucket(c200=1))]).present[0].tolist() == [True, False]


def test_a_bin_that_starts_where_the_window_ends_is_left_out() -> None:
    """That the end is exclusive is a reading of the vendor's example; nobody wrote it down."""
    seen = page([domain("a.test", bucket(c200=1), bucket(rfc3339(WINDOW.end), c200=9))])

    assert seen.counts.sum() == 1


def test_unknown_fields_are_ignored() -> None:
    odd = {**domain("a.test", {**bucket(c200=1), "more": {"x": [1]}}), "requestId": "1"}

    assert page([odd]).counts.sum() == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "Expected `array`"),
        (None, "Expected `array`"),
        ([{}], "missing required field `serviceName`"),
        ([{"serviceName": "a.test", "httpCodes": None}], "Expected `array`, got `null`"),
        ([{"serviceName": 7, "httpCodes": []}], "Expected `str`"),
        ([domain("c.test")], "'c.test' was not asked for"),
        ([domain("a.test"), domain("A.test")], "'A.test' has more than one entry"),
        ([domain("a.test", bucket(), bucket())], f"a.test: two entries for {TIMES[0]}"),
        ([domain("a.test", bucket("2026-11-22T02:01:00Z"))], "no bin that was asked for"),
        ([domain("a.test", bucket("2026-11-22T02:20:00Z"))], "no bin that was asked for"),
        ([domain("a.test", bucket("2026-11-22T01:55:00Z"))], "no bin that was asked for"),
        ([domain("a.test", bucket("2026-11-22T02:00:00"))], "not written as documented"),
        ([domain("a.test", bucket("2026-11-22T02:00:00.000Z"))], "not written as documented"),
        ([domain("a.test", bucket("2026-11-22T05:00:00+03:00"))], "not written as documented"),
        ([domain("a.test", bucket(c200=-1))], "Expected `int` >= 0"),
        ([domain("a.test", bucket(c200=1.5))], "Expected `int`, got `float`"),
        ([domain("a.test", bucket(c200="5"))], "Expected `int`, got `str`"),
        ([domain("a.test", bucket(c200=True))], "Expected `int`, got `bool`"),
        ([domain("a.test", bucket(c200=None))], "Expected `int`, got `null`"),
        ([domain("a.test", bucket(c200=LARGEST + 1))], "Expected `int` <="),
        ([domain("a.test", bucket(c600=1))], "'600' is no status code"),
        ([domain("a.test", bucket(c099=1))], "'099' is no status code"),
        ([domain("a.test", bucket(c5xx=1))], "'5xx' is no status code"),
        ([domain("a.test", bucket(c=1))], "'' is no status code"),
        ([domain("a.test", {"timestamp": TIMES[0], "httpCodeValues": [1]})], "Expected `object`"),
        (b"", "truncated"),
        (b"[", "truncated"),
        (b"<html>", "malformed"),
        (b"[NaN]", "malformed"),
        (b"\xff[]", "malformed"),
        (b"[" * 100_000, "Expected `object`, got `array`"),
    ],
)
def test_what_is_not_as_documented_is_a_broken_contract(wrong: object, words: str) -> None:
    with pytest.raises(ContractBroken, match=words) as caught:
        page(wrong)

    assert str(caught.value).endswith("(trace t-1)")


@pytest.mark.parametrize(
    "twice",
    [
        ('"200":1', '"200":1,"200":2'),
        ('"timestamp"', '"timestamp":"2026-11-22T02:05:00Z","timestamp"'),
        ('"serviceName"', '"serviceName":"b.test","serviceName"'),
        ('"httpCodes"', '"httpCodes":[],"httpCodes"'),
        ('"httpCodeValues"', '"httpCodeValues":{"500":9},"httpCodeValues"'),
    ],
)
def test_a_key_that_stands_twice_has_no_safe_reading(twice: tuple[str, str]) -> None:
    body = json.dumps([domain("a.test", bucket(c200=1))], separators=(",", ":")).replace(*twice)

    with pytest.raises(ContractBroken, match="twice"):
        page(body.encode())


def test_what_is_nested_too_deep_in_what_nobody_reads_is_a_broken_contract_or_nothing() -> None:
    for depth in (10, 900, 100_000):
        body = b'[{"x":' + b"[" * depth + b"]" * depth + b',"serviceName":"a.test","httpCodes":[]}]'
        try:
            assert page(body).codes == ()
        except ContractBroken:
            assert depth > 10


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(TIMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
COUNTS = st.dictionaries(st.sampled_from(["200", "404", "530", "99"]), st.integers(0, 9) | ODD, max_size=3)
BUCKETS = st.fixed_dictionaries({"timestamp": st.sampled_from([*TIMES, "x"]), "httpCodeValues": COUNTS | ODD})
DOMAINS = st.fixed_dictionaries(
    {"serviceName": st.sampled_from(["a.test", "b.test"]), "httpCodes": st.lists(BUCKETS, max_size=3) | ODD}
)


@settings(deadline=None)
@given(st.lists(DOMAINS | ODD, max_size=3) | ODD)
def test_any_json_is_samples_or_a_broken_contract(body: object) -> None:
    content = json.dumps(body).encode()
    try:
        seen = counts_batch([page(content)], PROVENANCE)
    except ContractBroken:
        return
    assert isinstance(body, list)
    known = seen.values[~np.isnan(seen.values)]
    assert ((known >= 0) & (known == np.floor(known))).all()
    counts = [count for one in body for each in one["httpCodes"] for count in each["httpCodeValues"].values()]
    assert np.nansum(seen.values[:, 0]) == sum(counts)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 2), st.sampled_from(NAMES)),
        st.dictionaries(st.sampled_from(sorted(CODES)), st.integers(0, LARGEST), max_size=6),
    )
)
def test_every_count_is_where_the_vendor_put_it(told: Mapping[tuple[int, str], Mapping[str, int]]) -> None:
    body = [
        domain(name, *({"timestamp": TIMES[row], "httpCodeValues": told[row, name]} for row in rows))
        for name in NAMES
        if (rows := [row for row, of in told if of == name])
    ]
    seen = batch(body)

    for row in range(3):
        for column, name in enumerate(NAMES):
            codes = told.get((row, name))
            if codes is None:
                assert np.isnan(seen.values[row, :, column]).all()
                continue
            assert seen.values[row, 0, column] == sum(codes.values())
            assert seen.values[row, 1:7, column].sum() == sum(codes.values())
            for code, count in codes.items():
                assert value(seen, "cdn_status_responses", column, row, status=code, tier="origin") == count


def test_a_full_day_of_fifty_domains_is_quick() -> None:
    """The goal is a million values per CPU-second; benchmarks/ measure it, this notices a quadratic slip."""
    names = tuple(f"n{number}.test" for number in range(50))
    window = Window(START, START + DAY)
    codes = dict.fromkeys(("200", "206", "301", "304", "403", "404", "500", "502", "503", "504"), 3)
    buckets = [{"timestamp": rfc3339(at), "httpCodeValues": codes} for at in range(START, window.end, WIDTH)]
    body = json.dumps([{"serviceName": name, "httpCodes": buckets} for name in names]).encode()

    began = time.process_time()
    read = parse_page(Response(200, {}, body), names=names, window=window, width=WIDTH)
    took = time.process_time() - began

    assert read.counts.sum() == 3 * 10 * 50 * 288
    assert took < 1.5
