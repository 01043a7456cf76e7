"""Quantiles over slots, of the slots that have a value."""

from typing import Final

import numpy as np

from watcher.model.sample import Floats

MAD_TO_DEVIATION: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def spread(columns: Floats) -> Floats:
    """The median absolute deviation over the slots, as a standard deviation."""
    return MAD_TO_DEVIATION * median(np.abs(columns - median(columns)))


def newest(columns: Floats, slots: int) -> Floats:
    """The same, with the newest slots only, of those that have a value."""
    place = (~np.isnan(columns[::-1])).cumsum(axis=0)[::-1]
    return np.where(place <= slots, columns, np.nan)


def median(columns: Floats) -> Floats:
    """Median of `[slots, rows]` over the slots, NaN left out; NaN for a row without any."""
    return quantile(columns, 0.5)


def quantile(columns: Floats, share: float) -> Floats:
    """The value below which a share of the slots lies, between two slots interpolated.

    `numpy.nanquantile` warns for rows without any value and takes ten times as long.
    """
    slots, width = columns.shape
    if slots == 0:
        return np.full(width, np.nan)
    ordered = np.sort(columns, axis=0)  # NaN sorts last
    count = (~np.isnan(columns)).sum(axis=0)
    place = share * np.maximum(count - 1, 0)
    below = np.floor(place).astype(np.intp)
    rows = np.arange(width)
    low, high = ordered[below, rows], ordered[np.minimum(below + 1, np.maximum(count - 1, 0)), rows]
    return np.where(count > 0, low + (place - below) * (high - low), np.nan)
