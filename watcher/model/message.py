"""Messages: what to say to one target, and what the outbox owes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from watcher.model.incident import Incident
from watcher.model.rule import Severity
from watcher.model.time import Duration, Instant


class Telling(StrEnum):
    """Why a message is owed: the change it tells of, or a reminder of one that stands."""

    OPENED = "opened"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    UNJUDGED = "unjudged"
    ROSE = "rose"
    WIDENED = "widened"
    REMINDER = "reminder"


@dataclass(frozen=True, slots=True)
class Owed:
    """One row the outbox will hold once the tick commits.

    `target` is a receiver's name and the ordinal of one of its URLs (`mail/0`): each target is attempted
    and retried by itself. A row that is `held` waits until its source has caught up, and no longer than
    `not_before`.
    """

    target: str
    not_before: Instant
    held: bool = False
    repeat: Duration = 0
    """Tell again this long after it was told, while the incident is open; 0 is once."""
    ready_at: Instant = 0
    """A held row whose source has caught up is due then, and not earlier."""
    follows: bool = False
    """No route points here: it is owed only where an earlier word of the incident went."""


@dataclass(frozen=True, slots=True)
class Due:
    """One claimed outbox row, with the incident as it stands now."""

    id: int
    telling: Telling
    target: str
    incident: Incident
    created_at: Instant
    attempts: int
    held: bool
    """It waited for its source to catch up, so it may be told in a digest."""
    heard: bool = True
    """The target has been told of this incident before; an end that it has not may be too old to tell."""

    @property
    def key(self) -> str:
        """The same for every attempt: lets a receiver see the message once."""
        return f"{self.incident.id}:{self.telling}:{self.id}"


@dataclass(frozen=True, slots=True)
class Message:
    """What one target is told: of one incident, or of several in a digest."""

    key: str
    kind: str
    """A `Telling`, or `digest`, or `test`."""
    severity: Severity
    recovery: bool
    title: str
    text: str
    html: str
    facts: Mapping[str, object]
    """The same as JSON-ready values, for structured targets."""
