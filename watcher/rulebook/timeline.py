"""The series of a test case as the batches that a source would send, step by step.

All series are one stream of one source, `test`; `watcher_up{stream=test}` and its kin are its own sight.
"""

from collections.abc import Iterator, Sequence
from math import nan
from typing import Final

import numpy as np

from watcher.model.labels import LabelSet, label_set
from watcher.model.sample import MetricKey, SampleBatch
from watcher.model.time import Duration, Instant
from watcher.rulebook.series import Series

SOURCE: Final = "test"
_SIGHT: Final = "watcher_"
"""What the names of the agent's own metrics begin with: they come in a stream of their own."""
_OF_THE_METRIC: Final = frozenset(
    [
        "tier",
        "status_class",
        "status",
        "basis",
        "size",
        "outcome",
        "check",
        "family",
        "url",
        "method",
        "reason",
    ]
)
"""Labels that go with the metric; all others go with the entity."""


def timeline(
    series: Sequence[Series], width: Duration, step: Duration
) -> Iterator[tuple[Instant, list[SampleBatch]]]:
    """For each step: when its bin has settled, and what came then."""
    sight = [one for one in series if one.metric.startswith(_SIGHT)]
    streams = (
        _Stream(SOURCE, width, [one for one in series if one not in sight]),
        _Stream(f"{SOURCE}.sight", step, sight),
    )
    for at in range(max(len(one.values) for one in series)):
        end = at * step + max(stream.width for stream in streams if stream.series)
        yield end, [stream.batch(at, at * step) for stream in streams if stream.series]


class _Stream:
    """Series that come together, as the grids of batches."""

    def __init__(self, name: str, width: Duration, series: Sequence[Series]) -> None:
        self.name = name
        self.width = width
        self.series = series
        places = [_split(one) for one in series]
        self._metrics = tuple(dict.fromkeys(metric for metric, _ in places))
        self._entities = tuple(dict.fromkeys(entity for _, entity in places))
        self._cells = [(self._metrics.index(m), self._entities.index(e)) for m, e in places]

    def batch(self, at: int, start: Instant) -> SampleBatch:
        """What came for one step; a series that is over is missing."""
        values = np.full((1, len(self._metrics), len(self._entities)), nan)
        for one, (metric, entity) in zip(self.series, self._cells, strict=True):
            values[0, metric, entity] = one.values[at] if at < len(one.values) else nan
        return SampleBatch(
            source=SOURCE,
            vendor=SOURCE,
            stream=self.name,
            width=self.width,
            fetched_at=start + self.width,
            settled_until=start + self.width,
            entities=self._entities,
            metrics=self._metrics,
            starts=np.array([start], np.int64),
            values=values,
        )


def _split(series: Series) -> tuple[MetricKey, LabelSet]:
    own = {name: value for name, value in series.labels.items() if name in _OF_THE_METRIC}
    rest = {name: value for name, value in series.labels.items() if name not in _OF_THE_METRIC}
    return (series.metric, label_set(own)), label_set(rest)
