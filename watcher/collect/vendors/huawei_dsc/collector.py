"""Reading Huawei DSC: a counter for each minute, and its records where the counter is not enough."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import structlog

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.vendors.huawei_dsc.api import PAGE_SIZE, records_request, records_url
from watcher.collect.vendors.huawei_dsc.auth import credential
from watcher.collect.vendors.huawei_dsc.own_calls import OwnCalls
from watcher.collect.vendors.huawei_dsc.parse import Failure, Page, Reading, counted, parse_page, read
from watcher.collect.vendors.huawei_dsc.settings import HuaweiDscSettings
from watcher.collect.vendors.huawei_dsc.signatures import KnownSignatures
from watcher.model.labels import label_set
from watcher.model.sample import Exemplar, MetricKey, SampleBatch
from watcher.model.time import MINUTE, Instant, rfc3339

STREAM: Final = "calls"
HELD: Final = 64
"""Windows whose records are kept for when they are asked for again."""


class HuaweiDsc:
    """One project: its calls by minute."""

    def __init__(self, settings: HuaweiDscSettings, access: Access) -> None:
        self._settings = settings
        self._now = access.now
        self._url = records_url(settings.base_url.reveal().rstrip("/"), settings.project_id)
        self._own = OwnCalls(settings.name, access)
        self._http = access.http([credential(settings, access), self._own])
        self._signatures = KnownSignatures(settings.signatures)
        self._held: dict[Instant, Reading] = {}
        """By window: what its records said, good as long as its counters stay."""
        self._doubted: dict[Instant, str] = {}
        """Remarks on windows that are still asked for."""
        self._log = structlog.get_logger().bind(source=settings.name, stream=STREAM)

    async def streams(self) -> Sequence[StreamSpec]:
        """One; the vendor need not be asked."""
        settings = self._settings
        return [
            StreamSpec(
                name=STREAM,
                width=MINUTE,
                every=settings.every,
                settle=settings.settle,
                overlap=settings.overlap,
                backfill=settings.backfill,
            )
        ]

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """One call where nothing failed; else that and the window's pages."""
        reading = await self._reading(stream, window)
        self._tell(reading.remark, window.start, horizon=window.start - stream.overlap - 2 * MINUTE)
        return self._batch(reading, stream, window)

    async def _reading(self, stream: StreamSpec, window: Window) -> Reading:
        counter = await self._page(window, limit=1)
        counters, held = counter.counters, self._held.get(window.start)
        last_look = window.end <= self._now() - stream.settle - stream.overlap + MINUTE
        self._own.learn(window, counter.own_succeeded, final=last_look and not counters.succeed)
        own = self._own.succeeded(window) if counters.succeed else 0
        if held is not None and held.counters == counters and held.final:
            reading = held
        elif counters.failed or own is None or counter.strays(window):
            reading = await self._read(window)
        else:
            return counted(counters, own)
        self._own.learn(window, reading.own_succeeded, final=last_look and reading.whole)
        return reading

    async def _read(self, window: Window) -> Reading:
        settings = self._settings
        pages, whole = await self._pages(window)
        reading = read(
            pages,
            window,
            settings.project_id,
            whole=whole,
            most=settings.signatures,
            show_users=settings.show_users,
        )
        self._held.pop(window.start, None)
        self._held[window.start] = reading
        if len(self._held) > HELD:
            del self._held[next(iter(self._held))]
        return reading

    async def _pages(self, window: Window) -> tuple[Sequence[Page], bool]:
        """Every page, and whether they ended: nobody says how, so in any way they can."""
        pages: list[Page] = []
        markers = [""]
        for _ in range(self._settings.max_pages):
            page = await self._page(window, limit=PAGE_SIZE, marker=markers[-1])
            pages.append(page)
            if not page.records or page.marker in markers or not page.marker.strip():
                return pages, True
            markers.append(page.marker)
        return pages, False

    async def _page(self, window: Window, *, limit: int, marker: str = "") -> Page:
        request = records_request(self._url, window, limit=limit, marker=marker)
        return parse_page(await self._http(request), window)

    def _batch(self, reading: Reading, stream: StreamSpec, window: Window) -> SampleBatch:
        calls = self._signatures.count(reading.calls, window.start)
        silent = 0.0 if reading.whole else np.nan
        samples: dict[MetricKey, float] = {
            ("api_calls", label_set({"outcome": "succeeded"})): reading.succeeded,
            ("api_calls", label_set({"outcome": "failed"})): reading.failed,
        }
        for signature in self._signatures:
            samples["api_failed_calls", signature.labels] = calls.get(signature, silent)
        now = self._now()
        return SampleBatch(
            source=self._settings.name,
            vendor="huawei_dsc",
            stream=stream.name,
            width=window.end - window.start,
            fetched_at=now,
            settled_until=min(window.end, now - stream.settle),
            entities=((),),
            metrics=tuple(samples),
            starts=np.array([window.start], dtype=np.int64),
            values=np.array(list(samples.values()), dtype=np.float64).reshape(1, len(samples), 1),
            exemplars=tuple(map(self._exemplar, reading.failures)),
            remark=reading.remark,
        )

    def _exemplar(self, failure: Failure) -> Exemplar:
        """Its facts are spelled as the labels of its series are."""
        signature = self._signatures.known(failure.signature)
        facts = {**dict(signature.labels), "time": rfc3339(failure.at), **failure.facts}
        return Exemplar(entity=0, at=failure.at, facts=facts)

    def _tell(self, remark: str, start: Instant, *, horizon: Instant) -> None:
        """Log when counters and records begin to differ in what is asked for, and when they no longer do."""
        before = bool(self._doubted)
        self._doubted = {at: said for at, said in self._doubted.items() if horizon <= at != start}
        if remark:
            self._doubted[start] = remark
        if self._doubted and not before:
            self._log.warning("counters_disagree", bin=rfc3339(start), what=remark)
        elif before and not self._doubted:
            self._log.info("counters_agree")
