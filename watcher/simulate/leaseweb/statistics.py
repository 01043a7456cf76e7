"""Leaseweb's time series and totals: which points there are, of whom, and in which layout."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.model.time import DAY, Instant, rfc3339
from watcher.simulate.counts import Floats
from watcher.simulate.episodes import Slice
from watcher.simulate.faults import Active, Lag
from watcher.simulate.leaseweb.answers import Refused
from watcher.simulate.leaseweb.catalogue import CUSTOMER, PROVIDER, REGION, distribution_id
from watcher.simulate.leaseweb.faults import MissingPoints, Ungrouped
from watcher.simulate.leaseweb.figures import FINE, Figures, busiest
from watcher.simulate.leaseweb.question import Question
from watcher.simulate.leaseweb.settings import LeasewebSettings
from watcher.simulate.vendor import Scene

UNGROUPED: Final = "all"

Points: TypeAlias = list[dict[str, float]]


class Statistics:
    """What all distributions of one customer served."""

    def __init__(self, settings: LeasewebSettings, scene: Scene) -> None:
        self._settings = settings
        self._clock = scene.clock
        self._traffic = scene.traffic
        shown = {resource.id for resource in scene.world.shown_by("leaseweb")}
        self._parts = {
            column: part for column, part in enumerate(scene.traffic.parts) if part.resource in shown
        }

    def answer(self, question: Question, active: Active, *, totals: bool) -> dict[str, Any]:
        """The whole body.

        Raises:
            Refused: there is no such distribution.
        """
        columns = self._columns(question)
        names = [_group(part, question.group_by, active) for part in columns.values()]
        labels = [label for label in question.labels if label <= self._clock.now()]
        points: dict[str, Points] = {}
        if labels and columns:
            span = self._span(question, labels)
            values, shown = self._values(question, span, list(columns), names, active, totals=totals)
            times = ["total"] if totals else [rfc3339(label) for label in labels]
            points = _points(tuple(dict.fromkeys(names)), times, values, shown)
        missing = active.first(MissingPoints)
        if missing is not None and missing.metric == question.metric:
            points = {name: of_name[: -missing.last] for name, of_name in points.items()}
        return {
            "fromTs": question.from_text,
            "toTs": question.to_text,
            "service": "cdn",
            "granularity": question.granularity,
            "groupBy": question.group_by,
            "distributionId": question.distribution,
            "series": self._laid_out(points, question.group_by),
        }

    def _columns(self, question: Question) -> dict[int, Slice]:
        wanted = question.distribution
        if wanted is None:
            return self._parts
        found = {
            column: part for column, part in self._parts.items() if distribution_id(part.resource) == wanted
        }
        if not found:
            raise Refused(404, "Distribution not found")
        return found

    def _span(self, question: Question, labels: Sequence[Instant]) -> range:
        """Where the bins of some labels start."""
        shift = question.width if self._settings.labels == "end" else 0
        return range(labels[0] - shift, labels[-1] - shift + question.width, question.width)

    def _values(
        self,
        question: Question,
        span: range,
        columns: Sequence[int],
        names: Sequence[str],
        active: Active,
        *,
        totals: bool,
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """The metric, and whether it is shown, both by `[bin, group]`."""
        late = active.first(Lag)
        lag = self._settings.settle_lag if late is None else late.lag
        ask = partial(self._traffic.bins, now=self._clock.now(), lag=lag, split=True)
        counts = ask(span.start, span.stop, width=span.step).of(columns).grouped(names)[1]
        missing = self._missing(span, columns, names)
        width = span.step
        if totals:
            counts, width = counts.summed(len(span)), width * len(span)
            missing = np.logical_and.reduce(missing, axis=0, keepdims=True)
        shown = ~missing
        figures = Figures(counts, self._traffic.codes, width, percent=self._settings.hit_ratio == "percent")
        if self._settings.quiet == "absent":
            shown &= figures.requests > 0
        if question.metric != "95TH":
            return figures.of(question.metric), shown
        days = (range(at, min(at + DAY, span.stop), FINE) for at in range(span.start, span.stop, DAY))
        fine = [ask(day.start, day.stop, width=FINE).of(columns).grouped(names)[1] for day in days]
        rates = np.concatenate([Figures(one, self._traffic.codes, FINE).of("BANDWIDTH") for one in fine])
        begun = np.arange(span.start, span.stop, FINE) <= self._clock.now()
        rates[~begun] = np.nan
        return busiest(rates.reshape(len(shown), -1, rates.shape[-1])), shown

    def _missing(self, span: range, columns: Sequence[int], names: Sequence[str]) -> NDArray[np.bool_]:
        """Bins of groups of which no part has come, by `[bin, group]`."""
        parts = self._traffic.missing(span.start, span.stop, width=span.step, now=self._clock.now())[
            :, columns
        ]
        groups = [[name == group for name in names] for group in dict.fromkeys(names)]
        return np.stack([parts[:, of_group].all(axis=1) for of_group in groups], axis=1)

    def _laid_out(self, points: dict[str, Points], group_by: str | None) -> list[dict[str, Points]]:
        """The document has regions in one object, and providers in one each."""
        layout = self._settings.layout
        if layout == "one_object" or (layout == "by_call" and group_by == "REGION"):
            return [points] if points else []
        return [{name: of_name} for name, of_name in points.items()]


def _points(
    names: Sequence[str], times: Sequence[str], values: Floats, shown: NDArray[np.bool_]
) -> dict[str, Points]:
    return {
        name: [
            {time: value}
            for time, value, there in zip(times, values[:, column].tolist(), shown[:, column], strict=True)
            if there
        ]
        for column, name in enumerate(names)
    }


def _group(part: Slice, group_by: str | None, active: Active) -> str:
    if group_by is None or active.first(Ungrouped):
        return UNGROUPED
    if group_by == "DISTRIBUTION":
        return distribution_id(part.resource)
    if group_by == "CUSTOMER":
        return CUSTOMER
    return (part.provider or PROVIDER) if group_by == "PROVIDER" else (part.region or REGION)
