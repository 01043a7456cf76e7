"""Reading SwiftFederation: recent bins of 5 minutes, older ones of a day, and which domains it knows."""

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

import anyio
import structlog

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.http import Response
from watcher.collect.vendors.swiftfederation.api import (
    COARSE,
    FINE,
    LONGEST,
    MOST_NAMES,
    UnknownName,
    codes_request,
)
from watcher.collect.vendors.swiftfederation.auth import credential
from watcher.collect.vendors.swiftfederation.batches import USUAL, Provenance, counts_batch, states_batch
from watcher.collect.vendors.swiftfederation.parse import Page, parse_page
from watcher.collect.vendors.swiftfederation.roster import Return, Roster
from watcher.collect.vendors.swiftfederation.settings import SwiftfederationSettings
from watcher.errors import RequestRefused
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, Duration, Instant, floor, rfc3339

ORIGIN: Final = "origin"
ORIGIN_PAST: Final = "origin-1d"
DOMAINS: Final = "domains"
CHECKED: Final = 5
"""Polls of counts for each look at the names."""
MOST_READ: Final = 100 * (LONGEST[FINE] // FINE)
"""Bins of all names together that one reading asks for: each holds up to 500 codes, and all are in memory."""
MISSED: Final[Duration] = 2 * HOUR
"""How much is read again, at most, when a name is known again: bins that are older are judged no more."""
CODES_HOLD: Final[Duration] = DAY
"""How long a code that occurred is written as zero when it no longer does."""

_log = structlog.get_logger()


class Swiftfederation:
    """One access key: the counts of its domains, 50 a call.

    One name that the vendor does not know spoils the call it is in. So the names of such a call are asked for
    in halves until the name stands alone; it is then left out, and asked for again ever more rarely. A
    restart forgets this, and finds out again by a few calls more.
    """

    def __init__(self, settings: SwiftfederationSettings, access: Access) -> None:
        self._settings = settings
        self._now = access.now
        self._base = settings.base_url.reveal().rstrip("/")
        self._http = access.http([credential(settings, access.now)])
        self._roster = Roster(settings.domains)
        self._settling = anyio.Lock()
        self._spoilt: set[tuple[str, ...]] = set()
        """Groups that were refused, until the names that spoil them are found: none is asked for twice."""
        self._missed: Instant | None = None
        """Start of the oldest bin that was read without a name which is known again."""
        self._codes: dict[str, Instant] = {}
        """When each code last occurred."""

    async def streams(self) -> Sequence[StreamSpec]:
        """The same each time; nothing is asked."""
        return source_streams(self._settings)

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """One window of counts, or what is known of the names.

        The window begins earlier where bins before it lack a name that is known again.

        Raises:
            RequestRefused: the vendor knows none of the names.
        """
        if stream.width == 0:
            return await self._states(stream, window)
        async with self._turn():
            missed = self._missed if stream.width == FINE else None
            window = _with_missed(window, missed, min(MISSED, stream.reads))
            pages = await self._settled(self._roster.to_read(), window, stream.width)
        if not pages:
            raise RequestRefused(self._roster.remark, status=404)
        if missed is not None and missed == self._missed and missed < window.end:
            self._missed = None
        return counts_batch(pages, self._provenance(stream, window), codes=self._occurred(pages))

    async def _states(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """What is known of the names, after a call about some: no call would make a dead vendor look well.

        While all that are due are known again, so may be more that are.
        """
        async with self._turn():
            now = self._now()
            end = floor(now - self._settings.settle, FINE)
            names = self._roster.to_check(now, MOST_NAMES)
            while names:
                pages = await self._settled(names, Window(end - FINE, end), FINE)
                names = self._roster.due(now, MOST_NAMES) if _names(pages).issuperset(names) else ()
        if self._roster.knows_none:
            raise RequestRefused(self._roster.remark, status=404)
        return states_batch(self._roster.standings, self._provenance(stream, window))

    def _turn(self) -> AbstractAsyncContextManager[object]:
        """At first one stream alone finds out which names are known, so that no two look for the same one."""
        return self._settling if self._roster.unsettled else nullcontext()

    def _provenance(self, stream: StreamSpec, window: Window) -> Provenance:
        now = self._now()
        settled_until = min(window.end, now - stream.settle)
        return Provenance(
            self._settings.name, stream.name, window, stream.width, now, settled_until, self._roster.remark
        )

    async def _settled(self, names: Sequence[str], window: Window, width: Duration) -> list[Page]:
        """The answers about the names, and about those that what is learned meanwhile unsettles."""
        pages: list[Page] = []
        while names:
            pages += await self._pages(names, window, width)
            read = _names(pages)
            names = [name for name in self._roster.unsettled if name not in read]
        return pages

    async def _pages(self, names: Sequence[str], window: Window, width: Duration) -> list[Page]:
        """The answers about all of the names that the vendor knows."""
        pages: list[Page] = []
        groups = deque(names[first : first + MOST_NAMES] for first in range(0, len(names), MOST_NAMES))
        while groups:
            group = groups.popleft()
            try:
                response = await self._asked(group, window, width)
            except UnknownName as error:
                groups.extendleft(reversed(self._halves(group, error)))
                continue
            pages.append(parse_page(response, names=group, window=window, width=width))
            self._tell_returns(self._roster.answered(group))
        self._spoilt.clear()
        return pages

    async def _asked(self, group: Sequence[str], window: Window, width: Duration) -> Response:
        """What the vendor answers about a group; it is not asked again about one that it has refused."""
        if tuple(group) in self._spoilt:
            raise UnknownName("refused before")
        return await self._http(codes_request(self._base, group, window, width))

    def _halves(self, group: Sequence[str], error: UnknownName) -> Sequence[Sequence[str]]:
        """What to ask for in place of a group with an unknown name in it; nothing once it stands alone."""
        if len(group) > 1:
            self._spoilt.add(tuple(group))
            half = len(group) // 2
            return group[:half], group[half:]
        if self._roster.refused(group[0], self._now(), str(error)):
            _log.warning("domain_unknown", source=self._settings.name, domain=group[0], why=str(error))
        return ()

    def _tell_returns(self, returns: Sequence[Return]) -> None:
        """The poll that found a name unknown left it out of the bins that it read again, too."""
        for one in returns:
            read = floor(one.since - self._settings.settle - self._settings.overlap, FINE) - FINE
            self._missed = read if self._missed is None else min(read, self._missed)
            if one.told:
                since = rfc3339(one.since)
                _log.info("domain_known_again", source=self._settings.name, domain=one.name, since=since)

    def _occurred(self, pages: Sequence[Page]) -> Sequence[str]:
        """Codes to write as zeros: the usual errors, and what has occurred within a day."""
        now = self._now()
        self._codes.update((code, now) for page in pages for code in page.codes)
        self._codes = {code: at for code, at in self._codes.items() if now - at < CODES_HOLD}
        return (*USUAL, *self._codes)


def _with_missed(window: Window, missed: Instant | None, most: Duration) -> Window:
    if missed is None or missed >= window.end:
        return window
    return Window(min(window.start, max(missed, window.end - most)), window.end)


def _names(pages: Sequence[Page]) -> set[str]:
    return {name for page in pages for name in page.names}


def source_streams(settings: SwiftfederationSettings) -> Sequence[StreamSpec]:
    """Bins of a day first where the backfill is long, then those of 5 minutes; and the names' states.

    The boundary lies on midnight, so that spans of different width meet and never overlap.
    """
    older = settings.backfill > settings.fine_backfill
    fine = StreamSpec(
        ORIGIN,
        width=FINE,
        every=settings.every,
        settle=settings.settle,
        overlap=settings.overlap,
        backfill=settings.fine_backfill if older else settings.backfill,
        align=COARSE if older else FINE,
        reads=_reads(settings, FINE),
        after=ORIGIN_PAST if older else "",
    )
    states = StreamSpec(DOMAINS, width=0, every=CHECKED * settings.every)
    if not older:
        return [fine, states]
    past = StreamSpec(
        ORIGIN_PAST,
        width=COARSE,
        every=settings.every,
        settle=settings.settle,
        backfill=settings.backfill,
        until=settings.fine_backfill,
        align=COARSE,
        reads=_reads(settings, COARSE),
    )
    return [past, fine, states]


def _reads(settings: SwiftfederationSettings, width: Duration) -> Duration:
    """The longest window of one reading: as long as a call's, shorter where there are many names."""
    return min(LONGEST[width], max(1, MOST_READ // len(settings.domains)) * width)
