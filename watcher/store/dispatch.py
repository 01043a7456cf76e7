"""What one tick owes whom: the outbox rows of the incidents it touches, before they are written. Pure.

A receiver is told what changed since it was last told, not every step between: what is not delivered yet is
replaced by what is newer, and what follows an opening also goes where that went.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from watcher.model.incident import Change, Incident
from watcher.model.message import Owed, Telling
from watcher.model.rule import Severity
from watcher.model.time import Instant
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
_OPENINGS: Final = frozenset({Telling.OPENED, Telling.REOPENED})
_ENDINGS: Final = frozenset({Telling.RESOLVED, Telling.WITHDRAWN})
_GOING_ON: Final = frozenset({Telling.ROSE, Telling.WIDENED})
"""What an incident says while it stands: to who has not heard of it, it is an opening."""
REMINDED: Final = _OPENINGS | {Telling.REMINDER}
"""What the next reminder follows, however it was settled, while the incident stands open."""


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
            if one.follows and is_first:
                continue
            word = Telling.OPENED if is_first and telling in _GOING_ON else telling
            needed = _needed(word, letters)
            self._drop(letters, _superseded(word), f"superseded by {word}")
            letters.append(_letter(entry, word, one, letters, needed=needed))
            if not needed and _wants_reminder(word, one, letters):
                letters.append(_reminder(entry, one))

    @property
    def dropped(self) -> Mapping[int, str]:
        """Written rows that need not be told any more, and why."""
        return self._dropped

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
    )


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
    )


def _wants_reminder(telling: Telling, owed: Owed, letters: Sequence[Letter]) -> bool:
    """Whether nothing that is still under way would owe the next one."""
    under_way = any(one.state == DUE and one.telling in REMINDED for one in letters)
    return telling in _OPENINGS and owed.repeat > 0 and not under_way


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
    """Whether the receiver, given what it was last told, learns anything."""
    told = [one.telling for one in letters if one.state == DONE or (one.state == DUE and one.sending)]
    last = told[-1] if told else None  # anything but an ending says that it stands
    match telling:
        case Telling.ROSE | Telling.WIDENED:
            return not any(one.waiting and one.telling in _OPENINGS for one in letters)
        case Telling.WITHDRAWN:
            return last is not None and last is not Telling.WITHDRAWN
        case Telling.OPENED | Telling.REOPENED:
            return last is None or last in _ENDINGS
        case _:
            return last is not telling or telling is Telling.UNJUDGED


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
        "repeat": owed.repeat,
        "leased_until": 0,
        "waits_for": letter.waits_for,
        "attempts": 0,
        "changed_at": at,
        "detail": letter.detail,
    }
