"""Reading Leaseweb: which streams one API key makes, and the calls that one window or one look needs."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import structlog

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.states import Statuses
from watcher.collect.vendors.leaseweb.actions import Jobs
from watcher.collect.vendors.leaseweb.api import statistics_request
from watcher.collect.vendors.leaseweb.certificates import certificate_states, unused_of
from watcher.collect.vendors.leaseweb.details import DetailReader, Details, items_at_once
from watcher.collect.vendors.leaseweb.distributions import distribution_states
from watcher.collect.vendors.leaseweb.key import Key
from watcher.collect.vendors.leaseweb.origins import MEMBER_STATUSES, origin_states
from watcher.collect.vendors.leaseweb.paging import (
    ACTIONS,
    CERTIFICATES,
    DISTRIBUTIONS,
    DOMAINS,
    MEMBERS,
    ORIGIN_GROUPS,
    ORIGINS,
    POLICIES,
    Lists,
)
from watcher.collect.vendors.leaseweb.policies import feeding, policies_at_once
from watcher.collect.vendors.leaseweb.rows import told
from watcher.collect.vendors.leaseweb.scale import HitRatioScale
from watcher.collect.vendors.leaseweb.series import Grid, Series, parse_series, values_of
from watcher.collect.vendors.leaseweb.settings import USUAL_VIEWS, LeasewebSettings, View
from watcher.collect.vendors.leaseweb.states import States, remarks
from watcher.collect.vendors.leaseweb.states import batch_of as batch_of_states
from watcher.collect.vendors.leaseweb.statistics import METRICS, VIEWS, Provenance, batch_of, most_of
from watcher.errors import ContractBroken, PermissionMissing, RequestRefused, VendorFailed
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, Duration, floor

FINE: Final[Duration] = 5 * MINUTE
COARSE: Final[Duration] = HOUR
_LONGEST: Final = {FINE: DAY, COARSE: 7 * DAY}
"""Of one call by width of its bins: at most 288 points a group."""
_COARSE_NAME: Final = "-1h"

_log = structlog.get_logger()


class Leaseweb:
    """One API key: statistics by view, and what there is: certificates, domains, origins, jobs."""

    def __init__(self, settings: LeasewebSettings, access: Access) -> None:
        self._settings = settings
        self._now = access.now
        self._base = settings.base_url.reveal().rstrip("/")
        self._http = access.http([Key(settings.api_key, self._base, access.now)])
        self._lists = Lists(self._http, self._base, settings.page_size)
        most = items_at_once(settings.limit)
        self._domains = DetailReader(self._lists, DISTRIBUTIONS, DOMAINS, most)
        self._policies = DetailReader(self._lists, DISTRIBUTIONS, POLICIES, policies_at_once(most))
        self._inventory = access.inventory
        self._members = DetailReader(self._lists, ORIGIN_GROUPS, MEMBERS, most)
        self._enabled = Statuses("enabled", "disabled")
        self._member_statuses = Statuses(*MEMBER_STATUSES)
        self._jobs = Jobs()
        self._scale = HitRatioScale(settings.hit_ratio_scale)
        self._names: dict[str, str] = {}
        self._unused: Collection[str] = ()
        """Certificates that nothing uses, as far as is known."""
        self._told: dict[str, str] = {}
        """By stream: what was last logged of it."""
        self._looks = {
            "certificates": self._certificates,
            "domains": self._distributions,
            "origins": self._origins,
            "actions": self._actions,
        }

    async def streams(self) -> Sequence[StreamSpec]:
        """The configured views, and one stream for each kind of thing."""
        states = [StreamSpec(name, width=0, every=self._settings.every) for name in self._looks]
        return [*statistics_streams(self._settings), *states]

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """One window of statistics, seven calls however long it is; or one look at what there is."""
        if stream.width:
            return await self._statistics(stream, window)
        states = await self._looks[stream.name]()
        self._tell(stream.name, states.remark or states.oddity)
        return batch_of_states(
            states,
            source=self._settings.name,
            stream=stream.name,
            at=window.start,
            fetched_at=self._now(),
        )

    async def _statistics(self, stream: StreamSpec, window: Window) -> SampleBatch:
        view = view_of(stream.name)
        grid = Grid(window, stream.width, at_end=self._settings.labels == "end")
        series = {metric: await self._series(metric, view, grid) for metric in METRICS}
        try:
            await self._learn_scale(series["CACHEHIT"], view, window)
        except (RequestRefused, PermissionMissing, ContractBroken) as error:
            self._scale.looked_back = True  # it is asked for once, and nothing else hangs on it
            self._tell(stream.name, f"the hit ratios of the day before are not told: {error}")
        now = self._now()
        settled_until = min(window.end, now - stream.settle)
        of = Provenance(self._settings.name, stream.name, view, grid, now, settled_until)
        return batch_of(series, of, percent=self._scale.percent, names=self._names)

    async def _series(self, metric: str, view: View, grid: Grid) -> Series:
        group_by = VIEWS[view][0]
        url = self._base + self._settings.statistics_path
        response = await self._http(statistics_request(url, metric, group_by, grid.labels, grid.width))
        return parse_series(response, grid, group_by=group_by, most=most_of(metric))

    async def _learn_scale(self, hits: Series, view: View, window: Window) -> None:
        """By what is here, and once after the start by the day before it: one quiet bin may tell nothing."""
        if self._scale.learn(hits.values) or self._scale.looked_back:
            return
        end = floor(window.end, COARSE)
        labels = Window(end - DAY, end - COARSE)
        url = self._base + self._settings.statistics_path
        request = statistics_request(url, "CACHEHIT", VIEWS[view][0], labels, COARSE)
        self._scale.learn(values_of(await self._http(request)))
        self._scale.looked_back = True

    async def _certificates(self) -> States:
        listed = await self._lists.read(CERTIFICATES)
        try:
            distributions = await self._lists.read(DISTRIBUTIONS)
            self._unused = unused_of(listed, distributions, self._unused)
        except (RequestRefused, PermissionMissing, VendorFailed, ContractBroken) as error:
            unknown = f"not known which are in use: {error}"
        else:
            unknown = ""
        states = certificate_states(listed, self._unused, self._now())
        return replace(states, remark=remarks(states.remark, unknown))

    async def _distributions(self) -> States:
        listed = await self._lists.read(DISTRIBUTIONS)
        details = await self._domains.read([str(row["id"]) for row in listed.rows])
        policies, unread = await self._policies_of([str(row["id"]) for row in listed.rows])
        known = [one for one in self._inventory() if one.source == self._settings.name]
        slips: list[str] = []
        fed = feeding(policies, known, slips)
        states = distribution_states(listed, details, self._enabled, fed)
        self._names = dict(states.names)
        return replace(states, remark=remarks(states.remark, policies.remark, told(slips), unread))

    async def _policies_of(self, distributions: Sequence[str]) -> tuple[Details, str]:
        """They say what feeds what, and nothing is judged by them: a failure costs a remark."""
        try:
            return await self._policies.read(distributions), ""
        except (RequestRefused, PermissionMissing, VendorFailed, ContractBroken) as error:
            return Details({}), f"not known which origin feeds which distribution: {error}"

    async def _origins(self) -> States:
        origins = await self._lists.read(ORIGINS)
        groups = await self._lists.read(ORIGIN_GROUPS)
        details = await self._members.read([str(row["id"]) for row in groups.rows])
        return origin_states(origins, groups, details, self._member_statuses)

    async def _actions(self) -> States:
        return self._jobs.states(await self._lists.read(ACTIONS), self._now())

    def _tell(self, stream: str, what: str) -> None:
        """Log on change what is not as it should be."""
        if what == self._told.get(stream, ""):
            return
        self._told[stream] = what
        log = _log.bind(source=self._settings.name, stream=stream)
        if what:
            log.warning("answer_odd", what=what)
        else:
            log.info("answer_as_usual")


def statistics_streams(settings: LeasewebSettings) -> Sequence[StreamSpec]:
    """Each view in bins of 5 minutes, and older ones of an hour before them where the backfill is long.

    All boundaries lie on whole hours, so that spans of different width meet and never overlap.
    """
    fine = max(settings.fine_backfill, COARSE)  # a shorter past in hours would have no hour to end at
    older = settings.backfill > fine

    def spec(
        view: View, *, width: Duration, backfill: Duration, until: Duration = 0, after: str = ""
    ) -> StreamSpec:
        return StreamSpec(
            name=view + (_COARSE_NAME if width == COARSE else ""),
            width=width,
            every=settings.every,
            settle=settings.settle,
            overlap=settings.overlap,
            backfill=backfill,
            until=until,
            align=COARSE,
            aside=view not in USUAL_VIEWS,
            reads=_LONGEST[width],
            after=after,
        )

    streams = []
    for view in settings.views:
        if older:
            streams.append(spec(view, width=COARSE, backfill=settings.backfill, until=fine))
        after = view + _COARSE_NAME if older else ""
        streams.append(spec(view, width=FINE, backfill=min(settings.backfill, fine), after=after))
    return streams


def view_of(stream: str) -> View:
    """The view that a stream of statistics shows."""
    name = stream.removesuffix(_COARSE_NAME)
    return next(view for view in VIEWS if view == name)
