"""The format of `*.test.yaml`: what a rule is given, and what it must make of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from watcher.document.fields import DurationField
from watcher.document.load import load_yaml, validate
from watcher.document.node import Document
from watcher.errors import ConfigurationError, Problem
from watcher.model.labels import label_set
from watcher.model.time import MINUTE, Duration
from watcher.rulebook.packs import PROOF, is_proof, yaml_files
from watcher.rulebook.series import Series, parse_name, parse_series, parse_values
from watcher.rulebook.timeline import Correction, Record


def _name(text: str) -> str:
    parse_name(text)
    return text


def _values(text: str) -> str:
    parse_values(text)
    return text


SeriesName: TypeAlias = Annotated[str, AfterValidator(_name)]
SeriesValues: TypeAlias = Annotated[str, AfterValidator(_values)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExpectedIncident(_Part):
    """Only what is written is compared; times count from the case's start, `null` is "not yet"."""

    labels: dict[str, str] = Field(default_factory=dict, description="beside `source` and `vendor`")
    wider: dict[str, str] | None = Field(
        default=None, description="labels of the incident that explains it; null where none does"
    )
    opened_at: DurationField | None = None
    resolved_at: DurationField | None = None
    severity: Literal["info", "warning", "critical"] | None = None
    resolution: str | None = None
    summary: str | None = None
    text: str | None = Field(default=None, description="the evidence in words")
    recovery: str | None = Field(default=None, description="the healthy reading in words")


class Expectation(_Part):
    """Either a state at a time, or all the incidents of the case."""

    at: DurationField | None = None
    state: Literal["inactive", "pending", "firing", "recovering"] | None = None
    severity: Literal["info", "warning", "critical"] | None = Field(
        default=None, description="beside `state`: that of the open incident by then"
    )
    labels: dict[str, str] = Field(default_factory=dict, description="the groups meant; without it, all")
    incidents: tuple[ExpectedIncident, ...] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        """A half that is not compared would prove nothing."""
        parts = ("at", "state", "labels", "severity")
        state = [name for name in parts if name in self.model_fields_set]
        if self.incidents is not None and state:
            raise ValueError(f"`incidents` beside `{state[-1]}`; make it two expectations")
        if self.incidents is None and (self.at is None or self.state is None):
            half = f"`{state[0]}` alone" if state else "it says nothing"
            raise ValueError(f"{half}; write {{at: 5m, state: firing}}, or {{incidents: []}}")
        return self


class Corrected(_Part):
    """What is said of some series from a time on, of the past too: a late or a corrected delivery."""

    at: DurationField = Field(description="when it comes")
    given: dict[SeriesName, SeriesValues] = Field(min_length=1, description="whole series, from the start")


class Example(_Part):
    """A raw record behind a sample, as vendors and probes send them: it becomes evidence."""

    series: SeriesName
    at: DurationField = Field(description="start of the bin it is of")
    facts: dict[str, str] = Field(min_length=1)


class Case(_Part):
    """One story."""

    case: str = Field(min_length=1, description="what it shows, as a sentence")
    given: dict[SeriesName, SeriesValues] = Field(min_length=1)
    corrected: tuple[Corrected, ...] = Field(default=(), description="what comes again, and otherwise")
    examples: tuple[Example, ...] = Field(default=(), description="raw records, such as {reason: timed out}")
    expect: tuple[Expectation, ...] = Field(min_length=1)

    def records(self) -> tuple[Record, ...]:
        """The examples, with the labels of their series."""
        return tuple(Record(label_set(parse_name(one.series)[1]), one.at, one.facts) for one in self.examples)

    def corrections(self) -> tuple[Correction, ...]:
        """What is corrected, expanded, in order of time."""
        found = (Correction(one.at, tuple(_series(one.given))) for one in self.corrected)
        return tuple(sorted(found, key=lambda one: one.at))

    def series(self) -> tuple[Series, ...]:
        """What is given, expanded."""
        return tuple(_series(self.given))

    @property
    def fires(self) -> bool:
        """Whether it shows the rule firing."""
        return any(one.state == "firing" or one.incidents for one in self.expect)

    @property
    def stays_quiet(self) -> bool:
        """Whether it shows the rule raising nothing."""
        return not self.fires and any(one.incidents == () for one in self.expect)

    @property
    def recovers(self) -> bool:
        """Whether it shows the end of an incident."""
        return any(incident.resolved_at for one in self.expect for incident in one.incidents or ())


def _series(given: Mapping[str, str]) -> Iterator[Series]:
    return (parse_series(name, values) for name, values in given.items())


class CaseFile(_Part):
    """A whole test file."""

    rule: str = Field(description="id of the rule, which stands beside in its own file")
    width: DurationField = Field(default=MINUTE, description="width of a bin; 0s for states")
    every: DurationField = Field(default=0, description="time from value to value; default: the width, or 1m")
    cases: tuple[Case, ...] = Field(min_length=1)

    @property
    def step(self) -> Duration:
        """Time from value to value."""
        return self.every or self.width or MINUTE


@dataclass(frozen=True, slots=True)
class RuleTests:
    """A test file as read, with its document for positions."""

    document: Document
    file: CaseFile


def rule_file(proof: Path) -> Path:
    """The rule that a test file proves."""
    return proof.with_stem(proof.stem.removesuffix(PROOF))


def proof_file(rule: Path) -> Path:
    """Where the proof of a rule stands: beside it, with the same suffix."""
    return rule.with_stem(rule.stem + PROOF)


def proof_files(folder: Path) -> list[Path]:
    """Every test file under a folder, sorted; a path to a rule or to a test is that one test."""
    if folder.is_file():
        return [folder if is_proof(folder) else proof_file(folder)]
    return [path for path in yaml_files(folder) if is_proof(path)]


def load_tests(path: Path) -> RuleTests:
    """Read a test file.

    Raises:
        ConfigurationError: all that is wrong in it.
    """
    document = load_yaml(path)
    file = validate(document, CaseFile)
    names = [case.case for case in file.cases]
    twice = [at for at, name in enumerate(names) if name in names[:at]]
    if twice:
        raise ConfigurationError(_twice(document, at) for at in twice)
    return RuleTests(document=document, file=file)


def _twice(document: Document, case: int) -> Problem:
    return document.problem(("cases", case, "case"), "two cases have this name", "say how they differ")
