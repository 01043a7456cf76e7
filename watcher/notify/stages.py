"""What is told of the rows that are due: pure decisions, each with the reason the delivery log keeps.

All due rows of one incident become one telling of the incident as it now stands, or none. What waited for a
source to catch up is then gathered in a digest, critical incidents apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from watcher.model.incident import Incident, Status
from watcher.model.message import Due, Telling
from watcher.model.rule import Severity
from watcher.model.time import DAY, Duration, Instant

DIGEST: Final = "digest"
"""The kind of a message that tells of several incidents."""
DIGEST_SIZE: Final = 50
"""Incidents in one digest at most: about 15 kB of text, which every receiver takes."""
TELL_WITHIN: Final[Duration] = DAY
"""What ended longer ago, and was never told, is not told any more."""

_OPENINGS: Final = frozenset({Telling.OPENED, Telling.REOPENED})


class Reason(StrEnum):
    """Why rows were told or not."""

    TOLD = "told"
    WITH_ITS_END = "told with its end"
    DIGESTED = "told in a digest"
    REPEATED = "repeated"
    TOO_OLD = "too old"
    OVER = "over already"
    ACKNOWLEDGED = "acknowledged"
    TAKEN_BACK = "withdrawn before it was told"
    NOTHING_NEW = "nothing new"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Plan:
    """One message to be: which rows it settles, of which incidents it tells, and as what."""

    kind: str
    """A `Telling`, or `DIGEST`."""
    incidents: tuple[Incident, ...]
    rows: tuple[Due, ...]
    reason: Reason

    @property
    def key(self) -> str:
        """The same for every attempt at the same rows: lets a receiver see the message once."""
        if self.kind == DIGEST:
            keys = "\n".join(sorted(row.key for row in self.rows))
            return f"{DIGEST}:{sha256(keys.encode()).hexdigest()[:16]}"
        return self.rows[-1].key

    @property
    def keys(self) -> Mapping[str, str]:
        """By incident: the key it is told under, whether by itself or, after a crash, in another digest."""
        return {row.incident.id: row.key for row in self.rows}

    @property
    def severity(self) -> Severity:
        """The highest of its incidents."""
        return max(incident.severity for incident in self.incidents)

    @property
    def attempts(self) -> int:
        """The most that any of its rows has seen."""
        return max(row.attempts for row in self.rows)


@dataclass(frozen=True, slots=True)
class Skip:
    """Rows that need not be told."""

    rows: tuple[Due, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Decision:
    """Each row given is in exactly one plan or skip. Plans come most severe first."""

    plans: tuple[Plan, ...]
    skips: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """One incident with all its due rows, in the order they were owed."""

    incident: Incident
    rows: tuple[Due, ...]

    def owes(self, *tellings: Telling) -> bool:
        return any(row.telling in tellings for row in self.rows)

    @property
    def heard(self) -> bool:
        """Whether the target knows of the incident."""
        return any(row.heard for row in self.rows)

    def tried(self, telling: Telling) -> bool:
        """Whether it may have arrived: an attempt that timed out leaves that open."""
        return any(row.attempts for row in self.rows if row.telling is telling)


def decide(rows: Iterable[Due], *, now: Instant, tell_within: Duration = TELL_WITHIN) -> Decision:
    """What one target is told of these rows, all of one claim."""
    plans, skips = [], []
    for case in _by_incident(rows):
        kind, reason = _judge(case, now, tell_within)
        if kind is None:
            skips.append(Skip(case.rows, reason))
        else:
            plans.append(Plan(kind, (case.incident,), case.rows, reason))
    return Decision(tuple(sorted(_gather(plans), key=_urgency)), tuple(skips))


def _by_incident(rows: Iterable[Due]) -> list[_Case]:
    grouped: dict[str, list[Due]] = {}
    for row in sorted(rows, key=lambda row: (row.created_at, row.id)):
        grouped.setdefault(row.incident.id, []).append(row)
    return [_Case(group[-1].incident, tuple(group)) for group in grouped.values()]


def _judge(case: _Case, now: Instant, tell_within: Duration) -> tuple[Telling | None, Reason]:
    if case.incident.status is Status.WITHDRAWN:
        return _withdrawn(case)
    if case.incident.over:
        return _over(case, now - tell_within)
    return _standing(case)


def _withdrawn(case: _Case) -> tuple[Telling | None, Reason]:
    if case.owes(Telling.OPENED) and not case.tried(Telling.OPENED):
        return None, Reason.TAKEN_BACK
    if case.owes(Telling.WITHDRAWN):
        return Telling.WITHDRAWN, Reason.TOLD
    return None, Reason.TAKEN_BACK if case.owes(Telling.OPENED) else Reason.SUPERSEDED


def _over(case: _Case, horizon: Instant) -> tuple[Telling | None, Reason]:
    """An end is told to those who heard of the opening, however late; to others only while it is news."""
    opening = next((row.telling for row in case.rows if row.telling in _OPENINGS), None)
    if opening is None and not case.owes(Telling.RESOLVED):
        return None, Reason.OVER
    ended = case.incident.resolved_at
    if ended is not None and ended < horizon and (opening or not case.heard):
        return None, Reason.TOO_OLD
    if case.owes(Telling.RESOLVED):
        return Telling.RESOLVED, Reason.WITH_ITS_END if opening else Reason.TOLD
    return opening, Reason.TOLD  # its end has a row of its own, which was not claimed


def _standing(case: _Case) -> tuple[Telling | None, Reason]:
    if case.owes(Telling.OPENED):
        return Telling.OPENED, Reason.TOLD
    if case.owes(Telling.REOPENED):
        unsaid = case.owes(Telling.RESOLVED) and not case.tried(Telling.RESOLVED)
        return (None, Reason.NOTHING_NEW) if unsaid else (Telling.REOPENED, Reason.TOLD)
    for telling in (Telling.ROSE, Telling.WIDENED, Telling.UNJUDGED):
        if case.owes(telling):
            return telling, Reason.TOLD
    if case.owes(Telling.REMINDER):
        taken = case.incident.status is Status.ACKNOWLEDGED
        return (None, Reason.ACKNOWLEDGED) if taken else (Telling.REMINDER, Reason.REPEATED)
    return None, Reason.SUPERSEDED


def _gather(plans: Sequence[Plan]) -> list[Plan]:
    """Turn what waited for its source into digests; one alone stays what it is."""
    waited = sorted((plan for plan in plans if _digestible(plan)), key=_urgency)
    if len(waited) < 2:
        return list(plans)
    apart = [plan for plan in plans if not _digestible(plan)]
    parts = [waited[start : start + DIGEST_SIZE] for start in range(0, len(waited), DIGEST_SIZE)]
    return apart + [_digest(part) for part in parts]


def _digestible(plan: Plan) -> bool:
    return plan.severity < Severity.CRITICAL and any(row.held for row in plan.rows)


def _digest(plans: Sequence[Plan]) -> Plan:
    if len(plans) == 1:
        return plans[0]
    incidents = tuple(incident for plan in plans for incident in plan.incidents)
    rows = tuple(row for plan in plans for row in plan.rows)
    return Plan(DIGEST, incidents, rows, Reason.DIGESTED)


def _urgency(plan: Plan) -> tuple[int, Instant, str]:
    first = plan.incidents[0]
    return -plan.severity, first.opened_at, first.id
