"""A plane says what was written into it, in two bytes a value or in more."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.engine.plane import UNKNOWN, Plane
from watcher.model.sample import Floats

EVERY = slice(0, 4)


def written(*rows: Sequence[float], counts: bool) -> Plane:
    plane = Plane(len(rows), 5, counts=counts)
    for slot, row in enumerate(rows):
        plane.write(np.array([slot]), EVERY, np.array([row]))
    return plane


def said(plane: Plane) -> Floats:
    return plane.read(slice(0, 2), EVERY)


counted = st.one_of(st.just(np.nan), st.integers(0, 70_000).map(float))
shares = st.one_of(
    st.just(np.nan), st.integers(0, 10_000).map(lambda part: part / 10_000), st.floats(0, 1e9, width=64)
)


@given(st.lists(counted, min_size=8, max_size=8))
def test_counts_are_read_as_they_were_written(values: list[float]) -> None:
    rows = np.array(values).reshape(2, 4)

    np.testing.assert_array_equal(said(written(*rows.tolist(), counts=True)), rows)


@given(st.lists(shares, min_size=8, max_size=8))
def test_shares_are_read_to_their_last_digit(values: list[float]) -> None:
    rows = np.array(values).reshape(2, 4)

    np.testing.assert_array_equal(said(written(*rows.tolist(), counts=False)), rows)


@pytest.mark.parametrize(
    ("value", "counts", "size"),
    [(UNKNOWN - 1, True, 2), (UNKNOWN, True, 4), (0.5, True, 4), (0.9317, False, 2), (1 / 3, False, 8)],
)
def test_a_value_that_does_not_fit_makes_the_plane_wide(value: float, size: int, *, counts: bool) -> None:
    plane = written([1.0, np.nan, 0.0, value], [np.nan, 1.0, 1.0, 1.0], counts=counts)

    assert plane.nbytes == 2 * 5 * size
    np.testing.assert_array_equal(said(plane), [[1, np.nan, 0, value], [np.nan, 1, 1, 1]])


def test_a_large_count_is_kept_to_six_parts_in_a_hundred_million() -> None:
    plane = written([3e10 + 1, 0, 0, 0], [0, 0, 0, 0], counts=True)

    assert said(plane)[0, 0] == pytest.approx(3e10 + 1, rel=6e-8)


def test_a_ring_of_another_size_and_more_columns_hold_what_they_did() -> None:
    plane = written([1, 2, 3, 4], [5, 6, 7, 8], counts=True)
    plane.resize(3, np.array([1]), np.array([2]))
    plane.widen(7)

    np.testing.assert_array_equal(plane.read(slice(2, 3), slice(0, 6)), [[5, 6, 7, 8, np.nan, np.nan]])
    assert np.isnan(plane.read(slice(0, 2), slice(0, 7))).all()


@pytest.mark.parametrize("first", [1.0, 0.25])
def test_a_plane_goes_on_from_the_ring_of_another(first: float) -> None:
    plane = written([first, 2, 3, 4], [5, np.nan, 7, 8], counts=True)
    again = Plane.of(plane.ring.copy(), counts=True)

    np.testing.assert_array_equal(said(again), [[first, 2, 3, 4], [5, np.nan, 7, 8]])


def test_what_is_wiped_is_unknown() -> None:
    plane = written([1, 2, 3, 4], [5, 6, 7, 8], counts=True)
    plane.wipe(np.array([0]))
    plane.wipe_columns([1])

    np.testing.assert_array_equal(said(plane), [[np.nan] * 4, [5, np.nan, 7, 8]])
