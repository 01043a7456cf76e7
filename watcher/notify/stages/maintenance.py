"""What the configuration says is being worked on: told when the window ends, as it then stands."""

from watcher.model.silence import silenced_by
from watcher.notify.stages.plan import Hold, Reason, View, Word


def maintained(word: Word, view: View) -> Hold | None:
    """Until the window ends that holds longest; what is over by then is not told at all."""
    found = silenced_by(view.suppressions.maintenance, word.case.incident, view.now)
    if found is None:
        return None
    by = f"{found.id}: {found.reason}"
    if word.case.incident.over:
        return Hold(Reason.OVER_IN_MAINTENANCE, by=by)
    return Hold(Reason.MAINTENANCE, found.until(view.now), by=by)
