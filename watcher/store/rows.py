"""Incidents as rows and back: the only place that knows how the model's values are written down."""

from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy as np
from sqlalchemy import RowMapping

from watcher.model.incident import Evidence, Incident, IncidentKey, Resolution, Status
from watcher.model.labels import LabelSet, label_set
from watcher.model.rule import Severity

_KNOWN: Final = 16_384
"""Keys whose texts are remembered: a tick asks for each several times, and the next tick for many again."""


def _plain(value: Any) -> Any:  # noqa: ANN401 - msgspec's hook
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} in evidence")


_encode: Final = msgspec.json.Encoder(enc_hook=_plain).encode
_evidence: Final = msgspec.json.Decoder(Evidence).decode
_labels: Final = msgspec.json.Decoder(dict[str, str]).decode


@lru_cache(maxsize=_KNOWN)
def labels_text(labels: LabelSet) -> str:
    """Labels as a JSON object in the order of their names: equal labels, equal text."""
    return _encode(dict(labels)).decode()


def label_needle(name: str, value: str) -> str:
    """What stands in `labels_text` exactly when the label has this value: quotes in values are escaped."""
    return _encode({name: value}).decode()[1:-1]


@lru_cache(maxsize=_KNOWN)
def identity(key: IncidentKey) -> str:
    """A digest of rule and labels: 32 characters, whatever the length of the labels."""
    return blake2b(f"{key.rule}\0{labels_text(key.labels)}".encode(), digest_size=16).hexdigest()


def key_from(rule: str, labels: str) -> IncidentKey:
    """What the columns of a row name."""
    return IncidentKey(rule, label_set(_labels(labels)))


def source_of(key: IncidentKey) -> str:
    """The source an incident belongs to."""
    return next((value for name, value in key.labels if name == "source"), "")


def incident_values(incident: Incident) -> dict[str, object]:
    """Column values of the incident table."""
    return {
        "id": incident.id,
        "identity": identity(incident.key),
        "rule": incident.key.rule,
        "source": source_of(incident.key),
        "labels": labels_text(incident.key.labels),
        "severity": int(incident.severity),
        "status": incident.status.value,
        "resolution": incident.resolution.value if incident.resolution else None,
        "summary": incident.summary,
        "opened_at": incident.opened_at,
        "detected_at": incident.detected_at,
        "acknowledged_at": incident.acknowledged_at,
        "resolved_at": incident.resolved_at,
        "parent_id": incident.parent_id,
        "merged_into": incident.merged_into,
        "evidence": _encode(incident.evidence).decode(),
        "recovery": _encode(incident.recovery).decode() if incident.recovery else None,
        "drill": incident.drill,
        "shadow": incident.shadow,
        "acknowledged_by": incident.acknowledged_by,
        "unack_at": incident.unack_at,
        "assignee": incident.assignee,
        "snoozed_until": incident.snoozed_until,
        "returns": incident.returns,
        "flapping": incident.flapping,
        "peak": _encode(incident.peak).decode() if incident.peak else None,
        "affected": incident.affected,
    }


def incident_from(row: RowMapping) -> Incident:
    """The incident that a row of its table holds."""
    return Incident(
        id=row["id"],
        key=key_from(row["rule"], row["labels"]),
        severity=Severity(row["severity"]),
        status=Status(row["status"]),
        resolution=Resolution(row["resolution"]) if row["resolution"] else None,
        summary=row["summary"],
        opened_at=row["opened_at"],
        detected_at=row["detected_at"],
        acknowledged_at=row["acknowledged_at"],
        resolved_at=row["resolved_at"],
        parent_id=row["parent_id"],
        merged_into=row["merged_into"],
        evidence=_evidence(row["evidence"]),
        recovery=_evidence(row["recovery"]) if row["recovery"] else None,
        drill=row["drill"],
        shadow=row["shadow"],
        acknowledged_by=row["acknowledged_by"],
        unack_at=row["unack_at"],
        assignee=row["assignee"],
        snoozed_until=row["snoozed_until"],
        returns=row["returns"],
        flapping=row["flapping"],
        peak=_evidence(row["peak"]) if row["peak"] else None,
        affected=row["affected"],
    )
