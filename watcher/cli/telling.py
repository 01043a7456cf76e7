"""Incidents and times in the few words that a line of a terminal has room for."""

from watcher.model.incident import Incident
from watcher.model.time import MINUTE, Instant, to_datetime
from watcher.model.words import span


def moment(instant: Instant) -> str:
    """``2026-11-22 03:00Z``, with seconds where there are any."""
    return to_datetime(instant).strftime("%Y-%m-%d %H:%M:%SZ" if instant % MINUTE else "%Y-%m-%d %H:%MZ")


def lasted(incident: Incident, now: Instant) -> str:
    """How long it lasted, or has lasted by now."""
    end = incident.resolved_at
    if end is None and incident.over:
        return ""
    return span(max(0, (now if end is None else end) - incident.opened_at))


def one_line(text: str) -> str:
    """The same without line breaks."""
    return " ".join(text.split())
