"""Incidents: what the engine says changed, and what the book keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from watcher.model.labels import LabelSet
from watcher.model.rule import Severity
from watcher.model.time import Instant


class Status(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"


class Resolution(StrEnum):
    """Why an incident is over."""

    RECOVERED = "recovered"
    GONE = "gone"
    UNJUDGED = "unjudged"
    MANUAL = "manual"
    CORRECTED = "corrected"
    MERGED = "merged"


class Change(StrEnum):
    """What happened to one episode. The engine's only vocabulary."""

    OPENED = "opened"
    RESOLVED = "resolved"
    REOPENED = "reopened"  # restatement showed that it had not ended
    MOVED = "moved"  # restatement moved its start or its end
    WITHDRAWN = "withdrawn"  # restatement showed that it never was
    MERGED = "merged"  # restatement joined it to an older one
    UNJUDGED = "unjudged"  # blind for long: a note, not an end
    ROSE = "rose"  # it goes on at a higher severity
    FELL = "fell"  # it goes on at a lower one: recorded, not told
    WIDENED = "widened"  # a wider incident reaches further
    JOINED = "joined"  # a wider incident explains it, and tells of it from now on
    PARTED = "parted"  # restatement showed that no wider one does


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves a verdict: the window it looked at, seen against usual, and the words for it."""

    start: Instant
    end: Instant
    seen: float | None = None
    expected: float | None = None
    range: tuple[float, float] | None = None
    """Usual range of `seen`, low and high."""
    requests: float | None = None
    """The traffic behind it: how many events the window counted."""
    text: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    """The figures as a person reads them (`seen`: "12.4 %"), for templates."""
    parts: tuple[Mapping[str, str], ...] = ()
    exemplars: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentKey:
    """Identity of an incident over time: its rule and its labels (`source`, `vendor` and the rule's `by`)."""

    rule: str
    labels: LabelSet


@dataclass(frozen=True, slots=True)
class Wider:
    """The wider incident that explains one: its key, and its start as it now stands."""

    key: IncidentKey
    opened_at: Instant


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of one episode: the engine's only output.

    `was` names the episode as it was last told (its former start); equal to `opened_at` unless restatement
    moved it. For MERGED, `opened_at` is the start of the episode it was joined to.
    """

    change: Change
    key: IncidentKey
    severity: Severity
    was: Instant
    opened_at: Instant
    resolved_at: Instant | None
    decided_at: Instant
    summary: str
    evidence: Evidence
    resolution: Resolution | None = None
    recovery: Evidence | None = None
    """At the end of an episode: the healthy reading."""
    wider: Wider | None = None
    """What explains it; its own transition stands before this one where both are new."""
    quiet: bool = False
    """It is recorded, and told to nobody: a wider incident tells, or the change is too small."""
    shadow: bool = False
    """Its rule is on trial."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One episode of one (rule, group key) as the book holds it."""

    id: str
    key: IncidentKey
    severity: Severity
    status: Status
    summary: str
    opened_at: Instant
    detected_at: Instant
    evidence: Evidence
    resolution: Resolution | None = None
    acknowledged_at: Instant | None = None
    resolved_at: Instant | None = None
    parent_id: str | None = None
    merged_into: str | None = None
    recovery: Evidence | None = None
    drill: bool = False
    shadow: bool = False
    """Of a rule on trial: told to nobody."""

    @property
    def over(self) -> bool:
        """Whether nothing more is expected of it."""
        return self.status in {Status.RESOLVED, Status.WITHDRAWN}
