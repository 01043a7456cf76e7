"""An incident in words: what a message says, before any template gives it a shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from watcher.model.incident import Incident, Resolution, Status
from watcher.model.message import Telling
from watcher.model.rule import Flapping, Severity
from watcher.model.time import Instant
from watcher.model.words import span
from watcher.notify.facts import Fact, comebacks, facts, lasted, one_line, recovered, times
from watcher.notify.voice import Step, Voice

TITLE_LENGTH: Final = 200
"""Characters of a title; receivers cut at 250."""

_COLOURS: Final = {Severity.CRITICAL: "#b42318", Severity.WARNING: "#b54708", Severity.INFO: "#175cd3"}
_GREEN: Final = "#067647"
_GREY: Final = "#475467"

_BRIEF: Final = frozenset({"Seen since", "Seen", "Usual", "Where"})
_BRIEF_OVER: Final = frozenset({"When", "Now", "Where"})

_ENDINGS: Final = {
    Resolution.GONE: "Resolved (gone)",
    Resolution.MANUAL: "Resolved by hand",
    Resolution.UNJUDGED: "Closed unjudged",
    Resolution.MERGED: "Merged",
    Resolution.CORRECTED: "Withdrawn",
}
_ENDED: Final[Mapping[Resolution | None, str]] = {
    Resolution.GONE: "What it was about is no longer there.",
}
_UNTIL_STEADY: Final = "Its ends and returns are not told one by one until it has stayed clear."
_OPENINGS: Final = frozenset({Telling.OPENED, Telling.REOPENED, Telling.FLAPPING})
"""Told as such even when the incident is over by then: the end has a message of its own."""
_STANDINGS: Final = {
    Telling.REOPENED: "Reopened: ",
    Telling.UNJUDGED: "Not judged: ",
    Telling.REMINDER: "Still open: ",
    Telling.ROSE: "Worse: ",
    Telling.WIDENED: "Wider: ",
    Telling.FLAPPING: "Flapping: ",
}


@dataclass(frozen=True, slots=True)
class Guidance:
    """What a rule says to people: why its incidents matter, what to do, and when they flap."""

    why: str = ""
    runbook: str = ""
    flapping: Flapping | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One incident as one message tells it."""

    title: str
    badge: str
    """Its state in a word or two: the severity while it stands."""
    headline: str
    lead: str
    facts: tuple[Fact, ...]
    guidance: Guidance
    incident_id: str
    colour: str
    steps: tuple[Step, ...]
    """What can be done next."""
    drill: bool
    over: bool

    @property
    def next(self) -> list[Fact]:
        """What can be done next, and the id to do it with."""
        return [*((step.name, step.words) for step in self.steps), ("Incident", self.incident_id)]

    @property
    def brief(self) -> list[Fact]:
        """What a digest says of it: when, where, and how bad or how well."""
        names = _BRIEF_OVER if self.over else _BRIEF
        return [fact for fact in self.facts if fact[0] in names]


def tell(incident: Incident, telling: Telling, *, now: Instant, guidance: Guidance, voice: Voice) -> Story:
    """The story of one incident as it stands now. What is over needs no guidance."""
    return Story(
        title=title(incident, telling),
        badge=badge(incident),
        headline=one_line(incident.summary),
        lead=_lead(incident, telling, now, guidance.flapping),
        facts=tuple(facts(incident, voice, now, guidance.flapping)),
        guidance=Guidance() if incident.over else guidance,
        incident_id=incident.id,
        colour=colour(incident),
        steps=voice.steps(incident),
        drill=incident.drill,
        over=incident.over,
    )


def title(incident: Incident, telling: Telling) -> str:
    """Short enough for a phone. That of a recovery, and no other, begins with `Resolved`."""
    rule = f"{incident.key.rule} (drill)" if incident.drill else incident.key.rule
    if incident.over and telling not in _OPENINGS:
        return shortened(f"{_ending(incident)}: {rule}: {incident.summary}")
    return shortened(f"{_STANDINGS.get(telling, '')}[{incident.severity}] {rule}: {incident.summary}")


def badge(incident: Incident) -> str:
    """Its state in a word or two."""
    if not incident.over:
        return str(incident.severity)
    return "closed unjudged" if incident.resolution is Resolution.UNJUDGED else str(incident.status)


def colour(incident: Incident) -> str:
    """By severity while it stands; green for a recovery, grey for any other end."""
    if not incident.over:
        return _COLOURS[incident.severity]
    return _GREEN if recovered(incident) and not _now_usual(incident) else _GREY


def shortened(text: str) -> str:
    """One line, cut to a title's length."""
    text = one_line(text)
    return text if len(text) <= TITLE_LENGTH else f"{text[: TITLE_LENGTH - 1].rstrip()}…"


def _ending(incident: Incident) -> str:
    if incident.status is Status.WITHDRAWN and incident.resolution is not Resolution.MERGED:
        return "Withdrawn"
    if incident.resolution is Resolution.MANUAL and incident.resolved_by:
        return f"Resolved by {one_line(incident.resolved_by)}"
    if incident.resolution in _ENDINGS:
        return _ENDINGS[incident.resolution]
    if _now_usual(incident):
        return "Resolved (usual by now)"
    return f"Resolved after {lasted(incident)}"


def _now_usual(incident: Incident) -> str:
    """The level that has become usual: its end, though it never came back."""
    return "" if incident.recovery is None else incident.recovery.words.get("now_usual", "")


def _lead(incident: Incident, telling: Telling, now: Instant, flapping: Flapping | None) -> str:
    words = _how_it_stands(incident, telling, now, flapping)
    return f"This is a drill: nothing is wrong. {words}" if incident.drill else words


def _how_it_stands(incident: Incident, telling: Telling, now: Instant, flapping: Flapping | None) -> str:
    if incident.status is Status.RESOLVED and telling in _OPENINGS:
        return f"Over by now. It lasted {lasted(incident)}."
    return _lead_over(incident) if incident.over else _lead_standing(incident, telling, now, flapping)


def _lead_standing(incident: Incident, telling: Telling, now: Instant, flapping: Flapping | None) -> str:
    lasting = span(now - incident.opened_at)
    match telling:
        case Telling.REOPENED | Telling.FLAPPING:
            return _back(incident, flapping)
        case Telling.UNJUDGED:
            return "No data come in to judge it by, so it stays open: it may be better or worse by now."
        case Telling.REMINDER:
            return f"Open for {lasting}, and still going on."
        case Telling.ROSE:
            return f"Open for {lasting}, and {incident.severity} by now."
        case Telling.WIDENED:
            return f"Open for {lasting}, and wider by now."
    return f"Open for {lasting}." if now > incident.opened_at else "Open now."


def _back(incident: Incident, flapping: Flapping | None) -> str:
    """It returned, or restatement showed that it had not ended."""
    if not incident.returns:
        return "Later data show that it had not ended: it goes on."
    if incident.flapping:
        return f"It flaps: it came back {comebacks(incident, flapping)}. {_UNTIL_STEADY}"
    return f"It goes on: it came back {times(incident.returns)} by now."


def _lead_over(incident: Incident) -> str:
    if incident.resolution is Resolution.MERGED:
        return f"By the numbers as they stand now it is part of an earlier incident, {incident.merged_into}."
    if incident.status is Status.WITHDRAWN:
        return "By the numbers as they stand now this was no incident."
    if level := _now_usual(incident):
        before = incident.evidence.words.get("expected", "")
        return f"It did not come back: {level} is usual by now{f', it was {before}' if before else ''}."
    if incident.resolution is Resolution.UNJUDGED:
        return "Closed, as nothing judges it any more: it is not known to be well."
    if incident.resolution is Resolution.MANUAL:
        return f"{_by_hand(incident)} It lasted {lasted(incident)}."
    return f"{_ENDED.get(incident.resolution, 'Over.')} It lasted {lasted(incident)}."


def _by_hand(incident: Incident) -> str:
    """Who ended it and why; the numbers did not."""
    why = one_line(incident.resolved_why)
    words = f"Resolved by {one_line(incident.resolved_by) or 'a person'}{f': {why}' if why else ''}"
    healthy = "" if incident.recovery else " Watcher had not seen it recover."
    return f"{words if words.endswith(('.', '!', '?')) else f'{words}.'}{healthy}"
