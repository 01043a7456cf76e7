"""Which cells of a batch no vendor can mean: infinite, too large, negative, no share, parts above a whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.model.labels import label_set
from watcher.model.metrics import METRICS, Kind, Metric
from watcher.model.sample import WITHDRAWN, Floats, MetricKey

ROUNDING: Final = 1e-6
"""A share may exceed one by so much, and is then one."""
SLACK: Final = 0.01
"""Parts may exceed their whole by this share of it, as vendors round each by itself,"""
SLACK_EACH: Final = 1.0
"""and by so many events a part."""
_LARGEST: Final = 1e30
"""Of a level,"""
_MOST_BYTES: Final = 1e18
"""of bytes in a bin: a hundred terabits a second for a day,"""
_MOST_EVENTS: Final = 1e15
"""and of other events in a bin."""
_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "cdn_responses": ("cdn_requests", "status_class"),
    "cdn_status_responses": ("cdn_requests", "status"),
    "cdn_hit_bytes": ("cdn_bytes", ""),
}
"""What adds up to no more than another metric: that metric, and the label that tells the parts apart."""

Cells: TypeAlias = NDArray[np.bool_]
"""`[bins, metrics, entities]`, as the grid of a batch."""


class Reason(StrEnum):
    """Why something of a batch is not judged."""

    INFINITE = "infinite"
    NEGATIVE = "negative"  # a count or a level below zero
    TOO_LARGE = "too_large"  # more than all the traffic there is
    NO_SHARE = "no_share"  # a ratio outside 0 to 1
    PARTS_EXCEED = "parts_exceed"  # responses by class above requests, hits above bytes
    IN_FUTURE = "in_future"  # bins that had not ended when they were fetched
    ANCIENT = "ancient"  # bins of another age
    CLOCK_JUMP = "clock_jump"  # settled further than time can have gone
    NEW_LABELS = "new_labels"  # more new series than a vendor has overnight


@dataclass(frozen=True, slots=True)
class _Whole:
    """Planes whose sum is at most that of another, by index."""

    parts: tuple[int, ...]
    whole: int


class Limits:
    """Those of one table of metrics: made once for a layout, asked of every batch that has it."""

    def __init__(self, metrics: Sequence[MetricKey]) -> None:
        """Planes by what their metric is; one that is in no table is only finite."""
        known = [METRICS.get(name) for name, _ in metrics]
        kinds = [None if metric is None else metric.kind for metric in known]
        low = [0.0 if kind in {Kind.COUNT, Kind.GAUGE, Kind.RATIO} else -_LARGEST for kind in kinds]
        high = [_high(metric) for metric in known]
        self._low = np.array(low).reshape(-1, 1)
        self._high = np.array(high).reshape(-1, 1)
        self._shares = np.array([kind is Kind.RATIO for kind in kinds], np.bool_)
        self._wholes = tuple(_wholes(metrics))

    def refused(self, values: Floats, *, partial: bool = False) -> Iterator[tuple[Reason, Cells]]:
        """The cells that are refused, by reason; nothing for a clean grid, which costs four passes.

        What a `partial` batch withdraws is no value.
        """
        within = (values >= self._low) & (values <= self._high)
        if partial:
            within |= values == WITHDRAWN
        bad = ~(within | np.isnan(values))
        if bad.any():
            infinite = bad & np.isinf(values)
            share = bad & ~infinite & self._shares[:, np.newaxis]
            rest = bad & ~infinite & ~share
            found = (
                (Reason.INFINITE, infinite),
                (Reason.NO_SHARE, share),
                (Reason.TOO_LARGE, rest & (values > 0)),
                (Reason.NEGATIVE, rest & (values < 0)),
            )
            yield from ((reason, cells) for reason, cells in found if cells.any())
        no_value = bad | (values == WITHDRAWN) if partial else bad
        exceed = self._exceeding(np.where(no_value, np.nan, values) if no_value.any() else values)
        if exceed is not None:
            yield Reason.PARTS_EXCEED, exceed

    def over_one(self, values: Floats) -> bool:
        """Whether a share exceeds one, be it by rounding."""
        return bool(self._shares.any() and (values[:, self._shares] > 1).any())

    def capped(self, values: Floats) -> Floats:
        """A copy in which no share exceeds one."""
        found = values.copy()
        found[:, self._shares] = np.minimum(found[:, self._shares], 1.0)
        return found

    def _exceeding(self, values: Floats) -> Cells | None:
        """Known parts of a whole that they exceed together; None where there are none."""
        found: Cells | None = None
        for group in self._wholes:
            parts = values[:, group.parts]
            total = np.nansum(parts, axis=1) if len(group.parts) > 1 else parts[:, 0]
            whole = values[:, group.whole]
            over = total > whole * (1 + SLACK) + SLACK_EACH * len(group.parts)
            if over.any():
                found = np.zeros(values.shape, np.bool_) if found is None else found
                found[:, group.parts] |= over[:, np.newaxis] & ~np.isnan(parts)
        return found


def _high(metric: Metric | None) -> float:
    """The largest value that a metric may have."""
    if metric is not None and metric.kind is Kind.RATIO:
        return 1 + ROUNDING
    if metric is not None and metric.kind is Kind.COUNT:
        return _MOST_BYTES if metric.unit == "bytes" else _MOST_EVENTS
    return _LARGEST


def _wholes(metrics: Sequence[MetricKey]) -> Iterator[_Whole]:
    index = {metric: at for at, metric in enumerate(metrics)}
    groups: dict[tuple[int, str], list[int]] = {}
    for at, (name, labels) in enumerate(metrics):
        if name not in _PARTS:
            continue
        whole, apart = _PARTS[name]
        of = index.get((whole, label_set([pair for pair in labels if pair[0] != apart])))
        if of is not None:
            groups.setdefault((of, name), []).append(at)
    return (_Whole(tuple(parts), of) for (of, _), parts in groups.items())
