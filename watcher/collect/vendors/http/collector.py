"""Reading URLs: all of a source in one batch of states. An answer that does not come is a reading, too."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import anyio
import numpy as np

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.discovery import discovered, fresh
from watcher.collect.hosts import Hosts, Resolve, Unresolved, resolve
from watcher.collect.probing import BUDGET, LOOKING_UP, Faults, Turns, some
from watcher.collect.trust import loading
from watcher.collect.vendors.http.probe import Outcome, Prober, unresolved
from watcher.collect.vendors.http.settings import HttpSettings, HttpTarget
from watcher.document.secrets import SecretUrl
from watcher.errors import NetworkFailed, SecretUnavailable
from watcher.model.labels import LabelSet, label_set
from watcher.model.sample import Exemplar, Floats, MetricKey, SampleBatch
from watcher.model.time import SECOND, Duration
from watcher.model.words import span

METRICS: Final[tuple[MetricKey, ...]] = (
    ("http_probe_up", ()),
    ("http_probe_duration_seconds", ()),
    ("http_probe_status", ()),
)


@dataclass(frozen=True, slots=True)
class _Ask:
    """One probe to make: of a target, wherever its name leads or at one address of it."""

    target: HttpTarget = field(compare=False)
    label: str
    provider: str
    address: str = ""

    @property
    def called(self) -> str:
        return f"{self.label} at {self.address}" if self.address else self.label

    @property
    def labels(self) -> LabelSet:
        return label_set({"target": self.label, "address": self.address, "provider": self.provider})

    @property
    def facts(self) -> Mapping[str, str]:
        return {"url": self.label, "method": self.target.method}


class Http:
    """Every URL in one reading, fresh connections all."""

    def __init__(
        self,
        settings: HttpSettings,
        access: Access,
        *,
        budget: Duration = BUDGET,
        look_up: Resolve = resolve,
    ) -> None:
        """`budget` is the time of one reading, however many do not answer."""
        self._settings = settings
        self._access = access
        self._budget = budget
        self._prober = Prober(_trust(settings), look_up, settings.timeout, settings.proxy)
        self._hosts = Hosts(look_up, min(settings.timeout, budget // LOOKING_UP // 2))
        self._probes = Turns[_Ask]()
        self._faults = Faults(settings.name)
        self._configured = [_Ask(one, one.label, one.provider) for one in settings.targets]
        self._discovered: Mapping[str, _Ask] = {}
        """By name of the domain."""

    async def streams(self) -> Sequence[StreamSpec]:
        """One, of states."""
        return (StreamSpec("probes", width=0, every=self._settings.every),)

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """Ask for all URLs, many at a time.

        Raises:
            NetworkFailed: this machine could ask for none. No answer from any is not that: it is a reading.
        """
        began = anyio.current_time()
        by_proxy = self._settings.proxy is not None  # which looks up names itself
        hosts = {ask: "" if by_proxy else _host(ask.target) for ask in [*self._configured, *self._found()]}
        wanted = {host for host in hosts.values() if host}
        missing = await self._hosts.resolve(wanted, began + self._budget / LOOKING_UP / SECOND)
        asks, settled = self._asks(hosts, missing)
        outcomes = {**await self._outcomes(asks, began + self._budget / SECOND), **settled}
        faults = {ask.called: why for ask, outcome in outcomes.items() if (why := _words(outcome))}
        if outcomes and all(isinstance(one, str) or one.is_near for one in outcomes.values()):
            raise NetworkFailed(f"no target could be probed: {some(faults)}")
        self._faults.tell(faults)
        return SampleBatch(
            source=self._settings.name,
            vendor="http",
            stream=stream.name,
            width=0,
            fetched_at=self._access.now(),
            settled_until=window.end,
            entities=tuple(ask.labels for ask in outcomes),
            metrics=METRICS,
            starts=np.array([window.start], dtype=np.int64),
            values=_grid(list(outcomes.values())),
            exemplars=tuple(
                Exemplar(place, window.start, {**ask.facts, **outcome.facts})
                for place, (ask, outcome) in enumerate(outcomes.items())
                if isinstance(outcome, Outcome) and not outcome.is_up
            ),
            complete=bool(hosts) and self._knows_addresses(hosts),
            remark=f"{len(faults)} of {len(outcomes)} probes failed: {some(faults)}" if faults else "",
            note="; ".join(self._hosts.cut() if hosts else ["no source has listed a domain yet"]),
        )

    def _found(self) -> Sequence[_Ask]:
        """Domains that other sources know, and of which no target is configured."""
        if not self._settings.discover:
            return ()
        known = fresh(self._access.inventory(), self._access.now())
        configured = {_host(ask.target) for ask in self._configured}
        names = [name for name in discovered(known, self._settings.name) if name not in configured]
        self._discovered = {name: self._discovered.get(name) or self._of(name) for name in names}
        return list(self._discovered.values())

    def _of(self, name: str) -> _Ask:
        url = f"https://{name}/"
        expected = self._settings.expect_status
        return _Ask(HttpTarget(url=SecretUrl(url), expect_status=expected), url, provider="")

    def _asks(
        self, hosts: Mapping[_Ask, str], missing: Mapping[str, Unresolved]
    ) -> tuple[Mapping[_Ask, Sequence[str]], Mapping[_Ask, Outcome | str]]:
        """What to probe at which addresses, and what is settled already: targets whose name has none.

        Where each address is probed, those that the name last had are, too: visitors may know them still.
        """
        asks: dict[_Ask, Sequence[str]] = {}
        settled: dict[_Ask, Outcome | str] = {}
        for ask, host in hosts.items():
            if host in missing:
                settled[ask] = unresolved(missing[host])
            if host and ask.target.per_address:
                asks |= {replace(ask, address=one): (one,) for one in self._hosts.probed(host)}
            elif host not in missing:
                asks[ask] = self._hosts.probed(host)
        return asks, settled

    async def _outcomes(self, asks: Mapping[_Ask, Sequence[str]], until: float) -> dict[_Ask, Outcome | str]:
        async def probe(ask: _Ask) -> Outcome | str:
            return await self._prober.probe(ask.target, asks[ask])

        def takes(ask: _Ask) -> Duration:
            return self._prober.takes(ask.target)

        answers = await self._probes.ask(asks.keys(), probe, until=until, longest=takes)
        late = f"not asked within {span(self._budget)}, the time of one reading"
        return {ask: answers.get(ask, late) for ask in asks}

    def _knows_addresses(self, hosts: Mapping[_Ask, str]) -> bool:
        """Whether all that are probed are there: of a name that never resolved nobody knows."""
        by_address = {host for ask, host in hosts.items() if ask.target.per_address}
        return by_address <= self._hosts.addresses.keys()


def _host(target: HttpTarget) -> str:
    """Empty where it is in a secret that is not there for now, or is no URL any more."""
    try:
        return target.host
    except (SecretUnavailable, ValueError):
        return ""


def _words(outcome: Outcome | str) -> str:
    return outcome if isinstance(outcome, str) else outcome.fault


def _grid(outcomes: Sequence[Outcome | str]) -> Floats:
    grid = np.full((1, len(METRICS), len(outcomes)), np.nan)
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, Outcome):
            seconds, status = (np.nan if one is None else one for one in (outcome.seconds, outcome.status))
            grid[0, :, place] = outcome.is_up, seconds, status
    return grid


def _trust(settings: HttpSettings) -> ssl.SSLContext:
    """The system's authorities, or only those in the file.

    Raises:
        UserError: the file cannot be used.
    """
    if settings.ca_file is None:
        return ssl.create_default_context()
    with loading(settings.ca_file):
        return ssl.create_default_context(cafile=settings.ca_file)
