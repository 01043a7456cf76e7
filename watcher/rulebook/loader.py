"""From a rule's YAML to a `Rule`: every problem of the file at once, each at its place."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from watcher.document.complaints import nearest
from watcher.document.fields import DurationField
from watcher.document.load import validate
from watcher.document.node import Document
from watcher.engine.detector import Detector
from watcher.engine.engine import BoundRule
from watcher.errors import ConfigurationError, Problem
from watcher.model.labels import Selector
from watcher.model.rule import Mode, NofM, Provenance, Rule, Severity
from watcher.model.time import DAY, Duration, format_duration
from watcher.rulebook import variants
from watcher.rulebook.detectors import detector, known
from watcher.rulebook.flapping import FlappingField, flapping
from watcher.rulebook.holding import HoldField
from watcher.rulebook.selectors import selectors

FIELDS: Final = (
    "rule",
    "detector",
    "match",
    "by",
    "with",
    "for",
    "keep_firing_for",
    "severity",
    "summary",
    "why",
    "false_alarms",
    "runbook",
)
"""What every rule has (design, section 8); one that `extends` another has what differs."""
ORDER: Final = (
    *("rule", "extends", "detector", "match", "by", "with", "clear_when", "for", "keep_firing_for"),
    *("reopen_within", "flapping", "severity", "mode", "summary", "why", "false_alarms", "runbook"),
)
"""The order they stand in, with those that a rule may have."""

ID: Final = r"^[a-z][a-z0-9_]*$"
"""What a rule is called."""
T = TypeVar("T")


_Word: TypeAlias = Literal["info", "warning", "critical"]


def _is_template(text: str) -> str:
    for _, name, form, conversion in Formatter().parse(text):
        if name is not None and (form or conversion or not name.isidentifier()):
            raise ValueError(f"{{{name}}} is not a plain field such as {{subject}}; write {{{{ for a brace")
    return text


def _is_soon(within: Duration) -> Duration:
    if within > DAY:
        raise ValueError(f"{format_duration(within)} is too long to be the same trouble; write 1d or less")
    return within


class RuleFile(BaseModel):
    """The fields of a rule's file. `match` and `with` are read with the detector at hand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: StrictBool = Field(default=True, description="whether it judges; what an override switches")
    rule: str = Field(pattern=ID, description="the rule's id, which is its file's name")
    extends: str = Field(default="", description="id of the rule it is a change of")
    detector: str = Field(description="the mechanism behind it")
    match: dict[str, Any] = Field(description="{metric: ..., label: ...}, or one of these for each role")
    by: tuple[str, ...] = Field(default=(), description="one incident for each set of these labels")
    params: dict[str, Any] = Field(
        default_factory=dict, alias="with", description="the detector's parameters"
    )
    clear_when: dict[str, Any] | None = Field(
        default=None, description="parameters by which it is clear again; between the two nothing changes"
    )
    hold: HoldField = Field(
        default=0, alias="for", description="how long a breach lasts before it fires, or 3 of 5 bins"
    )
    keep_firing_for: DurationField = Field(default=0, description="how long it is clear before it recovers")
    reopen_within: Annotated[DurationField, AfterValidator(_is_soon)] = Field(
        default=0, description="how soon after its end trouble is the same incident, which comes back"
    )
    flapping: FlappingField = Field(
        default=None, description="how often it comes back within how long that it flaps; or false: never"
    )
    severity: _Word | dict[_Word, dict[str, Any] | None] = Field(
        description="one word, or parameters for each: {warning: {}, critical: {floor: 0.2}}"
    )
    mode: Literal["live", "shadow"] = Field(
        default="live", description="shadow judges and records, and tells nobody"
    )
    summary: Annotated[str, AfterValidator(_is_template)] = Field(
        default="{subject}: {text}", description="one line, with {fields}"
    )
    why: str = ""
    false_alarms: str = ""
    runbook: str = ""


class _Nothing(BaseModel):
    """The parameters of a detector that is not known."""


def load_rule(document: Document) -> Rule:
    """The rule a document holds, whether or not it is `enabled`.

    Raises:
        ConfigurationError: all that is wrong in it.
    """
    problems: list[Problem] = []
    file = _attempt(lambda: validate(document, RuleFile), problems)
    mechanism = _attempt(lambda: _mechanism(document), problems)
    parts = None if mechanism is None else _parts(document, mechanism, problems)
    if file is None or parts is None or problems:
        raise ConfigurationError(dict.fromkeys(problems))
    return _rule(document, file, parts)


def load_bare(document: Document) -> Rule:
    """The rule a document holds without what takes a detector to read: it matches nothing.

    Raises:
        ConfigurationError: all that is wrong in the rest of it.
    """
    file, nothing = validate(document, RuleFile), _Nothing()
    words = [file.severity] if isinstance(file.severity, str) else list(file.severity)
    return _rule(document, file, _Parts(nothing, {}, None, {Severity.parse(word): nothing for word in words}))


def _rule(document: Document, file: RuleFile, parts: "_Parts") -> Rule:
    needs = file.hold if isinstance(file.hold, NofM) else None
    return Rule(
        id=file.rule,
        detector=file.detector,
        match=parts.match,
        by=file.by,
        params=parts.params,
        hold=0 if needs is not None else file.hold,
        keep_firing_for=file.keep_firing_for,
        reopen_within=file.reopen_within,
        flapping=flapping(file.flapping, file.reopen_within),
        severity=Severity.parse(file.severity) if isinstance(file.severity, str) else min(parts.severities),
        summary=file.summary.strip(),
        why=file.why.strip(),
        false_alarms=file.false_alarms.strip(),
        runbook=file.runbook.strip(),
        provenance=Provenance(document.file, document.mark(()).line, _digest(document)),
        needs=needs,
        clear_when=parts.clear,
        severities=parts.severities,
        mode=Mode(file.mode),
        extends=file.extends,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is read with the detector at hand."""

    params: BaseModel
    match: Mapping[str, Selector]
    clear: BaseModel | None
    severities: Mapping[Severity, BaseModel]


def _parts(document: Document, mechanism: type[Detector], problems: list[Problem]) -> _Parts | None:
    params = _attempt(lambda: validate(document, mechanism.Params, at=("with",)), problems)
    roles = mechanism.roles if params is None else mechanism(params).roles
    match = _attempt(lambda: selectors(document, roles), problems)
    clear = _attempt(lambda: variants.clear_when(document, mechanism), problems)
    severities = _attempt(lambda: variants.severities(document, mechanism), problems)
    if params is None or match is None or severities is None:
        return None
    return _Parts(params, match, clear, severities)


def bind(rule: Rule) -> BoundRule:
    """The rule with its detector, as the engine takes it.

    Raises:
        KeyError: no such detector; a loaded rule has one.
    """
    mechanism = detector(rule.detector)
    if mechanism is None:
        raise KeyError(rule.detector)
    return BoundRule(rule, mechanism(rule.params))


def _mechanism(document: Document) -> type[Detector] | None:
    name = document.get(("detector",))
    if not isinstance(name, str):
        return None  # its absence is told by the file's own validation
    found = detector(name)
    if found is None:
        problem = document.problem(("detector",), f"unknown detector `{name}`", nearest(name, known()))
        raise ConfigurationError([problem])
    return found


def _attempt(read: Callable[[], T], problems: list[Problem]) -> T | None:
    try:
        return read()
    except ConfigurationError as error:
        problems += error.problems
        return None


def _digest(document: Document) -> str:
    text = json.dumps(document.data, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
