"""A fleet as a file of the long format, with arrival times: delays, storms of late bins, corrections."""

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray

from benchmarks.fleet_world import DAY, HOUR, MINUTE, Fleet, Floats

HEADER: Final = (
    "time", "width", "metric", "value", "fetched_at", "source", "vendor", "resource", "tier", "status_class",
    "basis",
)  # fmt: skip
OK: Final = {"2xx": 0.88, "3xx": 0.12}
CORRECTED: Final = 0.01
"""Bins whose first version is incomplete."""


def write(fleet: Fleet, path: Path) -> Path:
    """Write the samples beside the truth, in order of arrival."""
    rng = np.random.default_rng([fleet.seed, 7])
    come = _arrivals(fleet, rng)
    order = np.lexsort((np.arange(come.size) // come.shape[1], come.ravel()))
    again = rng.random(come.shape) < CORRECTED
    with gzip.open(path, "wt", compresslevel=1, newline="") as file:
        _write(fleet, file, come, order=order, again=again)
    truth = [
        {
            "family": one.family, "kind": one.kind, "resource": name(one.domain), "start": one.start,
            "end": one.end, "enough_at": one.enough_at,
        }
        for one in fleet.incidents
    ]  # fmt: skip
    calm = [
        {"kind": one.kind, "resource": name(one.domain), "start": one.start, "end": one.end}
        for one in fleet.distractors
    ]
    about = {"incidents": truth, "distractors": calm, "months": fleet.months, "days": fleet.setting.days}
    path.with_suffix(".truth.json").write_text(json.dumps(about), encoding="utf-8")
    return path


def name(domain: int) -> str:
    """Resource of a column."""
    return f"d{domain:03d}"


def _arrivals(fleet: Fleet, rng: np.random.Generator) -> NDArray[np.int64]:
    """When each bin comes, by `[bin, domain]`, in seconds: five minutes late, in storms up to 90 min."""
    setting, ends = fleet.setting, fleet.starts + fleet.setting.width
    come = np.repeat(ends[:, None] + 5 * MINUTE, setting.domains, axis=1)
    for domain in range(setting.domains):
        for _ in range(rng.poisson(setting.late * setting.days / 30)):
            start = ends[0] + rng.uniform(0, setting.days * DAY)
            until = start + rng.uniform(0.5, 1.5) * HOUR
            held = (ends >= start) & (ends < until)
            come[held, domain] = int(until) + 5 * MINUTE
    return come


def _write(
    fleet: Fleet, file: TextIO, come: NDArray[np.int64], *, order: NDArray[np.intp], again: NDArray[np.bool_]
) -> None:
    writer = csv.writer(file)
    writer.writerow(HEADER)
    late: list[tuple[int, list[tuple[str, ...]]]] = []
    for place in order.tolist():
        bin_, domain = divmod(place, come.shape[1])
        at = int(come[bin_, domain])
        while late and late[0][0] <= at:
            writer.writerows(late.pop(0)[1])
        if again[bin_, domain]:
            writer.writerows(_rows(fleet, bin_, domain, at, 0.6))
            late.append((at + 20 * MINUTE, list(_rows(fleet, bin_, domain, at + 20 * MINUTE, 1.0))))
        else:
            writer.writerows(_rows(fleet, bin_, domain, at, 1.0))
    for _, rows in late:
        writer.writerows(rows)


def _rows(fleet: Fleet, bin_: int, domain: int, at: int, share: float) -> Iterator[tuple[str, ...]]:
    """One bin of one domain; with a share, what had come of it by then."""
    head = (_time(int(fleet.starts[bin_])), str(fleet.setting.width))
    tail = (_time(at), "fleet", "simulated", name(domain))

    def counted(column: Floats) -> int:
        return round(float(column[bin_, domain]) * share)

    requests, failed, refused = (counted(column) for column in (fleet.requests, fleet.failed, fleet.refused))
    refused = min(refused, requests - failed)
    rest = requests - failed - refused
    found = round(rest * OK["2xx"])
    yield (*head, "cdn_requests", str(requests), *tail, "edge", "", "")
    classes = {"1xx": 0, "2xx": found, "3xx": rest - found, "4xx": refused, "5xx": failed}
    for family, count in classes.items():
        yield (*head, "cdn_responses", str(count), *tail, "edge", family, "")
    yield (*head, "cdn_bytes", str(counted(fleet.weight)), *tail, "edge", "", "")
    hit = float(fleet.hit[bin_, domain])
    if np.isfinite(hit):
        yield (*head, "cdn_hit_ratio", f"{hit:.6f}", *tail, "", "", "bytes")


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
