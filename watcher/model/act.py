"""What people do to incidents: asked by a command, applied by the daemon, kept for good."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from watcher.model.time import HOUR, Duration, Instant


class ActKind(StrEnum):
    """What a person may do to an incident."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    NOTE = "note"
    ASSIGN = "assign"
    SNOOZE = "snooze"
    RESOLVE = "resolve"


class ActState(StrEnum):
    """What became of an act."""

    ASKED = "asked"
    APPLIED = "applied"
    REFUSED = "refused"


UNACKNOWLEDGE_AFTER: Final[Duration] = 12 * HOUR
"""How long an acknowledgement holds unless the configuration or the act says otherwise."""
WATCHER: Final = "watcher"
"""Who acts where no person does: an acknowledgement that lapses."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing a person did to one incident, as a row of the book."""

    incident_id: str
    kind: ActKind
    who: str
    asked_at: Instant
    text: str = ""
    """What a note says; whom it is assigned to, empty for nobody; of the others, why."""
    until: Instant | None = None
    """When a snooze or an acknowledgement ends; None ends a snooze now, and leaves the other to the book."""
    id: int = 0
    """Given by the book, in the order in which acts are applied; 0 before."""
    state: ActState = ActState.ASKED
    applied_at: Instant | None = None
    effective_at: Instant | None = None
    """In event time: how far the incident's stream was settled when it was applied."""
    row: int | None = None
    """The newest row of the journal when it was applied: a replay applies it after that row."""
    detail: str = ""
    """Why it was refused."""
