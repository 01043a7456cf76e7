"""What a rule says that nothing can ever be: metrics, labels and fields that there are not.

Such a rule is silent for good. So these checks are made on all rules by lint, and on overridden ones whenever
they are loaded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Final, TypeAlias

from watcher.document.complaints import nearest
from watcher.document.node import Document, Loc
from watcher.engine.detector import Role
from watcher.errors import Problem
from watcher.model.labels import Selector
from watcher.model.metrics import METRICS
from watcher.model.rule import Rule
from watcher.rulebook.detectors import detector

COMMON_LABELS: Final = frozenset({"source", "vendor", "account", "resource", "provider", "region"})
WORDS: Final = frozenset(
    {"subject", "text", "since", "seen", "expected", "requests", "usual", "ends", "range", "reason"}
)
"""What a summary may name beside labels."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule as written and as read."""

    document: Document
    rule: Rule

    def roles(self) -> Mapping[str, Role]:
        """What its detector, with its parameters, reads."""
        mechanism = detector(self.rule.detector)
        return {} if mechanism is None else mechanism(self.rule.params).roles

    @property
    def path(self) -> Path:
        """The file it stands in."""
        return Path(self.document.file)

    @property
    def written(self) -> Sequence[str]:
        """The fields that stand in this file, in their order; what it extends may have more."""
        own = [(mark, loc[0]) for loc, mark in self.document.keys.items() if len(loc) == 1]
        return [str(name) for mark, name in sorted(own) if mark.file == self.document.file]

    def selectors(self, *, narrow: bool = False) -> Iterator[tuple[Loc, Selector]]:
        """Every selector with its place, those that stand in for others included; or `narrow` roles only."""
        wide = {name for name, role in self.roles().items() if narrow and (role.wide or role.witness)}
        for role, selector in self.rule.match.items():
            if role in wide:
                continue
            nested: Loc = ("match", role)
            place: Loc = nested if nested in self.document.values else ("match",)
            for choice in selector.choices():
                yield place, choice
                place = (*place, "else")


Check: TypeAlias = Callable[[Subject], Iterator[Problem]]


def metric_known(subject: Subject) -> Iterator[Problem]:
    """A rule on a metric that nothing writes never fires."""
    for place, selector in subject.selectors():
        if selector.metric not in METRICS:
            what, hint = f"unknown metric `{selector.metric}`", nearest(selector.metric, METRICS)
            yield subject.document.problem((*place, "metric"), what, hint)


def label_known(subject: Subject) -> Iterator[Problem]:
    """Nor does one on a label that the metric does not have."""
    for place, selector in subject.selectors():
        known = labels_of(selector.metric)
        for matcher in selector.matchers:
            if known and matcher.label not in known:
                at = (*place, matcher.label)
                what = f"`{selector.metric}` has no label `{matcher.label}`"
                yield subject.document.problem(at, what, nearest(matcher.label, known), key=True)


def by_known(subject: Subject) -> Iterator[Problem]:
    """Every role must have the labels that make the groups, but for one that speaks for many."""
    for at, label in enumerate(subject.rule.by):
        for _, selector in subject.selectors(narrow=True):
            known = labels_of(selector.metric)
            if known and label not in known:
                what = f"`{selector.metric}` has no label `{label}`"
                yield subject.document.problem(("by", at), what, nearest(label, known))


def summary_fields(subject: Subject) -> Iterator[Problem]:
    """A field that nothing fills stays in braces, on somebody's telephone."""
    known = WORDS | {"source", "vendor"} | set(subject.rule.by)
    for _, name, _, _ in Formatter().parse(subject.rule.summary):
        if name is not None and name not in known:
            yield subject.document.problem(("summary",), f"nothing fills {{{name}}}", nearest(name, known))


MEANING: Final[Sequence[Check]] = (metric_known, label_known, by_known, summary_fields)


def labels_of(metric: str) -> frozenset[str]:
    """Labels a metric may have; empty for an unknown one, of which its own check tells."""
    return COMMON_LABELS | set(METRICS[metric].labels) if metric in METRICS else frozenset()
