"""Rows that need not be told, for their target would learn nothing from them."""

from watcher.model.message import Telling
from watcher.notify.stages.plan import OPENINGS, Case, Reason, View


def taken_back(case: Case) -> Reason | None:
    """Of an incident that is withdrawn: nothing, where the opening never left."""
    if case.owes(Telling.OPENED) and not case.tried(Telling.OPENED):
        return Reason.TAKEN_BACK
    if case.owes(Telling.WITHDRAWN):
        return None if case.heard or case.tried(Telling.OPENED) else Reason.TAKEN_BACK
    return Reason.TAKEN_BACK if case.owes(Telling.OPENED) else Reason.SUPERSEDED


def over_before(case: Case, view: View) -> Reason | None:
    """An end is told to those who heard of the opening, however late; to others only while it is news."""
    opens = case.owes(*OPENINGS)
    if not opens and not case.owes(Telling.RESOLVED):
        return Reason.OVER
    ended = case.incident.resolved_at
    old = ended is not None and ended < view.now - view.tell_within
    return Reason.TOO_OLD if old and (opens or not case.heard) else None


def unsaid(case: Case) -> Reason | None:
    """A reopening takes back an end: nothing, where that end never left."""
    never_left = case.owes(Telling.RESOLVED) and not case.tried(Telling.RESOLVED)
    return Reason.NOTHING_NEW if never_left else None
