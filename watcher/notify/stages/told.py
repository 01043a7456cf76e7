"""What the due rows of one incident come to: one telling of it as it now stands, or none."""

from watcher.model.incident import Status
from watcher.model.message import Telling
from watcher.notify.stages.nothing_new import over_before, taken_back, unsaid
from watcher.notify.stages.plan import OPENINGS, Case, Reason, View, Word
from watcher.notify.stages.repeated import repeated


def told(case: Case, view: View) -> Word | Reason:
    """What its target is told of a case; the reason where that is nothing."""
    if case.incident.status is Status.WITHDRAWN:
        return taken_back(case) or Word(case, Telling.WITHDRAWN, Reason.TOLD)
    if case.incident.over:
        return over_before(case, view) or _ended(case)
    return _standing(case)


def _ended(case: Case) -> Word:
    """An opening whose end was not claimed with it is told as such: the end has a row of its own."""
    opening = next((row.telling for row in case.rows if row.telling in OPENINGS), None)
    if not case.owes(Telling.RESOLVED) and opening is not None:
        return Word(case, opening, Reason.TOLD)
    unheard = opening is not None or not case.heard
    return Word(case, Telling.RESOLVED, Reason.WITH_ITS_END if unheard else Reason.TOLD)


def _standing(case: Case) -> Word | Reason:
    if case.owes(Telling.OPENED):
        return Word(case, Telling.OPENED, Reason.TOLD)
    if case.owes(Telling.FLAPPING):
        return Word(case, Telling.FLAPPING, Reason.TOLD)
    if case.owes(Telling.REOPENED):
        return unsaid(case) or Word(case, Telling.REOPENED, Reason.TOLD)
    for telling in (Telling.ROSE, Telling.WIDENED, Telling.UNJUDGED):
        if case.owes(telling):
            return Word(case, telling, Reason.TOLD)
    return repeated(case) if case.owes(Telling.REMINDER) else Reason.SUPERSEDED
