"""`watcher incidents`: what was found."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from watcher.app import book
from watcher.cli.loading import book_of, configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, MomentOption
from watcher.cli.screen import say, severity_cell, show_json, show_table
from watcher.cli.telling import lasted, moment, one_line
from watcher.document.complaints import nearest
from watcher.errors import UserError
from watcher.model.incident import Evidence, Incident, Status
from watcher.model.ports import Delivery, IncidentQuery, TimelineEntry
from watcher.model.presentation import incident_json
from watcher.model.rule import Severity
from watcher.model.time import Instant, rfc3339
from watcher.runtime.clock import SystemClock


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Filter:
    """Which incidents are asked for."""

    status: Annotated[
        tuple[Status, ...], Parameter(negative="", help="Only those that stand so; may be repeated.")
    ] = ()
    severity: Annotated[Severity | None, Parameter(help="Only those of this severity.")] = None
    rule: Annotated[str, Parameter(help="Only those of this rule.")] = ""
    label: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Only those with this label, as resource=shop; may be repeated."),
    ] = ()
    since: Annotated[
        MomentOption | None,
        Parameter(help="Only those that lasted later: 6h for six hours ago, or 2026-11-22T03:00:00Z."),
    ] = None
    until: Annotated[MomentOption | None, Parameter(help="Only those that began earlier.")] = None
    limit: Annotated[int, Parameter(validator=Number(gte=1), help="At most so many.")] = 100

    def query(self) -> IncidentQuery:
        """The same for the book.

        Raises:
            UserError: a label is not written as name=value.
        """
        return IncidentQuery(
            status=frozenset(self.status),
            severity=self.severity,
            rule=self.rule,
            labels=_labels(self.label),
            since=self.since,
            until=self.until,
            limit=self.limit,
        )


EVERYTHING: Final = Filter()


async def list_incidents(
    *, only: Filter = EVERYTHING, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False
) -> int:
    """List incidents, the newest first."""
    query = only.query()
    async with book.history(book_of(config)) as history:
        incidents = await history.incidents(query)
    if only.rule and not incidents:
        _doubt(only.rule, config)
    if json:
        show_json({"incidents": [incident_json(incident) for incident in incidents]})
    else:
        show_incidents(incidents, SystemClock().now())
    return 0


async def show_incident(
    incident: Annotated[str, Parameter(help="Its id, or as much of its beginning as no other has.")],
    /,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Show one incident: evidence, timeline, and who was told."""
    async with book.history(book_of(config)) as history:
        found = await history.incident(incident)
        if found is None:
            sys.stderr.write(f"no incident has the id {incident}, or several begin with it\n")
            return 1
        timeline = await history.timeline(found.id)
        deliveries = await history.deliveries(found.id)
    if json:
        show_json(_whole_json(found, timeline, deliveries))
    else:
        _show_whole(found, timeline, deliveries)
    return 0


def show_incidents(incidents: Sequence[Incident], now: Instant) -> None:
    """A table, or the word that there are none."""
    if not incidents:
        say("no incidents")
        return
    rows = [
        (
            one.id,
            moment(one.opened_at),
            lasted(one, now),
            severity_cell(one.severity),
            _status(one),
            one.key.rule,
            one_line(one.summary),
        )
        for one in incidents
    ]
    columns = ("ID", "OPENED", "LASTED", "SEVERITY", "STATUS", "RULE", "SUMMARY")
    show_table(columns, rows, spare=("RULE", "LASTED", "OPENED", "STATUS", "SEVERITY"))


def _doubt(rule: str, config: Path) -> None:
    """Say that no rule of this id is configured, where the configuration is right enough to tell."""
    try:
        known = [one.id for one in configured(config, secrets=False).rules]
    except UserError:
        return
    if rule not in known:
        sys.stderr.write(f"no rule `{rule}` is configured; {nearest(rule, known)}\n")


def _labels(texts: Sequence[str]) -> Mapping[str, str]:
    pairs = [text.partition("=") for text in texts]
    if wrong := next(
        (text for text, pair in zip(texts, pairs, strict=True) if not pair[0] or not pair[1]), ""
    ):
        raise UserError(f"--label {wrong}: write it as resource=shop")
    return {name: value for name, _, value in pairs}


def _show_whole(
    incident: Incident, timeline: Sequence[TimelineEntry], deliveries: Sequence[Delivery]
) -> None:
    say(one_line(incident.summary), "bold")
    say()
    for name, value in _facts(incident):
        if value:
            say(f"{name:<11}{value}")
    say()
    say("timeline", "bold")
    for entry in timeline:
        say(f"  {moment(entry.at)}  {entry.kind:<10}  {one_line(entry.text)}")
    say()
    say("told", "bold")
    for row in deliveries:
        tries = f"{row.attempts} attempts" if row.attempts != 1 else "1 attempt"
        say(f"  {moment(row.at)}  {row.target}: {row.telling}, {row.state}, {tries}  {one_line(row.detail)}")
    if not deliveries:
        say("  nobody")


def _facts(incident: Incident) -> Sequence[tuple[str, str]]:
    evidence, over = incident.evidence, incident.resolution
    labels = dict(incident.key.labels)
    return (
        ("id", incident.id),
        ("rule", incident.key.rule),
        ("severity", str(incident.severity)),
        ("status", _status(incident) + (f" ({over})" if over else "")),
        ("opened", moment(incident.opened_at)),
        ("resolved", moment(incident.resolved_at) if incident.resolved_at is not None else ""),
        ("lasted", lasted(incident, SystemClock().now())),
        ("detected", moment(incident.detected_at)),
        ("labels", ", ".join(f"{name}={value}" for name, value in labels.items())),
        ("parent", incident.parent_id or ""),
        ("merged into", incident.merged_into or ""),
        ("evidence", _words(evidence)),
        *(("part", _record(part)) for part in evidence.parts),
        *(("example", _record(record)) for record in evidence.exemplars),
        ("recovery", one_line(incident.recovery.text) if incident.recovery else ""),
    )


def _status(incident: Incident) -> str:
    """With a mark where its rule is on trial."""
    return f"{incident.status}, shadow" if incident.shadow else str(incident.status)


def _words(evidence: Evidence) -> str:
    return f"{one_line(evidence.text)} ({moment(evidence.start)} to {moment(evidence.end)})"


def _record(record: Mapping[str, str]) -> str:
    return one_line(", ".join(f"{name} {value}" for name, value in record.items()))


def _whole_json(
    incident: Incident, timeline: Sequence[TimelineEntry], deliveries: Sequence[Delivery]
) -> dict[str, object]:
    told = [
        {
            "target": row.target,
            "telling": str(row.telling),
            "state": row.state,
            "attempts": row.attempts,
            "at": rfc3339(row.at),
            "detail": row.detail,
        }
        for row in deliveries
    ]
    story = [{"at": rfc3339(entry.at), "kind": entry.kind, "text": entry.text} for entry in timeline]
    return incident_json(incident) | {"timeline": story, "deliveries": told}
