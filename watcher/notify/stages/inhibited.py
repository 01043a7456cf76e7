"""What another open incident explains: told when that one is over and this one still stands."""

from typing import Final

from watcher.model.time import MINUTE, Duration
from watcher.notify.stages.plan import Hold, Reason, View, Word

LOOK_AGAIN: Final[Duration] = MINUTE
"""Nobody knows when the other will be over: so long after its end, at most, what it hid is told."""


def inhibited(word: Word, view: View) -> Hold | None:
    """While an incident stands that explains it; what is over by then is not told at all."""
    found = view.suppressions.inhibitors.get(word.case.incident.id)
    if found is None:
        return None
    by = f"{found.key.rule} {found.id}"
    if word.case.incident.over:
        return Hold(Reason.OVER_WHILE_INHIBITED, by=by)
    return Hold(Reason.INHIBITED, view.now + LOOK_AGAIN, by=by)
