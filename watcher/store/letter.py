"""A letter: one row of the outbox before it is written, and its column values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from watcher.model.incident import Incident
from watcher.model.message import Owed, Policy, Telling
from watcher.model.rule import Severity
from watcher.model.time import Duration, Instant

DUE: Final = "due"
DONE: Final = "done"
SKIPPED: Final = "skipped"
DEAD: Final = "dead"
"""States of a row."""

OPENINGS: Final = frozenset({Telling.OPENED, Telling.REOPENED})
ENDINGS: Final = frozenset({Telling.RESOLVED, Telling.WITHDRAWN})
REMINDED: Final = OPENINGS | {Telling.REMINDER, Telling.FLAPPING}
"""What the next reminder follows, however it was settled, while the incident stands open."""


class Way(NamedTuple):
    """How a row is told: by which route, in which group, and by what policy, as text."""

    route: str = ""
    group: str = ""
    policy: str = "{}"


UNROUTED: Final = Way()


@dataclass(frozen=True, slots=True)
class Letter:
    """One row of the outbox; `id` is None until it is written."""

    id: int | None
    incident_id: str
    target: str
    telling: Telling
    state: str
    sending: bool
    """Leased by a courier at this moment: it may well arrive."""
    detail: str = ""
    mark: str = ""
    owed: Owed | None = None
    waits_for: int | None = None
    """The row that must be delivered or given up before this one, so that no word overtakes another."""
    tried: bool = False
    """It was attempted, or may have been by a courier that died: perhaps it arrived."""
    way: Way = UNROUTED
    repeat: Duration = 0

    @property
    def waiting(self) -> bool:
        """Not delivered, and nobody is at it."""
        return self.state == DUE and not self.sending


def letter_from(row: Any, at: Instant) -> Letter:  # noqa: ANN401 - a row of the outbox
    """A written row as a letter."""
    return Letter(
        id=row.id,
        incident_id=row.incident_id,
        target=row.target,
        telling=Telling(row.telling),
        state=row.state,
        sending=row.leased_until > at,
        tried=row.attempts > 0 or row.leased_until > 0,
        way=Way(row.route, row.group, row.policy),
        repeat=row.repeat,
    )


def rank(telling: Telling, severity: Severity) -> int:
    """Where a row stands among those that are due: critical first, then openings before endings."""
    return 2 * (Severity.CRITICAL - severity) + (telling in ENDINGS)


def letter_values(letter: Letter, incident: Incident, source: str, at: Instant) -> dict[str, object]:
    """Column values of a letter that is not written yet."""
    owed = letter.owed or Owed(letter.target, at)
    return {
        "incident_id": letter.incident_id,
        "mark": letter.mark,
        "telling": letter.telling.value,
        "target": letter.target,
        "source": source,
        "rank": rank(letter.telling, incident.severity),
        "state": letter.state,
        "created_at": at,
        "due_at": owed.not_before,
        "held": owed.held,
        "ready_at": owed.ready_at,
        "repeat": letter.repeat,
        "route": letter.way.route,
        "group": letter.way.group,
        "policy": letter.way.policy,
        "reason": letter.detail or owed.reason,
        "leased_until": 0,
        "waits_for": letter.waits_for,
        "attempts": 0,
        "changed_at": at,
        "detail": letter.detail,
    }


def reminder_values(row: Mapping[str, Any], at: Instant) -> dict[str, object] | None:
    """Column values of the reminder that follows a row which was settled; None after the last."""
    policy = _read(row["policy"])
    if policy.repeat_times == 0:
        return None
    doubled = min(2 * row["repeat"], policy.repeat_max) if policy.repeat_max else row["repeat"]
    own: dict[str, object] = {
        "mark": f"reminder:{row['id']}",
        "telling": Telling.REMINDER,
        "created_at": at,
        "due_at": at + row["repeat"],
        "repeat": doubled,
        "policy": policy_text(one_fewer(policy)),
        "held": False,
        "leased_until": 0,
        "waits_for": None,
        "attempts": 0,
        "changed_at": at,
        "detail": "",
        "reason": "",
        "fence": 0,
    }
    return {name: value for name, value in row.items() if name != "id"} | own


@lru_cache(maxsize=256)
def policy_text(policy: Policy) -> str:
    """As a row keeps it."""
    return "{}" if policy == Policy() else msgspec.json.encode(policy).decode()


def one_fewer(policy: Policy) -> Policy:
    """What a reminder keeps of the policy of the row that it follows."""
    left = policy.repeat_times
    return policy if left is None else replace(policy, repeat_times=left - 1)


def reminders_left(policy: Policy, letters: Sequence[Letter]) -> int | None:
    """How many reminders a policy leaves to who was told these, oldest first; None is any number.

    One that was skipped was not told, and is still to come.
    """
    if policy.repeat_times is None:
        return None
    for letter in reversed(letters):
        is_untold = letter.state == SKIPPED
        if letter.telling is Telling.REMINDER or (letter.telling in REMINDED and not is_untold):
            after = _read(letter.way.policy).repeat_times
            left = policy.repeat_times if after is None else after + is_untold
            return min(left, policy.repeat_times)
    return policy.repeat_times


_read: Final = lru_cache(maxsize=256)(msgspec.json.Decoder(Policy).decode)
