"""A plane says what was written into it, in as few bytes a value as hold it."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.engine.plane import COUNTS, SHARES, Form, Plane
from watcher.model.sample import Floats

EVERY = slice(0, 4)


def written(*rows: Sequence[float], form: Form) -> Plane:
    plane = Plane(len(rows), 5, form)
    for slot, row in enumerate(rows):
        plane.write(np.array([slot]), EVERY, np.array([row]))
    return plane


def said(plane: Plane) -> Floats:
    return plane.read(slice(0, 2), EVERY)


counted = st.one_of(st.just(np.nan), st.integers(0, 300).map(float), st.integers(0, 70_000).map(float))
shares = st.one_of(
    st.just(np.nan), st.integers(0, 10_000).map(lambda part: part / 10_000), st.floats(0, 1e9, width=64)
)


@given(st.lists(counted, min_size=8, max_size=8))
def test_counts_are_read_as_they_were_written(values: list[float]) -> None:
    rows = np.array(values).reshape(2, 4)

    np.testing.assert_array_equal(said(written(*rows.tolist(), form=COUNTS)), rows)


@given(st.lists(shares, min_size=8, max_size=8))
def test_shares_are_read_to_their_last_digit(values: list[float]) -> None:
    rows = np.array(values).reshape(2, 4)

    np.testing.assert_array_equal(said(written(*rows.tolist(), form=SHARES)), rows)


@given(
    seed=st.integers(0, 10_000),
    steps=st.lists(
        st.sampled_from(["all", "some", "wipe", "blank", "resize", "widen", "reload"]),
        min_size=1,
        max_size=25,
    ),
    counts=st.booleans(),
)
def test_whatever_is_done_to_it_every_way_to_read_says_what_was_written(
    seed: int, steps: list[str], *, counts: bool
) -> None:
    """One column in nine is large, and any other may become so; the last column stands for nothing."""
    rng = np.random.default_rng(seed)
    form = COUNTS if counts else SHARES
    plane, wanted = Plane(6, 19, form), np.full((6, 19), np.nan)
    for step in steps:
        slots, total = rng.choice(6, 2, replace=False), wanted.shape[1] - 1
        some = np.sort(rng.choice(total, 5, replace=False))
        large = (np.arange(total) % 9 == 0) | (rng.random((2, total)) < 0.01)
        values = np.where(large, rng.integers(0, 80_000, (2, total)), rng.integers(0, 257, (2, total))) * 1.0
        values = values if counts else np.where(large, rng.random((2, total)), np.round(values / 7, 4))
        values[rng.random(values.shape) < 0.1] = np.nan
        if step == "all":
            plane.write(slots, slice(0, total), values)
            wanted[slots, :total] = values
        elif step == "some":
            plane.write(slots, some, values[:, some])
            wanted[slots[:, None], some] = values[:, some]
        elif step == "wipe":
            plane.wipe(slots)
            wanted[slots] = np.nan
        elif step == "blank":
            plane.wipe_columns(some.tolist())
            wanted[:, some] = np.nan
        elif step == "resize":
            plane.resize(6, np.array([1, 2, 5]), np.array([5, 0, 1]))
            moved = np.full_like(wanted, np.nan)
            moved[[5, 0, 1]] = wanted[[1, 2, 5]]
            wanted = moved
        elif step == "widen":
            plane.widen(total + 4)
            wanted = np.concatenate([wanted, np.full((6, 3), np.nan)], axis=1)
        else:
            plane = Plane.of([array.copy() for array in plane.held], form)
        which = np.append(some, -1)

        np.testing.assert_array_equal(plane.read(slice(0, 6), slice(0, wanted.shape[1])), wanted)
        np.testing.assert_array_equal(plane.read(slice(2, 5), slice(0, 11)), wanted[2:5, :11])
        np.testing.assert_array_equal(plane.read(slice(1, 6), which), wanted[1:, which])
        np.testing.assert_array_equal(plane.read(slots, which), wanted[slots][:, which])


@pytest.mark.parametrize(
    ("value", "form", "size"),
    [
        (254, COUNTS, 1),
        (255, COUNTS, 2),
        (65_534, COUNTS, 2),
        (65_535, COUNTS, 4),
        (0.5, COUNTS, 4),
        (0.9317, SHARES, 2),
        (1 / 3, SHARES, 8),
    ],
)
def test_values_that_do_not_fit_make_the_plane_wider(value: float, form: Form, size: int) -> None:
    plane = written([value, np.nan, value, value], [np.nan, 1.0, 1.0, 1.0], form=form)

    assert plane.nbytes == 2 * 5 * size
    np.testing.assert_array_equal(said(plane), [[value, np.nan, value, value], [np.nan, 1, 1, 1]])


def test_one_large_series_among_many_costs_its_own_bytes_alone() -> None:
    plane = Plane(100, 1001, COUNTS)
    values = np.ones((1, 1000))
    values[0, 7] = 100_000
    plane.write(np.array([3]), slice(0, 1000), values)

    assert plane.nbytes < 100 * 1001 * 1.1
    np.testing.assert_array_equal(plane.read(slice(3, 4), slice(0, 1000)), values)


def test_a_large_count_is_kept_to_six_parts_in_a_hundred_million() -> None:
    plane = written([3e10 + 1, 0, 0, 0], [0, 0, 0, 0], form=COUNTS)

    assert said(plane)[0, 0] == pytest.approx(3e10 + 1, rel=6e-8)


def test_what_is_wiped_is_unknown() -> None:
    plane = written([1, 2, 3, 4], [5, 6, 7, 8], form=COUNTS)
    plane.wipe(np.array([0]))
    plane.wipe_columns([1])

    np.testing.assert_array_equal(said(plane), [[np.nan] * 4, [5, np.nan, 7, 8]])
