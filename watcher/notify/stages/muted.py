"""Times in which a route tells nothing new. What came meanwhile is told when they end, as it then stands."""

from watcher.model.recurrence import covered_until
from watcher.model.rule import Severity
from watcher.notify.stages.plan import DIGEST, Bundle, Hold, Reason, View, Word


def muted(word: Word, view: View) -> Hold | None:
    """Until the times its route is muted in are over; a name that is configured no more mutes nothing."""
    spans = [span for name in word.case.last.policy.mute for span in view.times.get(name, ())]
    until = covered_until(spans, view.now)
    return None if until is None else Hold(Reason.MUTED, until)


def after_mute(word: Word) -> Bundle | None:
    """What was muted is told in one digest when that is over; critical incidents are told each."""
    gathers = word.case.incident.severity < Severity.CRITICAL and word.case.waited(Reason.MUTED)
    return Bundle(DIGEST, Reason.AFTER_MUTE) if gathers else None
