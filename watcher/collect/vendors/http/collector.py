"""Reading URLs: all of a source in one batch of states. An answer that does not come is a reading, too."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import structlog

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.probing import BUDGET, MOST_ADDRESSES, Resolve, Turns, addresses, is_ip, resolve
from watcher.collect.trust import loading
from watcher.collect.vendors.http.probe import Outcome, Prober
from watcher.collect.vendors.http.settings import HttpSettings, HttpTarget
from watcher.errors import NetworkFailed, SecretUnavailable
from watcher.model.labels import LabelSet, label_set
from watcher.model.sample import Exemplar, Floats, MetricKey, SampleBatch
from watcher.model.time import Duration
from watcher.model.words import span

METRICS: Final[tuple[MetricKey, ...]] = (
    ("http_probe_up", ()),
    ("http_probe_duration_seconds", ()),
    ("http_probe_status", ()),
)
_LOOKING_UP: Final = 3
"""A third of the time of one reading is for names, at most."""
_NAMED: Final = 5
"""Targets that a remark names."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Ask:
    """One probe to make: a target by its place, at one address or wherever its name leads."""

    place: int
    address: str = ""


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
        self._now = access.now
        self._budget = budget
        self._look_up = look_up
        self._prober = Prober(_trust(settings), look_up, settings.timeout, settings.proxy)
        self._probes = Turns[_Ask]()
        self._lookups = Turns[str]()
        self._addresses: dict[str, tuple[str, ...]] = {}
        """Of each host that is probed by address, as it last resolved."""
        self._faults: Mapping[str, str] = {}
        """What was wrong last time, by what it is called."""

    async def streams(self) -> Sequence[StreamSpec]:
        """One, of states."""
        return (StreamSpec("probes", width=0, every=self._settings.every),)

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """Ask for all URLs, many at a time.

        Raises:
            NetworkFailed: this machine could ask for none. No answer from any is not that: it is a reading.
        """
        asks, unresolved = await self._asks()
        answers = await self._probes.ask(list(asks), self._probe, self._budget - self._budget // _LOOKING_UP)
        late = f"not asked within {span(self._budget)}, the time of one reading"
        outcomes: dict[_Ask, Outcome | str] = {ask: answers.get(ask, late) for ask in asks}
        outcomes |= unresolved
        self._tell({self._called(ask): _words(outcome) for ask, outcome in outcomes.items()})
        if all(isinstance(outcome, str) for outcome in outcomes.values()):
            raise NetworkFailed(f"no target could be probed: {self._some()}")
        return SampleBatch(
            source=self._settings.name,
            vendor="http",
            stream=stream.name,
            width=0,
            fetched_at=self._now(),
            settled_until=window.end,
            entities=tuple(map(self._labels, outcomes)),
            metrics=METRICS,
            starts=np.array([window.start], dtype=np.int64),
            values=np.stack([_values(outcome) for outcome in outcomes.values()], axis=1)[np.newaxis],
            exemplars=tuple(
                Exemplar(place, window.start, self._facts(ask, outcome))
                for place, (ask, outcome) in enumerate(outcomes.items())
                if isinstance(outcome, Outcome) and not outcome.is_up
            ),
            complete=True,
            remark=self._remark(len(outcomes)),
        )

    async def _asks(self) -> tuple[Sequence[_Ask], Mapping[_Ask, Outcome | str]]:
        """What to probe, and what is settled already: names without an address.

        Addresses of a name that does not resolve for now stand there as unknown, so that they are not gone.
        """
        hosts = [_host(target) for target in self._targets]
        unresolved = await self._resolve(sorted({*hosts} - {""}))
        asks: list[_Ask] = []
        settled: dict[_Ask, Outcome | str] = {}
        for place, host in enumerate(hosts):
            if not host:
                asks.append(_Ask(place))
                continue
            found = [_Ask(place, address) for address in self._addresses.get(host, ())[:MOST_ADDRESSES]]
            if (why := unresolved.get(host)) is None:
                asks += found
            else:
                settled |= {_Ask(place): Outcome(why, facts={"reason": why})}
                settled |= dict.fromkeys(found, why)
        return asks, settled

    async def _resolve(self, hosts: Sequence[str]) -> Mapping[str, str]:
        """Look up the hosts that are probed by address; those without one, in words why."""
        names = [host for host in hosts if not is_ip(host)]
        ask = partial(addresses, look_up=self._look_up, timeout=self._settings.timeout)
        answers = await self._lookups.ask(names, ask, self._budget // _LOOKING_UP)
        self._addresses |= {host: (host,) for host in hosts if is_ip(host)}
        found = {host: answers.get(host, "the name did not resolve in time") for host in names}
        self._addresses |= {host: answer for host, answer in found.items() if not isinstance(answer, str)}
        return {host: answer for host, answer in found.items() if isinstance(answer, str)}

    async def _probe(self, ask: _Ask) -> Outcome | str:
        return await self._prober.probe(self._targets[ask.place], ask.address)

    def _tell(self, words: Mapping[str, str]) -> None:
        """Log what ceased to answer as expected, and what does again."""
        faults = {called: why for called, why in words.items() if why}
        before, self._faults = self._faults, faults
        log = _log.bind(source=self._settings.name)
        for called in sorted(faults.keys() - before.keys()):
            log.warning("probe_failed", target=called, why=faults[called])
        for called in sorted(before.keys() - faults.keys()):
            log.info("probe_recovered", target=called)

    def _remark(self, probed: int) -> str:
        return f"{len(self._faults)} of {probed} probes failed: {self._some()}" if self._faults else ""

    def _some(self) -> str:
        return "; ".join(f"{called}: {why}" for called, why in list(self._faults.items())[:_NAMED])

    @property
    def _targets(self) -> Sequence[HttpTarget]:
        return self._settings.targets

    def _called(self, ask: _Ask) -> str:
        label = self._targets[ask.place].label
        return f"{label} at {ask.address}" if ask.address else label

    def _labels(self, ask: _Ask) -> LabelSet:
        target = self._targets[ask.place]
        return label_set({"target": target.label, "address": ask.address, "provider": target.provider})

    def _facts(self, ask: _Ask, outcome: Outcome) -> Mapping[str, str]:
        return {
            "url": self._targets[ask.place].label,
            "method": self._targets[ask.place].method,
            **outcome.facts,
        }


def _host(target: HttpTarget) -> str:
    """Of a target that is probed by address; empty for others, and where nobody knows it for now."""
    try:
        return target.host if target.per_address else ""
    except SecretUnavailable:
        return ""


def _words(outcome: Outcome | str) -> str:
    return outcome if isinstance(outcome, str) else outcome.fault


def _values(outcome: Outcome | str) -> Floats:
    if isinstance(outcome, str):
        return np.full(len(METRICS), np.nan)
    seconds = np.nan if outcome.seconds is None else outcome.seconds
    return np.array([outcome.is_up, seconds, np.nan if outcome.status is None else outcome.status], float)


def _trust(settings: HttpSettings) -> ssl.SSLContext:
    """The system's authorities, or only those in the file.

    Raises:
        UserError: the file cannot be used.
    """
    if settings.ca_file is None:
        return ssl.create_default_context()
    with loading(settings.ca_file):
        return ssl.create_default_context(cafile=settings.ca_file)
