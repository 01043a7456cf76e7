"""What waited for its source to catch up is told in one digest, critical incidents apart."""

from watcher.model.rule import Severity
from watcher.notify.stages.plan import DIGEST, Bundle, Reason, Word


def caught_up(word: Word) -> Bundle | None:
    """The digest after a catching up."""
    gathers = word.case.incident.severity < Severity.CRITICAL and any(row.held for row in word.case.rows)
    return Bundle(DIGEST, Reason.CAUGHT_UP) if gathers else None
