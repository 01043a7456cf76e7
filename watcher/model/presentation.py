"""An incident as JSON-ready values: the contract's shape, shared by the command line, webhooks and HTTP."""

import math
from collections.abc import Mapping

from watcher.model.incident import Evidence, Incident
from watcher.model.time import Instant, rfc3339


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


def _figure(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _records(records: tuple[Mapping[str, str], ...]) -> list[dict[str, str]]:
    return [dict(record) for record in records]
