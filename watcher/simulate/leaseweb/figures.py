"""Leaseweb's metrics, as floats computed from what was served: so requests and shares of one bin agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from watcher.model.time import SECOND, Duration
from watcher.simulate.counts import Counts, Floats, Ints


@dataclass(frozen=True, slots=True)
class Figures:
    """What was served, by `[code, bin, group]`."""

    counts: Counts
    codes: Sequence[int]
    width: Duration
    percent: bool
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
        if metric in {"BANDWIDTH", "95TH"}:
            return total * 8 * SECOND / self.width
        if metric == "CACHEHIT":
            return _share(counts.hit_bytes, total) * (100 if self.percent else 1)
        family = int(metric.removeprefix("STATUS_")[0])
        of_class = counts.answers[np.array(self.codes) // 100 == family].sum(axis=0)
        return 100 * _share(of_class, self.requests)


def _share(part: Ints, whole: Ints) -> Floats:
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
