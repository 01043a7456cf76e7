"""How long an incident lasted, and how long people took: the figures of incident management (ITIL, SRE).

They add up: what it took to detect and, from there, to resolve is how long it lasted. Of what a person ended
it is that person's time that counts, where it is known: its own end is where its data reached then.
"""

from watcher.model.incident import Incident, Status
from watcher.model.time import Duration


def duration(incident: Incident) -> Duration | None:
    """From its start to its end, in event time; None while it goes on and where it never was."""
    if incident.resolved_at is None or incident.status is Status.WITHDRAWN:
        return None
    return max(0, incident.resolved_at - incident.opened_at)


def time_to_detect(incident: Incident) -> Duration:
    """From its start until watcher decided that it is one."""
    return max(0, incident.detected_at - incident.opened_at)


def time_to_acknowledge(incident: Incident) -> Duration | None:
    """From there until a person said that somebody is at it; None where nobody did, or does any more."""
    if incident.acknowledged_at is None:
        return None
    return max(0, incident.acknowledged_at - incident.detected_at)


def time_to_resolve(incident: Incident) -> Duration | None:
    """From its detection to its end; 0 where it was over before it was detected, None while it goes on."""
    if incident.ended_by_hand_at is not None:
        return max(0, incident.ended_by_hand_at - incident.detected_at)
    lasted = duration(incident)
    return None if lasted is None else max(0, lasted - time_to_detect(incident))
