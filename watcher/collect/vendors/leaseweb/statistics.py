"""The answers that one window needs, as a `SampleBatch`. Pure.

Response classes are shares at this vendor, of requests that another call tells. Both are joined by group and
time into counts, each rounded once; where either is missing the count is unknown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from watcher.collect.vendors.leaseweb.series import Grid, Series
from watcher.collect.vendors.leaseweb.settings import View
from watcher.errors import ContractBroken
from watcher.model.labels import label_set
from watcher.model.sample import Floats, MetricKey, SampleBatch
from watcher.model.time import Instant

CLASSES: Final = {"5xx": "STATUS_5XX", "4xx": "STATUS_4XX", "2xx": "STATUS_2XX"}
"""Errors first: where rounding makes one count too many, it is taken from the others."""
METRICS: Final = ("REQUESTS", *CLASSES.values(), "DATATRANSFER", "BANDWIDTH", "CACHEHIT")
"""What a window is asked for, in order: what is joined stands side by side."""
VIEWS: Final[Mapping[View, tuple[str, str]]] = {
    "distributions": ("DISTRIBUTION", "resource"),
    "providers": ("PROVIDER", "provider"),
    "regions": ("REGION", "region"),
    "customers": ("CUSTOMER", "account"),
    "totals": ("", ""),
}
"""By view: `groupBy`, and the label that its names become."""

_PERCENT: Final = 100.0
_ROUNDING: Final = 1.5
"""By how much shares may exceed 100 together: three of them, each rounded to a whole percent."""
RATIO_ROUNDING: Final = 1e-6
_MOST_COUNT: Final = 2.0**53
"""Beyond this a count is no longer exact."""
_MOST_BYTES: Final = 2.0**63

Columns: TypeAlias = Mapping[str, Floats]
"""By the vendor's metric, each `[bin, group]`."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a batch comes from: what it says of itself."""

    source: str
    stream: str
    view: View
    grid: Grid
    fetched_at: Instant
    settled_until: Instant


def most_of(metric: str) -> float:
    """The largest value that can be."""
    if metric in CLASSES.values() or metric == "CACHEHIT":
        return _PERCENT + _ROUNDING
    return _MOST_COUNT if metric == "REQUESTS" else _MOST_BYTES


def batch_of(
    series: Mapping[str, Series], of: Provenance, *, percent: bool, names: Mapping[str, str]
) -> SampleBatch:
    """Seven answers in our words; `percent` is the scale of the hit ratio, `names` are by distribution.

    Raises:
        ContractBroken: shares add up to more than the whole, or a hit ratio is above 1.
    """
    named = sorted(set[str]().union(*(one.groups for one in series.values())))
    groups = {name: place for place, name in enumerate(named)}
    columns = {metric: one.of(groups, of.grid.bins) for metric, one in series.items()}
    samples = list(_samples(columns, percent=percent))
    label = VIEWS[of.view][1]
    window = of.grid.window
    return SampleBatch(
        source=of.source,
        vendor="leaseweb",
        stream=of.stream,
        width=of.grid.width,
        fetched_at=of.fetched_at,
        settled_until=of.settled_until,
        entities=tuple(((label, name),) if label else () for name in groups),
        metrics=tuple(key for key, _ in samples),
        starts=np.arange(window.start, window.end, of.grid.width, dtype=np.int64),
        values=np.stack([column for _, column in samples], axis=1),
        names={name: names[name] for name in groups if label == "resource" and name in names},
    )


def _samples(columns: Columns, *, percent: bool) -> Iterator[tuple[MetricKey, Floats]]:
    requests = np.rint(columns["REQUESTS"])
    yield _key("cdn_requests", tier="edge"), requests
    for name, counts in _responses(columns, requests).items():
        yield _key("cdn_responses", tier="edge", status_class=name), counts
    yield _key("cdn_bytes", tier="edge"), np.rint(columns["DATATRANSFER"])
    yield _key("cdn_bandwidth_bits_per_second", tier="edge"), columns["BANDWIDTH"]
    yield _key("cdn_hit_ratio", basis="unknown"), _hit_ratio(columns, requests, percent=percent)


def _responses(columns: Columns, requests: Floats) -> Columns:
    """Counts by class. Without one of the three, what is left is not what the vendor leaves out: unknown."""
    shares = [columns[metric] for metric in CLASSES.values()]
    known = np.nansum(shares, axis=0)
    if (known > _PERCENT + _ROUNDING).any():
        raise ContractBroken(f"shares of 2xx, 4xx and 5xx add up to {np.nanmax(known):g} percent")
    left, counts = requests, {}
    for name, share in zip(CLASSES, shares, strict=True):
        counts[name] = np.minimum(np.rint(columns["REQUESTS"] * share / _PERCENT), left)
        left = left - np.nan_to_num(counts[name])
    unknown = np.isnan(list(counts.values())).any(axis=0)
    return {**counts, "other": np.where(unknown, np.nan, left)}


def _hit_ratio(columns: Columns, requests: Floats, *, percent: bool) -> Floats:
    """From 0 to 1. A share of nothing is no share."""
    said = columns["CACHEHIT"] / (_PERCENT if percent else 1.0)
    most = 1 + (_ROUNDING / _PERCENT if percent else RATIO_ROUNDING)
    if (said > most).any():
        raise ContractBroken(f"CACHEHIT is {np.nanmax(said):g}, and hit_ratio_scale says ratio")
    return np.where(requests == 0, np.nan, np.minimum(said, 1.0))


def _key(metric: str, **labels: str) -> MetricKey:
    return metric, label_set(labels)
