"""What a person has silenced: told when that is over, as it then stands; what is over by then not at all."""

from watcher.model.silence import silenced_by
from watcher.notify.stages.plan import Hold, Reason, View, Word


def silenced(word: Word, view: View) -> Hold | None:
    """Until the silence ends that holds longest; an end by hand makes what waits for it due at once."""
    found = silenced_by(view.suppressions.silences, word.case.incident, view.now)
    if found is None:
        return None
    by = f"{found.id}: {found.reason}"
    if word.case.incident.over:
        return Hold(Reason.OVER_WHILE_SILENCED, by=by)
    return Hold(Reason.SILENCED, found.until(view.now), by=by)
