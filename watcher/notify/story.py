"""An incident in words: what a message says, before any template gives it a shape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from watcher.model.incident import Evidence, Incident, Resolution, Status
from watcher.model.message import Telling
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, Instant, to_datetime
from watcher.model.words import number, span

Fact: TypeAlias = tuple[str, str]
"""A name and what it is, for one line."""

TITLE_LENGTH: Final = 200
"""Characters of a title; receivers cut at 250."""
SHOWN: Final = 5
"""Parts and exemplars shown at most."""

_COLOURS: Final = {Severity.CRITICAL: "#b42318", Severity.WARNING: "#b54708", Severity.INFO: "#175cd3"}
_GREEN: Final = "#067647"
_GREY: Final = "#475467"

_BRIEF: Final = frozenset({"Since", "When", "Where", "Now"})

_ENDINGS: Final = {
    Resolution.GONE: "Resolved (gone)",
    Resolution.MANUAL: "Resolved by hand",
    Resolution.UNJUDGED: "Closed unjudged",
    Resolution.MERGED: "Merged",
    Resolution.CORRECTED: "Withdrawn",
}
_OPENINGS: Final = frozenset({Telling.OPENED, Telling.REOPENED})
"""Told as such even when the incident is over by then: the end has a message of its own."""
_STANDINGS: Final = {
    Telling.REOPENED: "Reopened: ",
    Telling.UNJUDGED: "Not judged: ",
    Telling.REMINDER: "Still open: ",
    Telling.ROSE: "Worse: ",
    Telling.WIDENED: "Wider: ",
}


@dataclass(frozen=True, slots=True)
class Guidance:
    """What a rule says to people: why its incidents matter, and what to do."""

    why: str = ""
    runbook: str = ""


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

    @property
    def brief(self) -> list[Fact]:
        """What a digest says of it: when, where, and the healthy value where there is one."""
        return [fact for fact in self.facts if fact[0] in _BRIEF]

    @property
    def command(self) -> str:
        """What to type next."""
        return f"watcher incidents show {self.incident_id}"


def tell(incident: Incident, telling: Telling, *, now: Instant, guidance: Guidance) -> Story:
    """The story of one incident as it stands now. What is over needs no guidance."""
    return Story(
        title=title(incident, telling),
        badge=badge(incident),
        headline=one_line(incident.summary),
        lead=_lead(incident, telling, now),
        facts=tuple(_facts(incident, now)),
        guidance=Guidance() if incident.over else guidance,
        incident_id=incident.id,
        colour=colour(incident),
    )


def title(incident: Incident, telling: Telling) -> str:
    """Short enough for a phone. That of a recovery, and no other, begins with `Resolved`."""
    rule = f"{incident.key.rule} (drill)" if incident.drill else incident.key.rule
    if incident.over and telling not in _OPENINGS:
        return shortened(f"{_ending(incident)}: {rule}: {incident.summary}")
    return shortened(f"{_STANDINGS.get(telling, '')}[{incident.severity}] {rule}: {incident.summary}")


def recovered(incident: Incident) -> bool:
    """Whether its end is good news; a withdrawal and a closing without judgement are not."""
    return incident.status is Status.RESOLVED and incident.resolution is not Resolution.UNJUDGED


def badge(incident: Incident) -> str:
    """Its state in a word or two."""
    if not incident.over:
        return str(incident.severity)
    return "closed unjudged" if incident.resolution is Resolution.UNJUDGED else str(incident.status)


def colour(incident: Incident) -> str:
    """By severity while it stands; green for a recovery, grey for any other end."""
    if not incident.over:
        return _COLOURS[incident.severity]
    return _GREEN if recovered(incident) else _GREY


def when(incident: Incident, now: Instant) -> str:
    """From when, and how long ago or until when."""
    if incident.resolved_at is not None:
        return f"{moment(incident.opened_at)} to {moment(incident.resolved_at)}"
    ago = f" ({span(now - incident.opened_at)} ago)" if now > incident.opened_at else ""
    return f"{moment(incident.opened_at)}{ago}"


def moment(instant: Instant) -> str:
    """``2026-11-22 03:00 UTC``, with seconds where there are any."""
    shape = "%Y-%m-%d %H:%M:%S UTC" if instant % MINUTE else "%Y-%m-%d %H:%M UTC"
    return to_datetime(instant).strftime(shape)


def one_line(text: str) -> str:
    """The same without line breaks: a vendor's text may hold anything."""
    return " ".join(text.split())


def shortened(text: str) -> str:
    """One line, cut to a title's length."""
    text = one_line(text)
    return text if len(text) <= TITLE_LENGTH else f"{text[: TITLE_LENGTH - 1].rstrip()}…"


def _ending(incident: Incident) -> str:
    if incident.status is Status.WITHDRAWN and incident.resolution is not Resolution.MERGED:
        return "Withdrawn"
    if incident.resolution in _ENDINGS:
        return _ENDINGS[incident.resolution]
    return f"Resolved after {_lasted(incident)}"


def _lasted(incident: Incident) -> str:
    return (
        "an unknown time" if incident.resolved_at is None else span(incident.resolved_at - incident.opened_at)
    )


def _lead(incident: Incident, telling: Telling, now: Instant) -> str:
    if incident.status is Status.RESOLVED and telling in _OPENINGS:
        return f"Over by now. It lasted {_lasted(incident)}."
    return _lead_over(incident) if incident.over else _lead_standing(incident, telling, now)


def _lead_standing(incident: Incident, telling: Telling, now: Instant) -> str:
    lasting = span(now - incident.opened_at)
    match telling:
        case Telling.REOPENED:
            return "Later data show that it had not ended: it goes on."
        case Telling.UNJUDGED:
            return "No data come in to judge it by, so it stays open: it may be better or worse by now."
        case Telling.REMINDER:
            return f"Open for {lasting}, and still going on."
        case Telling.ROSE:
            return f"Open for {lasting}, and {incident.severity} by now."
        case Telling.WIDENED:
            return f"Open for {lasting}, and wider by now."
    return f"Open for {lasting}." if now > incident.opened_at else "Open now."


def _lead_over(incident: Incident) -> str:
    lasted = _lasted(incident)
    if incident.resolution is Resolution.MERGED:
        return f"By the numbers as they stand now it is part of an earlier incident, {incident.merged_into}."
    if incident.status is Status.WITHDRAWN:
        return "By the numbers as they stand now this was no incident."
    match incident.resolution:
        case Resolution.GONE:
            return f"What it was about is no longer there. It lasted {lasted}."
        case Resolution.MANUAL:
            return f"Resolved by a person. It lasted {lasted}."
        case Resolution.UNJUDGED:
            return "Closed, as nothing judges it any more: it is not known to be well."
    return f"Over. It lasted {lasted}."


def _facts(incident: Incident, now: Instant) -> Iterator[Fact]:
    if incident.over:
        yield "When", when(incident, now)
        yield from _healthy(incident)
    else:
        yield "Since", when(incident, now)
    yield from _figures(incident.evidence, was=incident.over)
    yield "Where", where(incident)
    yield "Severity", str(incident.severity)
    yield "Rule", incident.key.rule
    if incident.evidence.text and incident.evidence.text not in incident.summary:
        yield "Evidence", one_line(incident.evidence.text)
    yield from (("Part", _record(part)) for part in incident.evidence.parts[:SHOWN])
    yield from (("Example", _record(record)) for record in incident.evidence.exemplars[:SHOWN])
    if incident.acknowledged_at is not None:
        yield "Acked", moment(incident.acknowledged_at)


def where(incident: Incident) -> str:
    """Its labels, the source with its vendor first."""
    labels = dict(incident.key.labels)
    source, vendor = labels.pop("source", ""), labels.pop("vendor", "")
    rest = [f"{name} {value}" for name, value in labels.items()]
    return one_line(", ".join([f"source {source} ({vendor})", *rest]))


def _healthy(incident: Incident) -> Iterator[Fact]:
    recovery = incident.recovery
    if recovery is not None and recovered(incident):
        text = recovery.text or _figure(recovery, "seen", recovery.seen)
        if text:
            yield "Now", one_line(text)


def _figures(evidence: Evidence, *, was: bool) -> Iterator[Fact]:
    figures = (
        ("Was" if was else "Seen", _figure(evidence, "seen", evidence.seen)),
        ("Expected", _expected(evidence)),
        ("Requests", _figure(evidence, "requests", evidence.requests)),
    )
    yield from ((name, text) for name, text in figures if text)


def _expected(evidence: Evidence) -> str:
    figure = _figure(evidence, "expected", evidence.expected)
    if evidence.range is None:
        return figure
    low, high = evidence.range
    spread = evidence.words.get("range") or f"{number(low)} to {number(high)}"
    return f"{figure} ({spread})" if figure else spread


def _figure(evidence: Evidence, name: str, value: float | None) -> str:
    """As the detector words it, else the bare number."""
    return evidence.words.get(name) or ("" if value is None else number(value))


def _record(record: Mapping[str, str]) -> str:
    return one_line(", ".join(f"{name} {value}" for name, value in record.items()))
