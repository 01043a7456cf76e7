"""The format of `*.test.yaml`: what a rule is given, and what it must make of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from watcher.document.fields import DurationField
from watcher.document.load import load_yaml, validate
from watcher.document.node import Document
from watcher.errors import ConfigurationError, Problem
from watcher.model.time import MINUTE, Duration
from watcher.rulebook.packs import PROOF, is_proof, yaml_files
from watcher.rulebook.series import Series, parse_name, parse_series, parse_values


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
    labels: dict[str, str] = Field(default_factory=dict, description="the groups meant; without it, all")
    incidents: tuple[ExpectedIncident, ...] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        """A half that is not compared would prove nothing."""
        state = [name for name in ("at", "state", "labels") if name in self.model_fields_set]
        if self.incidents is not None and state:
            raise ValueError(f"`incidents` beside `{state[-1]}`; make it two expectations")
        if self.incidents is None and (self.at is None or self.state is None):
            half = f"`{state[0]}` alone" if state else "it says nothing"
            raise ValueError(f"{half}; write {{at: 5m, state: firing}}, or {{incidents: []}}")
        return self


class Case(_Part):
    """One story."""

    case: str = Field(min_length=1, description="what it shows, as a sentence")
    given: dict[SeriesName, SeriesValues] = Field(min_length=1)
    expect: tuple[Expectation, ...] = Field(min_length=1)

    def series(self) -> tuple[Series, ...]:
        """What is given, expanded."""
        return tuple(parse_series(name, values) for name, values in self.given.items())

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
