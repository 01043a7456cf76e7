"""Leaseweb's metrics, as floats computed from what was served: so requests and shares of one bin agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from watcher.model.time import MINUTE, SECOND, Duration
from watcher.simulate.counts import Counts, Floats, Ints

FINE: Final[Duration] = 5 * MINUTE
"""What a percentile is taken of."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was served, by `[code, bin, group]`."""

    counts: Counts
    codes: Sequence[int]
    width: Duration
    percent: bool = False
    """Whether a hit ratio is told in percent."""

    @property
    def requests(self) -> Ints:
        """By `[bin, group]`."""
        return self.counts.requests

    def of(self, metric: str) -> Floats:
        """One metric, by `[bin, group]`. A share of nothing is 0."""
        counts = self.counts
        total = counts.hit_bytes + counts.miss_bytes
        if metric == "REQUESTS":
            return self.requests.astype(np.float64)
        if metric == "DATATRANSFER":
            return total.astype(np.float64)
        if metric == "BANDWIDTH":
            return total * 8 * SECOND / self.width
        if metric == "CACHEHIT":
            return _share(counts.hit_bytes, total) * (100 if self.percent else 1)
        family = int(metric.removeprefix("STATUS_")[0])
        of_class = counts.answers[np.array(self.codes) // 100 == family].sum(axis=0)
        return 100 * _share(of_class, self.requests)


def busiest(rates: Floats) -> Floats:
    """The 95th percentile by `[bin, group]` of rates by `[bin, rate, group]`; those yet to come are NaN.

    As carriers count: the highest that is left when the top twentieth is dropped.
    """
    found: Floats = np.nanpercentile(rates, 95, axis=1, method="inverted_cdf")
    return found


def _share(part: Ints, whole: Ints) -> Floats:
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
