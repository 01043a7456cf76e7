"""Which cells of a batch play which role, for which group: labels become rows here, and only here."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import Role, Several
from watcher.engine.seats import Series
from watcher.model.labels import VIEW_LABELS, LabelSet, Matcher, Selector, label_set
from watcher.model.metrics import METRICS, Kind
from watcher.model.rule import Rule
from watcher.model.sample import Floats, MetricKey, SampleBatch

Rows: TypeAlias = NDArray[np.intp]


class Words:
    """States by code. Codes are given at first sight and mean nothing but themselves."""

    def __init__(self) -> None:
        """None."""
        self.known: list[str] = []
        self._codes: dict[str, int] = {}

    def codes(self, words: Iterable[str]) -> Floats:
        """The code of each."""
        for word in (words := tuple(words)):
            if word not in self._codes:
                self._codes[word] = len(self.known)
                self.known.append(word)
        return np.array([self._codes[word] for word in words], np.float64)


@dataclass(frozen=True, slots=True)
class Cast:
    """The cells that play one role: metric and entity indexes into the batch, and the group of each."""

    metric: NDArray[np.intp]
    entity: NDArray[np.intp]
    group: NDArray[np.intp]
    """Indexes into the binding's `groups`."""
    several: Several | None
    """How the cells of a group combine; None where no group has two."""
    states: tuple[str, ...] = ()
    """Of a state set: the states there are, those that speak first last."""
    state: NDArray[np.intp] | None = None
    """The state of each cell, as an index into `states`."""
    details: tuple[LabelSet, ...] = ()
    """The labels of each cell that evidence keeps apart."""
    series: tuple[Series, ...] = ()
    """Of readings at instants: which series each cell is of, where one of them speaks for the group."""
    speaks: Several = Several.GREATEST
    """Which one."""
    carry: bool = False
    """Whether the last values stand while nothing new comes."""

    def column(self, cells: Floats, rows: Rows, *, total: int, words: Words) -> Floats:
        """The role's cells over `total` track rows; NaN where unknown. `rows` are those of the groups."""
        at = rows[self.group]
        column = np.full(total, np.nan)
        if self.state is not None:
            return self._named(np.where(cells > 0, self.state, np.nan), at, column, words)
        if self.several is None:
            column[at] = cells
        elif self.several is Several.SUM:
            sums = np.zeros(total)
            np.add.at(sums, at, cells)
            column[at] = sums[at]
        else:
            (np.fmin if self.several is Several.LEAST else np.fmax).at(column, at, cells)
        return column

    def _named(self, present: Floats, at: Rows, column: Floats, words: Words) -> Floats:
        """The code of the state that speaks for each row."""
        np.fmax.at(column, at, present)
        told = np.flatnonzero(~np.isnan(column))
        column[told] = words.codes(self.states)[column[told].astype(np.intp)]
        return column


@dataclass(frozen=True, slots=True)
class Binding:
    """A rule's view of one batch layout."""

    groups: tuple[LabelSet, ...]
    """Group keys: `source`, `vendor` and the rule's `by`."""
    casts: Mapping[str, Cast]
    """By role, the first one first; an optional role may have none."""
    series: tuple[Series, ...]
    """The groups themselves, where a role's last values stand by group."""

    def groups_of(self, entity: int) -> Sequence[int]:
        """The groups for which an entity of the batch plays the first role."""
        first = next(iter(self.casts.values()))
        found: list[int] = np.unique(first.group[first.entity == entity]).tolist()
        return found


_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})
_GROUP: Final[MetricKey] = ("", ())
"""Stands for the metric of what is no single series."""
Cell: TypeAlias = tuple[int, int, LabelSet, Mapping[str, str]]
"""Metric index, entity index and group key of a series that plays a role; its labels where they count."""


def bind(rule: Rule, roles: Mapping[str, Role], batch: SampleBatch) -> Binding | None:
    """The rule's binding to this batch's tables; None where some role has no cell: nothing to judge.

    Roles that are wide or optional make no groups: they speak for those that others make.
    """
    index: dict[LabelSet, int] = {}
    casts: dict[str, Cast] = {}
    for name, role in sorted(roles.items(), key=lambda item: (item[1].optional, item[1].wide)):
        cells, metric = _found(rule, name, batch, keep=bool(role.state or role.detail))
        if role.wide:
            cells = list(spread(cells, tuple(index)))
        elif role.optional and not role.witness:
            cells = [cell for cell in cells if cell[2] in index]
        if cells:
            casts[name] = _cast(role, metric, cells, index, batch)
    needed = {name for name, role in roles.items() if not role.optional}
    is_witnessed = any(roles[name].witness for name in casts)
    if not casts or not (is_witnessed or needed <= casts.keys()):
        return None
    by_group = tuple((_GROUP, group) for group in index)
    return Binding(tuple(index), {name: casts[name] for name in roles if name in casts}, by_group)


def _found(rule: Rule, role: str, batch: SampleBatch, *, keep: bool) -> tuple[list[Cell], str]:
    """The cells of the first selector that has some, and its metric; with all labels to `keep`."""
    selector = rule.match.get(role)
    for choice in selector.choices() if selector is not None else ():
        metrics, entities = enumerate(batch.metrics), list(enumerate(batch.entities))
        base = {"source": batch.source, "vendor": batch.vendor}
        if cells := matching(rule, choice, base, metrics=metrics, entities=entities, keep=keep):
            return cells, choice.metric
    return [], ""


def _cast(
    role: Role, metric: str, cells: Sequence[Cell], index: dict[LabelSet, int], batch: SampleBatch
) -> Cast:
    groups = [index.setdefault(cell[2], len(index)) for cell in cells]
    alone = len(set(groups)) == len(groups)
    states, of_cells = _states(role, cells)
    several = role.counts if is_count(metric) else role.several
    is_each = not (batch.width or role.state or role.wide or several is Several.SUM)
    return Cast(
        metric=np.array([cell[0] for cell in cells], np.intp),
        entity=np.array([cell[1] for cell in cells], np.intp),
        group=np.array(groups, np.intp),
        several=None if alone else several,
        states=states,
        state=of_cells,
        details=tuple(only(cell[3], role.detail) for cell in cells) if role.detail else (),
        series=tuple((batch.metrics[cell[0]], batch.entities[cell[1]]) for cell in cells) if is_each else (),
        speaks=several if is_each else Several.GREATEST,
        carry=role.carry,
    )


def _states(role: Role, cells: Sequence[Cell]) -> tuple[tuple[str, ...], NDArray[np.intp] | None]:
    if not role.state:
        return (), None
    own = [cell[3].get(role.state, "") for cell in cells]
    rank = {word: at for at, word in enumerate(role.worst)}
    states = tuple(sorted(set(own), key=lambda word: (rank.get(word, -1), word)))
    place = {word: at for at, word in enumerate(states)}
    return states, np.array([place[word] for word in own], np.intp)


def only(labels: Mapping[str, str], names: Sequence[str]) -> LabelSet:
    """Some labels; those that are not there are left out."""
    return label_set([(name, labels.get(name, "")) for name in names])


def spread(cells: Sequence[Cell], groups: Collection[LabelSet]) -> Iterator[Cell]:
    """Cells by the groups they speak for: their own, else all that agree in the labels they have."""
    known = set(groups)
    parts: dict[tuple[str, ...], dict[LabelSet, list[LabelSet]]] = {}
    for metric, entity, key, labels in cells:
        names = tuple(name for name, _ in key)
        if key not in known and names not in parts:
            agreeing = parts[names] = {}
            for group in groups:
                own = dict(group)
                agreeing.setdefault(tuple((name, own.get(name, "")) for name in names), []).append(group)
        for group in [key] if key in known else parts[names].get(key, []):
            yield metric, entity, group, labels


def is_count(metric: str) -> bool:
    """Whether values of a metric are events in a bin."""
    known = METRICS.get(metric)
    return known is not None and known.kind is Kind.COUNT


def matching(
    rule: Rule,
    selector: Selector,
    base: Mapping[str, str],
    *,
    metrics: Iterable[tuple[int, MetricKey]],
    entities: Sequence[tuple[int, LabelSet]],
    keep: bool,
) -> list[Cell]:
    """The cells of some metrics and entities that a selector chooses, in the view the rule judges.

    `base` holds the labels all series have. Labels stay with a cell only where they count: to `keep`.
    """
    cells: list[Cell] = []
    for m, (name, metric_labels) in metrics:
        if name != selector.metric:
            continue
        own = dict(metric_labels)
        first = [matcher for matcher in selector.matchers if matcher.label in own or matcher.label in base]
        if not _all(first, {**base, **own}):
            continue
        rest = [matcher for matcher in selector.matchers if matcher not in first]
        named = {matcher.label for matcher in selector.matchers}
        for e, entity in entities:
            labels = {**base, **own, **dict(entity)}
            if _in_view(labels, rule.by, named) and _all(rest, labels):
                cells.append((m, e, _key(labels, rule.by), labels if keep else _NO_LABELS))
    return cells


def may_select(selector: Selector, metric: MetricKey) -> bool:
    """Whether a selector chooses any series of a metric, whatever their other labels are."""
    name, labels = metric
    own = dict(labels)
    return name == selector.metric and _all([one for one in selector.matchers if one.label in own], own)


def _all(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels.get(matcher.label, "")) for matcher in matchers)


def _in_view(labels: Mapping[str, str], by: Sequence[str], named: set[str]) -> bool:
    """Whether the series is of the view the rule judges (design, "Each label set of a metric is a view")."""
    for label in VIEW_LABELS:
        if (label in by) != (label in labels) and label not in named:
            return False
    return "account" not in by or "account" in labels


def _key(labels: Mapping[str, str], by: Sequence[str]) -> LabelSet:
    return only(labels, ("source", "vendor", *by))


def layout(batch: SampleBatch) -> tuple[tuple[LabelSet, ...], tuple[MetricKey, ...]]:
    """What a binding depends on: batches of one layout share it."""
    return batch.entities, batch.metrics
