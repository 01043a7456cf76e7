"""What one tick owes whom: the outbox rows of the incidents it touches, before they are written. Pure.

A receiver is told what changed since it was last told, not every step between: what is not delivered yet is
replaced by what is newer, and what follows an opening also goes where that went.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from watcher.model.incident import Change
from watcher.model.message import Owed, Telling
from watcher.model.time import Instant
from watcher.store.ledger import Entry
from watcher.store.letter import (
    DEAD,
    DONE,
    DUE,
    ENDINGS,
    OPENINGS,
    REMINDED,
    SKIPPED,
    Letter,
    Way,
    one_fewer,
    policy_text,
    reminders_left,
)

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
    Change.FLAPPING: Telling.FLAPPING,
}
"""A moved start or end and a fallen severity are in the book and in the timeline, and told to nobody."""

_WORDS: Final = frozenset({DUE, DONE})
"""States of a row that its target has heard, or will."""
_GOING_ON: Final = frozenset({Telling.ROSE, Telling.WIDENED})
"""What an incident says while it stands: to who has not heard of it, it is an opening."""
_OF_FLAPPING: Final = frozenset({Telling.RESOLVED, Telling.REOPENED, Telling.FLAPPING})
"""What an end that may well be taken back replaces: neither an opening nor a rise waits with it."""
_FLAPPING: Final = "flapping"


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
        if telling in ENDINGS and not entry.transition.rest:
            for letters in targets.values():
                self._drop(letters, _mooted(telling), f"over before it was told ({telling})")
        for one in owed:
            self._owe(entry, telling, one, targets[one.target])

    def _owe(self, entry: Entry, telling: Telling, one: Owed, letters: list[Letter]) -> None:
        """Take in what is owed to one target."""
        if telling is Telling.OPENED and not letters and not one.follows:
            letters.append(
                _letter(entry, telling, one, letters, skipped="")
            )  # nothing was owed that it meets
            return
        is_first = not any(letter.state in _WORDS for letter in letters)
        perhaps = telling in ENDINGS and any(map(_may_have_arrived, letters))
        if one.follows and is_first and not perhaps:
            return
        if telling is Telling.REOPENED and not is_first:
            telling = _back_as(entry, letters)
        word = _word(telling, one, letters, is_first=is_first)
        skipped = _why_not(word, letters, knows=perhaps or not is_first)
        needed, is_one_more = not skipped, _is_one_more(entry)
        self._drop(letters, _replaced(entry, word), _FLAPPING if is_one_more else f"superseded by {word}")
        reason = _FLAPPING if skipped and is_one_more else skipped
        letters.append(_letter(entry, word, one, letters, skipped=reason))
        if needed and word is Telling.ROSE and one.repeat and not one.follows:
            self._drop(letters, frozenset({Telling.REMINDER}), "reminded as its severity is from now on")
        if _wants_reminder(word, one, letters, needed=needed):
            left = one.policy.repeat_times if needed else reminders_left(one.policy, letters[:-1])
            if left != 0:
                again = replace(one, policy=replace(one.policy, repeat_times=left))
                letters.append(_reminder(entry, again))

    def remind(self, incident_id: str, at: Instant) -> None:
        """Owe a reminder at a time to every target that knows of an incident and of no end of it.

        A reminder that is owed already is told then instead; who hears of the incident anyway needs none.
        """
        for target, letters in self._letters[incident_id].items():
            owing = [index for index, one in enumerate(letters) if one.state == DUE]
            last = _last_told(letters)
            if not owing and last is not None and last not in ENDINGS:
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


def _letter(entry: Entry, telling: Telling, owed: Owed, before: Sequence[Letter], *, skipped: str) -> Letter:
    """`skipped` is why it need not be told; empty where it is to be."""
    return Letter(
        id=None,
        incident_id=entry.incident_id,
        target=owed.target,
        telling=telling,
        state=SKIPPED if skipped else DUE,
        sending=False,
        detail=skipped,
        mark=entry.mark,
        owed=owed,
        waits_for=_undelivered(before),
        way=_way(telling, owed, before),
        repeat=owed.repeat,
    )


def _way(telling: Telling, owed: Owed, before: Sequence[Letter]) -> Way:
    """An end goes the way its opening went, whatever the routes say by now."""
    if owed.follows or telling in ENDINGS:
        for letter in reversed(before):
            if letter.way.route:
                return letter.way
    return Way(owed.route, owed.group, policy_text(owed.policy))


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
        way=Way(owed.route, owed.group, policy_text(one_fewer(owed.policy))),
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
    if is_first and telling in _GOING_ON | {Telling.FLAPPING}:
        return Telling.OPENED
    if telling is Telling.FLAPPING and any(one.waiting and one.telling is Telling.OPENED for one in letters):
        return Telling.OPENED
    if telling is Telling.ROSE and not owed.follows:
        waiting = (one.telling for one in letters if one.waiting and one.telling in OPENINGS)
        return next(waiting, telling)
    return telling


def _is_one_more(entry: Entry) -> bool:
    """Whether it is one more return of what flaps, and was told to."""
    figures = entry.transition.figures
    return entry.transition.change is Change.REOPENED and figures is not None and figures.flapping


def _back_as(entry: Entry, letters: Sequence[Letter]) -> Telling:
    """As what a return is told: what is worse than ever is news to who heard of no end of it.

    So is that it flaps, to who could not be told when it began to.
    """
    last = _last_told(letters)
    stands = last is not None and last not in ENDINGS and not _may_think_it_over(letters)
    if entry.is_worse and stands:
        return Telling.ROSE
    knows = any(one.telling is Telling.FLAPPING and one.state in _WORDS for one in letters)
    return Telling.FLAPPING if _is_one_more(entry) and not knows else Telling.REOPENED


def _replaced(entry: Entry, word: Telling) -> frozenset[Telling]:
    """What is owed no more with a word of this change. What flaps is reminded of all the while."""
    if entry.transition.rest:
        return _OF_FLAPPING
    if _is_one_more(entry):
        return frozenset(Telling) - {Telling.REMINDER, Telling.FLAPPING}
    of_change = _TELLINGS[entry.transition.change]
    return _superseded(word) | (_superseded(of_change) if of_change is Telling.REOPENED else frozenset())


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


def _why_not(telling: Telling, letters: Sequence[Letter], *, knows: bool) -> str:
    """Why a word need not be told; empty where it is. Who was owed no opening is not told of the end.

    An opening that was given up was owed: its end, which names both times, is then the first word of it.
    """
    if not _needed(telling, letters):
        return "nothing new for this receiver"
    owed_before = knows or any(one.state == DEAD for one in letters)
    return "it was not told of the opening" if telling is Telling.RESOLVED and not owed_before else ""


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
        case Telling.REOPENED if any(one.waiting and one.telling is Telling.FLAPPING for one in letters):
            return False
        case Telling.OPENED | Telling.REOPENED:
            return last is None or last in ENDINGS or _may_think_it_over(letters)
        case _:
            return last is not telling or telling is Telling.UNJUDGED


def _may_have_arrived(letter: Letter) -> bool:
    """Whether it was dropped after an attempt that may have been taken: none says that of one given up."""
    return letter.tried and letter.state == SKIPPED


def _may_think_it_over(letters: Sequence[Letter]) -> bool:
    """Whether an end was tried since the receiver was last told for sure."""
    since = next((at for at in reversed(range(len(letters))) if _is_told(letters[at])), -1)
    return any(one.tried and one.telling in ENDINGS for one in letters[since + 1 :])


def _last_told(letters: Sequence[Letter]) -> Telling | None:
    """What the receiver heard last, or hears at this moment."""
    return next((one.telling for one in reversed(letters) if _is_told(one)), None)


def _is_told(letter: Letter) -> bool:
    return letter.state == DONE or (letter.state == DUE and letter.sending)
