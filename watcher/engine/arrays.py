"""Columns that grow with the rows of a track."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def widened(column: NDArray[Scalar], rows: int, filler: float) -> NDArray[Scalar]:
    """The column over more rows, along its last axis; the same where there are none."""
    missing = rows - column.shape[-1]
    if missing <= 0:
        return column
    more = np.full((*column.shape[:-1], missing), filler, column.dtype)
    return np.concatenate([column, more], axis=-1)


def scattered(column: NDArray[Scalar], places: NDArray[np.intp], rows: int, filler: float) -> NDArray[Scalar]:
    """The column over other rows: what stood at `i` stands at `places[i]`, or is gone at -1."""
    found = np.full((*column.shape[:-1], rows), filler, column.dtype)
    places = places[: column.shape[-1]]
    found[..., places[places >= 0]] = column[..., places >= 0]
    return found


def filled(column: NDArray[Scalar]) -> NDArray[Scalar]:
    """The column with 0 for NaN; an eighth of what `numpy.nan_to_num` takes for a few rows."""
    found = column.copy()
    np.putmask(found, np.isnan(column), 0)
    return found
