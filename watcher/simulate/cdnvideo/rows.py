"""The rows of a data answer: one object per resource, or one for all."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from watcher.simulate.cdnvideo.metrics import SIZES, Column, Served, Value
from watcher.simulate.world import Resource

Quiet: TypeAlias = Literal["zeros", "nulls", "absent", "no_row"]
Row: TypeAlias = dict[str, Value | str]

EXTRA: Final[Row] = {"edge_status_418": 3, "edge_quic_share": 0.25, "edge_note": "experimental"}
"""Metrics that no document knows: a number, a share and a text."""


def build_rows(
    served: Served,
    metrics: Sequence[str],
    *,
    identities: Sequence[Row],
    quiet: Quiet,
    flat: bool,
) -> list[Row]:
    """One row per resource served; `identities` name them. Quiet resources look as `quiet` says."""
    columns = {metric: served.column(metric) for metric in metrics}
    if flat:
        columns = flattened(columns)
    busy = served.requests.tolist()
    rows = []
    for values, asked, identity in zip(zip(*columns.values(), strict=True), busy, identities, strict=True):
        figures = dict(zip(columns, values, strict=True))
        if asked or quiet == "zeros":
            rows.append(figures | identity)
        elif quiet != "no_row":
            rows.append(_hollow(columns, quiet) | identity)
    return rows


def identity(resource: Resource) -> Row:
    """How `/resources` names a resource."""
    return {
        "resource": resource.id,
        "resource_name": resource.name or resource.id,
        "cname": resource.host,
    }


def flattened(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Request times as one metric per response size, which is the other possible spelling."""
    flat: dict[str, Column] = {}
    for metric, column in columns.items():
        if metric.endswith("_request_time"):
            for size in SIZES:
                flat[f"{metric}_{size}"] = [
                    times[size] if isinstance(times, dict) else None for times in column
                ]
        else:
            flat[metric] = column
    return flat


def _hollow(columns: Mapping[str, Column], quiet: Quiet) -> Row:
    return dict.fromkeys(columns) if quiet == "nulls" else {}
