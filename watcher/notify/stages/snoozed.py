"""What a person put off: nothing of it is told until then, and what is over by then not at all."""

from watcher.notify.stages.plan import Hold, Reason, View, Word


def snoozed(word: Word, view: View) -> Hold | None:
    """Until its snooze ends."""
    incident = word.case.incident
    if incident.snoozed_until is None or incident.snoozed_until <= view.now:
        return None
    return Hold(Reason.OVER_WHILE_SNOOZED) if incident.over else Hold(Reason.SNOOZED, incident.snoozed_until)
