"""The notation of promtool, and the durations added to it."""

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.rulebook.series import STALE, parse_name, parse_series, parse_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1+1x3", [1, 2, 3, 4]),
        ("5-2x3", [5, 3, 1, -1]),
        ("5x2", [5, 5, 5]),
        ("0x0", [0]),
        ("1 2.5 -3 1e3", [1, 2.5, -3, 1000]),
        ("0.5-0.25x2", [0.5, 0.25, 0]),
        ("20dx1 1h30m", [1_728_000, 1_728_000, 5400]),
        ("2d-1dx2", [172_800, 86_400, 0]),
        ("-1-1x1", [-1, -2]),
    ],
)
def test_values_expand_as_promtool_s_do(text: str, values: list[float]) -> None:
    assert parse_values(text) == values


def test_a_missing_value_is_missing_as_often_as_is_written() -> None:
    values = parse_values("1 _ _x3 2")

    assert [isnan(value) for value in values] == [False, True, True, True, True, False]


def test_a_stale_value_is_no_missing_one() -> None:
    assert parse_values("1 stale stalex1 2") == [1, STALE, STALE, 2]


@pytest.mark.parametrize(
    "text", ["", " ", "x5", "1+x5", "1+1", "stalled", "1x-2", "__", "1,2", "5x999999999"]
)
def test_what_is_not_in_the_notation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"notation|more than|no values"):
        parse_values(text)


@pytest.mark.parametrize(
    ("text", "metric", "labels"),
    [
        ("up", "up", {}),
        ("up{}", "up", {}),
        ("up{a=b,c=d e}", "up", {"a": "b", "c": "d e"}),
        ('up{a="b,{c}", d=e:443}', "up", {"a": "b,{c}", "d": "e:443"}),
    ],
)
def test_names_read_with_and_without_quotes(text: str, metric: str, labels: dict[str, str]) -> None:
    assert parse_name(text) == (metric, labels)


@pytest.mark.parametrize("text", ["", "up{", "up{a}", "5up", "up{a=b"])
def test_what_is_no_series_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_series(text, "1")


@given(st.integers(0, 50), st.integers(-9, 9), st.integers(0, 20))
def test_a_run_has_one_value_more_than_its_count(first: int, step: int, more: int) -> None:
    assert parse_values(f"{first}{step:+d}x{more}") == [first + step * at for at in range(more + 1)]
