"""The facts of an incident as lines of a message: a name, and what it is."""

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from watcher.model.incident import Evidence, Incident, Resolution, Status
from watcher.model.rule import Flapping
from watcher.model.time import Instant, parse_rfc3339
from watcher.model.words import number, span
from watcher.notify.voice import Voice

Fact: TypeAlias = tuple[str, str]
"""A name and what it is, for one line."""

NAMED: Final = 20
"""Names of what is hurt that one line holds."""
SHOWN: Final = 5
"""Parts and exemplars shown at most."""
_AGAINST: Final = frozenset({"Usual", "Limit"})
_TIMES: Final = ("time", "at")
"""Facts of an example that are times: the record's own before that of the reading."""
_REASON: Final = "reason"


def facts(incident: Incident, voice: Voice, now: Instant, flapping: Flapping | None = None) -> Iterator[Fact]:
    """When, how bad against usual, where, which parts; at the end what it was like at its worst."""
    if incident.over:
        yield "When", when(incident, voice, now)
        yield from _healthy(incident)
        yield from _worst(incident, voice)
        yield from _hurt(incident, f"in {lasted(incident)}")
    else:
        yield "Seen since", when(incident, voice, now)
        yield from _figures(incident.evidence)
        yield from _hurt(incident, "so far")
    yield "Where", where(incident)
    yield from _affects(incident)
    yield from (("Part", record(part)) for part in incident.evidence.parts[:SHOWN])
    yield from (("Example", example(one, voice)) for one in incident.evidence.exemplars[:SHOWN])
    if incident.evidence.text and incident.evidence.text not in incident.summary:
        yield "Evidence", one_line(incident.evidence.text)
    yield "Severity", str(incident.severity)
    yield "Rule", incident.key.rule
    yield from _people(incident, voice)
    if incident.returns:
        often = comebacks(incident, flapping)
        yield "Came back", f"{often}; it flaps" if incident.flapping else often


def when(incident: Incident, voice: Voice, now: Instant) -> str:
    """From when, and how long ago or until when."""
    began = voice.moment(incident.opened_at)
    if incident.resolved_at is not None:
        return f"{began} to {voice.moment(incident.resolved_at)}"
    return f"{began} ({span(now - incident.opened_at)} ago)" if now > incident.opened_at else began


def lasted(incident: Incident) -> str:
    """How long, where it is known."""
    if incident.resolved_at is None:
        return "an unknown time"
    return span(max(0, incident.resolved_at - incident.opened_at))


def where(incident: Incident) -> str:
    """Its labels, the source with its vendor first."""
    labels = dict(incident.key.labels)
    source, vendor = labels.pop("source", ""), labels.pop("vendor", "")
    rest = [f"{name} {value}" for name, value in labels.items()]
    return one_line(", ".join([f"source {source} ({vendor})", *rest]))


def record(pairs: Mapping[str, str]) -> str:
    """``status 502, share 97 %``: what came with a part or an example."""
    return one_line(", ".join(f"{name} {value}" for name, value in pairs.items()))


def example(facts: Mapping[str, str], voice: Voice) -> str:
    """``address 192.0.2.1: status 500 (2026-11-22 04:12 CET)``: a record, its reason, its time."""
    own = {name: value for name, value in facts.items() if name not in {*_TIMES, _REASON}}
    said = ": ".join(part for part in (record(own), one_line(facts.get(_REASON, ""))) if part)
    at = next((facts[name] for name in _TIMES if facts.get(name)), "")
    return f"{said} ({_moment(at, voice)})" if said and at else said or _moment(at, voice)


def _moment(text: str, voice: Voice) -> str:
    """A time that a record holds, in the receiver's zone; what is none stays as the vendor wrote it."""
    try:
        return voice.moment(parse_rfc3339(text))
    except ValueError:
        return one_line(text)


def recovered(incident: Incident) -> bool:
    """Whether its end is good news; a withdrawal and a closing without judgement are not."""
    return incident.status is Status.RESOLVED and incident.resolution is not Resolution.UNJUDGED


def times(count: int) -> str:
    """``once``, ``3 times``."""
    return "once" if count == 1 else f"{count} times"


def comebacks(incident: Incident, flapping: Flapping | None) -> str:
    """``5 times, at least 3 within 2 h``; the latter of what flaps, by its rule."""
    often = times(incident.returns)
    if not incident.flapping or flapping is None:
        return often
    return f"{often}, at least {flapping.returns} within {span(flapping.within)}"


def one_line(text: str) -> str:
    """The same without line breaks: a vendor's text may hold anything."""
    return " ".join(text.split())


def _healthy(incident: Incident) -> Iterator[Fact]:
    recovery = incident.recovery
    if recovery is not None and recovered(incident):
        text = recovery.text or figure(recovery, "seen", recovery.seen)
        if text:
            yield "Now", one_line(text)


def _worst(incident: Incident, voice: Voice) -> Iterator[Fact]:
    """The peak where one was kept, else what opened it."""
    if incident.peak is None:
        yield from _figures(incident.evidence, seen="Was")
        return
    text = figure(incident.peak, "seen", incident.peak.seen) or one_line(incident.peak.text)
    if text:
        yield "Worst", f"{text} at {voice.moment(incident.peak.start)}"
    yield from ((name, text) for name, text in _figures(incident.evidence) if name in _AGAINST)


def _hurt(incident: Incident, over: str) -> Iterator[Fact]:
    if incident.affected:
        yield "Affected", f"about {number(round(incident.affected))} requests more than usual {over}"


def _affects(incident: Incident) -> Iterator[Fact]:
    """What its origin feeds: what has incidents of its own, and what may be next."""
    for name, hurt in (("Hurts", True), ("At risk", False)):
        if names := [one.name for one in incident.affects if one.hurt is hurt]:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            yield name, one_line(", ".join(names[:NAMED])) + more


def _figures(evidence: Evidence, *, seen: str = "Seen") -> Iterator[Fact]:
    limit = evidence.words.get("limit", "")
    against = ("Limit", limit) if limit else ("Usual", _usual(evidence))
    figures = () if _is_switch(evidence) else ((seen, figure(evidence, "seen", evidence.seen)), against)
    yield from ((name, text) for name, text in (*figures, ("Requests", _requests(evidence))) if text)


def _is_switch(evidence: Evidence) -> bool:
    """Whether it is yes or no, of which the summary tells: 0 where 1 is right says nothing to anybody."""
    yes_or_no = evidence.seen in {0, 1} and evidence.expected in {0, 1}
    return yes_or_no and evidence.requests is None and evidence.range is None


def _requests(evidence: Evidence) -> str:
    """How many, and in how long a window."""
    count = figure(evidence, "requests", evidence.requests)
    lasting = evidence.end - evidence.start
    return f"{count} in {span(lasting)}" if count and lasting > 0 else count


def _usual(evidence: Evidence) -> str:
    expected = figure(evidence, "expected", evidence.expected)
    if evidence.range is None:
        return expected
    low, high = evidence.range
    spread = evidence.words.get("range") or f"{number(low)} to {number(high)}"
    return f"{expected} ({spread})" if expected else spread


def figure(evidence: Evidence, name: str, value: float | None) -> str:
    """As the detector words it, else the bare number."""
    return evidence.words.get(name) or ("" if value is None else number(value))


def _people(incident: Incident, voice: Voice) -> Iterator[Fact]:
    """Who has it, and what was done about it."""
    if incident.acknowledged_at is not None and not incident.over:
        by = f" by {one_line(incident.acknowledged_by)}" if incident.acknowledged_by else ""
        yield "Taken", f"{voice.moment(incident.acknowledged_at)}{by}"
    if incident.assignee:
        yield "Assigned", f"to {one_line(incident.assignee)}"
