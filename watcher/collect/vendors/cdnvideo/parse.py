"""CDNvideo's answers as columns: bytes in, `Page` out, and a page as a `SampleBatch`. Pure.

What the vendor does not say is NaN, never zero. One impossible value (a negative count, a hit ratio of 1.2)
is read as not said, so that one resource's slip does not blind the account; a column of nothing else is a
changed contract.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from watcher.collect.collector import Window
from watcher.collect.decode import decode_json
from watcher.collect.http import Response
from watcher.collect.vendors.cdnvideo.settings import CLASSES, CODES, TIERS
from watcher.collect.words import clean, printable
from watcher.errors import ContractBroken
from watcher.model.labels import label_set
from watcher.model.sample import Floats, MetricKey, SampleBatch
from watcher.model.time import SECOND, Duration, Instant, parse_rfc3339

SIZES: Final = ("0_250k", "250k_500k", "500k_750k", "750k_1m", "1m_2m", "2m_3m", "3m_4m", "4M+")
"""Response sizes that request times are split by, as the vendor spells them."""
COUNTED: Final = frozenset(
    f"{tier}_{what}" for tier in TIERS for what in ("requests_total", *(f"status_{name}" for name in CLASSES))
)
"""What is there wherever there is traffic."""
_ECHO: Final = ("status", "account", "start", "end", "metrics")
"""What stands beside the data, as the vendor's page has it; each may be missing."""
RATIO: Final = "edge_hit_ratio"
_RATIO_ROUNDING: Final = 1e-6
_LARGEST: Final = 2.0**53
"""Beyond this a count is no longer exact, and no minute has so many bytes."""
_SLIPS: Final = 2
"""So many impossible values in a column of nothing else may still be slips."""
_LONGEST_ID: Final = 256

Columns: TypeAlias = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Page:
    """One or more answers for the same window: by resource, or one row of account totals with no id."""

    resources: tuple[str, ...]
    names: Mapping[str, str]
    columns: Columns
    """By the vendor's name of the metric; a request time's name ends in its size."""
    slips: tuple[str, ...] = ()
    """Values that cannot be and were left out, in words."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a page comes from: what its batch says of itself."""

    source: str
    stream: str
    account: str
    window: Window
    fetched_at: Instant
    settled_until: Instant


def parse_page(
    response: Response, *, account: str, window: Window, metrics: Sequence[str], by_resource: bool
) -> Page:
    """Read one answer of `/` or `/resources`.

    Raises:
        ContractBroken: it is not what the vendor documents, or not what was asked for.
    """
    shape, columns_of = _reader(tuple(metrics), by_resource)
    row = len(metrics) + (3 if by_resource else 0)
    answer = decode_json(response, shape, strict=False, keys=lambda answer: _keys(answer, row))
    _check_answer(answer, account, window)
    rows = answer.data
    if not by_resource and len(rows) > 1:
        raise ContractBroken(f"{len(rows)} rows of account totals")
    resources = _resources(rows) if by_resource else ("",) * len(rows)
    said, absent = columns_of(rows)
    columns, slips = _possible(said, resources)
    _check_counted(absent, columns)
    names = {row.resource: printable(row.resource_name or row.cname) for row in rows} if by_resource else {}
    return Page(resources, {str(key): name for key, name in names.items() if name}, columns, slips)


def merged(pages: Sequence[Page]) -> Page:
    """One page out of several that were asked for different metrics of the same window."""
    if len(pages) == 1:
        return pages[0]
    resources = tuple(dict.fromkeys(resource for page in pages for resource in page.resources))
    place = {resource: row for row, resource in enumerate(resources)}
    columns: dict[str, Floats] = {}
    for page in pages:
        rows = [place[resource] for resource in page.resources]
        for name, column in page.columns.items():
            columns[name] = np.full(len(resources), np.nan)
            columns[name][rows] = column
    names = {resource: name for page in pages for resource, name in page.names.items()}
    return Page(resources, names, columns, tuple(slip for page in pages for slip in page.slips))


def batch_of(page: Page, of: Provenance) -> SampleBatch:
    """The page in our words."""
    width = of.window.end - of.window.start
    samples = tuple(_samples(page.columns, width))
    entities = tuple(label_set({"account": of.account, "resource": name}) for name in page.resources)
    values = np.array([column for _, column in samples]).reshape(1, len(samples), len(entities))
    return SampleBatch(
        source=of.source,
        vendor="cdnvideo",
        stream=of.stream,
        width=width,
        fetched_at=of.fetched_at,
        settled_until=of.settled_until,
        entities=entities,
        metrics=tuple(key for key, _ in samples),
        starts=np.array([of.window.start], dtype=np.int64),
        values=values,
        names=page.names,
    )


def _keys(answer: Any, row: int) -> int:  # noqa: ANN401 - a struct made here
    """How many keys there are if every row has what was asked for, each as one number."""
    return sum(getattr(answer, key) is not None for key in _ECHO) + 1 + row * len(answer.data)


def _check_answer(answer: Any, account: str, window: Window) -> None:  # noqa: ANN401 - a struct made here
    if isinstance(answer.status, int) and answer.status != 200:
        raise ContractBroken(f"the answer has data, and status {answer.status}")
    if isinstance(answer.account, str) and answer.account != account:
        raise ContractBroken(f"the answer is for account {clean(answer.account)!r}")
    for said, asked in ((answer.start, window.start), (answer.end, window.end)):
        if isinstance(said, str) and _instant(said) not in {asked, None}:
            raise ContractBroken(f"the answer is for another window: {clean(said)}")


def _instant(text: str) -> Instant | None:
    """The vendor's times are UTC without an offset; None where the text is no time."""
    try:
        return parse_rfc3339(text if text.endswith("Z") or "+" in text else text + "Z")
    except (ValueError, OverflowError):
        return None


def _resources(rows: Sequence[Any]) -> tuple[str, ...]:
    resources = tuple(str(row.resource) for row in rows)
    for resource in resources:
        if not resource.isprintable() or not 0 < len(resource) <= _LONGEST_ID:
            raise ContractBroken(f"resource id {clean(resource, 40)!r}")
    if len(set(resources)) < len(resources):
        ((twice, _),) = Counter(resources).most_common(1)
        raise ContractBroken(f"resource {clean(twice, 40)!r} has more than one row")
    return resources


def _check_counted(absent: Collection[str], columns: Columns) -> None:
    """Where a tier has traffic, its requests and classes are there: null, 0 or a count, but there.

    An answer without the key at all is one in which the metric has another name now.
    """
    for metric in sorted(COUNTED.intersection(absent)):
        tier, _, _ = metric.partition("_")
        counts = [column for name, column in columns.items() if name.startswith(tier) and name != RATIO]
        if any((column > 0).any() for column in counts):
            raise ContractBroken(f"{metric} is in no row, and {tier} has traffic")


ColumnsOf: TypeAlias = Callable[[Sequence[Any]], tuple[Columns, Collection[str]]]
"""Columns, and the names of those that no row has: their keys are not there, not even with a null."""


@lru_cache(maxsize=64)
def _reader(metrics: tuple[str, ...], by_resource: bool) -> tuple[type[Any], ColumnsOf]:  # noqa: FBT001
    """The shape of an answer with just these metrics (others cost only their bytes), and its columns."""
    timed = tuple(metric for metric in metrics if metric.endswith("_request_time"))
    flat = tuple(f"{metric}_{size}" for metric in timed for size in SIZES)
    keys = (*(metric for metric in metrics if metric not in timed), *flat)
    who: list[Any] = [("resource", str | int), ("resource_name", Any, None), ("cname", Any, None)]
    values = [(f"v{place}", float | None, np.nan) for place in range(len(keys))]
    objects = [(metric, dict[str, Any] | None, None) for metric in timed]
    rename = {f"v{place}": key for place, key in enumerate(keys)}
    row = msgspec.defstruct(
        "Row", [*(who if by_resource else ()), *values, *objects], rename=rename, gc=False
    )
    echo = [(name, Any, None) for name in _ECHO]
    answer: Any = msgspec.defstruct("Answer", [("data", list[row]), *echo])  # type: ignore[valid-type]

    def columns_of(rows: Sequence[Any]) -> tuple[Columns, Collection[str]]:
        columns = {
            key: np.fromiter(map(attrgetter(f"v{place}"), rows), np.float64, len(rows))
            for place, key in enumerate(keys)
        }
        absent = [
            key
            for place, key in enumerate(keys)
            if np.isnan(columns[key]).all() and all(getattr(row, f"v{place}") is not None for row in rows)
        ]
        for metric in timed:
            columns.update(_nested(metric, rows, columns))
        return columns, absent

    return answer, columns_of


def _nested(metric: str, rows: Sequence[Any], flat: Columns) -> Columns:
    """Request times in the other spelling: an object under the metric's name, keyed by size."""
    objects = [getattr(row, metric) or {} for row in rows]
    if not any(objects):
        return {}
    columns = {}
    for size in SIZES:
        values = [_second(entry.get(size)) for entry in objects]
        column = flat[f"{metric}_{size}"]
        columns[f"{metric}_{size}"] = np.where(np.isnan(column), np.array(values, np.float64), column)
    return columns


def _second(value: object) -> float:
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ContractBroken(f"a request time is a {type(value).__name__}")
    return float(value) if abs(value) < _LARGEST else np.inf


def _possible(columns: Columns, resources: Sequence[str]) -> tuple[Columns, tuple[str, ...]]:
    kept, slips = {}, []
    for name, column in columns.items():
        top = 1 + _RATIO_ROUNDING if name == RATIO else _LARGEST
        impossible = (column < 0) | (column > top)
        if impossible.any():
            worst = int(np.argmax(impossible))
            what = f"{name} of {resources[worst] or 'the account'} is {column[worst]:g}"
            if impossible.sum() > _SLIPS and impossible.sum() == np.count_nonzero(~np.isnan(column)):
                raise ContractBroken(f"no value of {name} can be: {what}")
            slips.append(what)
        kept[name] = np.where(impossible, np.nan, column)
    if RATIO in kept:
        kept[RATIO] = np.minimum(kept[RATIO], 1.0)
    return kept, tuple(slips)


def _key(metric: str, **labels: str) -> MetricKey:
    return metric, label_set(labels)


def _samples(columns: Columns, width: Duration) -> Iterator[tuple[MetricKey, Floats]]:
    for tier in TIERS:
        yield from _counts(columns, tier)
        for size in SIZES:
            if (column := columns.get(f"{tier}_request_time_{size}")) is not None:
                yield _key("cdn_request_duration_seconds", tier=tier, size=size), column
        if (column := columns.get(f"{tier}_bandwidth")) is not None:
            yield _key("cdn_bandwidth_bits_per_second", tier=tier), column
    yield from _cache(columns, width)


def _counts(columns: Columns, tier: str) -> Iterator[tuple[MetricKey, Floats]]:
    classes = {name: columns[key] for name in CLASSES if (key := f"{tier}_status_{name}") in columns}
    for name, column in classes.items():
        yield _key("cdn_responses", tier=tier, status_class=name), column
    total = columns.get(f"{tier}_requests_total")
    if total is not None:
        yield _key("cdn_requests", tier=tier), total
        if len(classes) == len(CLASSES):
            rest = np.maximum(total - sum(classes.values()), 0.0)
            yield _key("cdn_responses", tier=tier, status_class="other"), rest
    for code in CODES:
        if (key := f"{tier}_status_{code}") in columns:
            yield _key("cdn_status_responses", tier=tier, status=code), columns[key]


def _cache(columns: Columns, width: Duration) -> Iterator[tuple[MetricKey, Floats]]:
    if (hits := columns.get("edge_hit_bytes")) is not None:
        yield _key("cdn_hit_bytes", tier="edge"), hits
    if RATIO not in columns:
        return
    ratio = columns[RATIO]
    if "edge_requests_total" in columns:  # a share of nothing is no share
        ratio = np.where(columns["edge_requests_total"] == 0, np.nan, ratio)
    yield _key("cdn_hit_ratio", basis="bytes"), ratio
    if hits is not None:
        yield _key("cdn_bytes", tier="edge"), _total_bytes(hits, ratio, columns.get("edge_bandwidth"), width)


def _total_bytes(hits: Floats, ratio: Floats, bandwidth: Floats | None, width: Duration) -> Floats:
    """Bytes delivered: hit bytes by hit ratio, which is how the vendor defines the ratio.

    Where nothing was a hit that says nothing, and without a weight a ratio of 0 would count for nothing
    either: a cache that has wholly collapsed must be seen. There it is the mean bandwidth times the time.
    """
    unknown = np.full_like(hits, np.nan)
    by_bandwidth = unknown if bandwidth is None else bandwidth * (width / SECOND) / 8
    hit = ratio > 0
    with np.errstate(over="ignore"):
        by_ratio = np.divide(hits, ratio, out=unknown.copy(), where=hit)
    total = np.rint(np.where(hit, by_ratio, by_bandwidth))
    return np.where(total <= _LARGEST, total, np.nan)
