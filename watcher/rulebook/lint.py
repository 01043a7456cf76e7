"""What makes a rule a good one beyond being readable: one function a check, each finding at its place."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from string import Formatter
from typing import Final, TypeAlias

from watcher.document.complaints import nearest
from watcher.document.load import load_yaml
from watcher.document.node import Document, Loc
from watcher.errors import ConfigurationError, Problem
from watcher.model.labels import Selector
from watcher.model.metrics import METRICS, Kind
from watcher.model.rule import Rule
from watcher.model.time import MINUTE, format_duration
from watcher.rulebook.cases import load_tests, proof_file
from watcher.rulebook.loader import FIELDS, load_rule
from watcher.rulebook.packs import rule_files

CADENCE: Final = MINUTE
"""How often a source is polled unless it says otherwise."""
COMMON_LABELS: Final = frozenset({"source", "vendor", "account", "resource", "provider", "region"})
WORDS: Final = frozenset({"subject", "text", "since", "seen", "expected", "requests", "usual", "ends"})
"""What a summary may name beside labels."""


class Level(StrEnum):
    """How bad a finding is. Information never fails a lint."""

    ERROR = "error"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark on a rule."""

    problem: Problem
    check: str
    level: Level = Level.ERROR

    def __str__(self) -> str:
        return f"{self.problem} [{self.check}]"


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule as written and as read."""

    path: Path
    document: Document
    rule: Rule

    def selectors(self) -> Iterator[tuple[Loc, Selector]]:
        """Every selector with its place, those that stand in for others included."""
        for role, selector in self.rule.match.items():
            nested: Loc = ("match", role)
            place: Loc = nested if nested in self.document.values else ("match",)
            for choice in selector.choices():
                yield place, choice
                place = (*place, "else")


Check: TypeAlias = Callable[[Subject], Iterator[Problem]]


def lint(paths: Sequence[Path]) -> list[Finding]:
    """Findings on every rule in these files and folders, in file order."""
    return [finding for path in paths for file in rule_files(path) for finding in lint_file(file)]


def lint_file(path: Path) -> list[Finding]:
    """Findings on one rule file; what cannot be read is a finding too."""
    try:
        document = load_yaml(path)
        subject = Subject(path, document, load_rule(document))
    except ConfigurationError as error:
        return [Finding(problem, "readable") for problem in error.problems]
    found = [
        Finding(problem, check.__name__, _LEVELS.get(check, Level.ERROR))
        for check in CHECKS
        for problem in check(subject)
    ]
    return sorted(found, key=lambda finding: finding.problem)


def file_name(subject: Subject) -> Iterator[Problem]:
    """A rule is found by its id."""
    if subject.path.stem != subject.rule.id:
        what = f"rule `{subject.rule.id}` stands in {subject.path.name}"
        yield subject.document.problem(("rule",), what, f"name the file {subject.rule.id}.yaml")


def field_order(subject: Subject) -> Iterator[Problem]:
    """All fields, in one order: who has read one rule can read them all."""
    written = list(subject.document.data) if isinstance(subject.document.data, dict) else []
    for name in FIELDS:
        if name not in written:
            yield subject.document.problem((), f"`{name}` is missing", "a rule has every field")
    wanted = [name for name in FIELDS if name in written]
    for name, right in zip(written, wanted, strict=True):
        if name != right:
            hint = f"the order is {', '.join(FIELDS)}"
            yield subject.document.problem((name,), f"`{right}` comes before `{name}`", hint, key=True)
            return


def metric_known(subject: Subject) -> Iterator[Problem]:
    """A rule on a metric that nothing writes never fires."""
    for place, selector in subject.selectors():
        if selector.metric not in METRICS:
            what, hint = f"unknown metric `{selector.metric}`", nearest(selector.metric, METRICS)
            yield subject.document.problem((*place, "metric"), what, hint)


def label_known(subject: Subject) -> Iterator[Problem]:
    """Nor does one on a label that the metric does not have."""
    for place, selector in subject.selectors():
        known = _labels(selector.metric)
        for matcher in selector.matchers:
            if known and matcher.label not in known:
                at = (*place, matcher.label)
                what = f"`{selector.metric}` has no label `{matcher.label}`"
                yield subject.document.problem(at, what, nearest(matcher.label, known), key=True)


def by_known(subject: Subject) -> Iterator[Problem]:
    """Every role must have the labels that make the groups."""
    for at, label in enumerate(subject.rule.by):
        for _, selector in subject.selectors():
            known = _labels(selector.metric)
            if known and label not in known:
                what = f"`{selector.metric}` has no label `{label}`"
                yield subject.document.problem(("by", at), what, nearest(label, known))


def tier_fixed(subject: Subject) -> Iterator[Problem]:
    """Edge and origin are never judged together (design, "Each label set of a metric is a view")."""
    for place, selector in subject.selectors():
        named = {matcher.label for matcher in selector.matchers} | set(subject.rule.by)
        if "tier" in _labels(selector.metric) and "tier" not in named:
            what = f"{place[-1]}: `tier` is open, so that edge and origin are judged together"
            yield subject.document.problem(place, what, "add tier: edge or tier: origin")


def account_apart(subject: Subject) -> Iterator[Problem]:
    """A resource may be seen from several accounts: rules by resource do not split by account."""
    if "resource" in subject.rule.by and "account" in subject.rule.by:
        at = subject.rule.by.index("account")
        yield subject.document.problem(("by", at), "`account` beside `resource`", "leave `account` out")


def hold_long_enough(subject: Subject) -> Iterator[Problem]:
    """One bad bin should rarely wake anybody."""
    counted = any(
        METRICS[selector.metric].kind is not Kind.STATE
        for _, selector in subject.selectors()
        if selector.metric in METRICS
    )
    if counted and subject.rule.hold < 2 * CADENCE:
        what = f"`for` is {format_duration(subject.rule.hold)}: one bad bin fires"
        yield subject.document.problem(("for",), what, f"two bins are {format_duration(2 * CADENCE)}")


def limit_reachable(subject: Subject) -> Iterator[Problem]:
    """A limit on a share lies within 0 and 1, or it is always or never passed."""
    units = {METRICS[one.metric].unit for _, one in subject.selectors() if one.metric in METRICS}
    if not units & {"ratio", "boolean"}:
        return
    for name in ("above", "below"):
        limit = getattr(subject.rule.params, name, None)
        if isinstance(limit, float) and not 0 <= limit <= 1:
            what = f"{name}: {limit:g} is outside 0 to 1, where the metric lies"
            yield subject.document.problem(("with", name), what, "shares are 0 to 1, not per cent")


def summary_fields(subject: Subject) -> Iterator[Problem]:
    """A field that nothing fills stays in braces, on somebody's telephone."""
    known = WORDS | {"source", "vendor"} | set(subject.rule.by)
    for _, name, _, _ in Formatter().parse(subject.rule.summary):
        if name is not None and name not in known:
            yield subject.document.problem(("summary",), f"nothing fills {{{name}}}", nearest(name, known))


def proven(subject: Subject) -> Iterator[Problem]:
    """A rule stands with its proof: once firing, once staying quiet, once recovering."""
    proof = proof_file(subject.path)
    if not proof.is_file():
        hint = "show it firing, staying quiet and recovering"
        yield subject.document.problem((), f"{proof.name} is missing", hint)
        return
    try:
        tests = load_tests(proof)
    except ConfigurationError as error:
        yield from error.problems
        return
    cases = tests.file.cases
    shown = {
        "firing": any(case.fires for case in cases),
        "staying quiet (incidents: [])": any(case.stays_quiet for case in cases),
        "recovering (resolved_at)": any(case.recovers for case in cases),
    }
    for word, there in shown.items():
        if not there:
            yield tests.document.problem(("cases",), f"no case shows it {word}", "add one")


CHECKS: Final[Sequence[Check]] = (
    file_name,
    field_order,
    metric_known,
    label_known,
    by_known,
    tier_fixed,
    account_apart,
    hold_long_enough,
    limit_reachable,
    summary_fields,
    proven,
)
_LEVELS: Final[Mapping[Check, Level]] = {hold_long_enough: Level.INFO}


def _labels(metric: str) -> frozenset[str]:
    """Labels a metric may have; empty for an unknown one, of which its own check tells."""
    return COMMON_LABELS | set(METRICS[metric].labels) if metric in METRICS else frozenset()
