"""Incidents and times in the few words that a line of a terminal has room for."""

from watcher.model.incident import Incident, Status
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


def standing(incident: Incident, now: Instant) -> str:
    """How it stands, with what else matters: on whose hands, snoozed, flapping, only tried or exercised."""
    words = [str(incident.status)]
    if incident.status is Status.ACKNOWLEDGED and incident.acknowledged_by:
        words = [f"acknowledged by {incident.acknowledged_by}"]
    if not incident.over and incident.snoozed_until is not None and incident.snoozed_until > now:
        words.append("snoozed")
    marks = {"flapping": incident.flapping, "shadow": incident.shadow, "drill": incident.drill}
    return ", ".join([*words, *(word for word, is_so in marks.items() if is_so)])
