"""What a transition makes of an incident, and how its timeline tells it. Pure."""

from dataclasses import replace
from typing import Final

from watcher.model.incident import Change, Incident, Resolution, Status, Transition
from watcher.model.time import rfc3339
from watcher.model.words import span


def begin(transition: Transition, incident_id: str) -> Incident:
    """The incident that an OPENED transition is the first word of."""
    return Incident(
        id=incident_id,
        key=transition.key,
        severity=transition.severity,
        status=Status.OPEN,
        summary=transition.summary,
        opened_at=transition.opened_at,
        detected_at=transition.decided_at,
        evidence=transition.evidence,
    )


def amend(incident: Incident, transition: Transition, into: Incident | None = None) -> Incident:
    """The incident after the transition; `into` is the older one it was merged into.

    What the engine says of an episode replaces what the book held of it: start, end, severity and, where it
    says them anew, summary and evidence.
    """
    match transition.change:
        case Change.RESOLVED:
            return replace(
                _restated(incident, transition),
                status=Status.RESOLVED,
                resolution=transition.resolution or Resolution.RECOVERED,
                resolved_at=transition.resolved_at,
                recovery=transition.recovery,
            )
        case Change.REOPENED:
            standing = Status.OPEN if incident.acknowledged_at is None else Status.ACKNOWLEDGED
            return replace(
                _restated(incident, transition),
                status=standing,
                resolution=None,
                resolved_at=None,
                recovery=None,
            )
        case Change.MOVED:
            moved = transition.resolved_at is not None and incident.over
            end = transition.resolved_at if moved else incident.resolved_at
            reason = transition.resolution if moved else incident.resolution
            recovery = transition.recovery or incident.recovery
            return replace(
                _restated(incident, transition), resolved_at=end, resolution=reason, recovery=recovery
            )
        case Change.WITHDRAWN:
            return replace(incident, status=Status.WITHDRAWN, resolution=Resolution.CORRECTED)
        case Change.MERGED:
            older = into.id if into else None
            return replace(incident, status=Status.WITHDRAWN, resolution=Resolution.MERGED, merged_into=older)
        case Change.OPENED | Change.UNJUDGED:
            return incident


def _restated(incident: Incident, transition: Transition) -> Incident:
    told = replace(incident, opened_at=transition.opened_at, severity=transition.severity)
    if not transition.summary:
        return told  # it proves nothing of its own: what was frozen at the opening stands
    return replace(told, summary=transition.summary, evidence=transition.evidence)


def story(before: Incident | None, after: Incident, transition: Transition) -> str:
    """One line for the timeline."""
    text = ""
    match transition.change:
        case Change.OPENED:
            text = transition.summary
        case Change.RESOLVED:
            text = _ending(after)
        case Change.REOPENED:
            text = "not over after all: " + after.summary
        case Change.MOVED:
            text = _movement(before or after, after)
        case Change.WITHDRAWN:
            text = "withdrawn: by the numbers as they stand now it was no incident"
        case Change.MERGED:
            text = f"merged into {after.merged_into or 'an older incident'}"
        case Change.UNJUDGED:
            text = transition.evidence.text or "still open, but without data to judge it by"
    return text


_ENDINGS: Final = {
    Resolution.RECOVERED: "recovered",
    Resolution.GONE: "over: what it was about is gone",
    Resolution.UNJUDGED: "closed unjudged",
    Resolution.MANUAL: "resolved by hand",
}


def _ending(incident: Incident) -> str:
    word = _ENDINGS.get(incident.resolution or Resolution.RECOVERED, "over")
    length = (incident.resolved_at or incident.opened_at) - incident.opened_at
    healthy = f": {incident.recovery.text}" if incident.recovery and incident.recovery.text else ""
    return f"{word} after {span(length)}{healthy}"


def _movement(before: Incident, after: Incident) -> str:
    moves = []
    if before.opened_at != after.opened_at:
        moves.append(f"start moved from {rfc3339(before.opened_at)} to {rfc3339(after.opened_at)}")
    if before.resolved_at != after.resolved_at and before.resolved_at and after.resolved_at:
        moves.append(f"end moved from {rfc3339(before.resolved_at)} to {rfc3339(after.resolved_at)}")
    return "; ".join(moves) or "restated: " + after.summary
