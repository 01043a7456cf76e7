"""Where a sample stands in the files it was read from: asked for few, so they are read once more."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from watcher.longformat.columns import Samples, Series, SeriesTable
from watcher.longformat.files import lines, read
from watcher.longformat.problems import Problems
from watcher.model.labels import LabelSet
from watcher.model.sample import MetricKey
from watcher.model.time import Duration, Instant


@dataclass(frozen=True, slots=True)
class Sought:
    """A sample; what is None may be any."""

    source: str
    width: Duration
    start: Instant | None = None
    metric: MetricKey | None = None
    entity: LabelSet | None = None
    value: float | None = None
    """An infinite one is found whatever its sign."""


@dataclass(frozen=True, slots=True)
class Found:
    """The first sample that is one of those sought."""

    file: Path
    line: int
    series: Series
    value: float


def find(paths: Sequence[Path], sought: Sequence[Sought]) -> Sequence[Found | None]:
    """Of each the first in these files; None where there is none."""
    found: list[Found | None] = [None] * len(sought)
    for path in paths:
        before = 0
        for samples in read(path, SeriesTable(), Problems()):
            for place, one in enumerate(sought):
                if found[place] is None and (rows := np.flatnonzero(_same(samples, one))).size:
                    found[place] = _found(path, samples, int(rows[0]), before)
            before += len(samples)
        if None not in found:
            break
    return found


def _found(path: Path, samples: Samples, row: int, before: int) -> Found:
    line = next(islice(lines(path), before + row, None), 1)
    return Found(path, line, samples.series[int(samples.of[row])], float(samples.values[row]))


def _same(samples: Samples, one: Sought) -> NDArray[np.bool_]:
    """Which rows are one that is sought."""
    same = np.array([_is_of(series, one) for series in samples.series], np.bool_)[samples.of]
    same &= samples.widths == one.width
    if one.start is not None:
        same &= samples.times == one.start
    if one.value is not None:
        size = np.abs(samples.values)
        same &= np.isinf(size) if np.isinf(one.value) else samples.values == one.value
    return same


def _is_of(series: Series, one: Sought) -> bool:
    is_metric = one.metric is None or series.metric == one.metric
    is_entity = one.entity is None or series.entity == one.entity
    return series.source == one.source and is_metric and is_entity
