"""SwiftFederation's answers as columns: bytes in, `Page` out. Pure.

The vendor leaves out codes without requests, and bins about which nothing is known. So within a bin that is
there what is absent is zero, and a bin that is absent is unknown. Nothing is read from an answer that is not
wholly as documented: a count in the wrong bin is worse than none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from watcher.collect.collector import Window
from watcher.collect.decode import decode_json
from watcher.collect.http import Response
from watcher.collect.vendors.swiftfederation.api import trace_id, traced
from watcher.collect.words import printable
from watcher.errors import ContractBroken
from watcher.model.sample import Floats
from watcher.model.time import Duration, rfc3339

CODES: Final = frozenset(map(str, range(100, 600)))
"""Whatever an origin may say, 530 included."""
LARGEST: Final = 10**13
"""Requests of one code in one bin. No domain has so many in a day, and sums of them are exact in a float."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)

Bools: TypeAlias = NDArray[np.bool_]


class _Bucket(msgspec.Struct, rename="camel", gc=False):
    timestamp: str
    http_code_values: dict[str, Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]]


class _Domain(msgspec.Struct, rename="camel", gc=False):
    service_name: str
    http_codes: list[_Bucket]


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: how many requests each name's origins answered with each code, by bin."""

    names: tuple[str, ...]
    """Those asked for, in that order."""
    codes: tuple[str, ...]
    """Those that occur, sorted."""
    present: Bools
    """`[bin, name]`: whether the answer has that bin."""
    counts: Floats
    """`[bin, code, name]`; 0 also where the bin is not there."""
    trace: str
    """The vendor's id of the call; empty where it gave none."""


def parse_page(response: Response, *, names: Sequence[str], window: Window, width: Duration) -> Page:
    """Read one answer.

    Raises:
        ContractBroken: it is not what the vendor documents, or not what was asked for.
    """
    try:
        domains = decode_json(response, list[_Domain], keys=_keys)
        return _page(domains, names, _Bins.of(window, width), trace_id(response))
    except ContractBroken as error:
        raise ContractBroken(traced(str(error), response), status=response.status) from error


@dataclass(frozen=True, slots=True)
class _Bins:
    """The bins that were asked for, by the vendor's text of their start."""

    rows: Mapping[str, int]
    end: str
    """Start of the first bin after them. The end is probably not included; if it is, that bin is left out."""

    @classmethod
    def of(cls, window: Window, width: Duration) -> "_Bins":
        starts = range(window.start, window.end, width)
        return cls({rfc3339(start): row for row, start in enumerate(starts)}, rfc3339(window.end))

    def row(self, name: str, timestamp: str) -> int | None:
        row = self.rows.get(timestamp)
        if row is None and timestamp != self.end:
            readable = bool(_TIME.fullmatch(timestamp))
            what = "no bin that was asked for" if readable else "not written as documented"
            raise ContractBroken(f"{printable(name, 80)}: timestamp {printable(timestamp, 40)!r} is {what}")
        return row


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What an answer holds, flat: of each cell `bin * names + name` how many codes it has, and these."""

    cells: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def add(self, cell: int, values: Mapping[str, int]) -> None:
        self.cells.append(cell)
        self.sizes.append(len(values))
        self.codes.extend(values)
        self.counts.extend(values.values())


def _page(domains: Sequence[_Domain], names: Sequence[str], bins: _Bins, trace: str) -> Page:
    read = _gathered(domains, names, bins)
    known = _known(read.codes)
    shape = len(bins.rows), len(names)
    grid = np.zeros((shape[0] * shape[1], len(known)))
    places = {code: place for place, code in enumerate(known)}
    rows = np.repeat(np.asarray(read.cells, np.intp), read.sizes)
    grid[rows, np.fromiter(map(places.__getitem__, read.codes), np.intp, len(read.codes))] = read.counts
    present = np.zeros(len(grid), np.bool_)
    present[read.cells] = True
    by_bin = grid.reshape(*shape, len(known)).transpose(0, 2, 1)
    return Page(tuple(names), known, present.reshape(shape), by_bin, trace)


def _gathered(domains: Sequence[_Domain], names: Sequence[str], bins: _Bins) -> _Gathered:
    columns = {name.lower(): column for column, name in enumerate(names)}
    read = _Gathered()
    for domain in domains:
        column = columns.pop(domain.service_name.lower(), None)
        if column is None:
            raise _not_asked_for(domain.service_name, names)
        for row, values in _rows(domain, bins):
            read.add(row * len(names) + column, values)
    return read


def _rows(domain: _Domain, bins: _Bins) -> Iterator[tuple[int, Mapping[str, int]]]:
    """One domain's bins, each once."""
    seen: set[int] = set()
    for bucket in domain.http_codes:
        row = bins.row(domain.service_name, bucket.timestamp)
        if row is None:
            continue
        if row in seen:
            raise ContractBroken(f"{printable(domain.service_name, 80)}: two entries for {bucket.timestamp}")
        seen.add(row)
        yield row, bucket.http_code_values


def _known(codes: Sequence[str]) -> tuple[str, ...]:
    known = set(codes)
    if strange := sorted(known - CODES):
        raise ContractBroken(f"{printable(strange[0], 40)!r} is no status code")
    return tuple(sorted(known))


def _not_asked_for(name: str, names: Sequence[str]) -> ContractBroken:
    twice = name.lower() in {asked.lower() for asked in names}
    return ContractBroken(
        f"{printable(name, 80)!r} {'has more than one entry' if twice else 'was not asked for'}"
    )


def _keys(domains: Sequence[_Domain]) -> int:
    """How many keys the answer has where it has only those that are documented."""
    buckets = [bucket for domain in domains for bucket in domain.http_codes]
    return 2 * (len(domains) + len(buckets)) + sum(len(bucket.http_code_values) for bucket in buckets)
