"""Leaseweb's statistics answers, well-formed and not."""

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.collect.collector import Window
from watcher.collect.http import Response
from watcher.collect.vendors.leaseweb.series import Grid, parse_series
from watcher.collect.vendors.leaseweb.statistics import METRICS, Provenance, batch_of
from watcher.errors import ContractBroken
from watcher.model.time import DAY, MINUTE, parse_rfc3339, rfc3339

START = parse_rfc3339("2024-08-20T09:30:00Z")
GRID = Grid(Window(START, START + 15 * MINUTE), 5 * MINUTE)
T0, T5, T10, T15 = (rfc3339(START + minutes * MINUTE) for minutes in (0, 5, 10, 15))


def read(
    series: object, *, group_by: str = "REGION", most: float = 1e9, **echo: object
) -> dict[str, list[float]]:
    body = json.dumps({"series": series, **echo}).encode()
    found = parse_series(Response(200, {}, body), GRID, group_by=group_by, most=most)
    return dict(zip(found.groups, found.values.tolist(), strict=True))


def test_both_layouts_say_the_same() -> None:
    one = read([{"eu": [{T0: 1.0}, {T5: 2}, {T10: 3.5}], "asia": [{T0: 4.0}]}])
    many = read([{"eu": [{T0: 1.0}, {T5: 2}, {T10: 3.5}]}, {"asia": [{T0: 4.0}]}])

    assert one.keys() == many.keys()
    assert one["asia"] == pytest.approx(many["asia"], nan_ok=True)
    assert one["eu"] == [1, 2, 3.5]
    assert one["asia"] == pytest.approx([4, np.nan, np.nan], nan_ok=True)


def test_a_name_in_two_objects_is_one_group() -> None:
    assert read([{"eu": [{T0: 1.0}, {T5: 2.0}]}, {"eu": [{T5: 2.0}, {T10: 3.0}]}]) == {"eu": [1, 2, 3]}


def test_several_times_in_one_point_are_several_points() -> None:
    assert read([{"eu": [{T0: 1.0, T5: 2.0}, {}, {T10: 3.0}]}]) == {"eu": [1, 2, 3]}


def test_what_is_not_said_is_unknown() -> None:
    found = read([{"eu": [{T5: None}], "asia": []}, {}])

    assert np.isnan(found["eu"] + found["asia"]).all()
    assert read([]) == {}


def test_times_are_read_in_other_spellings() -> None:
    points = [
        {"2024-08-20T09:30:00": 1.0},
        {"2024-08-20T09:35:00.000Z": 2.0},
        {"2024-08-20T11:40:00+02:00": 3.0},
    ]

    assert read([{"eu": points}]) == {"eu": [1, 2, 3]}


def test_one_point_after_the_last_bin_is_an_end_taken_as_inclusive() -> None:
    assert read([{"eu": [{T0: 1.0}, {T5: 2.0}, {T10: 3.0}, {T15: 9.0}]}]) == {"eu": [1, 2, 3]}


def test_an_equal_point_twice_is_one_and_null_says_nothing() -> None:
    found = read([{"eu": [{T0: 1.0}, {T0: 1.0}, {T5: None}, {T5: 2.0}, {T10: 3.0}, {T10: None}]}])

    assert found == {"eu": [1, 2, 3]}


@pytest.mark.parametrize(
    "series",
    [
        [{"eu": [{T0: 1.0}, {T0: 2.0}]}],
        [{"eu": [{T0: 1.0}]}, {"eu": [{T0: 2.0}]}],
        [{"eu": [{"2024-08-20T09:25:00Z": 1.0}]}],
        [{"eu": [{"2024-08-20T09:50:00Z": 1.0}]}],
        [{"eu": [{"2024-08-20T09:32:00Z": 1.0}]}],
        [{"eu": [{"2024-08-20T09:30:00.5Z": 1.0}]}],
        [{"eu": [{"total": 1.0}]}],
        [{"eu": [{"": 1.0}]}],
        [{"eu": [{T0: -1.0}]}],
        [{"eu": [{T0: 1e10}]}],
        [{"eu": [{T0: True}]}],
        [{"eu": [{T0: "1"}]}],
        [{"eu": [{T0: [1.0]}]}],
        [{"eu": [[T0, 1.0]]}],
        [{"eu": {T0: 1.0}}],
        [{"eu": None}],
        [{"": [{T0: 1.0}]}],
        [{"e\nu": [{T0: 1.0}]}],
        [{"all": [{T0: 1.0}]}],
        [None],
        {"eu": []},
        None,
    ],
    ids=str,
)
def test_what_is_not_as_documented_is_a_changed_contract(series: object) -> None:
    with pytest.raises(ContractBroken):
        read(series)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"series": [{{"eu": [{{"{T0}": 1000, "{T0}": 5}}]}}]}}',
        f'{{"series": [{{"eu": [{{"{T0}": 1}}], "eu": [{{"{T0}": 2}}]}}]}}',
        f'{{"series": [], "series": [{{"eu": [{{"{T0}": 1}}]}}]}}',
    ],
)
def test_a_key_that_stands_twice_is_a_changed_contract(body: str) -> None:
    with pytest.raises(ContractBroken, match="twice"):
        parse_series(Response(200, {}, body.encode()), GRID, group_by="REGION", most=1e9)


def test_an_answer_to_another_question_is_a_changed_contract() -> None:
    with pytest.raises(ContractBroken, match="grouped by PROVIDER"):
        read([], groupBy="PROVIDER")
    with pytest.raises(ContractBroken, match="not grouped by nothing"):
        read([{"eu": [{T0: 1.0}]}], group_by="")
    assert read([{"eu": [{T0: 1.0}]}], groupBy="region")
    assert read([{"all": [{T0: 1.0}]}], group_by="", groupBy=None)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["eu", "asia", "us"]),
            st.lists(
                st.dictionaries(
                    st.sampled_from([T0, T5, T10, T15, "x"]), st.floats(-1, 9) | st.none(), max_size=2
                ),
                max_size=4,
            ),
        ),
        max_size=3,
    )
)
def test_whatever_comes_is_read_as_it_was_said_or_refused(
    series: list[dict[str, list[dict[str, float | None]]]],
) -> None:
    try:
        found = read(series)
    except ContractBroken:
        return
    said = {
        (name, label, value)
        for entry in series
        for name, points in entry.items()
        for point in points
        for label, value in point.items()
        if value is not None and label != T15
    }
    seen = {
        (name, label, value)
        for name, column in found.items()
        for label, value in zip((T0, T5, T10), column, strict=True)
        if not np.isnan(value)
    }
    assert seen == said


def test_a_million_values_take_about_a_second() -> None:
    """A day of 200 distributions: seven answers, 403 200 values."""
    grid = Grid(Window(START, START + DAY), 5 * MINUTE)
    labels = [rfc3339(START + place * 5 * MINUTE) for place in range(288)]
    names = [f"di-{number}" for number in range(200)]

    def body(value: float) -> bytes:
        points = [{label: value} for label in labels]
        return json.dumps({"series": [dict.fromkeys(names, points)]}).encode()

    usual = {"STATUS_5XX": 1.0, "STATUS_4XX": 2.0, "STATUS_2XX": 90.0}
    answers = {metric: Response(200, {}, body(usual.get(metric, 50.25))) for metric in METRICS}
    began = time.process_time()
    series = {
        metric: parse_series(response, grid, group_by="DISTRIBUTION", most=100)
        for metric, response in answers.items()
    }
    of = Provenance("src", "distributions", "distributions", grid, 0, 0)
    batch = batch_of(series, of, percent=True, names={})
    spent = time.process_time() - began

    assert batch.values.shape == (288, 8, 200)
    assert 7 * 288 * 200 / spent > 200_000  # of 1 M on an idle machine; here others work beside it
