"""Which calls in the feed are our own: asking for calls is a call, and counted it would feed on itself.

Nobody documents whether the feed holds these calls, so that is learned from the records: one of ours that
succeeded shows that it does; a minute in which we asked, read late enough, without one of ours shows that it
does not. Where the feed holds them, our own count of a minute is taken off; where it does not, nothing is.
Where neither is known, or the count of a minute is not (we did not run then, an answer was lost, a call lay
across its edge), only the records tell.
"""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import structlog

from watcher.collect.collector import Access, Window
from watcher.collect.http import Handler, Request, Response
from watcher.collect.vendors.huawei_dsc.api import RECORDS
from watcher.errors import CollectError, QuotaExceeded
from watcher.model.time import HOUR, MINUTE, SECOND, Duration, Instant, floor

BELIEVED: Final[Duration] = HOUR
"""How long it holds that the feed has our calls, or has none."""
REMEMBERED: Final = 1_440
"""Minutes whose count is kept."""


@dataclass(frozen=True, slots=True)
class _Belief:
    """Whether the feed holds our calls, and when that was seen."""

    holds: bool
    at: Instant


class OwnCalls:
    """A middleware that counts our answered calls by minute, and says what to take off the counters."""

    def __init__(self, source: str, access: Access) -> None:
        self._now = access.now
        self._log = structlog.get_logger().bind(source=source)
        self._counts: dict[Instant, int | None] = {}
        """By minute; None where some call may or may not be in it."""
        self._since: Instant | None = None
        """From here on every call is in the counts."""
        self._belief: _Belief | None = None

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Count the call by how it is answered: one the vendor refused is no success, one it lost may be."""
        if not request.url.endswith(RECORDS):
            return await call_next(request)
        sent = self._now()
        perhaps = True
        try:
            response = await call_next(request)
            perhaps = False
        except CollectError as error:
            perhaps = not isinstance(error, QuotaExceeded) and (error.status is None or error.status >= 500)
            raise
        finally:
            if perhaps:
                self._put(sent, self._now(), None)
        self._answered(sent, response)
        return response

    def _answered(self, sent: Instant, response: Response) -> None:
        """The vendor's `Date` is whole seconds; without one its clock is taken to be ours."""
        now = self._now()
        date = _date(response)
        if date is None:
            self._put(sent, now, 1)
        else:
            self._put(sent - now + date, date + SECOND - 1, 1)

    def _put(self, sent: Instant, answered: Instant, count: int | None) -> None:
        first, last = floor(sent, MINUTE), floor(answered, MINUTE)
        if self._since is None:
            self._since = sent
        for minute in {first, last}:
            before = self._counts.get(minute, 0)
            unknown = count is None or before is None or first != last
            self._counts[minute] = None if unknown else (before or 0) + (count or 0)
        self._forget()

    def _forget(self) -> None:
        if len(self._counts) > REMEMBERED:
            del self._counts[min(self._counts)]
            self._since = min(self._counts)

    def within(self, window: Window) -> int | None:
        """Our answered calls in a window; None where that is not known."""
        if self._since is None or window.start < self._since:
            return None
        counts = [self._counts.get(minute, 0) for minute in range(window.start, window.end, MINUTE)]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def succeeded(self, window: Window) -> int | None:
        """How many of the feed's successes in a window are ours; None where only the records tell."""
        believed = self._believed
        asked = self.within(window)
        if believed is False or asked == 0:
            return 0
        return asked if believed else None

    @property
    def _believed(self) -> bool | None:
        if self._belief is None or not 0 <= self._now() - self._belief.at < BELIEVED:
            return None
        return self._belief.holds

    def learn(self, window: Window, seen: int, *, final: bool) -> None:
        """A window's records hold so many successes of ours; `final` where no more of them will come."""
        if seen:
            self._believe(holds=True)
        elif final and self.within(window):
            self._believe(holds=False)

    def _believe(self, *, holds: bool) -> None:
        if self._belief is None or self._belief.holds is not holds:
            self._log.info("own_calls_in_feed", holds=holds)
        self._belief = _Belief(holds, self._now())


def _date(response: Response) -> Instant | None:
    try:
        return round(parsedate_to_datetime(response.headers.get("date", "")).timestamp()) * SECOND
    except (ValueError, OverflowError):
        return None
