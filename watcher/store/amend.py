"""What a transition makes of an incident, and how its timeline tells it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, Final

from watcher.model.incident import Change, Figures, Incident, Resolution, Status, Transition
from watcher.model.time import rfc3339
from watcher.model.words import number, span


def begin(transition: Transition, incident_id: str, parent_id: str | None = None) -> Incident:
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
        parent_id=parent_id,
        shadow=transition.shadow,
        drill=transition.drill,
        **_figures(transition),
    )


def amend(incident: Incident, transition: Transition, into: Incident | None = None) -> Incident:
    """The incident after the transition; `into` is the older one it was merged into, or the wider one.

    What the engine says of an episode replaces what the book held of it: start, end, severity and, where it
    says them anew, summary and evidence.
    """
    match transition.change:
        case Change.RESOLVED | Change.REOPENED | Change.MOVED:
            return _retimed(incident, transition)
        case Change.ROSE | Change.FELL | Change.WIDENED | Change.FLAPPING | Change.STEADY:
            # Where its start moved as well, MOVED says so.
            return replace(_restated(incident, transition), opened_at=incident.opened_at)
        case Change.WITHDRAWN:
            return replace(incident, status=Status.WITHDRAWN, resolution=Resolution.CORRECTED)
        case Change.MERGED:
            older = into.id if into else None
            return replace(incident, status=Status.WITHDRAWN, resolution=Resolution.MERGED, merged_into=older)
        case Change.JOINED | Change.PARTED:
            return replace(incident, parent_id=into.id if into else None)
    return incident


def _retimed(incident: Incident, transition: Transition) -> Incident:
    """Ended, open again, or with another start or end."""
    told = _restated(incident, transition)
    if transition.change is Change.RESOLVED:
        reason = transition.resolution or Resolution.RECOVERED
        ended = replace(told, status=Status.RESOLVED, resolution=reason, recovery=transition.recovery)
        if act := transition.act:
            ended = replace(ended, resolved_by=act.who, resolved_why=act.text, ended_by_hand_at=act.asked_at)
        return replace(ended, resolved_at=transition.resolved_at)
    if transition.change is Change.REOPENED:
        standing = Status.OPEN if incident.acknowledged_at is None else Status.ACKNOWLEDGED
        return replace(told, status=standing, resolution=None, resolved_at=None, recovery=None)
    by_hand = incident.resolution is Resolution.MANUAL  # its end is when a person said so
    moved = transition.resolved_at is not None and incident.over and not by_hand
    return replace(
        told,
        resolved_at=transition.resolved_at if moved else incident.resolved_at,
        resolution=transition.resolution if moved else incident.resolution,
        recovery=incident.recovery if by_hand else transition.recovery or incident.recovery,
    )


def _restated(incident: Incident, transition: Transition) -> Incident:
    told = replace(
        incident, opened_at=transition.opened_at, severity=transition.severity, **_figures(transition)
    )
    if not transition.summary:
        return told  # it proves nothing of its own: what was frozen at the opening stands
    return replace(told, summary=transition.summary, evidence=transition.evidence)


def inherit(older: Incident, younger: Incident) -> Incident:
    """The incident that another is merged into, with what people had done to that one."""
    if older.over:
        return older
    heir = replace(older, assignee=older.assignee or younger.assignee)
    if heir.snoozed_until is None:
        heir = replace(heir, snoozed_until=younger.snoozed_until)
    if heir.status is not Status.OPEN or younger.status is not Status.ACKNOWLEDGED:
        return heir
    return replace(
        heir,
        status=Status.ACKNOWLEDGED,
        acknowledged_at=younger.acknowledged_at,
        acknowledged_by=younger.acknowledged_by,
        unack_at=younger.unack_at,
    )


def inheritance(older: Incident, heir: Incident, younger: Incident) -> str:
    """One line for the timeline of the older one."""
    taken = (
        (f"acknowledged by {heir.acknowledged_by}", heir.status is not older.status),
        (f"assigned to {heir.assignee}", heir.assignee != older.assignee),
        ("snoozed", heir.snoozed_until != older.snoozed_until),
    )
    return (
        f"{', '.join(word for word, is_new in taken if is_new)}, as {younger.id} was, which is merged into it"
    )


def _figures(transition: Transition) -> Mapping[str, Any]:
    """Those that the engine says anew."""
    if transition.figures is None:
        return {}
    return {one.name: getattr(transition.figures, one.name) for one in fields(Figures)}


def story(before: Incident | None, after: Incident, transition: Transition) -> str:
    """One line for the timeline."""
    if transition.change is Change.UNJUDGED:
        return transition.evidence.text or "still open, but without data to judge it by"
    if transition.change is Change.FLAPPING:
        return _flapping(transition, after)
    if transition.act is not None and transition.act.text:
        return f"{_ending(after)}: {transition.act.text}"
    return _STORIES[transition.change](before or after, after)


_ENDINGS: Final = {
    Resolution.RECOVERED: "recovered",
    Resolution.GONE: "over: what it was about is gone",
    Resolution.UNJUDGED: "closed unjudged",
    Resolution.MANUAL: "resolved by hand",
}


def _ending(incident: Incident) -> str:
    word = _ENDINGS.get(incident.resolution or Resolution.RECOVERED, "over")
    length = (incident.resolved_at or incident.opened_at) - incident.opened_at
    last = "; last read" if incident.resolution is Resolution.MANUAL else ":"
    healthy = f"{last} {incident.recovery.text}" if incident.recovery and incident.recovery.text else ""
    return f"{word} after {span(length)}{healthy}"


def _reopening(before: Incident, after: Incident) -> str:
    if after.returns <= before.returns:
        return f"not over after all: {after.summary}"
    flaps = ", and flaps" if after.flapping else ""
    return f"it came back, {_times(after.returns)} by now{flaps}: {after.summary}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _flapping(transition: Transition, after: Incident) -> str:
    often = transition.evidence.text or f"it came back {_times(after.returns)}"
    return f"{often}: it flaps, and its ends and returns are not told one by one"


def is_untold(before: Incident, after: Incident, transition: Transition) -> bool:
    """Whether a restatement changed figures alone, and none of them so that a person would read another one.

    The row is amended then, and the timeline has nothing to tell.
    """
    if transition.change is not Change.MOVED:
        return False
    same = replace(before, peak=after.peak, affected=after.affected) == after
    return same and _worth(before) == _worth(after)


def _worth(incident: Incident) -> str:
    """What it amounts to, as a person reads it: of what was lost the first two figures."""
    worst = f"worst {incident.peak.text}" if incident.peak is not None and incident.peak.text else ""
    affected = incident.affected or 0.0
    lost = f"about {number(float(f'{affected:.2g}'))} requests affected" if affected else ""
    return ", ".join(part for part in (worst, lost) if part)


def _movement(before: Incident, after: Incident) -> str:
    moves = []
    if before.opened_at != after.opened_at:
        moves.append(f"start moved from {rfc3339(before.opened_at)} to {rfc3339(after.opened_at)}")
    if before.resolved_at != after.resolved_at and before.resolved_at and after.resolved_at:
        moves.append(f"end moved from {rfc3339(before.resolved_at)} to {rfc3339(after.resolved_at)}")
    return (
        "; ".join(moves) or f"restated: {_worth(after) if _worth(before) != _worth(after) else after.summary}"
    )


_STORIES: Final[Mapping[Change, Callable[[Incident, Incident], str]]] = {
    Change.OPENED: lambda _, after: after.summary,
    Change.RESOLVED: lambda _, after: _ending(after),
    Change.REOPENED: _reopening,
    Change.MOVED: _movement,
    Change.WITHDRAWN: lambda *_: "withdrawn: by the numbers as they stand now it was no incident",
    Change.MERGED: lambda _, after: f"merged into {after.merged_into or 'an older incident'}",
    Change.ROSE: lambda before, after: f"{before.severity} before, {after.severity} now: {after.summary}",
    Change.FELL: lambda before, after: f"{before.severity} before, {after.severity} now",
    Change.WIDENED: lambda _, after: after.summary,
    Change.JOINED: lambda _, after: f"part of a wider incident, {after.parent_id}",
    Change.PARTED: lambda *_: "part of no wider incident after all",
    Change.STEADY: lambda _, after: f"it flaps no more; it came back {_times(after.returns)}",
}
"""By change: what the timeline says of the incident before and after it."""
