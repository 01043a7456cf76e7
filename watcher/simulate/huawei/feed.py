"""The audit feed: which records there are by now, their counters, and pages of them with opaque markers."""

import hmac
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from zlib import crc32

from watcher.model.time import Duration, Instant
from watcher.simulate.calls import Call, Calls
from watcher.simulate.huawei.answers import invalid
from watcher.simulate.huawei.query import Filter, Query
from watcher.simulate.huawei.settings import HuaweiSettings

KEPT: Final = 100_000
"""Records beyond the scenario's."""
_KEY: Final = b"markers of the simulated feed"
_SIGNED: Final = 12
"""Bytes of a marker that bind it to its filter."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer's part of the feed."""

    calls: Sequence[Call]
    total: int
    failed: int
    next_marker: str | None
    """None where this is the last one."""


class Feed:
    """The scenario's calls, and those that were made of this server."""

    def __init__(self, settings: HuaweiSettings, calls: Calls) -> None:
        self._settings = settings
        self._calls = calls
        self._more: deque[Call] = deque(maxlen=KEPT)

    def add(self, call: Call) -> None:
        """One more record, there at once."""
        self._more.append(call)

    def page(self, query: Query, *, now: Instant, lag: Duration) -> Page:
        """What a valid query is answered; recent calls come in `lag` after they were made.

        Raises:
            Refused: 400, the marker is unknown or of another filter.
        """
        found = self._found(query.filter, now, lag)
        first = place_of(query.marker, query.filter) if query.marker else 0
        last = first + min(query.limit, self._settings.page)
        more = last < len(found) or (self._settings.end == "no_records" and first < len(found))
        return Page(
            calls=found[first:last],
            total=len(found),
            failed=sum(call.failed for call in found),
            next_marker=marker_of(min(last, len(found)), query.filter) if more else None,
        )

    def _found(self, asked: Filter, now: Instant, lag: Duration) -> Sequence[Call]:
        settings = self._settings
        start = max(asked.start, now - settings.retention)
        end = now + 1
        if asked.end is not None:
            end = min(end, asked.end + 1 if settings.bounds == "closed" else asked.end)
        if start >= end:
            return ()
        known = [call for call in self._calls.between(start, end) if self._in_by(call, lag) <= now]
        known += [call for call in self._more if start <= call.at < end]
        url = asked.called_url.replace("{project_id}", settings.project_id)
        chosen = [call for call in known if url in {"", url_of(call, settings)}]
        return sorted(chosen, key=lambda call: call.at, reverse=settings.order == "newest")

    def _in_by(self, call: Call, lag: Duration) -> Instant:
        """When the call's record is there."""
        drawn = crc32(f"{call.at} {call.url} {call.caller.id}".encode()) / 2**32
        return call.at + lag + (self._settings.late_by if drawn < self._settings.late_share else 0)

    def records(self, page: Page) -> Iterator[dict[str, Any]]:
        """As the vendor writes them."""
        for call in page.calls:
            yield {
                "user_name": call.caller.name,
                "user_id": call.caller.id,
                "domain_name": self._settings.domain,
                "domain_id": sha256(self._settings.domain.encode()).hexdigest()[:32],
                "request_url": url_of(call, self._settings),
                "request_method": call.method,
                "response_code": call.code,
                "fail_reason": call.reason,
                "timestamp": call.at,
            }


def url_of(call: Call, settings: HuaweiSettings) -> str:
    """With the project's own id."""
    return call.url.replace("{project_id}", settings.project_id)


def marker_of(place: int, asked: Filter) -> str:
    """Opaque, and of this filter only."""
    return b64encode(_seal(place, asked) + str(place).encode()).decode()


def place_of(marker: str, asked: Filter) -> int:
    """Where a page begins.

    Raises:
        Refused: 400.
    """
    try:
        content = b64decode(marker, validate=True)
        place = int(content[_SIGNED:])
    except ValueError:
        raise invalid() from None
    if not hmac.compare_digest(content[:_SIGNED], _seal(place, asked)):
        raise invalid()
    return place


def _seal(place: int, asked: Filter) -> bytes:
    return hmac.new(_KEY, f"{place} {asked!r}".encode(), sha256).digest()[:_SIGNED]
