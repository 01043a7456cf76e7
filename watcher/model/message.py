"""Messages: what to say to one target, and what the outbox owes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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
    FLAPPING = "flapping"


@dataclass(frozen=True, slots=True)
class Policy:
    """How a route tells. A row keeps it, so that another configuration finds it as it was owed."""

    repeat_max: Duration = 0
    """Each reminder waits twice as long as the one before, up to this; 0 is always as long."""
    group_interval: Duration = 0
    """What a group was told is not followed sooner than this."""
    mute: tuple[str, ...] = ()
    """Names of times in which nothing new is told."""
    digest: Duration = 0
    """What is below `digest_below` is gathered, and told at whole multiples of this; 0 is at once."""
    digest_below: Severity = Severity.WARNING
    repeat_times: int | None = None
    """How many reminders may follow still; None is any number."""


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
    route: str = ""
    """The route that points here."""
    group: str = ""
    """Labels it is grouped by, as a JSON object; empty is told by itself."""
    policy: Policy = Policy()
    reason: str = ""
    """Why it is due only later, as the delivery log keeps it; empty where nothing holds it back."""


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
    route: str = ""
    group: str = ""
    policy: Policy = Policy()
    reason: str = ""
    """What was decided of it last, where it has waited."""
    fence: int = 0
    """The claim it was given by: only that one may mark it."""
    group_told_at: Instant | None = None
    """When its group was last told anything at its target."""
    group_stands: bool = False
    """Another incident of its group, of which the target has heard, is not over."""

    @property
    def key(self) -> str:
        """The same for every attempt: lets a receiver see the message once."""
        return f"{self.incident.id}:{self.telling}:{self.id}"


@dataclass(frozen=True, slots=True)
class Message:
    """What one target is told: of one incident, or of several in a digest."""

    key: str
    kind: str
    """A `Telling`, or `digest`, `group` or `test`."""
    severity: Severity
    recovery: bool
    title: str
    text: str
    html: str
    facts: Mapping[str, object]
    """The same as JSON-ready values, for structured targets."""
    blocks: Sequence[Mapping[str, object]] = ()
    """The same as Slack's blocks, where the target takes them."""
    colour: str = ""
    """Of its state, ``#b42318``, for targets that show one."""
    flaw: str = ""
    """What was wrong with a template: the message then has the words of another, or plain ones."""

    @property
    def incidents(self) -> Sequence[Mapping[str, Any]]:
        """The facts of each incident it tells of, one or several."""
        several = self.facts.get("incidents")
        if isinstance(several, list):
            return several
        return [self.facts] if self.facts else []
