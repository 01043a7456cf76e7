"""Incidents of one route whose labels to group by are equal: told together, not in quick succession."""

from typing import Final

from watcher.model.message import Telling
from watcher.notify.stages.plan import ENDINGS, GROUP, Bundle, Hold, Reason, View, Word

_URGENT: Final = frozenset({Telling.ROSE, Telling.WIDENED})
"""Who is told that it got worse is told at once."""


def grouped(word: Word, view: View) -> Hold | None:
    """Until `group_interval` after the group was last told; its last member's end waits for nothing.

    News waits no longer than that: what is urgent is told meanwhile, and must not put off the rest for ever.
    """
    last = word.case.last
    if not last.group or last.group_told_at is None or word.telling in _URGENT:
        return None
    if word.telling in ENDINGS and not last.group_stands:
        return None
    since = last.group_told_at
    if since > view.now:
        return None  # the clock was set back
    if word.telling is not Telling.REMINDER:
        since = min(since, word.case.rows[0].created_at)
    until = since + last.policy.group_interval
    return Hold(Reason.AWAITS_GROUP, until) if until > view.now else None


def group(word: Word) -> Bundle | None:
    """One message for what stands, one for what has recovered, one for what was withdrawn."""
    last = word.case.last
    if not last.group:
        return None
    telling = word.telling if word.telling in ENDINGS else ""
    return Bundle(GROUP, Reason.GROUPED, last.route, last.group, telling)
