"""Quantiles over slots that may lack values."""

import numpy as np
import pytest

from watcher.engine.median import median, newest, quantile, spread

NAN = float("nan")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
def test_a_quantile_is_that_of_the_slots_with_a_value(share: float) -> None:
    columns = np.random.default_rng(1).uniform(size=(11, 20))
    columns[columns < 0.3] = NAN
    columns[0] = 0.5  # numpy warns of rows without any value

    np.testing.assert_allclose(quantile(columns, share), np.nanquantile(columns, share, axis=0))


def test_without_any_value_there_is_no_quantile() -> None:
    assert np.isnan(median(np.zeros((0, 2)))).all()
    assert np.isnan(median(np.full((3, 2), NAN))).all()


def test_the_spread_of_a_normal_value_is_its_standard_deviation() -> None:
    assert spread(np.random.default_rng(1).normal(5, 2, (9999, 1)))[0] == pytest.approx(2, rel=0.05)


def test_the_newest_slots_are_those_that_have_a_value() -> None:
    found = newest(np.array([[1.0], [2.0], [3.0], [NAN]]), 2)

    np.testing.assert_array_equal(found, [[NAN], [2.0], [3.0], [NAN]])
