"""The metrics there are: name, how samples of it combine, unit, and labels (design, section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What one value of a metric says, and so how several are combined."""

    COUNT = "count"  # events in a bin: summed
    RATIO = "ratio"  # a share in a bin: averaged by weight
    GAUGE = "gauge"  # a level in a bin: averaged
    STATE = "state"  # a reading at an instant, without a bin: the last one stands


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table: labels beyond `source`, `vendor`, `account`, `resource`, `provider`, `region`."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...] = ()


_TLS: Final = ("certificate", "domain", "address", "unused")
_PROBE: Final = ("target", "address")

METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("cdn_requests", Kind.COUNT, "requests", ("tier",)),
        Metric("cdn_responses", Kind.COUNT, "responses", ("tier", "status_class")),
        Metric("cdn_status_responses", Kind.COUNT, "responses", ("tier", "status")),
        Metric("cdn_bytes", Kind.COUNT, "bytes", ("tier",)),
        Metric("cdn_hit_bytes", Kind.COUNT, "bytes", ("tier",)),
        Metric("cdn_hit_ratio", Kind.RATIO, "ratio", ("basis",)),
        Metric("cdn_bandwidth_bits_per_second", Kind.GAUGE, "bits_per_second", ("tier",)),
        Metric("cdn_request_duration_seconds", Kind.GAUGE, "seconds", ("tier", "size")),
        Metric("tls_certificate_not_after_seconds", Kind.STATE, "seconds", _TLS),
        Metric("tls_certificate_valid", Kind.STATE, "boolean", (*_TLS, "check")),
        Metric("api_calls", Kind.COUNT, "calls", ("outcome",)),
        Metric("api_failed_calls", Kind.COUNT, "calls", ("url", "method", "status", "reason")),
        Metric("domain_status", Kind.STATE, "boolean", ("status",)),
        Metric("domain_changed_seconds", Kind.STATE, "seconds"),
        Metric("job_status", Kind.STATE, "boolean", ("job", "kind", "status")),
        Metric("job_changed_seconds", Kind.STATE, "seconds", ("job", "kind")),
        Metric("origin_domains", Kind.STATE, "domains", ("origin",)),
        Metric("origin_group_members", Kind.STATE, "members", ("status",)),
        Metric("origin_member_status", Kind.STATE, "boolean", ("member", "status")),
        Metric("http_probe_up", Kind.STATE, "boolean", _PROBE),
        Metric("http_probe_duration_seconds", Kind.STATE, "seconds", _PROBE),
        Metric("http_probe_status", Kind.STATE, "status", _PROBE),
        Metric("watcher_up", Kind.GAUGE, "boolean", ("stream",)),
        Metric("watcher_data_delay_seconds", Kind.GAUGE, "seconds", ("stream",)),
        Metric("watcher_failed", Kind.GAUGE, "boolean", ("stream", "family")),
        Metric("watcher_requests", Kind.COUNT, "requests"),
        Metric("watcher_throttled_requests", Kind.COUNT, "requests"),
        Metric("watcher_target_up", Kind.GAUGE, "boolean", ("target",)),
    )
}

SIGHT: Final = ("watcher_up", "watcher_data_delay_seconds")
"""The agent's own sight: one bin a planned poll."""

OF_THE_METRIC: Final = frozenset(
    (
        "tier",
        "status_class",
        "status",
        "basis",
        "size",
        "outcome",
        "check",
        "family",
        "url",
        "method",
        "reason",
    )
)
"""Labels that go with the metric where series are laid out as a grid; all others go with the entity."""

VALUES: Final[Mapping[str, frozenset[str]]] = {
    "tier": frozenset({"edge", "origin"}),
    "status_class": frozenset({"1xx", "2xx", "3xx", "4xx", "5xx", "other"}),
    "outcome": frozenset({"succeeded", "failed"}),
    "basis": frozenset({"bytes", "requests", "unknown"}),
    "check": frozenset({"chain", "host", "vendor", "same", "deployed", "renewal"}),
    "family": frozenset(
        {"auth", "permission", "quota", "clock", "request", "vendor", "network", "contract", "source"}
    ),
}
"""What some labels can be; a metric that has one of these has it in every series."""
