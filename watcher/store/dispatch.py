"""What one tick owes whom: the outbox rows of the incidents it touches, before they are written. Pure.

A receiver is told what changed since it was last told, not every step between: what is not delivered yet is
replaced by what is newer, and what follows an opening also goes where that went.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from watcher.model.incident import Change, Incident
from watcher.model.message import Owed, Policy, Telling
from watcher.model.rule import Severity
from watcher.model.time import Duration, Instant
from watcher.store.ledger import Entry

DUE: Final = "due"
DONE: Final = "done"
SKIPPED: Final = "skipped"
DEAD: Final = "dead"

_TELLINGS: Final[Mapping[Change, Telling]] = {
    Change.OPENED: Telling.OPENED,
    Change.RESOLVED: Telling.RESOLVED,
    Change.REOPENED: Telling.REOPENED,
    Change.WITHDRAWN: Telling.WITHDRAWN,
    Change.MERGED: Telling.WITHDRAWN,
    Change.UNJUDGED: Telling.UNJUDGED,
    Change.ROSE: Telling.ROSE,
    Change.WIDENED: Telling.WIDENED,
    Change.PARTED: Telling.OPENED,
}
"""A moved start or end and a fallen severity are in the book and in the timeline, and told to nobody."""

_WORDS: Final = frozenset({DUE, DONE})
"""States of a row that its target has heard, or will."""
OPENINGS: Final = frozenset({Telling.OPENED, Telling.REOPENED})
_ENDINGS: Final = frozenset({Telling.RESOLVED, Telling.WITHDRAWN})
_GOING_ON: Final = frozenset({Telling.ROSE, Telling.WIDENED})
"""What an incident says while it stands: to who has not heard of it, it is an opening."""
REMINDED: Final = OPENINGS | {Telling.REMINDER}
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


class Dispatch:
    """The rows of the incidents that a tick changes, by (incident, target), oldest first."""

    def __init__(self, letters: Iterable[Letter] = ()) -> None:
        self._letters: defaultdict[str, defaultdict[str, list[Letter]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._dropped: dict[int, str] = {}
        self._moved: dict[int, Instant] = {}
        for letter in letters:
            self._letters[letter.incident_id][letter.target].append(letter)

    def owe(self, entry: Entry, owed: Sequence[Owed]) -> None:
        """Take in what one applied transition owes."""
        targets = self._letters[entry.incident_id]
        if entry.transition.change is Change.JOINED:
            for letters in targets.values():
                self._drop(letters, frozenset(Telling), "a wider incident tells of it")
        telling = _TELLINGS.get(entry.transition.change)
        if telling is None:
            return
        if telling in _ENDINGS:
            for letters in targets.values():
                self._drop(letters, _mooted(telling), f"over before it was told ({telling})")
        for one in owed:
            letters = targets[one.target]
            is_first = not any(letter.state in _WORDS for letter in letters)
            perhaps = telling in _ENDINGS and any(map(_may_have_arrived, letters))
            if one.follows and is_first and not perhaps:
                continue
            word = _word(telling, one, letters, is_first=is_first)
            needed = _needed(word, letters)
            self._drop(letters, _superseded(word), f"superseded by {word}")
            letters.append(_letter(entry, word, one, letters, needed=needed))
            if needed and word is Telling.ROSE and one.repeat and not one.follows:
                self._drop(letters, frozenset({Telling.REMINDER}), "reminded as its severity is from now on")
            if _wants_reminder(word, one, letters, needed=needed):
                letters.append(_reminder(entry, one))

    def remind(self, incident_id: str, at: Instant) -> None:
        """Owe a reminder at a time to every target that knows of an incident and of no end of it.

        A reminder that is owed already is told then instead; who hears of the incident anyway needs none.
        """
        for target, letters in self._letters[incident_id].items():
            owing = [index for index, one in enumerate(letters) if one.state == DUE]
            last = _last_told(letters)
            if not owing and last is not None and last not in _ENDINGS:
                letters.append(_extra_reminder(incident_id, target, letters, at))
            for index in owing:
                self._put_off(letters, index, at)

    def _put_off(self, letters: list[Letter], index: int, at: Instant) -> None:
        letter = letters[index]
        if letter.telling is not Telling.REMINDER or not letter.waiting:
            return
        if letter.id is not None:
            self._moved[letter.id] = at
        elif letter.owed is not None:
            letters[index] = replace(letter, owed=replace(letter.owed, not_before=at))

    @property
    def dropped(self) -> Mapping[int, str]:
        """Written rows that need not be told any more, and why."""
        return self._dropped

    @property
    def moved(self) -> Mapping[int, Instant]:
        """Written rows that are due at another time."""
        return self._moved

    @property
    def added(self) -> Sequence[Letter]:
        """Rows to write."""
        every = (one for targets in self._letters.values() for letters in targets.values() for one in letters)
        return [letter for letter in every if letter.id is None]

    def _drop(self, letters: list[Letter], tellings: frozenset[Telling], reason: str) -> None:
        for index, letter in enumerate(letters):
            if letter.waiting and letter.telling in tellings:
                letters[index] = replace(letter, state=SKIPPED, detail=reason)
                if letter.id is not None:
                    self._dropped[letter.id] = reason


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


def _letter(entry: Entry, telling: Telling, owed: Owed, before: Sequence[Letter], *, needed: bool) -> Letter:
    return Letter(
        id=None,
        incident_id=entry.incident_id,
        target=owed.target,
        telling=telling,
        state=DUE if needed else SKIPPED,
        sending=False,
        detail="" if needed else "nothing new for this receiver",
        mark=entry.mark,
        owed=owed,
        waits_for=_undelivered(before),
        way=_way(telling, owed, before),
        repeat=owed.repeat,
    )


def _way(telling: Telling, owed: Owed, before: Sequence[Letter]) -> Way:
    """An end goes the way its opening went, whatever the routes say by now."""
    if owed.follows or telling in _ENDINGS:
        for letter in reversed(before):
            if letter.way.route:
                return letter.way
    return Way(owed.route, owed.group, _policy_text(owed.policy))


@lru_cache(maxsize=256)
def _policy_text(policy: Policy) -> str:
    return "{}" if policy == Policy() else msgspec.json.encode(policy).decode()


def _reminder(entry: Entry, owed: Owed) -> Letter:
    """What a receiver is owed that need not be told of an opening: it knows, and it still stands."""
    return Letter(
        id=None,
        incident_id=entry.incident_id,
        target=owed.target,
        telling=Telling.REMINDER,
        state=DUE,
        sending=False,
        mark=f"reminder:{entry.mark}",
        owed=replace(owed, not_before=owed.not_before + owed.repeat, held=False),
        way=Way(owed.route, owed.group, _policy_text(owed.policy)),
        repeat=owed.repeat,
    )


def _extra_reminder(incident_id: str, target: str, letters: Sequence[Letter], at: Instant) -> Letter:
    """A reminder that no telling before it owes; more follow it where the last one was to be repeated."""
    repeated = next((one for one in reversed(letters) if one.telling in REMINDED), letters[-1])
    return Letter(
        id=None,
        incident_id=incident_id,
        target=target,
        telling=Telling.REMINDER,
        state=DUE,
        sending=False,
        mark=f"reminder:{letters[-1].id}:{at}",
        owed=Owed(target, at, repeat=repeated.repeat),
        way=repeated.way,
        repeat=repeated.repeat,
    )


def _wants_reminder(telling: Telling, owed: Owed, letters: Sequence[Letter], *, needed: bool) -> bool:
    """Whether nothing that is still under way would owe the next one; an opening owes it once it is told."""
    under_way = any(one.state == DUE and one.telling in REMINDED for one in letters)
    owes_none = telling is Telling.ROSE if needed else telling in OPENINGS
    return owes_none and not owed.follows and owed.repeat > 0 and not under_way


def _word(telling: Telling, owed: Owed, letters: Sequence[Letter], *, is_first: bool) -> Telling:
    """As what it is told: to who has not heard of the incident, what goes on is an opening.

    What got worse is told in place of an opening that waits for more, for it waits for nothing.
    """
    if is_first and telling in _GOING_ON:
        return Telling.OPENED
    if telling is Telling.ROSE and not owed.follows:
        waiting = (one.telling for one in letters if one.waiting and one.telling in OPENINGS)
        return next(waiting, telling)
    return telling


def _mooted(telling: Telling) -> frozenset[Telling]:
    """What an ending makes pointless at every target, owed or not."""
    return frozenset(Telling) if telling is Telling.WITHDRAWN else frozenset({Telling.REMINDER})


def _superseded(telling: Telling) -> frozenset[Telling]:
    """What a newer word to the same target replaces while it is undelivered."""
    if telling is Telling.UNJUDGED:
        return frozenset({Telling.UNJUDGED})
    if telling in _GOING_ON:
        return _GOING_ON
    return frozenset(Telling)


def _undelivered(letters: Sequence[Letter]) -> int | None:
    """The newest row still to be delivered; a reminder is no news, so nothing waits for it."""
    due = (one.id for one in reversed(letters) if one.state == DUE and one.telling is not Telling.REMINDER)
    return next(due, None)


def _needed(telling: Telling, letters: Sequence[Letter]) -> bool:
    """Whether the receiver, given what it was last told, learns anything.

    What was tried may have arrived or not: an end is taken back where the opening may have, and what stands
    is told where it may not have or where its end may have.
    """
    last = _last_told(letters)  # anything but an ending says that it stands
    match telling:
        case Telling.ROSE | Telling.WIDENED:
            return not any(one.waiting and one.telling in OPENINGS for one in letters)
        case Telling.WITHDRAWN:
            return last is not Telling.WITHDRAWN and (last is not None or any(one.tried for one in letters))
        case Telling.OPENED | Telling.REOPENED:
            return last is None or last in _ENDINGS or _may_think_it_over(letters)
        case _:
            return last is not telling or telling is Telling.UNJUDGED


def _may_have_arrived(letter: Letter) -> bool:
    """Whether it was dropped after an attempt that may have been taken: none says that of one given up."""
    return letter.tried and letter.state == SKIPPED


def _may_think_it_over(letters: Sequence[Letter]) -> bool:
    """Whether an end was tried since the receiver was last told for sure."""
    since = next((at for at in reversed(range(len(letters))) if _is_told(letters[at])), -1)
    return any(one.tried and one.telling in _ENDINGS for one in letters[since + 1 :])


def _last_told(letters: Sequence[Letter]) -> Telling | None:
    """What the receiver heard last, or hears at this moment."""
    return next((one.telling for one in reversed(letters) if _is_told(one)), None)


def _is_told(letter: Letter) -> bool:
    return letter.state == DONE or (letter.state == DUE and letter.sending)


def rank(telling: Telling, severity: Severity) -> int:
    """Where a row stands among those that are due: critical first, then openings before endings."""
    return 2 * (Severity.CRITICAL - severity) + (telling in _ENDINGS)


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
        "reason": letter.detail,
        "leased_until": 0,
        "waits_for": letter.waits_for,
        "attempts": 0,
        "changed_at": at,
        "detail": letter.detail,
    }


def reminder_values(row: Mapping[str, Any], at: Instant) -> dict[str, object]:
    """Column values of the reminder that follows a row which was settled."""
    policy = msgspec.json.decode(row["policy"], type=Policy)
    doubled = min(2 * row["repeat"], policy.repeat_max) if policy.repeat_max else row["repeat"]
    own: dict[str, object] = {
        "mark": f"reminder:{row['id']}",
        "telling": Telling.REMINDER,
        "created_at": at,
        "due_at": at + row["repeat"],
        "repeat": doubled,
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
