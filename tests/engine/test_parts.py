"""What a count is made of: the largest parts by name, never more than there is, and never judged."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.conftest import START
from tests.engine.panels import Bins
from watcher.engine.engine import BoundRule, Engine
from watcher.engine.parts import SHOWN, share_of, with_parts
from watcher.engine.track import MOST_LOOKED_AT
from watcher.model.incident import Change, Evidence, Transition
from watcher.model.labels import label_set
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, MINUTE
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, pack_files

CODES = ("500", "502", "503", "504", "520", "530")
Told = tuple[str, str, int, int | None]


def named(counts: Mapping[str, float], total: float) -> Evidence:
    parts = {label_set({"status": code}): count for code, count in counts.items() if count > 0}
    panel = Bins({"part": np.array([total])}, named=parts)
    found = Evidence(panel.start, panel.end, text="12 %")
    return with_parts(found, panel, 0, role="detail", whole="part", words=("status",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("counts", "total", "text"),
    [
        ({"502": 116, "503": 4}, 120, "12 %; mostly 502 (97 %)"),
        ({"502": 50, "503": 50}, 100, "12 %; mostly 502 (50 %)"),
        ({"500": 9, "502": 41, "503": 30, "504": 20}, 100,
         "12 %; most often 502 (41 %), 503 (30 %), 504 (20 %)"),
        ({"502": 5}, 100, "12 %; among them 502 (5 %)"),
        ({"502": 40}, 100, "12 %; among them 502 (40 %)"),
        ({"502": 40, "503": 30}, 100, "12 %; most often 502 (40 %), 503 (30 %)"),
        ({}, 100, "12 %"),
        ({"502": 3}, 0, "12 %; mostly 502 (100 %)"),
    ],
)  # fmt: skip
def test_the_text_says_no_more_than_the_vendor_does(
    counts: Mapping[str, float], total: float, text: str
) -> None:
    assert named(counts, total).text == text


@given(
    st.dictionaries(st.sampled_from(CODES), st.integers(0, 10**9), min_size=1),
    st.integers(0, 10**10),
)
def test_five_parts_at_most_are_named_and_they_are_the_largest(counts: Mapping[str, int], total: int) -> None:
    found = named(counts, total)
    by_code = {part["status"]: int(part["count"].replace(" ", "")) for part in found.parts}
    left = [count for code, count in counts.items() if code not in by_code]

    assert len(by_code) == min(SHOWN, sum(count > 0 for count in counts.values()))
    assert list(by_code.values()) == sorted(by_code.values(), reverse=True)
    assert max(left, default=0) <= min(by_code.values(), default=total)
    assert all(
        part["share"] in {share_of(at / 100) for at in range(101)} | {"under 1 %"} for part in found.parts
    )


def test_a_share_is_never_rounded_to_nothing_or_to_all() -> None:
    assert [share_of(share) for share in (0.0, 0.004, 0.5, 0.996, 1.0)] == [
        "0 %", "under 1 %", "50 %", "99 %", "100 %",
    ]  # fmt: skip


# --- in the engine


def shipped(*names: str) -> list[BoundRule]:
    return [bind(rule) for rule in load_rules([file for file in pack_files() if file.stem in names])]


def minute(
    number: int, resources: int, failed: float, *, codes: Sequence[str] = ("502", "503")
) -> SampleBatch:
    """A thousand requests of each resource, of which so many fail; most of these with the first code."""
    metrics = [
        ("cdn_requests", label_set({"tier": "edge"})),
        ("cdn_responses", label_set({"tier": "edge", "status_class": "5xx"})),
        *(("cdn_status_responses", label_set({"tier": "edge", "status": code})) for code in codes),
    ]
    parts = [np.floor(failed * 0.9), np.ceil(failed * 0.1)][: len(codes)]
    values = np.array([[1000.0], [failed], *([part] for part in parts)]) * np.ones(resources)
    until = START + (number + 1) * MINUTE
    return SampleBatch(
        "cdn", "test", "s", MINUTE, until, until,
        tuple(label_set({"resource": f"r{at:05d}"}) for at in range(resources)),
        tuple(metrics), np.array([until - MINUTE]), values[None],
    )  # fmt: skip


def outage(engine: Engine, resources: int, **options: Any) -> Iterator[Transition]:  # noqa: ANN401
    """Two hours as usual, ten bad minutes, an hour as usual."""
    for number in range(190):
        engine.ingest(minute(number, resources, 100 if 120 <= number < 130 else 1, **options))
        yield from engine.evaluate(START + (number + 1) * MINUTE)


def told(found: Sequence[Transition]) -> list[Told]:
    return sorted(
        (one.change, dict(one.key.labels)["resource"], one.opened_at, one.resolved_at) for one in found
    )


def test_parts_change_no_verdict() -> None:
    rules = shipped("http_5xx_spike")
    with_codes = list(outage(Engine(rules, 2 * HOUR), 3))
    without = list(outage(Engine(rules, 2 * HOUR), 3, codes=()))

    assert told(with_codes) == told(without)
    assert [len(one.evidence.parts) for one in with_codes if one.change is Change.OPENED] == [2, 2, 2]
    assert [one.evidence.parts for one in without if one.change is Change.OPENED] == [(), (), ()]


def test_a_recovery_names_no_parts() -> None:
    ends = [one for one in outage(Engine(shipped("http_5xx_spike"), 2 * HOUR), 1) if one.recovery]

    assert [(one.recovery.parts, "mostly" in one.recovery.text) for one in ends if one.recovery] == [
        ((), False)
    ]


def test_a_burst_of_one_code_is_told_once_with_its_class_and_by_its_code() -> None:
    engine = Engine(shipped("http_5xx_spike", "http_4xx_surge", "http_status_burst"), 2 * HOUR)
    opened = [one for one in outage(engine, 1) if one.change is Change.OPENED and not one.shadow]

    assert [one.summary for one in opened] == [
        "resource r00000: 5xx 10.0 % of 2 000 requests, usually 0.1 %; mostly 502 (90 %)"
    ]


def test_however_many_tell_at_once_each_is_explained_by_its_own_bins() -> None:
    """More than are looked at together: all of them are, block by block."""
    resources = MOST_LOOKED_AT + 3
    engine = Engine(shipped("http_5xx_spike"), 2 * HOUR)
    share = 100 + np.arange(resources) % 7
    for number in range(34):
        batch = minute(number, resources, 0)
        if number >= 30:
            batch.values[0, 1], batch.values[0, 2] = share, share
        engine.ingest(batch)
    opened = [one for one in engine.evaluate(START + 34 * MINUTE) if one.change is Change.OPENED]
    seen = {dict(one.key.labels)["resource"]: one.evidence.seen for one in opened}

    assert seen == {f"r{at:05d}": (100 + at % 7) / 1000 for at in range(resources)}
