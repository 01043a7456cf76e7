"""What a person's act makes of an incident, and how its timeline tells it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from watcher.model.act import UNACKNOWLEDGE_AFTER, WATCHER, Act, ActKind
from watcher.model.incident import Incident, Resolution, Status
from watcher.model.time import SECOND, Duration, Instant, floor, rfc3339


@dataclass(frozen=True, slots=True)
class Moment:
    """When acts are applied, and by what policy."""

    at: Instant
    unacknowledge_after: Duration = UNACKNOWLEDGE_AFTER
    """0: an acknowledgement never lapses."""


def refusal(incident: Incident, act: Act, at: Instant) -> str:
    """Why it cannot be done; empty where it can."""
    if incident.status is Status.WITHDRAWN:
        if incident.merged_into:
            return f"it was merged into {incident.merged_into}: act on that one"
        return "it was withdrawn: by the numbers as they stand now it was no incident"
    if incident.over and act.kind is not ActKind.NOTE:
        return f"it is over: {_ENDS.get(incident.resolution, 'resolved')}"
    if act.kind is ActKind.UNACKNOWLEDGE and not _may_lapse(incident, act, at):
        return "it is not acknowledged"
    if act.kind is ActKind.SNOOZE and act.until is not None and act.until <= at:
        return f"{_clock(act.until)} has passed"
    return ""


def done(incident: Incident, act: Act, moment: Moment) -> Incident:
    """The incident after an act that is not refused; what ends it is a transition's to do."""
    match act.kind:
        case ActKind.ACKNOWLEDGE:
            return _acknowledged(incident, act, moment)
        case ActKind.UNACKNOWLEDGE:
            open_again = replace(incident, status=Status.OPEN, acknowledged_at=None)
            return replace(open_again, acknowledged_by="", unack_at=None)
        case ActKind.ASSIGN:
            return replace(incident, assignee=act.text)
        case ActKind.SNOOZE:
            return replace(incident, snoozed_until=act.until)
        case ActKind.NOTE | ActKind.RESOLVE:
            return incident


def _acknowledged(incident: Incident, act: Act, moment: Moment) -> Incident:
    """Whoever acknowledges it again takes it over; how soon it was acknowledged stays."""
    after = moment.unacknowledge_after
    since = act.asked_at if incident.acknowledged_at is None else incident.acknowledged_at
    return replace(
        incident,
        status=Status.ACKNOWLEDGED,
        acknowledged_at=since,
        acknowledged_by=act.who,
        unack_at=act.until or (moment.at + after if after else None),
    )


def _may_lapse(incident: Incident, act: Act, at: Instant) -> bool:
    """Whether there is an acknowledgement to take back, and for the watcher, one whose time has come."""
    is_due = incident.unack_at is not None and incident.unack_at <= at
    return incident.status is Status.ACKNOWLEDGED and (act.who != WATCHER or is_due)


KINDS: Final[Mapping[ActKind, str]] = {
    ActKind.ACKNOWLEDGE: "acknowledged",
    ActKind.UNACKNOWLEDGE: "unacknowledged",
    ActKind.NOTE: "note",
    ActKind.ASSIGN: "assigned",
    ActKind.SNOOZE: "snoozed",
}
"""By act: the kind of its row in the timeline; an end has the row of its transition."""


def deed_story(before: Incident, after: Incident, act: Act) -> str:
    """One line for the timeline; who did it stands beside it."""
    return _STORIES[act.kind](before, after, act)


def _acknowledgement(_before: Incident, after: Incident, act: Act) -> str:
    until = f"until {_clock(after.unack_at)}" if after.unack_at is not None else "for good"
    return f"{until}: {act.text}" if act.text else until


def _clock(at: Instant) -> str:
    """To the second: a person reads it."""
    return rfc3339(floor(at, SECOND))


def _lapse(before: Incident, _after: Incident, act: Act) -> str:
    if act.who == WATCHER:
        return f"the acknowledgement by {before.acknowledged_by or 'nobody'} has run out"
    return act.text or f"the acknowledgement by {before.acknowledged_by or 'nobody'} was taken back"


def _snooze(_before: Incident, after: Incident, act: Act) -> str:
    until = f"until {_clock(after.snoozed_until)}" if after.snoozed_until is not None else "no longer"
    return f"{until}: {act.text}" if act.text else until


_STORIES: Final[Mapping[ActKind, Callable[[Incident, Incident, Act], str]]] = {
    ActKind.ACKNOWLEDGE: _acknowledgement,
    ActKind.UNACKNOWLEDGE: _lapse,
    ActKind.NOTE: lambda _before, _after, act: act.text,
    ActKind.ASSIGN: lambda _before, _after, act: f"to {act.text}" if act.text else "to nobody",
    ActKind.SNOOZE: _snooze,
}

_ENDS: Final[Mapping[Resolution | None, str]] = {
    Resolution.RECOVERED: "it has recovered",
    Resolution.GONE: "what it was about is gone",
    Resolution.UNJUDGED: "it was closed unjudged",
    Resolution.MANUAL: "somebody has resolved it",
}
