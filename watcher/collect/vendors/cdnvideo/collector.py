"""Reading CDNvideo: which streams an account makes, and the calls that one window of one needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.vendors.cdnvideo.api import (
    RESOURCES,
    TOTALS,
    QueryTimedOut,
    accounts_request,
    coarse_width,
    metrics_request,
    parse_accounts,
)
from watcher.collect.vendors.cdnvideo.auth import credential
from watcher.collect.vendors.cdnvideo.parse import Page, Provenance, batch_of, merged, parse_page
from watcher.collect.vendors.cdnvideo.settings import CdnvideoSettings
from watcher.errors import ContractBroken, NetworkFailed, PermissionMissing, VendorFailed
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, MINUTE, Duration, Instant, format_duration

FINEST: Final[Duration] = MINUTE
_MOST_PARTS: Final = 8
_PARTS_HOLD: Final[Duration] = HOUR
"""How long a query that timed out is asked in parts before it is asked whole again."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Parts:
    """In how many calls a stream's query is asked, and until when."""

    count: int
    until: Instant


class Cdnvideo:
    """One login: per account the resources, older ones in longer windows, and the account's totals."""

    def __init__(self, settings: CdnvideoSettings, access: Access) -> None:
        self._settings = settings
        self._now = access.now
        self._base = settings.base_url.reveal().rstrip("/")
        self._http = access.http([credential(settings, self._base, access)])
        self._parts: dict[str, _Parts] = {}
        self._inactive: Mapping[str, str] = {}
        """Status of accounts that are left out."""
        self._slipping: set[str] = set()

    async def streams(self) -> Sequence[StreamSpec]:
        """Of the configured accounts, else of every active one the login may see."""
        accounts = self._settings.accounts or await self._discovered()
        return [spec for account in accounts for spec in account_streams(self._settings, account)]

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """One window; in several calls only after the vendor's query timed out."""
        account, _, kind = stream.name.rpartition("/")
        pages = await self._pages(stream.name, account, window, by_resource=kind != "totals")
        page, now = merged(pages), self._now()
        self._tell_slips(stream.name, page)
        settled_until = min(window.end, now - stream.settle)
        return batch_of(
            page, Provenance(self._settings.name, stream.name, account, window, now, settled_until)
        )

    async def _discovered(self) -> Sequence[str]:
        accounts = parse_accounts(await self._http(accounts_request(self._base)))
        if not accounts:
            raise ContractBroken("the list of accounts is empty")
        self._tell_inactive({account.name: account.status for account in accounts})
        active = tuple(dict.fromkeys(account.name for account in accounts if account.status == "active"))
        if not active:
            raise PermissionMissing(f"none of {len(accounts)} accounts is active")
        return active

    async def _pages(self, stream: str, account: str, window: Window, *, by_resource: bool) -> Sequence[Page]:
        """The query's answers. One that came too late halves the metrics of a call, for the next hour too."""
        count = self._count(stream)
        while True:
            try:
                return [
                    await self._page(account, window, metrics, by_resource=by_resource)
                    for metrics in split(self._settings.metrics, count)
                ]
            except QueryTimedOut as error:
                if count >= min(_MOST_PARTS, len(self._settings.metrics)):
                    self._parts.pop(stream, None)  # splitting did not help
                    family = NetworkFailed if error.status is None else VendorFailed
                    raise family(str(error), status=error.status) from error
                count *= 2
                self._parts[stream] = _Parts(count, self._now() + _PARTS_HOLD)
                _log.info("query_split", source=self._settings.name, stream=stream, calls=count)

    async def _page(self, account: str, window: Window, metrics: Sequence[str], *, by_resource: bool) -> Page:
        url = self._base + (RESOURCES if by_resource else TOTALS)
        response = await self._http(metrics_request(url, account, window, metrics))
        return parse_page(response, account=account, window=window, metrics=metrics, by_resource=by_resource)

    def _count(self, stream: str) -> int:
        parts = self._parts.get(stream)
        return parts.count if parts is not None and self._now() < parts.until else 1

    def _tell_inactive(self, statuses: Mapping[str, str]) -> None:
        inactive = {account: status for account, status in statuses.items() if status != "active"}
        before, self._inactive = self._inactive, inactive
        log = _log.bind(source=self._settings.name)
        for account, status in inactive.items():
            if before.get(account) != status:
                log.warning("account_inactive", account=account, status=status)
        for account in before.keys() - inactive.keys():
            log.info("account_no_longer_inactive", account=account, status=statuses.get(account, "gone"))

    def _tell_slips(self, stream: str, page: Page) -> None:
        if page.slips and stream not in self._slipping:
            self._slipping.add(stream)
            _log.warning("impossible_value", source=self._settings.name, stream=stream, what=page.slips[0])
        elif not page.slips and stream in self._slipping:
            self._slipping.remove(stream)
            _log.info("possible_again", source=self._settings.name, stream=stream)


def account_streams(settings: CdnvideoSettings, account: str) -> Sequence[StreamSpec]:
    """Resources of one account in 60 s windows, older ones in coarse windows first, and its totals last.

    All boundaries lie on the coarse grid, so that spans of different width meet and never overlap.
    """
    coarse = coarse_width(settings.max_window)
    recent = min(max(settings.fine_backfill, coarse), settings.backfill)  # what comes before it must end
    older = coarse > FINEST and settings.backfill > recent
    fine_backfill = recent if older else settings.backfill

    def spec(
        kind: str, *, width: Duration, backfill: Duration, until: Duration = 0, after: str = ""
    ) -> StreamSpec:
        return StreamSpec(
            name=f"{account}/{kind}",
            width=width,
            every=settings.every,
            settle=settings.settle,
            overlap=settings.overlap,
            backfill=backfill,
            until=until,
            align=coarse,
            after=f"{account}/{after}" if after else "",
        )

    past = f"resources-{format_duration(coarse)}"
    fine = spec("resources", width=FINEST, backfill=fine_backfill, after=past if older else "")
    totals = replace(spec("totals", width=FINEST, backfill=recent, after="resources"), aside=True)
    if not older:
        return [fine, totals]
    return [spec(past, width=coarse, backfill=settings.backfill, until=fine_backfill), fine, totals]


def split(metrics: Sequence[str], count: int) -> Sequence[Sequence[str]]:
    """About equal runs, in order, at most `count` of them."""
    size = -(-len(metrics) // count)
    return [metrics[first : first + size] for first in range(0, len(metrics), size)]
