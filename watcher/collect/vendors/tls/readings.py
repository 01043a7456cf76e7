"""What handshakes say, as samples: a row for each address of a name, and one for the name. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from watcher.collect.vendors.tls.endpoint import Endpoint
from watcher.collect.vendors.tls.probe import Finding
from watcher.model.labels import LabelSet, label_set
from watcher.model.sample import Exemplar, Floats, MetricKey
from watcher.model.time import SECOND, Instant

METRICS: Final[tuple[MetricKey, ...]] = (
    ("tls_certificate_not_after_seconds", ()),
    *(
        ("tls_certificate_valid", label_set({"check": check}))
        for check in ("chain", "host", "deployed", "renewal", "same")
    ),
)
_SAME: Final = len(METRICS) - 1


@dataclass(frozen=True, slots=True)
class Reading:
    """One endpoint: what it presented, and what is wrong with that beside chain and host.

    Empty words mean that the check passed, None that nobody can say.
    """

    endpoint: Endpoint
    finding: Finding | None
    undeployed: str | None = None
    overdue: str | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """The tables and values of a batch."""

    entities: tuple[LabelSet, ...]
    values: Floats
    exemplars: tuple[Exemplar, ...]


def grid(readings: Sequence[Reading], at: Instant) -> Grid:
    """All readings of one moment."""
    of_name: dict[str, list[Reading]] = {name: [] for name in sorted({one.endpoint.name for one in readings})}
    for reading in readings:
        of_name[reading.endpoint.name].append(reading)
    values = np.full((1, len(METRICS), len(readings) + len(of_name)), np.nan)
    exemplars: list[Exemplar] = []
    for place, reading in enumerate(readings):
        if reading.finding is not None:
            values[0, :_SAME, place] = _values(reading, reading.finding)
            exemplars.append(Exemplar(place, at, _facts(reading, reading.finding)))
    for place, own in enumerate(of_name.values(), start=len(readings)):
        values[0, _SAME, place] = _same(own)
        exemplars += [Exemplar(place, at, facts) for facts in _disagreement(own, values[0, _SAME, place])]
    domains = tuple(label_set({"domain": name}) for name in of_name)
    return Grid(tuple(reading.endpoint.labels for reading in readings) + domains, values, tuple(exemplars))


def _values(reading: Reading, finding: Finding) -> list[float]:
    """In the order of `METRICS`, without `same`."""
    checks = (finding.chain_fault, finding.host_fault, reading.undeployed, reading.overdue)
    return [finding.not_after / SECOND, *(np.nan if one is None else float(not one) for one in checks)]


def _facts(reading: Reading, finding: Finding) -> Mapping[str, str]:
    more = {"deployed": reading.undeployed or "", "renewal": reading.overdue or ""}
    return {**finding.facts, **{key: fact for key, fact in more.items() if fact}}


def _same(readings: Sequence[Reading]) -> float:
    """Whether all addresses of a name present one certificate, on each port; unknown while one is silent."""
    prints: dict[int, set[str]] = {}
    for reading in readings:
        if reading.finding is not None:
            prints.setdefault(reading.endpoint.port, set()).add(reading.finding.fingerprint)
    if any(len(found) > 1 for found in prints.values()):
        return 0.0
    return 1.0 if all(reading.finding is not None for reading in readings) else np.nan


def _disagreement(readings: Sequence[Reading], same: float) -> list[Mapping[str, str]]:
    """Who presents what, where addresses disagree."""
    if same != 0:
        return []
    return [
        {
            "address": reading.endpoint.address,
            "fingerprint": reading.finding.fingerprint,
            "not_after": reading.finding.facts["not_after"],
        }
        for reading in readings
        if reading.finding is not None
    ]
