"""A made estate to measure on: resources of ten series each, in one-minute bins, the same for the same seed.

Traffic is log-normal over resources and Poisson over bins, a hit ratio has four digits, and from `TROUBLE`
bins before the end on one resource in a hundred has a spike of 5xx, one in a hundred loses hits, and a few
fall silent or deliver more bytes than anybody does. It is the data model that the peers' figures were taken
with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.model.labels import LabelSet, label_set
from watcher.model.sample import Floats, MetricKey, SampleBatch
from watcher.model.time import MINUTE, Instant

DAY_BINS: Final = 1440
TROUBLE: Final = 8
"""Bins before the end of the day at which the planted troubles begin."""
GONE: Final = 40
"""Bins before the end of the day at which a few hit ratios end for good."""
SOURCE: Final = "bench"
CODES: Final = ("200", "206", "301", "304", "403", "404", "500", "502")
_SHARES: Final = (0.80, 0.06, 0.02, 0.08, 0.004, 0.03, 0.002, 0.004)
_SPIKE: Final = (0.45, 0.03, 0.02, 0.05, 0.004, 0.03, 0.10, 0.316)
_CLASSES: Final = (0.0, 0.86, 0.10, 0.034, 0.006, 0.0)
_CLASSES_OF_SPIKE: Final = (0.0, 0.50, 0.05, 0.034, 0.416, 0.0)
_EDGE: Final = (("tier", "edge"),)
_BY_BYTES: Final = (("basis", "bytes"),)
CODED: Final[tuple[MetricKey, ...]] = (
    *(("cdn_status_responses", label_set({"tier": "edge", "status": code})) for code in CODES),
    ("cdn_bytes", _EDGE),
    ("cdn_hit_ratio", _BY_BYTES),
)
"""The peers' ten series: requests by eight codes, bytes, hit ratio."""
CLASSED: Final[tuple[MetricKey, ...]] = (
    ("cdn_requests", _EDGE),
    *(
        ("cdn_responses", label_set({"tier": "edge", "status_class": name}))
        for name in ("1xx", "2xx", "3xx", "4xx", "5xx", "other")
    ),
    ("cdn_status_responses", label_set({"tier": "edge", "status": "502"})),
    ("cdn_bytes", _EDGE),
    ("cdn_hit_ratio", _BY_BYTES),
)
"""Ten series of the kind that the shipped rules read."""


@dataclass(frozen=True)
class Estate:
    """So many resources, and what each of them is like."""

    resources: int
    metrics: tuple[MetricKey, ...] = CODED
    seed: int = 7
    troubled: bool = True

    @property
    def series(self) -> int:
        """How many there are."""
        return self.resources * len(self.metrics)

    @cached_property
    def entities(self) -> tuple[LabelSet, ...]:
        """The labels of each resource."""
        return self.labelled()

    def labelled(self) -> tuple[LabelSet, ...]:
        """The same made anew, as every poll reads them; peers' rules want a provider, shipped ones do not."""
        provider = (("provider", "p1"),) if self.metrics is CODED else ()
        return tuple(
            (("account", "main"), *provider, ("resource", f"r{at:07d}")) for at in range(self.resources)
        )

    @cached_property
    def rates(self) -> Floats:
        """Requests a minute of each resource."""
        return np.random.default_rng(self.seed).lognormal(5, 1.5, self.resources)

    @cached_property
    def hits(self) -> Floats:
        """Usual hit ratio of each resource."""
        return np.random.default_rng(self.seed + 1).beta(18, 2, self.resources) * 0.9 + 0.09

    @cached_property
    def falls(self) -> Floats:
        """By how much the hit ratio of each resource falls, where it does.

        None falls by nearly 0.15, where the peer's rule for it has its limit: the engine takes the day before
        in whole hours, which moves the mean of a day in its third digit.
        """
        depth = np.random.default_rng(self.seed + 2).uniform(0.05, 0.54, self.resources)
        depth = np.where(depth > 0.12, depth + 0.06, depth)
        return np.where(self._one_in(100, 37), np.minimum(depth, self.hits), 0.0)

    @property
    def gone(self) -> frozenset[str]:
        """The resources whose hit ratio ended `GONE` bins before the end."""
        return frozenset(f"r{at:07d}" for at in np.flatnonzero(self._one_in(500, 173)))

    def poll(self, number: int, start: Instant) -> SampleBatch:
        """One minute as a poll gives it, labels made anew and all."""
        return replace(self.batch(self.bins(number, 1), [start]), entities=self.labelled())

    def bins(self, first: int, count: int) -> Floats:
        """`[bin, metric, resource]`: so many bins from one on, counted from the start of the day."""
        return np.stack([self._bin(first + at) for at in range(count)])

    def ratios(self, first: int, count: int) -> Floats:
        """`[bin, resource]`: hit ratios alone."""
        return np.stack([self._ratio(first + at) for at in range(count)])

    def batch(
        self, values: Floats, starts: Sequence[Instant], metrics: tuple[MetricKey, ...] = ()
    ) -> SampleBatch:
        """Bins as one poll would give them, settled as they come; labels are always the same."""
        end = starts[-1] + MINUTE
        return SampleBatch(
            source=SOURCE,
            vendor=SOURCE,
            stream="minutes",
            width=MINUTE,
            fetched_at=end,
            settled_until=end,
            entities=self.entities,
            metrics=metrics or self.metrics,
            starts=np.array(starts, np.int64),
            values=values,
        )

    def _bin(self, number: int) -> Floats:
        rng = np.random.default_rng((self.seed, number))
        if self.metrics is CODED:
            counts = rng.poisson(self._mix(number, _SHARES, _SPIKE) * self.rates).astype(np.float64)
            requests = counts.sum(axis=0)
            rows = [*counts]
        else:
            mix = self._mix(number, _CLASSES, _CLASSES_OF_SPIKE)
            classes = rng.poisson(mix * self.rates).astype(np.float64)
            requests = classes.sum(axis=0)
            rows = [requests, *classes, np.floor(classes[4] / 2)]
        return np.array([*rows, self._bytes(number, requests), self._ratio(number)])

    def _mix(self, number: int, usual: Sequence[float], spike: Sequence[float]) -> Floats:
        """`[part, resource]`: how responses divide."""
        is_spike = self._one_in(100, 11) & self._is_trouble(number)
        return np.where(is_spike, np.array(spike)[:, None], np.array(usual)[:, None])

    def _bytes(self, number: int, requests: Floats) -> Floats:
        too_many = self._one_in(1000, 501) & self._is_trouble(number)
        return np.where(too_many, 2e12, np.floor(requests * 31_415.9))

    def _ratio(self, number: int) -> Floats:
        rng = np.random.default_rng((self.seed, number, 1))
        ratio = self.hits + rng.uniform(-0.02, 0.02, self.resources)
        if self._is_trouble(number):
            ratio = np.where(self._one_in(500, 73), np.nan, ratio - self.falls)
        if self.troubled and number >= DAY_BINS - GONE:
            ratio = np.where(self._one_in(500, 173), np.nan, ratio)
        return np.asarray(np.round(np.clip(ratio, 0, 1), 4), np.float64)

    def _is_trouble(self, number: int) -> bool:
        return self.troubled and number >= DAY_BINS - TROUBLE

    def _one_in(self, every: int, offset: int) -> NDArray[np.bool_]:
        return np.equal(np.arange(self.resources) % every, offset % every)
