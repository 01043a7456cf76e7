"""Samples as columns: what every reader of the long format fills."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.model.labels import LabelSet, label_set
from watcher.model.metrics import OF_THE_METRIC
from watcher.model.sample import Floats, Instants, MetricKey

TIME: Final = "time"
WIDTH: Final = "width"
METRIC: Final = "metric"
VALUE: Final = "value"
FETCHED: Final = "fetched_at"
REQUIRED: Final = (TIME, WIDTH, METRIC, VALUE, "source")
"""Columns a file must have; `fetched_at` may be missing, and every other one is a label."""
NOT_LABELS: Final = frozenset({TIME, WIDTH, METRIC, VALUE, FETCHED})


@dataclass(frozen=True, slots=True)
class Series:
    """What a row is a sample of."""

    source: str
    vendor: str
    metric: MetricKey
    entity: LabelSet

    @classmethod
    def of(cls, metric: str, labels: Mapping[str, str]) -> "Series":
        """From its metric and all its labels; an empty label is none."""
        own = [(name, value) for name, value in labels.items() if name not in {"source", "vendor"}]
        return cls(
            source=labels.get("source", ""),
            vendor=labels.get("vendor", ""),
            metric=(metric, label_set([pair for pair in own if pair[0] in OF_THE_METRIC])),
            entity=label_set([pair for pair in own if pair[0] not in OF_THE_METRIC]),
        )


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows as columns of equal length, in the order they stood in their files."""

    series: Sequence[Series]
    of: NDArray[np.int32]
    """Index into `series`."""
    times: Instants
    widths: Instants
    fetched: Instants
    values: Floats
    """NaN withdraws."""

    def __len__(self) -> int:
        return len(self.times)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Samples":
        """Some of them, in the order asked for."""
        return Samples(
            self.series,
            self.of[rows],
            self.times[rows],
            self.widths[rows],
            self.fetched[rows],
            self.values[rows],
        )


class SeriesTable:
    """Series and their numbers: each is made once, however many rows and files name it."""

    def __init__(self) -> None:
        self.all: list[Series] = []
        self._index: dict[Series, int] = {}

    def number(self, series: Series) -> int:
        """Its number, given at first sight."""
        if series not in self._index:
            self._index[series] = len(self.all)
            self.all.append(series)
        return self._index[series]


def joined(table: SeriesTable, parts: Iterable[Samples]) -> Samples:
    """Several files as one, one after the other."""
    every = [*parts]

    def column(name: str, kind: type[np.generic]) -> NDArray[np.generic]:
        return np.concatenate([np.zeros(0, kind), *(getattr(part, name) for part in every)])

    return Samples(
        table.all,
        column("of", np.int32).astype(np.int32, copy=False),
        column("times", np.int64).astype(np.int64, copy=False),
        column("widths", np.int64).astype(np.int64, copy=False),
        column("fetched", np.int64).astype(np.int64, copy=False),
        column("values", np.float64).astype(np.float64, copy=False),
    )
