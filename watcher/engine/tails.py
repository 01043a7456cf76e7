"""How far a series strays on its own ordinary days: a histogram of the day, and what the days before had.

Of each day two figures are kept: what one bin in a hundred goes beyond, and what all but the two worst bins
stay below. Over two weeks, the median of the one and what four days in ten stay below of the other say what
is too far to be a habit: a bad day is one of many.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.median import quantile
from watcher.model.sample import Floats

CLASSES: Final = 40
"""Classes of the histogram: each is sqrt(2) times as wide as the one before, the first ends at 1/16."""
PER_DOUBLING: Final = 2.0
OFFSET: Final = 8.0
DAYS: Final = 14
"""Days whose tails are kept."""
COMMON: Final = 0.01
"""One bin in a hundred goes beyond the common tail."""
WORST: Final = 2.0
"""So many bins a day go beyond the worst tail."""
ORDINARY: Final = {"common": 0.5, "worst": 0.4}
"""The share of days that stay below a limit. A day's worst bins may be of an outage: fewer days count."""
LEAST_DAY: Final = 0.25
"""A day of which less is known says nothing."""

Array = NDArray[np.float32]


def sizes(name: str) -> Mapping[str, int]:
    """What a tail needs of a detector's memory."""
    return {f"{name}_today": CLASSES, f"{name}_common": DAYS, f"{name}_worst": DAYS, f"{name}_limits": 2}


def count(memory: Mapping[str, Array], name: str, far: Floats) -> None:
    """Add one bin of each row; NaN is none."""
    today, known = memory[f"{name}_today"], np.isfinite(far)
    place = np.floor(PER_DOUBLING * np.log2(np.fmax(far, 1e-3)) + OFFSET)
    place = np.fmin(np.fmax(place, 0), CLASSES - 1).astype(np.intp)
    rows = np.arange(today.shape[1])
    today[place, rows] = np.fmax(today[place, rows], 0) + known


def close(memory: Mapping[str, Array], name: str, rows: NDArray[np.bool_], *, bins_a_day: float) -> None:
    """End the day of some rows: keep its tails, and make the limits anew."""
    today = np.fmax(memory[f"{name}_today"].astype(np.float64), 0)
    total = today.sum(axis=0)
    said = rows & (total >= LEAST_DAY * bins_a_day)
    for kind, beyond in (("common", COMMON * total), ("worst", np.full(total.shape, WORST))):
        kept = memory[f"{name}_{kind}"]
        kept[1:, said] = kept[:-1, said]
        kept[0, said] = _beyond(today, beyond)[said]
    limits = memory[f"{name}_limits"]
    for place, (kind, share) in enumerate(ORDINARY.items()):
        limits[place, said] = quantile(memory[f"{name}_{kind}"][:, said].astype(np.float64), share)
    memory[f"{name}_today"][:, rows] = 0


def _beyond(counts: Floats, bins: Floats) -> Floats:
    """What so many bins go beyond, within a class interpolated."""
    above = counts[::-1].cumsum(axis=0)
    rows = np.arange(counts.shape[1])
    place = np.minimum((above <= bins).sum(axis=0), len(counts) - 1)
    before = np.where(place > 0, above[np.maximum(place - 1, 0), rows], 0)
    inside = np.maximum(above[place, rows] - before, 1e-9)
    share = np.clip((bins - before) / inside, 0, 1)
    top = len(counts) - place
    found: Floats = 2.0 ** ((top - share - OFFSET) / PER_DOUBLING)
    return found


def limits(memory: Mapping[str, Array], name: str) -> tuple[Floats, Floats, Floats]:
    """The common and the worst tail, NaN until a day has ended; and of how many days they are."""
    common, worst = memory[f"{name}_limits"].astype(np.float64)
    return common, worst, np.isfinite(memory[f"{name}_common"]).sum(axis=0).astype(np.float64)
