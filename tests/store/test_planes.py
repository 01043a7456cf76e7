"""Columns of numbers as bytes: exact, whatever they are, and small where they are alike."""

import struct
from contextlib import suppress

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from watcher.model.sample import Floats
from watcher.store import planes

ODD = [0.0, -0.0, 1.0, -1.0, 0.9317, 1e-7, 1e300, 2.0**53 + 2, np.inf, -np.inf, np.nan, 1 / 3, 123_456.789]
VALUES = st.one_of(st.sampled_from(ODD), st.integers(-5000, 5000).map(float), st.floats(width=64))


def same(found: Floats, given: Floats) -> bool:
    """To the sign of a zero; one NaN is as good as another."""
    signs = np.signbit(found) == np.signbit(given)
    return np.array_equal(found, given, equal_nan=True) and bool((signs | np.isnan(given)).all())


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(np.float64, st.tuples(st.integers(0, 12), st.integers(0, 5)), elements=VALUES))
def test_what_is_decoded_is_what_was_encoded(values: Floats) -> None:
    payload = planes.encode(values)

    assert same(planes.decode(payload), values.T)


def test_a_flipped_bit_gives_no_other_numbers() -> None:
    """SQLite has no checksum of its own pages, and other numbers would be judged like true ones."""
    values = np.random.default_rng(0).poisson(100.0, (60, 8)).astype(np.float64)
    payload = planes.encode(values)
    for at in range(len(payload)):
        spoilt = bytearray(payload)
        spoilt[at] ^= 0x10
        with suppress(zstandard.ZstdError, ValueError, struct.error):
            assert same(planes.decode(bytes(spoilt)), values.T)  # a bit that means nothing


@pytest.mark.parametrize("decimals", range(7))
def test_decimals_become_integers(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    values = np.round(rng.uniform(0, 1, (1440, 10)), decimals)
    limit = 1 + decimals * 3.33 / 8

    assert same(planes.decode(planes.encode(values)), values.T)
    assert len(planes.encode(values)) / values.size < limit


def test_a_series_that_stands_costs_next_to_nothing() -> None:
    assert len(planes.encode(np.full((1440, 20), 86_400.25))) < 200


def test_gaps_cost_their_bits() -> None:
    values = np.random.default_rng(1).poisson(40, (1440, 10)).astype(float)
    gapped = np.where(np.random.default_rng(2).uniform(size=values.shape) < 0.1, np.nan, values)

    assert len(planes.encode(gapped)) < len(planes.encode(values)) * 1.3


@given(st.lists(st.integers(-(2**62), 2**62 - 1)))
def test_whole_numbers_come_back(numbers: list[int]) -> None:
    assert planes.unpack(planes.pack(np.array(numbers, np.int64))).tolist() == numbers
