"""Runs the cases of a `*.test.yaml` on a real engine: the one that runs live and in a backtest.

A case starts at the Unix epoch, so a time is the same number as the duration since the case's start.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from watcher.engine import binding, inspection
from watcher.engine.engine import Engine
from watcher.errors import ConfigurationError, Problem
from watcher.model.incident import Change, IncidentKey, Transition
from watcher.model.labels import LabelSet, label_set
from watcher.model.rule import Rule
from watcher.model.sample import SampleBatch
from watcher.model.time import Instant, format_duration
from watcher.rulebook.cases import Case, Expectation, ExpectedIncident, RuleTests, load_tests, rule_file
from watcher.rulebook.loader import bind, load_rule
from watcher.rulebook.packs import whole_document
from watcher.rulebook.series import Series
from watcher.rulebook.timeline import SOURCE, Timeline

_EVER: Final[Instant] = -(1 << 62)
_BAD: Final = frozenset({"pending", "firing"})
"""States that a group only gets into when no gate stops it."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case went; without problems it passed."""

    file: Path
    case: str
    line: int
    problems: Sequence[Problem]

    @property
    def passed(self) -> bool:
        """Whether everything came as expected."""
        return not self.problems


@dataclass(slots=True)
class Story:
    """What a rule made of a case: the transitions, folded into incidents."""

    incidents: dict[tuple[IncidentKey, Instant], Transition] = field(default_factory=dict)
    """By key and present start: the opening, with what came later written into it."""

    def take(self, transition: Transition) -> None:
        """Fold one transition in, as the book would."""
        before = self.incidents.pop((transition.key, transition.was), None)
        if transition.change in {Change.WITHDRAWN, Change.MERGED}:
            return
        opening = transition if transition.change is Change.OPENED or before is None else before
        is_wider = transition.change is Change.WIDENED
        is_linked = transition.change in {Change.OPENED, Change.JOINED, Change.PARTED}
        self.incidents[transition.key, transition.opened_at] = replace(
            opening,
            opened_at=transition.opened_at,
            resolved_at=transition.resolved_at,
            severity=transition.severity,
            resolution=transition.resolution,
            recovery=transition.recovery,
            summary=transition.summary if is_wider else opening.summary,
            evidence=transition.evidence if is_wider else opening.evidence,
            wider=transition.wider if is_linked else opening.wider,
        )

    def severity(self, key: IncidentKey) -> str:
        """That of its open incident."""
        return next(
            (
                str(one.severity)
                for (of, _), one in self.incidents.items()
                if of == key and one.resolved_at is None
            ),
            "not open",
        )

    def told(self) -> list[Transition]:
        """In order of their start."""
        return sorted(self.incidents.values(), key=lambda one: (one.opened_at, one.key.labels))


def run_file(path: Path) -> list[CaseResult]:
    """Every case of a test file, against the rule beside it.

    Raises:
        ConfigurationError: the test or its rule cannot be read, or they name different rules.
    """
    tests, rule = load_proof(path)
    return [run_case(rule, tests, index, path) for index in range(len(tests.file.cases))]


def load_proof(path: Path) -> tuple[RuleTests, Rule]:
    """A test file and the rule beside it.

    Raises:
        ConfigurationError: as `run_file`.
    """
    tests = load_tests(path)
    rule = load_rule(whole_document(rule_file(path)))
    if tests.file.rule != rule.id:
        what = f"this tests `{tests.file.rule}`, and the rule beside it is `{rule.id}`"
        raise ConfigurationError([tests.document.problem(("rule",), what, f"write rule: {rule.id}")])
    return tests, rule


def run_case(rule: Rule, tests: RuleTests, index: int, path: Path) -> CaseResult:
    """One case, by its place in the file."""
    case = tests.file.cases[index]
    given, hint = ("cases", index, "given"), "a case gives every part of its rule; what never comes is _x60"
    unplayed = [tests.document.problem(given, what, hint, key=True) for what in _unplayed(rule, tests, case)]
    problems = unplayed or [
        tests.document.problem(("cases", index, "expect", at), what)
        for at, what in _differences(rule, tests, case)
    ]
    line = tests.document.mark(("cases", index)).line
    return CaseResult(path, case.case, line, problems)


def _unplayed(rule: Rule, tests: RuleTests, case: Case) -> Iterator[str]:
    """Roles that the engine casts no given series in: a misspelt one would prove any rule quiet."""
    batches = _timeline(tests, case).all_at_once()
    for role, meaning in bind(rule).detector.roles.items():
        alone = {role: replace(meaning, wide=False)}  # what speaks for many is here asked by itself
        if not meaning.optional and not any(binding.bind(rule, alone, batch) for batch in batches):
            wanted = ", else ".join(map(str, rule.match[role].choices()))
            yield f"nothing given plays `{role}`: {wanted}{' by ' * bool(rule.by)}{', '.join(rule.by)}"


def _differences(rule: Rule, tests: RuleTests, case: Case) -> Iterator[tuple[int, str]]:
    """What came otherwise: index of the expectation, and words."""
    play = _Play(rule, _timeline(tests, case))
    keys = _keys(rule, case.series())
    asked = [(one.at, at, one) for at, one in enumerate(case.expect) if one.at is not None]
    for when, at, expected in sorted(asked, key=lambda item: item[:2]):
        play.until(when)
        yield from ((at, what) for what in _wrong_states(play, keys, expected))
    play.rest()
    for at, expected in enumerate(case.expect):
        if expected.incidents is not None:
            told = play.story.told()
            yield from ((at, what) for what in _wrong_incidents(told, expected.incidents))
            quiet = _quiet(told, expected.incidents)
            yield from ((at, what) for what in _stops(rule, _timeline(tests, case), keys, quiet))


def _timeline(tests: RuleTests, case: Case) -> Timeline:
    file = tests.file
    return Timeline(case.series(), file.width, file.step, case.corrections(), case.records())


class _Play:
    """One case on an engine of its own. Bins are judged together up to the next time that is asked about."""

    def __init__(self, rule: Rule, line: Timeline) -> None:
        self.engine = Engine([bind(rule)])
        self.story = Story()
        self._rule = rule
        self._line = line

    def until(self, at: Instant) -> None:
        """Judge all that comes by a time."""
        self._judge(self._line.send(at))

    def rest(self) -> None:
        """Judge all that is left."""
        self._judge(self._line.rest())

    def stop(self, key: IncidentKey, at: Instant) -> str:
        """Which gate kept a group quiet in the newest bin that had ended by a time; empty where none did."""
        ended = [one for one in inspection.judged(self.engine, key, _EVER, at + 1) if one.end <= at]
        newest = ended[-1] if ended else None
        gate = inspection.stop(inspection.asked(self._rule, newest, self.engine.state(key)))
        return "" if gate is None else inspection.stopped_by(gate)

    def _judge(self, sent: Iterable[tuple[Instant, Sequence[SampleBatch]]]) -> None:
        for end, batches in sent:
            for batch in batches:
                self.engine.ingest(batch)
            for transition in self.engine.evaluate(end):
                self.story.take(transition)


def _keys(rule: Rule, series: Sequence[Series]) -> list[IncidentKey]:
    """The groups there can be: one for each set of the rule's labels that some series carries."""
    own = {"source": SOURCE, "vendor": SOURCE}
    groups = {label_set(own | {name: one.labels.get(name, "") for name in rule.by}) for one in series}
    return [IncidentKey(rule.id, group) for group in sorted(groups)]


def _wrong_states(play: _Play, keys: Sequence[IncidentKey], expected: Expectation) -> Iterator[str]:
    meant = [key for key in keys if expected.labels.items() <= dict(key.labels).items()]
    if not meant:
        yield f"no group has the labels {expected.labels}"
    when = format_duration(expected.at or 0)
    for key in meant:
        state = play.engine.state(key)
        if state != expected.state:
            is_quiet = expected.state in _BAD and state != "firing"
            why = play.stop(key, expected.at or 0) if is_quiet else ""
            wrong = f"expected {expected.state} at {when}, but {_called(key.labels)} is {state}"
            yield f"{wrong}; {why}" if why else wrong
        elif expected.severity is not None and expected.severity != (now := play.story.severity(key)):
            yield f"expected {expected.severity} at {when}, but {_called(key.labels)} is {now}"


def _wrong_incidents(told: Sequence[Transition], expected: Sequence[ExpectedIncident]) -> Iterator[str]:
    if len(told) != len(expected):
        came = "; ".join(map(_shown, told)) or "none"
        yield f"expected {len(expected)} incidents, got {len(told)}: {came}"
        return
    for incident, wanted in zip(told, expected, strict=True):
        got = _comparable(incident)
        for name in wanted.model_fields_set:
            want = getattr(wanted, name)
            if name in {"labels", "wider"} and want is not None and _has(got[name], want):
                continue
            if want != got[name]:
                words = f"expected {_word(name, want)}, got {_word(name, got[name])}"
                yield f"{name}: {words} ({_shown(incident)})"


def _quiet(
    told: Sequence[Transition], expected: Sequence[ExpectedIncident]
) -> Iterator[tuple[Instant, Mapping[str, str]]]:
    """Starts and labels of incidents that were expected, and of which none came."""
    came = [(one.opened_at, dict(one.key.labels)) for one in told]
    for one in expected:
        opened = one.opened_at
        if opened is not None and not any(at == opened and _has(of, one.labels) for at, of in came):
            yield opened, one.labels


def _stops(
    rule: Rule,
    line: Timeline,
    keys: Sequence[IncidentKey],
    quiet: Iterable[tuple[Instant, Mapping[str, str]]],
) -> Iterator[str]:
    """Which gate stopped each of them in the bin that it was to begin with: judged again, up to there."""
    play = _Play(rule, line)
    for opened, labels in sorted(quiet, key=lambda one: one[0]):
        end = opened + line.width
        play.until(end)
        for key in (key for key in keys if _has(dict(key.labels), labels)):
            if why := play.stop(key, end):
                yield f"{_called(key.labels)} at {format_duration(opened)}: {why}"


def _has(labels: object, wanted: Mapping[str, str]) -> bool:
    return isinstance(labels, dict) and wanted.items() <= labels.items()


def _comparable(incident: Transition) -> Mapping[str, object]:
    return {
        "labels": dict(incident.key.labels),
        "wider": None if incident.wider is None else dict(incident.wider.key.labels),
        "opened_at": incident.opened_at,
        "resolved_at": incident.resolved_at,
        "severity": str(incident.severity),
        "resolution": None if incident.resolution is None else str(incident.resolution),
        "summary": incident.summary,
        "text": incident.evidence.text,
        "recovery": None if incident.recovery is None else incident.recovery.text,
    }


def _word(name: str, value: object) -> str:
    if isinstance(value, int) and name.endswith("_at"):
        return format_duration(value)
    if value is None:
        return "none" if name == "wider" else "not yet"
    return repr(value)


def _shown(incident: Transition) -> str:
    end = "" if incident.resolved_at is None else f" to {format_duration(incident.resolved_at)}"
    start = format_duration(incident.opened_at)
    return f"{_called(incident.key.labels)} from {start}{end}, {incident.summary!r}"


def _called(labels: LabelSet) -> str:
    own = [f"{name}={value}" for name, value in labels if name not in {"source", "vendor"}]
    return ", ".join(own) or "the source"
