"""`watcher incidents show`: one incident, what people did to it, and who was told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter

from watcher.app import book
from watcher.cli.loading import book_of
from watcher.cli.named import the_one
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import say, show_json
from watcher.cli.telling import lasted, moment, one_line, standing
from watcher.model.act import Act, ActState
from watcher.model.figures import time_to_acknowledge, time_to_detect, time_to_resolve
from watcher.model.incident import Evidence, Incident, Status
from watcher.model.message import Telling
from watcher.model.ports import Delivery, Failing, History, TimelineEntry
from watcher.model.presentation import act_json, delivery_json, entry_json, incident_json
from watcher.model.time import Duration, Instant
from watcher.model.words import number, span
from watcher.runtime.clock import SystemClock

_WIDTH: Final = 13
"""Columns of the names of facts and of the kinds of a timeline."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """All that the book holds of one incident."""

    incident: Incident
    timeline: Sequence[TimelineEntry]
    deliveries: Sequence[Delivery]
    acts: Sequence[Act]
    failing: Mapping[str, Failing]

    @classmethod
    async def of(cls, incident: Incident, history: History) -> "_Whole":
        told = await history.deliveries(incident.id)
        timeline, acts = await history.timeline(incident.id), await history.acts(incident.id)
        return cls(incident, timeline, told, acts, await history.failing())


async def show_incident(
    incident: Annotated[str, Parameter(help="Its id, or as much of its beginning as no other has.")],
    /,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Show one incident: evidence, figures, timeline, and who was told."""
    async with book.history(book_of(config)) as history:
        found = the_one(incident, await history.beginning(incident))
        if found is None:
            return 1
        [found] = await book.widened(book_of(config), [found])
        whole = await _Whole.of(found, history)
    if json:
        show_json(_json(whole))
    else:
        _show(whole, SystemClock().now())
    return 0


def _json(whole: _Whole) -> dict[str, object]:
    return incident_json(whole.incident) | {
        "timeline": [entry_json(entry) for entry in whole.timeline],
        "deliveries": [delivery_json(row) for row in whole.deliveries],
        "acts": [act_json(act) for act in whole.acts],
    }


def _show(whole: _Whole, now: Instant) -> None:
    say(one_line(whole.incident.summary), "bold")
    say()
    for name, value in _facts(whole.incident, now):
        if value:
            say(f"{name:<{_WIDTH}}{value}")
    say()
    say("timeline", "bold")
    for entry in whole.timeline:
        who = f"{entry.who}: " if entry.who else ""
        say(f"  {moment(entry.at)}  {entry.kind:<{_WIDTH}} {one_line(who + entry.text)}")
    for act in whole.acts:
        if act.state is ActState.ASKED:
            say(f"  {moment(act.asked_at)}  {act.kind:<{_WIDTH}} {act.who}: asked, not applied yet")
    say()
    say("told", "bold")
    for row in whole.deliveries:
        say(f"  {moment(row.at)}  {_delivery(row, whole.failing.get(row.target), now)}")
    if not whole.deliveries:
        say("  nobody")


def _delivery(row: Delivery, failing: Failing | None, now: Instant) -> str:
    tries = f"{row.attempts} attempts" if row.attempts != 1 else "1 attempt"
    why = f" ({row.reason})" if row.reason and row.reason != row.detail else ""
    detail = row.detail
    if failing is not None and _waits_for_it(row, now):
        detail = f"waits: {row.target} fails since {moment(failing.since)}: {row.detail or failing.detail}"
    return one_line(f"{row.target}: {row.telling}, {row.state}{why}, {tries}  {detail}")


def _waits_for_it(row: Delivery, now: Instant) -> bool:
    """Whether nothing but its target keeps it: no stage does, and a reminder's time has come."""
    is_owed = row.telling is not Telling.REMINDER or row.at <= now or row.attempts > 0
    return row.state == "due" and is_owed and (row.attempts > 0 or not row.reason)


def _facts(incident: Incident, now: Instant) -> Iterator[tuple[str, str]]:
    yield "id", incident.id
    yield "rule", incident.key.rule
    yield "severity", str(incident.severity)
    over = f" ({incident.resolution})" if incident.resolution else ""
    yield "status", standing(incident, now) + over
    yield "assigned to", incident.assignee
    if incident.acknowledged_at is not None:
        yield "acknowledged", _acknowledged(incident, incident.acknowledged_at)
    yield "opened", moment(incident.opened_at)
    yield "resolved", moment(incident.resolved_at) if incident.resolved_at is not None else ""
    yield "lasted", lasted(incident, now)
    yield "detected", moment(incident.detected_at)
    yield "took", _took(incident)
    yield "labels", _record(dict(incident.key.labels), "=")
    yield "parent", incident.parent_id or ""
    yield "merged into", incident.merged_into or ""
    yield from _proof(incident)


def _proof(incident: Incident) -> Iterator[tuple[str, str]]:
    """What it is judged by, and what it amounts to."""
    evidence = incident.evidence
    yield "evidence", _words(evidence)
    yield from (("part", _record(part)) for part in evidence.parts)
    yield from (("example", _record(record)) for record in evidence.exemplars)
    yield "worst", _words(incident.peak) if incident.peak is not None else ""
    yield "affected", f"{number(round(incident.affected))} requests" if incident.affected else ""
    yield from _affects(incident)
    yield "came back", _returns(incident)
    yield "recovery", one_line(incident.recovery.text) if incident.recovery else ""


def _affects(incident: Incident) -> Iterator[tuple[str, str]]:
    """What its origin feeds: what has incidents of its own, and what may be next."""
    for name, hurt in (("hurts", True), ("at risk", False)):
        yield name, one_line(", ".join(one.name for one in incident.affects if one.hurt is hurt))


def _acknowledged(incident: Incident, at: Instant) -> str:
    holds = incident.unack_at is not None and incident.status is Status.ACKNOWLEDGED
    until = f", until {moment(incident.unack_at)}" if holds and incident.unack_at is not None else ""
    return f"{moment(at)} by {incident.acknowledged_by or 'somebody'}{until}"


def _took(incident: Incident) -> str:
    """How long people and watcher took: see `watcher.model.figures`."""
    figures: Sequence[tuple[str, Duration | None]] = (
        ("to detect", time_to_detect(incident)),
        ("to acknowledge", time_to_acknowledge(incident)),
        ("to resolve", time_to_resolve(incident)),
    )
    return ", ".join(f"{span(took)} {what}" for what, took in figures if took is not None)


def _returns(incident: Incident) -> str:
    if not incident.returns:
        return ""
    times = "once" if incident.returns == 1 else f"{incident.returns} times"
    return f"{times}: it flaps" if incident.flapping else times


def _words(evidence: Evidence) -> str:
    return f"{one_line(evidence.text)} ({moment(evidence.start)} to {moment(evidence.end)})"


def _record(record: Mapping[str, str], joint: str = " ") -> str:
    return one_line(", ".join(f"{name}{joint}{value}" for name, value in record.items()))
