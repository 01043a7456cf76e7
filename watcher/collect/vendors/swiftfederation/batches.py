"""What was read, in our words: pages as counts by bin, and which domains the vendor knows as states. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from watcher.collect.collector import Window
from watcher.collect.vendors.swiftfederation.parse import Page
from watcher.collect.vendors.swiftfederation.roster import Refusal
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.labels import label_set
from watcher.model.sample import Exemplar, Floats, MetricKey, SampleBatch
from watcher.model.time import Duration, Instant

VENDOR: Final = "swiftfederation"
CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
USUAL: Final = tuple(
    map(
        str,
        (
            *(400, 401, 403, 404, 405, 408, 410, 413, 416, 422, 429, 451, 499),
            *(*range(500, 506), *range(520, 528), 530),
        ),
    )
)
"""Errors that are written as zeros when none occurs, so that one that has passed is seen to have passed.

Others are, too, once they have occurred; but a restart forgets these.
"""
FOUND: Final = "found"
NOT_FOUND: Final = "not_found"
EXEMPLARS: Final = 20
_TIER: Final = ("tier", "origin")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a batch comes from: what it says of itself."""

    source: str
    stream: str
    window: Window
    width: Duration
    fetched_at: Instant
    settled_until: Instant
    remark: str = ""


def counts_batch(pages: Sequence[Page], of: Provenance, *, codes: Collection[str] = ()) -> SampleBatch:
    """The answers of one window together; in a bin that is there, a code that is not is zero.

    `codes` are those to write beside the ones that occur.
    """
    names = [name for page in pages for name in page.names]
    known = sorted({*codes, *(code for page in pages for code in page.codes)})
    present = np.concatenate([page.present for page in pages], axis=1)
    values = _samples(pages, known)
    values.transpose(0, 2, 1)[~present] = np.nan
    return SampleBatch(
        source=of.source,
        vendor=VENDOR,
        stream=of.stream,
        width=of.width,
        fetched_at=of.fetched_at,
        settled_until=of.settled_until,
        entities=tuple(label_set({"resource": name}) for name in names),
        metrics=tuple(_metrics(known)),
        starts=np.arange(of.window.start, of.window.end, of.width, dtype=np.int64),
        values=values,
        exemplars=tuple(_exemplars(pages, of)),
        remark=of.remark,
    )


def states_batch(standings: Mapping[str, Refusal | None], of: Provenance) -> SampleBatch:
    """Which of the configured names the vendor knows; they are all there are.

    A name that was refused, and not yet again, is unknown: it is there without a value, and what is listed is
    then not all there is.
    """
    exemplars = (
        Exemplar(entity, refusal.at, {"domain": name, "answer": refusal.why})
        for entity, (name, refusal) in enumerate(standings.items())
        if refusal is not None and refusal.is_confirmed
    )
    return SampleBatch(
        source=of.source,
        vendor=VENDOR,
        stream=of.stream,
        width=0,
        fetched_at=of.fetched_at,
        settled_until=of.settled_until,
        entities=tuple(label_set({"resource": name}) for name in standings),
        metrics=tuple(("domain_status", (("status", status),)) for status in (FOUND, NOT_FOUND)),
        starts=np.array([of.window.start], dtype=np.int64),
        values=np.array([_reading(refusal) for refusal in standings.values()]).T[np.newaxis],
        exemplars=tuple(islice(exemplars, EXEMPLARS)),
        complete=True,
        listings=(_listing(standings),),
        remark=of.remark,
    )


def _reading(refusal: Refusal | None) -> tuple[float, float]:
    """Whether it is found, and whether it is not."""
    if refusal is None:
        return 1.0, 0.0
    return (0.0, 1.0) if refusal.is_confirmed else (np.nan, np.nan)


def _listing(standings: Mapping[str, Refusal | None]) -> Listing:
    """The names that somebody could connect to: a wildcard is none."""
    sure = {name: one for name, one in standings.items() if one is None or one.is_confirmed}
    items = (
        Item(ItemKind.DOMAIN, name.lower(), {"name": name, "status": "online" if one is None else NOT_FOUND})
        for name, one in sure.items()
        if not name.startswith("*")
    )
    return Listing(ItemKind.DOMAIN, tuple(items), complete=len(sure) == len(standings))


def _metrics(codes: Sequence[str]) -> Iterator[MetricKey]:
    yield "cdn_requests", (_TIER,)
    for name in (*CLASSES, "other"):
        yield "cdn_responses", (("status_class", name), _TIER)
    for code in codes:
        yield "cdn_status_responses", (("status", code), _TIER)


def _samples(pages: Sequence[Page], codes: Sequence[str]) -> Floats:
    """Rows in the order of `_metrics`. The vendor lists every code, so that nothing is left for `other`."""
    classes = [[code[0] == name[0] for code in codes] for name in CLASSES]
    sums = np.array([[True] * len(codes), *classes, [False] * len(codes)], dtype=np.float64)
    names = sum(len(page.names) for page in pages)
    values = np.zeros((len(pages[0].present), len(sums) + len(codes), names))
    place = {code: row for row, code in enumerate(codes, start=len(sums))}
    first = 0
    for page in pages:
        rows = [place[code] for code in page.codes]
        values[:, rows, first : first + len(page.names)] = page.counts
        first += len(page.names)
    values[:, : len(sums)] = sums @ values[:, len(sums) :]
    return values


def _exemplars(pages: Sequence[Page], of: Provenance) -> Iterator[Exemplar]:
    """Of each name with server errors the newest bin that has any, the worst names first."""
    found: list[tuple[float, Exemplar]] = []
    first = 0
    for page in pages:
        errors = page.counts[:, [code[0] == "5" for code in page.codes]].sum(axis=1)
        for column in np.flatnonzero(errors.any(axis=0)):
            row = int(np.flatnonzero(errors[:, column])[-1])
            at = of.window.start + row * of.width
            facts = _facts(page, row, int(column))
            found.append((errors[row, column], Exemplar(first + int(column), at, facts)))
        first += len(page.names)
    worst = sorted(found, key=lambda one: (-one[0], one[1].entity))
    yield from (exemplar for _, exemplar in worst[:EXEMPLARS])


def _facts(page: Page, row: int, column: int) -> Mapping[str, str]:
    """The vendor's own record: requests by code, and under which id it answered."""
    counts = page.counts[row, :, column]
    record = " ".join(
        f"{code}:{count:.0f}" for code, count in zip(page.codes, counts, strict=True) if count > 0
    )
    facts = {"domain": page.names[column], "codes": record}
    return {**facts, "trace": page.trace} if page.trace else facts
