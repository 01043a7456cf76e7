"""Reading TLS endpoints: every address of every name, in one batch of states."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import structlog

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.probing import BUDGET, MOST_ADDRESSES, Resolve, Turns, addresses, is_ip, resolve
from watcher.collect.vendors.tls.claims import Claims
from watcher.collect.vendors.tls.endpoint import (
    MOST_DISCOVERED,
    Endpoint,
    discovered,
    endpoints,
    merged,
)
from watcher.collect.vendors.tls.probe import UNREADABLE_NAMES, Finding, probe, trusting
from watcher.collect.vendors.tls.readings import METRICS, Reading, grid
from watcher.collect.vendors.tls.renewal import Record, overdue, recorded
from watcher.collect.vendors.tls.settings import Target, TlsSettings
from watcher.errors import NetworkFailed
from watcher.model.inventory import ItemKind, Listing
from watcher.model.sample import SampleBatch
from watcher.model.time import Duration, rfc3339
from watcher.model.words import span

_NAMED: Final = 5
"""Silent targets that an error names."""
_LOOKING_UP: Final = 3
"""A third of the time of one reading is for names, at most."""

_log = structlog.get_logger()


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
        self._look_up = look_up
        self._trust = trusting(settings.ca_file)
        self._lookups = Turns[str]()
        self._probes = Turns[Endpoint]()
        self._addresses: dict[str, tuple[str, ...]] = {}
        """Of each host, as it last resolved."""
        self._records: dict[str, Record] = {}
        """By site."""
        self._unknown: Mapping[str, str] = {}
        """What could not be read last time, in words, by what it is called."""

    async def streams(self) -> Sequence[StreamSpec]:
        """One, of states."""
        return (StreamSpec("handshakes", width=0, every=self._settings.every),)

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """Shake hands with every address of all targets, many at a time.

        Raises:
            NetworkFailed: there are targets, and nothing is known of any.
        """
        targets, remarks = self._targets()
        unresolved = await self._resolve(targets)
        found = endpoints(targets, self._addresses)
        outcomes = await self._outcomes(found, unresolved)
        self._tell({str(one): outcomes[one] for one in found}, unresolved)
        readings = self._readings(outcomes)
        samples = grid(readings, window.start)
        complete = bool(targets) and all(target.host in self._addresses for target in targets)
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
            remark="; ".join([*self._unknown_words(len(found)), *remarks, *self._cut(targets)]),
        )

    def _targets(self) -> tuple[Sequence[Target], Sequence[str]]:
        """What to probe, and what is to be said of it."""
        settings = self._settings
        if not settings.discover:
            return settings.targets, ()
        names = discovered(self._access.inventory(), settings.name, self._access.now())
        targets = merged(settings.targets, names[:MOST_DISCOVERED])
        if len(names) > MOST_DISCOVERED:
            return targets, [f"{len(names)} names discovered, of which {MOST_DISCOVERED} are probed"]
        return targets, () if targets else ["no source has listed a domain yet"]

    async def _resolve(self, targets: Sequence[Target]) -> Mapping[str, str]:
        """Look up all names; those of which that failed, in words why. What they last were is kept."""
        hosts = {target.host for target in targets}
        self._addresses = {host: found for host, found in self._addresses.items() if host in hosts}
        self._addresses |= {host: (host,) for host in hosts if is_ip(host)}
        names = sorted(host for host in hosts if not is_ip(host))
        ask = partial(addresses, look_up=self._look_up, timeout=self._settings.timeout)
        answers = await self._lookups.ask(names, ask, self._budget // _LOOKING_UP)
        late = "the name did not resolve in time"
        found = {name: answers.get(name, late) for name in names}
        self._addresses |= {name: answer for name, answer in found.items() if not isinstance(answer, str)}
        return {name: answer for name, answer in found.items() if isinstance(answer, str)}

    async def _outcomes(
        self, found: Sequence[Endpoint], unresolved: Mapping[str, str]
    ) -> Mapping[Endpoint, Finding | str]:
        """By endpoint: what it presented, or in words why nothing is known."""
        ask = partial(probe, trust=self._trust, timeout=self._settings.timeout)
        spent = self._budget // _LOOKING_UP if unresolved else 0
        answers = await self._probes.ask(found, ask, self._budget - spent)
        late = f"no answer within {span(self._budget)}, the time of one reading"
        return {one: answers.get(one, late) for one in found}

    def _readings(self, outcomes: Mapping[Endpoint, Finding | str]) -> list[Reading]:
        self._remember(outcomes)
        claims = Claims(self._access.inventory())
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

    def _tell(self, outcomes: Mapping[str, Finding | str], unresolved: Mapping[str, str]) -> None:
        """Log what became unknown, and what is wholly known again.

        Raises:
            NetworkFailed: nothing is known of any; whoever catches it logs it.
        """
        unknown = {called: why for called, outcome in outcomes.items() if (why := _what_is_unknown(outcome))}
        unknown |= unresolved
        before, self._unknown = self._unknown, unknown
        if unknown and not any(isinstance(outcome, Finding) for outcome in outcomes.values()):
            raise NetworkFailed(f"no target could be probed: {_some(unknown)}")
        log = _log.bind(source=self._settings.name)
        for called in sorted(unknown.keys() - before.keys()):
            log.warning("probe_failed", target=called, why=unknown[called])
        for called in sorted(before.keys() - unknown.keys()):
            log.info("probe_recovered", target=called)

    def _unknown_words(self, probed: int) -> list[str]:
        """Which targets are not wholly known, for who asks how the source is."""
        if not self._unknown:
            return []
        return [f"{len(self._unknown)} of {probed} targets not known: {_some(self._unknown)}"]

    def _cut(self, targets: Sequence[Target]) -> list[str]:
        hosts = dict.fromkeys(target.host for target in targets)
        return [
            f"{host} has {many} addresses, of which {MOST_ADDRESSES} are probed"
            for host in hosts
            if (many := len(self._addresses.get(host, ()))) > MOST_ADDRESSES
        ][:_NAMED]


def _some(unknown: Mapping[str, str]) -> str:
    return "; ".join(f"{called}: {why}" for called, why in list(unknown.items())[:_NAMED])


def _what_is_unknown(outcome: Finding | str) -> str:
    if isinstance(outcome, str):
        return outcome
    return UNREADABLE_NAMES if outcome.host_fault is None else ""
