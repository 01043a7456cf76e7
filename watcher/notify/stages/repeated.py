"""Reminders of what stands: nobody is reminded of what somebody has taken on."""

from watcher.model.incident import Status
from watcher.model.message import Telling
from watcher.notify.stages.plan import Case, Reason, Word


def repeated(case: Case) -> Word | Reason:
    """The reminder that is due, or why there is none."""
    if case.incident.status is Status.ACKNOWLEDGED:
        return Reason.ACKNOWLEDGED
    return Word(case, Telling.REMINDER, Reason.REPEATED)
