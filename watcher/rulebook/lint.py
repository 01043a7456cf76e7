"""What makes a rule a good one beyond being readable: one function a check, each finding at its place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from watcher.errors import ConfigurationError, Problem
from watcher.model.metrics import METRICS, Kind
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, format_duration
from watcher.rulebook import possible
from watcher.rulebook.cases import load_tests, proof_file
from watcher.rulebook.loader import FIELDS, ORDER, load_rule
from watcher.rulebook.meaning import (
    Check,
    Subject,
    by_known,
    label_known,
    labels_of,
    metric_known,
    summary_fields,
)
from watcher.rulebook.packs import rule_files, whole_document
from watcher.rulebook.salvage import place_of, salvaged

CADENCE: Final = MINUTE
"""How often a source is polled unless it says otherwise."""


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


def lint(paths: Sequence[Path]) -> list[Finding]:
    """Findings on every rule in these files and folders, in file order."""
    return [finding for path in paths for file in rule_files(path) for finding in lint_file(file)]


def lint_file(path: Path) -> list[Finding]:
    """Findings on one rule file; what cannot be read is a finding too, and the rest is checked."""
    try:
        document = whole_document(path)
    except ConfigurationError as error:
        return _unread(error)
    try:
        found = _checked(Subject(document, load_rule(document)))
    except ConfigurationError as error:
        found, rest = _unread(error), salvaged(document, error.problems)
        if rest is not None:
            left = _checked(Subject(document, rest.rule), but=rest.lost)
            found += [one for one in left if not rest.lost.intersection(place_of(document, one.problem)[:1])]
    return sorted(found, key=lambda finding: finding.problem)


def _unread(error: ConfigurationError) -> list[Finding]:
    return [Finding(problem, "readable") for problem in error.problems]


def _checked(subject: Subject, but: frozenset[str] = frozenset()) -> list[Finding]:
    """What every check says that needs none of the fields that could not be read."""
    return [
        Finding(problem, check.__name__, _LEVELS.get(check, Level.ERROR))
        for check in CHECKS
        if not but & _NEEDS.get(check, _MEANING)
        for problem in check(subject)
    ]


def file_name(subject: Subject) -> Iterator[Problem]:
    """A rule is found by its id."""
    if subject.path.stem != subject.rule.id:
        what = f"rule `{subject.rule.id}` stands in {subject.path.name}"
        yield subject.document.problem(("rule",), what, f"name the file {subject.rule.id}.yaml")


def field_order(subject: Subject) -> Iterator[Problem]:
    """All fields, in one order: who has read one rule can read all. One that extends has what differs."""
    written = list(subject.written)
    for name in FIELDS if not subject.rule.extends else ():
        if name not in written:
            yield subject.document.problem((), f"`{name}` is missing", "a rule has every field")
    wanted = [name for name in ORDER if name in written]
    for name, right in zip((name for name in written if name in ORDER), wanted, strict=True):
        if name != right:
            hint = f"the order is {', '.join(ORDER)}"
            yield subject.document.problem((name,), f"`{right}` comes before `{name}`", hint, key=True)
            return


def differs(subject: Subject) -> Iterator[Problem]:
    """A rule that only repeats another one tells everything twice."""
    if subject.rule.extends and not set(subject.written) - {"rule", "extends"}:
        what = f"it changes nothing of `{subject.rule.extends}`"
        yield subject.document.problem(("extends",), what, "write what differs", key=True)


def tier_fixed(subject: Subject) -> Iterator[Problem]:
    """Edge and origin are never judged together (design, "Each label set of a metric is a view")."""
    for place, selector in subject.selectors():
        named = {matcher.label for matcher in selector.matchers} | set(subject.rule.by)
        if "tier" in labels_of(selector.metric) and "tier" not in named:
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
    rule = subject.rule
    short = rule.hold < 2 * CADENCE if rule.needs is None else rule.needs.breaching < 2
    if counted and rule.severity > Severity.INFO and short:
        what = f"`for` is {rule.needs or format_duration(rule.hold)}: one bad bin fires"
        yield subject.document.problem(("for",), what, f"two bins are {format_duration(2 * CADENCE)}")


def bins_fit(subject: Subject) -> Iterator[Problem]:
    """What judges so much at once says nothing of bins that do not go into it."""
    params, proof = subject.rule.params, proof_file(subject.path)
    if "bin" not in type(params).model_fields or not proof.is_file():
        return
    try:
        tests = load_tests(proof)
    except ConfigurationError:
        return  # told by `proven`
    held: int = getattr(params, "bin", 0)
    width = tests.file.width
    if width and held % width:
        line = tests.document.mark(("width",)).line
        what = f"bin: {format_duration(held)} does not hold bins of {format_duration(width)}"
        hint = f"those of {proof.name}:{line} would never be judged; write {format_duration(width)}"
        yield subject.document.problem(("with", "bin"), what, hint)


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
    differs,
    metric_known,
    label_known,
    by_known,
    tier_fixed,
    account_apart,
    hold_long_enough,
    *possible.CHECKS,
    summary_fields,
    bins_fit,
    proven,
)
_MEANING: Final = frozenset({"detector", "match", "by"})
_NEEDS: Final[Mapping[Check, frozenset[str]]] = {
    file_name: frozenset({"rule"}),
    field_order: frozenset(),
    differs: frozenset(),
    proven: frozenset(),
    metric_known: frozenset({"detector", "match"}),
    label_known: frozenset({"detector", "match"}),
    hold_long_enough: frozenset({"detector", "match"}),
    account_apart: frozenset({"by"}),
    summary_fields: frozenset({"by"}),
    bins_fit: frozenset({"detector"}),
}
"""Fields without which a check says nothing; of all others it is what gives a rule its meaning."""
_LEVELS: Final[Mapping[Check, Level]] = {hold_long_enough: Level.INFO}
