"""Low severities of a route that says `digest`: gathered, ends included, and told at fixed times."""

from typing import Final

from watcher.model.time import floor
from watcher.notify.stages.plan import DIGEST, Bundle, Hold, Reason, View, Word

_NOT_PUT_OFF: Final = frozenset({"", Reason.AWAITS_RATE, Reason.FLAPPING})
"""What keeps rows from being looked at at all: what their route says is still to come."""


def digested(word: Word, view: View) -> Hold | None:
    """Until the next whole multiple of the digest's length; what a stage has put off waits no more."""
    every = word.case.last.policy.digest
    if not _gathers(word) or any(row.reason not in _NOT_PUT_OFF for row in word.case.rows):
        return None
    return Hold(Reason.AWAITS_DIGEST, floor(view.now, every) + every)


def digest(word: Word) -> Bundle | None:
    """The digest of one route."""
    return Bundle(DIGEST, Reason.DIGESTED, word.case.last.route) if _gathers(word) else None


def _gathers(word: Word) -> bool:
    policy = word.case.last.policy
    return policy.digest > 0 and word.case.incident.severity < policy.digest_below
