"""Huawei's answers as values: bytes in, `Page` out, and the pages of one window as a `Reading`. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Final, TypeAlias

import msgspec

from watcher.collect.collector import Window
from watcher.collect.decode import decode_json
from watcher.collect.http import Response
from watcher.collect.vendors.huawei_dsc.api import RECORDS
from watcher.collect.vendors.huawei_dsc.signatures import (
    OTHER,
    Signature,
    path_of,
    signature_of,
    status_of,
    without_people,
)
from watcher.collect.words import clean, printable
from watcher.errors import ContractBroken
from watcher.model.time import Instant, rfc3339

EXEMPLARS: Final = 20
ALIKE: Final = 3
"""Exemplars of one signature."""
_LONGEST_MARKER: Final = 4_096

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Time: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Record(msgspec.Struct, gc=False):
    """One call of the project's open API."""

    timestamp: _Time
    user_name: str | None = None
    user_id: str | None = None
    domain_name: str | None = None
    domain_id: str | None = None
    request_url: str | None = None
    request_method: str | None = None
    response_code: str | int | None = None
    fail_reason: str | None = None

    @property
    def people(self) -> tuple[str, ...]:
        """Names and ids of who called, and of their account."""
        return tuple(filter(None, (self.user_name, self.user_id, self.domain_name, self.domain_id)))

    @property
    def own(self) -> bool:
        """Whether it was a call for these records."""
        url = self.request_url or ""
        return RECORDS in url and path_of(url).rstrip("/").endswith(RECORDS)

    @property
    def fails(self) -> bool | None:
        """None where it does not say: no reason, and a code that is none."""
        if (self.fail_reason or "").strip():
            return True
        return _is_failure(self.response_code)


@lru_cache(maxsize=1024)
def _is_failure(code: str | int | None) -> bool | None:
    text = status_of(code)
    if text.isascii() and text.isdigit() and 100 <= int(text) <= 599:
        return int(text) >= 400
    return None


class _Answer(msgspec.Struct):
    total: _Count
    succeed: _Count
    failed: _Count
    openapi_called_records: list[Record] | None = None
    next_marker: str | None = None


@dataclass(frozen=True, slots=True)
class Counters:
    """What the vendor says of all records of a window."""

    total: int
    succeed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Page:
    """One answer; an empty marker is the end."""

    counters: Counters
    records: Sequence[Record]
    marker: str

    @property
    def own_succeeded(self) -> int:
        """Calls for these records among them that succeeded."""
        return sum(record.own and record.fails is False for record in self.records)

    def strays(self, window: Window) -> bool:
        """Whether the vendor's bounds are wider than the window."""
        return not all(_within(record, window) for record in self.records)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call as evidence, without who called unless that was asked for."""

    signature: Signature
    at: Instant
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a window."""

    counters: Counters
    aside_succeeded: int = 0
    """Of the counted calls: those not to count, since they were for these records, or outside the window."""
    aside_failed: int = 0
    own_succeeded: int = 0
    """Calls for these records, as far as the records show them."""
    calls: Mapping[Signature, int] = field(default_factory=dict)
    """Failed calls by signature, as the records have them."""
    failures: tuple[Failure, ...] = ()
    whole: bool = True
    """Whether these are all: what did not fail, failed 0 times."""
    remark: str = ""

    @property
    def final(self) -> bool:
        """Whether the records tell no more while the counters stay: they agree, or the rest is cut."""
        return not self.remark or not self.whole

    @property
    def succeeded(self) -> int:
        """Calls of others, by the vendor's counters."""
        return max(0, self.counters.succeed - self.aside_succeeded)

    @property
    def failed(self) -> int:
        """Calls of others, by the vendor's counters."""
        return max(0, self.counters.failed - self.aside_failed)


def parse_page(response: Response, window: Window) -> Page:
    """Read one answer.

    Raises:
        ContractBroken: it is not what the vendor documents, or not what was asked for; quotes nothing, since
            answers name people.
    """
    answer = decode_json(response, _Answer, secret=True)
    records, marker = answer.openapi_called_records or [], answer.next_marker or ""
    if len(marker) > _LONGEST_MARKER:
        raise ContractBroken(f"a marker of {len(marker)} characters")
    width = window.end - window.start
    for record in records:
        if not window.start - width <= record.timestamp < window.end + width:
            when = rfc3339(record.timestamp) if record.timestamp < 2**47 else str(record.timestamp)
            raise ContractBroken(f"a record of {when} in the answer for {rfc3339(window.start)}")
    return Page(Counters(answer.total, answer.succeed, answer.failed), records, marker)


def counted(counters: Counters, own: int) -> Reading:
    """A window of which only the counters were read: nothing failed in it."""
    return Reading(counters, aside_succeeded=own, remark=_sum(counters))


def read(
    pages: Sequence[Page], window: Window, project_id: str, *, whole: bool, most: int, show_users: bool
) -> Reading:
    """A window of which the pages were read, all of them when `whole`; at most so many signatures.

    The first page's counters count: records that come in while later ones are read are in the next reading.
    """
    records, counters = joined(pages), pages[0].counters
    judged = list(_judged(records, counters.failed))
    aside = [(record, fails) for record, fails in judged if record.own or not _within(record, window)]
    failing = [record for record, fails in judged if fails and not record.own and _within(record, window)]
    signed = [(signature_of(record, project_id), record) for record in failing]
    found = Found(len(judged), sum(fails for _, fails in judged))
    return Reading(
        counters=counters,
        aside_succeeded=sum(not fails for _, fails in aside),
        aside_failed=sum(fails for _, fails in aside),
        own_succeeded=sum(record.own and not fails for record, fails in aside),
        calls=_tallied(Counter(signature for signature, _ in signed), most),
        failures=tuple(_evidence(signed, project_id, show_users=show_users)),
        whole=whole,
        remark=_sum(counters) or (_disagreement(pages, found) if whole else _cut(counters, found)),
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What the records themselves add up to."""

    total: int
    failed: int


def joined(pages: Sequence[Page]) -> list[Record]:
    """The records of all pages, in order.

    Equal records may be different calls, so some are left out only where pages overlap: there are more than
    were counted, and a page begins with just what the one before ends with.
    """
    records = list(pages[0].records)
    excess = sum(len(page.records) for page in pages) - pages[0].counters.total
    for page in pages[1:]:
        again = _overlap(records, page.records, excess)
        excess -= again
        records += page.records[again:]
    return records


def _overlap(before: Sequence[Record], after: Sequence[Record], most: int) -> int:
    longest = min(most, len(before), len(after))
    return next((size for size in range(longest, 0, -1) if before[-size:] == after[:size]), 0)


def _judged(records: Sequence[Record], counted_failed: int) -> Iterator[tuple[Record, bool]]:
    """Each with whether it failed. Those that do not say failed if the vendor counted as many."""
    verdicts = [record.fails for record in records]
    unclear_fail = sum(verdict is not False for verdict in verdicts) <= counted_failed
    for record, verdict in zip(records, verdicts, strict=True):
        yield record, unclear_fail if verdict is None else verdict


def _within(record: Record, window: Window) -> bool:
    return window.start <= record.timestamp < window.end


def _tallied(calls: Counter[Signature], most: int) -> Mapping[Signature, int]:
    """The most frequent, and the rest as one."""
    if len(calls) <= most:
        return calls
    kept = dict(calls.most_common(most))
    return {**kept, OTHER: calls.total() - sum(kept.values())}


def _evidence(
    signed: Sequence[tuple[Signature, Record]], project_id: str, *, show_users: bool
) -> Iterator[Failure]:
    """The newest of each signature."""
    alike: Counter[Signature] = Counter()
    for signature, record in sorted(signed, key=lambda pair: -pair[1].timestamp):
        if alike.total() == EXEMPLARS:
            return
        if alike[signature] < ALIKE:
            alike[signature] += 1
            yield Failure(signature, record.timestamp, _facts(record, project_id, show_users=show_users))


def _facts(record: Record, project_id: str, *, show_users: bool) -> Mapping[str, str]:
    path = path_of(record.request_url or "").replace(project_id, "{project_id}")
    reason = record.fail_reason or ""
    if show_users:
        who = {"user": printable(record.user_name or "", 64), "user_id": printable(record.user_id or "", 64)}
    else:
        path, reason = (without_people(text, record.people) for text in (path, reason))
        who = {}
    facts = {"path": printable(path, 200), "message": clean(reason), **who}
    return {name: value for name, value in facts.items() if value}


def _sum(counters: Counters) -> str:
    if counters.total == counters.succeed + counters.failed:
        return ""
    parts = f"{counters.succeed} succeeded and {counters.failed} failed"
    return f"the counters do not add up: {parts} of {counters.total} calls"


def _disagreement(pages: Sequence[Page], found: Found) -> str:
    """Counters may grow while pages are read: the records then lie between the first and the last."""
    first, last = pages[0].counters, pages[-1].counters
    for what, low, high, seen in (
        ("calls", first.total, last.total, found.total),
        ("failed calls", first.failed, last.failed, found.failed),
    ):
        if not min(low, high) <= seen <= max(low, high):
            return f"{low} {what} in the counters, {seen} in the records"
    return ""


def _cut(counters: Counters, found: Found) -> str:
    return f"only {found.total} of {counters.total} records were read (max_pages)"
