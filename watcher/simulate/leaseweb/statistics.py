"""Leaseweb's time series and totals: which points there are, of whom, and in which layout."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from watcher.model.time import Instant, rfc3339
from watcher.simulate.counts import Counts, Floats
from watcher.simulate.episodes import Slice
from watcher.simulate.faults import Active, Lag
from watcher.simulate.leaseweb.answers import Refused
from watcher.simulate.leaseweb.catalogue import CUSTOMER, PROVIDER, REGION, distribution_id
from watcher.simulate.leaseweb.faults import MissingPoints, Ungrouped
from watcher.simulate.leaseweb.figures import Figures
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
            counts = self._counts(question, labels, list(columns), active)
            points = self._points(question, labels, *counts.grouped(names), totals=totals)
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

    def _counts(
        self, question: Question, labels: Sequence[Instant], columns: Sequence[int], active: Active
    ) -> Counts:
        late = active.first(Lag)
        shift = question.width if self._settings.labels == "end" else 0
        return self._traffic.bins(
            labels[0] - shift,
            labels[-1] - shift + question.width,
            width=question.width,
            now=self._clock.now(),
            lag=self._settings.settle_lag if late is None else late.lag,
            split=True,
        ).of(columns)

    def _points(
        self,
        question: Question,
        labels: Sequence[Instant],
        names: Sequence[str],
        counts: Counts,
        *,
        totals: bool,
    ) -> dict[str, Points]:
        width = question.width
        if totals:
            counts, width = counts.summed(len(labels)), width * len(labels)
        figures = Figures(counts, self._traffic.codes, width, percent=self._settings.hit_ratio == "percent")
        times = ["total"] if totals else [rfc3339(label) for label in labels]
        shown = figures.requests > 0 if self._settings.quiet == "absent" else None
        values: Floats = figures.of(question.metric)
        return {
            name: [
                {time: value}
                for place, (time, value) in enumerate(zip(times, values[:, column].tolist(), strict=True))
                if shown is None or shown[place, column]
            ]
            for column, name in enumerate(names)
        }

    def _laid_out(self, points: dict[str, Points], group_by: str | None) -> list[dict[str, Points]]:
        """The document has regions in one object, and providers in one each."""
        layout = self._settings.layout
        if layout == "one_object" or (layout == "by_call" and group_by == "REGION"):
            return [points] if points else []
        return [{name: of_name} for name, of_name in points.items()]


def _group(part: Slice, group_by: str | None, active: Active) -> str:
    if group_by is None or active.first(Ungrouped):
        return UNGROUPED
    if group_by == "DISTRIBUTION":
        return distribution_id(part.resource)
    if group_by == "CUSTOMER":
        return CUSTOMER
    return (part.provider or PROVIDER) if group_by == "PROVIDER" else (part.region or REGION)
