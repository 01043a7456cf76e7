"""Incidents: what the engine says changed, and what the book keeps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from watcher.model.act import Act, ActKind, ActState
from watcher.model.labels import LabelSet
from watcher.model.rule import Severity
from watcher.model.time import Duration, Instant


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
    FLAPPING = "flapping"  # it came back so often that its ends and returns are told no more one by one
    STEADY = "steady"  # it no longer flaps: recorded, not told


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
class Figures:
    """What an episode amounts to so far, by all of its readings."""

    peak: Evidence | None = None
    """The worst reading."""
    affected: float | None = None
    """Requests hurt beyond what was expected."""
    returns: int = 0
    """How often it came back within its rule's `reopen_within`."""
    flapping: bool = False
    """It came back so often, and so lately, that it counts as one that flaps; once over, as of its end."""


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
    figures: Figures | None = None
    """None: they are as they were."""
    act: Act | None = None
    """What a person did that led to it."""
    drill: bool = False
    """It only shows how an incident goes: nothing was judged."""
    rest: Duration = 0
    """At the end of what flaps: how long it may yet come back, which is not told until then."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An act that nobody has applied yet, and the incident as the book held it when that was seen."""

    act: Act
    incident: "Incident"


@dataclass(frozen=True, slots=True)
class End:
    """The end that a person put to what went on of an incident's key."""

    key: IncidentKey
    at: Instant
    """In event time."""
    row: int = 0
    """The newest row of the journal when it was applied."""


@dataclass(frozen=True, slots=True)
class Affected:
    """One resource that an origin feeds which is in trouble."""

    source: str
    resource: str
    name: str
    """What people call it."""
    hurt: bool
    """It has an open incident of its own; else it is about to be hurt."""


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
    acknowledged_by: str = ""
    unack_at: Instant | None = None
    """When an acknowledgement lapses: the incident is open again, and reminded of."""
    assignee: str = ""
    snoozed_until: Instant | None = None
    """Until then no opening and no reminder is told; an all-clear is."""
    returns: int = 0
    """How often it came back within its rule's `reopen_within`."""
    flapping: bool = False
    """It came back so often, and so lately, that it counts as one that flaps; once over, as of its end."""
    peak: Evidence | None = None
    """The worst reading, as far as it was kept."""
    affected: float | None = None
    """Requests hurt beyond what was expected, over the whole incident."""
    resolved_by: str = ""
    """Who ended it by hand; not stored, but filled in from the acts where it is told."""
    resolved_why: str = ""
    """In that person's words."""
    ended_by_hand_at: Instant | None = None
    """When that was asked for: `resolved_at` is as of where its streams were settled then."""
    affects: tuple[Affected, ...] = ()
    """What its origin feeds: not stored, but filled in from the inventory where it is shown or told."""

    @property
    def over(self) -> bool:
        """Whether nothing more is expected of it."""
        return self.status in {Status.RESOLVED, Status.WITHDRAWN}


def ended_by(incident: Incident, acts: Iterable[Act]) -> Incident:
    """With who ended it by hand, and why, where that is how it ended: the last of its acts that did."""
    if incident.resolution is not Resolution.MANUAL:
        return incident
    for act in acts:
        if act.kind is ActKind.RESOLVE and act.state is ActState.APPLIED:
            incident = replace(
                incident, resolved_by=act.who, resolved_why=act.text, ended_by_hand_at=act.asked_at
            )
    return incident
