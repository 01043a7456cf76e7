"""Which cells of a batch play which role, for which group: labels become rows here, and only here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import Role
from watcher.model.labels import VIEW_LABELS, LabelSet, Matcher, Selector, label_set
from watcher.model.metrics import METRICS, Kind
from watcher.model.rule import Rule
from watcher.model.sample import Floats, MetricKey, SampleBatch

Rows: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Cast:
    """The cells that play one role: metric and entity indexes into the batch, and the group of each."""

    metric: NDArray[np.intp]
    entity: NDArray[np.intp]
    group: NDArray[np.intp]
    """Indexes into the binding's `groups`."""
    alone: bool
    """No group has two cells in this role."""
    summed: bool
    """Several cells of a group are added (counts); otherwise the least one speaks (states, levels)."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A rule's view of one batch layout."""

    groups: tuple[LabelSet, ...]
    """Group keys: `source`, `vendor` and the rule's `by`."""
    casts: Mapping[str, Cast]

    def column(self, role: str, grid: Floats, rows: Rows, total: int) -> Floats:
        """A role's values of one bin, `grid[metric, entity]`; group `g` is row `rows[g]` of a total."""
        cast = self.casts[role]
        cells = grid[cast.metric, cast.entity]
        at = rows[cast.group]
        if cast.alone:
            column = np.full(total, np.nan)
            column[at] = cells
            return column
        column = np.full(total, 0.0 if cast.summed else np.nan)
        (np.add if cast.summed else np.fmin).at(column, at, cells)
        if cast.summed:
            untouched = np.ones(total, np.bool_)
            untouched[at] = False
            column[untouched] = np.nan
        return column


def bind(rule: Rule, roles: Mapping[str, Role], batch: SampleBatch) -> Binding | None:
    """The rule's binding to this batch's tables; None where some role has no cell: nothing to judge."""
    index: dict[LabelSet, int] = {}
    casts: dict[str, Cast] = {}
    for role in roles:
        found = ((one, _cells(rule, one, batch)) for one in rule.match[role].choices())
        selector, cells = next(((one, cells) for one, cells in found if cells), (rule.match[role], []))
        if not cells:
            return None
        groups = [index.setdefault(key, len(index)) for _, _, key in cells]
        metric, entity = (np.array([cell[axis] for cell in cells], np.intp) for axis in (0, 1))
        casts[role] = Cast(
            metric=metric,
            entity=entity,
            group=np.array(groups, np.intp),
            alone=len(set(groups)) == len(groups),
            summed=_is_summed(selector.metric),
        )
    return Binding(tuple(index), casts)


def _is_summed(metric: str) -> bool:
    known = METRICS.get(metric)
    return known is not None and known.kind is Kind.COUNT


def _cells(rule: Rule, selector: Selector, batch: SampleBatch) -> list[tuple[int, int, LabelSet]]:
    """Metric index, entity index and group key of every series that plays the role."""
    base = {"source": batch.source, "vendor": batch.vendor}
    cells = []
    for m, (name, metric_labels) in enumerate(batch.metrics):
        if name != selector.metric:
            continue
        own = dict(metric_labels)
        first = [matcher for matcher in selector.matchers if matcher.label in own or matcher.label in base]
        if not _all(first, {**base, **own}):
            continue
        rest = [matcher for matcher in selector.matchers if matcher not in first]
        named = {matcher.label for matcher in selector.matchers}
        for e, entity in enumerate(batch.entities):
            labels = {**base, **own, **dict(entity)}
            if _in_view(labels, rule.by, named) and _all(rest, labels):
                cells.append((m, e, _key(labels, rule.by)))
    return cells


def _all(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels.get(matcher.label, "")) for matcher in matchers)


def _in_view(labels: Mapping[str, str], by: Sequence[str], named: set[str]) -> bool:
    """Whether the series is of the view the rule judges (design, "Each label set of a metric is a view")."""
    for label in VIEW_LABELS:
        if (label in by) != (label in labels) and label not in named:
            return False
    return "account" not in by or "account" in labels


def _key(labels: Mapping[str, str], by: Sequence[str]) -> LabelSet:
    return label_set([(label, labels.get(label, "")) for label in ("source", "vendor", *by)])


def layout(batch: SampleBatch) -> tuple[tuple[LabelSet, ...], tuple[MetricKey, ...]]:
    """What a binding depends on: batches of one layout share it."""
    return batch.entities, batch.metrics
