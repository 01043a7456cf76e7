"""What stages decide on and what they decide, each with the reason that the delivery log keeps."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Final

from watcher.model.incident import Incident
from watcher.model.message import Due, Telling
from watcher.model.recurrence import Recurrence
from watcher.model.rule import Severity
from watcher.model.time import DAY, Duration, Instant
from watcher.notify.stages.suppressions import NOTHING, Suppressions

DIGEST: Final = "digest"
"""The kind of a message that tells of several incidents."""
GROUP: Final = "group"
"""The kind of one that tells of several incidents of one group."""
IN_FULL: Final = 20
"""Incidents of one message that are told in full; the rest is listed, a line each."""
DIGEST_SIZE: Final = 200
"""Incidents of one message at most: about 35 kB of text, which every receiver takes."""
TELL_WITHIN: Final[Duration] = DAY
"""What ended longer ago, and was never told, is not told any more."""

OPENINGS: Final = frozenset({Telling.OPENED, Telling.REOPENED})
ENDINGS: Final = frozenset({Telling.RESOLVED, Telling.WITHDRAWN})


class Reason(StrEnum):
    """Why rows were told, are waiting, or were not told."""

    TOLD = "told"
    WITH_ITS_END = "told with its end"
    REPEATED = "repeated"
    GROUPED = "told with its group"
    DIGESTED = "told in a digest"
    CAUGHT_UP = "told after catching up"
    AFTER_MUTE = "told after a mute"
    THROTTLED = "told with others, for there were many"

    MUTED = "muted"
    SNOOZED = "snoozed"
    SILENCED = "silenced"
    MAINTENANCE = "in maintenance"
    INHIBITED = "inhibited"
    AWAITS_DIGEST = "waits for the digest"
    AWAITS_GROUP = "waits for its group"
    AWAITS_RATE = "waits, for there are many"
    FLAPPING = "flapping"

    TOO_OLD = "too old"
    OVER = "over already"
    OVER_WHILE_SNOOZED = "over while snoozed"
    OVER_WHILE_SILENCED = "over while silenced"
    OVER_IN_MAINTENANCE = "over while in maintenance"
    OVER_WHILE_INHIBITED = "over while inhibited"
    ACKNOWLEDGED = "acknowledged"
    TAKEN_BACK = "withdrawn before it was told"
    NOTHING_NEW = "nothing new"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Case:
    """One incident with all its due rows, in the order they were owed."""

    incident: Incident
    rows: tuple[Due, ...]

    def owes(self, *tellings: Telling) -> bool:
        """Whether any row is one of these."""
        return any(row.telling in tellings for row in self.rows)

    @property
    def heard(self) -> bool:
        """Whether the target knows of the incident."""
        return any(row.heard for row in self.rows)

    @property
    def last(self) -> Due:
        """The newest row: how it is told goes for all."""
        return self.rows[-1]

    def tried(self, telling: Telling) -> bool:
        """Whether it may have arrived: an attempt that timed out leaves that open."""
        return any(row.attempts for row in self.rows if row.telling is telling)

    def waited(self, *reasons: Reason) -> bool:
        """Whether a row has waited for one of these."""
        return any(row.reason in reasons for row in self.rows)


@dataclass(frozen=True, slots=True)
class Word:
    """What a target is to hear of one case, and why."""

    case: Case
    telling: Telling
    reason: Reason

    @property
    def is_news(self) -> bool:
        """Whether it tells of trouble: what suppression is for. An all-clear to who heard of it is not."""
        return self.telling is not Telling.WITHDRAWN and not (
            self.telling is Telling.RESOLVED and self.case.heard
        )


@dataclass(frozen=True)
class Plan:
    """One message to be: which rows it settles, of which incidents it tells, and as what."""

    kind: str
    """A `Telling`, `DIGEST` or `GROUP`."""
    incidents: tuple[Incident, ...]
    """Those told in full."""
    rows: tuple[Due, ...]
    reason: Reason
    more: tuple[Incident, ...] = ()
    """Those told in a line each: "and 37 more"."""
    tellings: Mapping[str, Telling] = field(default_factory=dict)
    """By incident, as what it is told."""
    group: Mapping[str, str] = field(default_factory=dict)
    """Labels that a group has in common."""

    @cached_property
    def key(self) -> str:
        """The same for every attempt at the same rows: lets a receiver see the message once."""
        if len(self.incidents) + len(self.more) > 1:
            keys = "\n".join(sorted(row.key for row in self.rows))
            return f"{self.kind}:{sha256(keys.encode()).hexdigest()[:16]}"
        return self.rows[-1].key

    @cached_property
    def keys(self) -> Mapping[str, str]:
        """By incident: the key it is told under, whether by itself or, after a crash, in another digest."""
        return {row.incident.id: row.key for row in self.rows}

    @property
    def every(self) -> tuple[Incident, ...]:
        """All it tells of."""
        return self.incidents + self.more

    @property
    def severity(self) -> Severity:
        """The highest of its incidents."""
        return max(incident.severity for incident in self.every)

    @property
    def attempts(self) -> int:
        """The most that any of its rows has seen."""
        return max(row.attempts for row in self.rows)

    @property
    def ends(self) -> bool:
        """Whether it tells of nothing but ends."""
        return all(telling in ENDINGS for telling in self.tellings.values())


@dataclass(frozen=True, slots=True)
class Skip:
    """Rows that need not be told."""

    rows: tuple[Due, ...]
    reason: Reason
    by: str = ""
    """What decided it, where that has a name."""

    @property
    def words(self) -> str:
        """The reason as the delivery log keeps it."""
        return _words(self.reason, self.by)


@dataclass(frozen=True, slots=True)
class Wait:
    """Rows that are not told yet, and when they are looked at again."""

    rows: tuple[Due, ...]
    reason: Reason
    until: Instant
    by: str = ""
    """What decided it, where that has a name."""

    @property
    def words(self) -> str:
        """The reason as the delivery log keeps it."""
        return _words(self.reason, self.by)


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a word is not told now; without `until` it never will be."""

    reason: Reason
    until: Instant | None = None
    by: str = ""
    """What decides it, where that has a name: "silenced by s-4a1f09c2: a drill"."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Words that go into one message have equal bundles."""

    kind: str
    reason: Reason
    route: str = ""
    group: str = ""
    telling: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Each row given is in exactly one plan, wait or skip. Plans come most severe first."""

    plans: tuple[Plan, ...] = ()
    waits: tuple[Wait, ...] = ()
    skips: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What decisions look at beside the rows, as it stands at one look of one lane."""

    now: Instant
    tell_within: Duration = TELL_WITHIN
    times: Mapping[str, Sequence[Recurrence]] = field(default_factory=dict)
    """The named times that routes are muted in."""
    suppressions: Suppressions = NOTHING
    gathers: bool = True
    """Whether the target takes several incidents in one message."""
    room: int | None = None
    """Messages that its rate allows now; None is any number."""
    more_room_at: Instant = 0
    """When the rate allows another, where `room` is spent."""


def single(word: Word) -> Plan:
    """The message that tells of one case by itself."""
    incident = word.case.incident
    return Plan(word.telling, (incident,), word.case.rows, word.reason, tellings={incident.id: word.telling})


def merged(plans: Sequence[Plan], bundle: Bundle) -> Iterator[Plan]:
    """As few messages as tell of all these; one alone stays what it is. No incident may be in two plans."""
    for part in _parts(sorted(plans, key=urgency)):
        if len(part) == 1:
            yield part[0]
            continue
        incidents = tuple(incident for plan in part for incident in plan.every)
        yield Plan(
            bundle.kind,
            incidents[:IN_FULL],
            tuple(row for plan in part for row in plan.rows),
            bundle.reason,
            more=incidents[IN_FULL:],
            tellings={key: telling for plan in part for key, telling in plan.tellings.items()},
            group=json.loads(bundle.group or "{}"),
        )


def _words(reason: Reason, by: str) -> str:
    return f"{reason} by {by}" if by else str(reason)


def _parts(plans: Sequence[Plan]) -> Iterator[Sequence[Plan]]:
    """In their order, so many at a time as one message may tell of."""
    part: list[Plan] = []
    size = 0
    for plan in plans:
        if part and size + len(plan.every) > DIGEST_SIZE:
            yield part
            part, size = [], 0
        part.append(plan)
        size += len(plan.every)
    if part:
        yield part


def urgency(plan: Plan) -> tuple[int, Instant, str]:
    """What is told first: the most severe, then the oldest."""
    first = plan.incidents[0]
    return -plan.severity, first.opened_at, first.id
