"""Reading TLS endpoints: every address of every name, in one batch of states."""

from collections.abc import Mapping, Sequence
from functools import partial

import anyio
import numpy as np

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.discovery import discovered, fresh
from watcher.collect.hosts import Hosts, Resolve, Unresolved, resolve
from watcher.collect.probing import BUDGET, LOOKING_UP, Faults, Turns, some
from watcher.collect.vendors.tls.claims import Claims
from watcher.collect.vendors.tls.endpoint import Endpoint, endpoints, merged
from watcher.collect.vendors.tls.probe import UNREADABLE_NAMES, Finding, probe, trusting
from watcher.collect.vendors.tls.readings import METRICS, Reading, grid
from watcher.collect.vendors.tls.renewal import Record, overdue, recorded
from watcher.collect.vendors.tls.settings import Target, TlsSettings
from watcher.errors import NetworkFailed
from watcher.model.inventory import ItemKind, Known, Listing
from watcher.model.sample import SampleBatch
from watcher.model.time import SECOND, Duration, rfc3339
from watcher.model.words import span


class Tls:
    """Every endpoint in one reading; one that does not answer leaves its cells unknown."""

    def __init__(
        self,
        settings: TlsSettings,
        access: Access,
        *,
        budget: Duration = BUDGET,
        look_up: Resolve = resolve,
    ) -> None:
        """`budget` is the time of one reading, however many do not answer."""
        self._settings = settings
        self._access = access
        self._budget = budget
        self._trust = trusting(settings.ca_file)
        self._hosts = Hosts(look_up, min(settings.timeout, budget // LOOKING_UP // 2))
        self._probes = Turns[Endpoint]()
        self._faults = Faults(settings.name)
        self._records: dict[str, Record] = {}
        """By site."""

    async def streams(self) -> Sequence[StreamSpec]:
        """One, of states."""
        return (StreamSpec("handshakes", width=0, every=self._settings.every),)

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """Shake hands with every address of all targets, many at a time.

        Raises:
            NetworkFailed: there are targets, and nothing is known of any.
        """
        began = anyio.current_time()
        known = fresh(self._access.inventory(), self._access.now())
        targets = self._targets(known)
        hosts = {target.host for target in targets}
        unresolved = await self._hosts.resolve(hosts, began + self._budget / LOOKING_UP / SECOND)
        outcomes = await self._outcomes(endpoints(targets, self._hosts), began + self._budget / SECOND)
        unknown = self._tell(outcomes, unresolved)
        readings = self._readings(outcomes, Claims(known))
        samples = grid(readings, window.start)
        complete = bool(targets) and hosts <= self._hosts.addresses.keys()
        return SampleBatch(
            source=self._settings.name,
            vendor="tls",
            stream=stream.name,
            width=0,
            fetched_at=self._access.now(),
            settled_until=window.end,
            entities=samples.entities,
            metrics=METRICS,
            starts=np.array([window.start], dtype=np.int64),
            values=samples.values,
            exemplars=samples.exemplars,
            complete=complete,
            listings=(self._listing(readings, complete=complete),),
            remark=_remark(unknown, len(outcomes)),
            note="; ".join(self._hosts.cut() if targets else ["no source has listed a domain yet"]),
        )

    def _targets(self, known: Sequence[Known]) -> Sequence[Target]:
        """What to probe."""
        settings = self._settings
        return merged(settings.targets, discovered(known, settings.name) if settings.discover else ())

    async def _outcomes(self, found: Sequence[Endpoint], until: float) -> Mapping[Endpoint, Finding | str]:
        """By endpoint: what it presented, or in words why nothing is known."""
        timeout = self._settings.timeout
        ask = partial(probe, trust=self._trust, timeout=timeout)
        answers = await self._probes.ask(found, ask, until=until, longest=lambda _: timeout)
        late = f"not asked within {span(self._budget)}, the time of one reading"
        return {one: answers.get(one, late) for one in found}

    def _readings(self, outcomes: Mapping[Endpoint, Finding | str], claims: Claims) -> list[Reading]:
        self._remember(outcomes)
        readings: list[Reading] = []
        for endpoint, outcome in outcomes.items():
            if isinstance(outcome, str):
                readings.append(Reading(endpoint, None))
                continue
            undeployed = claims.contradiction(endpoint.name, outcome)
            readings.append(Reading(endpoint, outcome, undeployed, self._overdue(endpoint, outcome)))
        return readings

    def _overdue(self, endpoint: Endpoint, finding: Finding) -> str | None:
        """Why it should have been renewed by now; None where nobody knows when it should."""
        learned = self._records[endpoint.site].renews_at
        renews_at = endpoint.renews_at or self._settings.renews_at or learned
        if renews_at is None:
            return None
        now = self._access.now()
        if not overdue(finding.leaf_ends, renews_at, now):
            return ""
        left = span(max(0, finding.leaf_ends - now))
        return f"renews with {span(renews_at)} left and has {left}, until {rfc3339(finding.leaf_ends)}"

    def _remember(self, outcomes: Mapping[Endpoint, Finding | str]) -> None:
        """Of each name, the certificate that ends first; those no longer probed are forgotten."""
        seen: dict[str, Finding] = {}
        for endpoint, outcome in outcomes.items():
            if isinstance(outcome, Finding):
                first = seen.get(endpoint.site, outcome)
                seen[endpoint.site] = min(first, outcome, key=lambda one: one.leaf_ends)
        sites = {endpoint.site for endpoint in outcomes}
        before = self._stored(sites - self._records.keys()) | self._records
        now = self._access.now()
        self._records = {site: record for site, record in before.items() if site in sites}
        for site, finding in seen.items():
            known = before.get(site)
            self._records[site] = Record.of(finding) if known is None else known.followed(finding, now)

    def _stored(self, sites: set[str]) -> dict[str, Record]:
        """What an earlier run recorded of them, out of the inventory."""
        if not sites:
            return {}
        return {
            known.item.id: record
            for known in self._access.inventory()
            if known.source == self._settings.name
            and known.item.kind is ItemKind.CERTIFICATE
            and known.item.id in sites
            and (record := recorded(known.item.facts)) is not None
        }

    def _listing(self, readings: Sequence[Reading], *, complete: bool) -> Listing:
        sites = {reading.endpoint.site: reading.endpoint.name for reading in readings}
        items = tuple(
            self._records[site].item(site, name) for site, name in sites.items() if site in self._records
        )
        return Listing(ItemKind.CERTIFICATE, items, complete)

    def _tell(
        self, outcomes: Mapping[Endpoint, Finding | str], unresolved: Mapping[str, Unresolved]
    ) -> Mapping[str, str]:
        """What is not known, in words, by what it is called; logged when it becomes so and ceases to be.

        Raises:
            NetworkFailed: nothing is known of any; whoever catches it logs it.
        """
        found = {str(one): why for one, outcome in outcomes.items() if (why := _what_is_unknown(outcome))}
        unknown = found | {host: one.why for host, one in unresolved.items()}
        if unknown and not any(isinstance(outcome, Finding) for outcome in outcomes.values()):
            raise NetworkFailed(f"no target could be probed: {some(unknown)}")
        self._faults.tell(unknown)
        return unknown


def _remark(unknown: Mapping[str, str], probed: int) -> str:
    """Which targets are not wholly known, for who asks how the source is."""
    return f"{len(unknown)} of {probed} targets not known: {some(unknown)}" if unknown else ""


def _what_is_unknown(outcome: Finding | str) -> str:
    if isinstance(outcome, str):
        return outcome
    return UNREADABLE_NAMES if outcome.host_fault is None else ""
