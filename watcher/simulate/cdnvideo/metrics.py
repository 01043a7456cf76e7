"""CDNvideo's metrics, as columns of JSON values computed from what was served."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.model.time import SECOND, Duration
from watcher.simulate.counts import Counts

CODES: Final = {
    2: (200, 204, 206),
    3: (301, 302, 304),
    4: (400, 401, 403, 404, 416, 429),
    5: (500, 501, 502, 503, 504, 505),
}
"""The codes the vendor lists, by class; others are in the class totals only."""
SIZES: Final = {
    "0_250k": 1.0, "250k_500k": 1.5, "500k_750k": 2.0, "750k_1m": 2.4,
    "1m_2m": 3.2, "2m_3m": 4.5, "3m_4m": 6.0, "4M+": 9.0,
}  # fmt: skip
"""Response sizes, with the odd capital of the page, and how much slower than the smallest they are."""
ORIGIN_SLOWNESS: Final = 4.0
"""An answer of the origin against one from the edge's cache."""
_STATUSES: Final = tuple(
    status for family, codes in CODES.items() for status in (*map(str, codes), f"{family}xx")
)


def _of(tier: str) -> tuple[str, ...]:
    statuses = (f"{tier}_status_{status}" for status in _STATUSES)
    return (f"{tier}_bandwidth", *statuses, f"{tier}_request_time", f"{tier}_requests_total")


ALL: Final = (*_of("origin"), *_of("edge"), "edge_hit_ratio", "edge_hit_bytes")
"""Every metric there is, in the page's order."""

Value: TypeAlias = int | float | dict[str, float] | None
Column: TypeAlias = list[Value]


@dataclass(frozen=True, slots=True)
class Served:
    """What was served in one window, and how the codes are ordered in it."""

    counts: Counts
    codes: Sequence[int]
    length: Duration

    @property
    def requests(self) -> NDArray[np.int64]:
        """At the edge, by resource."""
        return self.counts.requests

    def column(self, metric: str) -> Column:
        """One documented metric, by resource; None where it has no value."""
        if metric == "edge_hit_bytes":
            return _integers(self.counts.hit_bytes)
        if metric == "edge_hit_ratio":
            return self._hit_ratio()
        tier, _, figure = metric.partition("_")
        if status := figure.removeprefix("status_") if figure.startswith("status_") else "":
            return _integers(self._status(tier, status))
        figures: dict[str, Callable[[str], Column]] = {
            "bandwidth": self._bandwidth,
            "request_time": self._request_time,
            "requests_total": lambda tier: _integers(_summed(self._by_code(tier))),
        }
        return figures[figure](tier)

    def _by_code(self, tier: str) -> NDArray[np.int64]:
        return self.counts.passed if tier == "origin" else self.counts.answers

    def _status(self, tier: str, status: str) -> NDArray[np.int64]:
        codes = np.array(self.codes)
        chosen = codes // 100 == int(status[0]) if status.endswith("xx") else codes == int(status)
        return _summed(self._by_code(tier)[chosen])

    def _hit_ratio(self) -> Column:
        hit, total = self.counts.hit_bytes, self.counts.hit_bytes + self.counts.miss_bytes
        return [h / t if t else None for h, t in zip(hit.tolist(), total.tolist(), strict=True)]

    def _bandwidth(self, tier: str) -> Column:
        counts = self.counts
        bits = 8 * (counts.miss_bytes if tier == "origin" else counts.hit_bytes + counts.miss_bytes)
        column: Column = (bits * SECOND / self.length).tolist()
        return column

    def _request_time(self, tier: str) -> Column:
        good = np.where(_summed(self._by_code(tier)) > 0, self._status("edge", "2xx"), 0).tolist()
        slowness = ORIGIN_SLOWNESS if tier == "origin" else 1.0
        return [
            {size: round(total / n * slowness * factor, 4) for size, factor in SIZES.items()} if n else None
            for total, n in zip(self.counts.seconds.tolist(), good, strict=True)
        ]


def _summed(by_code: NDArray[np.int64]) -> NDArray[np.int64]:
    total: NDArray[np.int64] = by_code.sum(axis=0)
    return total


def _integers(counts: NDArray[np.int64]) -> Column:
    column: Column = counts.tolist()
    return column
