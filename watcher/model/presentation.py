"""An incident as JSON-ready values: the contract's shape, shared by the command line, webhooks and HTTP."""

import math
from collections.abc import Mapping

from watcher.model.act import Act
from watcher.model.figures import duration, time_to_acknowledge, time_to_detect, time_to_resolve
from watcher.model.incident import Evidence, Incident, Status
from watcher.model.ports import Delivery, TimelineEntry
from watcher.model.time import SECOND, Duration, Instant, rfc3339


def incident_json(incident: Incident) -> dict[str, object]:
    """The incident JSON of design section 7: times RFC 3339 UTC, a figure that is not finite as null."""
    return {
        "id": incident.id,
        "parent_id": incident.parent_id,
        "merged_into": incident.merged_into,
        "rule": incident.key.rule,
        "severity": str(incident.severity),
        "status": str(incident.status),
        "resolution": None if incident.resolution is None else str(incident.resolution),
        "labels": dict(incident.key.labels),
        "summary": incident.summary,
        "opened_at": rfc3339(incident.opened_at),
        "detected_at": rfc3339(incident.detected_at),
        "acknowledged_at": _time(incident.acknowledged_at),
        "resolved_at": _time(incident.resolved_at),
        "evidence": evidence_json(incident.evidence),
        "recovery": None if incident.recovery is None else evidence_json(incident.recovery),
        "drill": incident.drill,
        "shadow": incident.shadow,
        "acknowledged_by": incident.acknowledged_by or None,
        "acknowledged_until": _time(incident.unack_at) if incident.status is Status.ACKNOWLEDGED else None,
        "assignee": incident.assignee or None,
        "snoozed_until": _time(incident.snoozed_until),
        "returns": incident.returns,
        "flapping": incident.flapping,
        "peak": None if incident.peak is None else evidence_json(incident.peak),
        "requests_affected": _figure(incident.affected),
        "affects": [
            {"source": one.source, "resource": one.resource, "name": one.name, "hurt": one.hurt}
            for one in incident.affects
        ],
        "duration_seconds": _seconds(duration(incident)),
        "time_to_detect_seconds": _seconds(time_to_detect(incident)),
        "time_to_acknowledge_seconds": _seconds(time_to_acknowledge(incident)),
        "time_to_resolve_seconds": _seconds(time_to_resolve(incident)),
    }


def entry_json(entry: TimelineEntry) -> dict[str, object]:
    """One line of a timeline; `who` is null for watcher itself."""
    return {"at": rfc3339(entry.at), "kind": entry.kind, "text": entry.text, "who": entry.who or None}


def delivery_json(row: Delivery) -> dict[str, object]:
    """Who was told, why, and how that went."""
    return {
        "target": row.target,
        "telling": str(row.telling),
        "state": row.state,
        "reason": row.reason,
        "route": row.route,
        "attempts": row.attempts,
        "at": rfc3339(row.at),
        "detail": row.detail,
    }


def act_json(act: Act) -> dict[str, object]:
    """What a person did, and what became of it."""
    return {
        "id": act.id,
        "incident": act.incident_id,
        "kind": str(act.kind),
        "who": act.who,
        "text": act.text,
        "until": _time(act.until),
        "asked_at": rfc3339(act.asked_at),
        "state": str(act.state),
        "applied_at": _time(act.applied_at),
        "effective_at": _time(act.effective_at),
        "detail": act.detail,
    }


def evidence_json(evidence: Evidence) -> dict[str, object]:
    """The `evidence` of an incident, and the healthy reading in the same shape."""
    return {
        "window": {"start": rfc3339(evidence.start), "end": rfc3339(evidence.end)},
        "seen": _figure(evidence.seen),
        "expected": _figure(evidence.expected),
        "range": None if evidence.range is None else [_figure(bound) for bound in evidence.range],
        "requests": _figure(evidence.requests),
        "parts": _records(evidence.parts),
        "exemplars": _records(evidence.exemplars),
        "text": evidence.text,
    }


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else rfc3339(instant)


def _seconds(duration: Duration | None) -> float | None:
    return None if duration is None else duration / SECOND


def _figure(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _records(records: tuple[Mapping[str, str], ...]) -> list[dict[str, str]]:
    return [dict(record) for record in records]
