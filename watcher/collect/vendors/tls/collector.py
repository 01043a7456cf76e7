"""Reading TLS endpoints: all of a source in one batch of states."""

from collections.abc import Mapping, Sequence
from typing import Final

import anyio
import numpy as np
import structlog

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.line import DEADLINE
from watcher.collect.vendors.tls.probe import UNREADABLE_NAMES, Finding, probe, trusting
from watcher.collect.vendors.tls.settings import TlsSettings
from watcher.errors import NetworkFailed
from watcher.model.labels import label_set
from watcher.model.sample import Exemplar, Floats, MetricKey, SampleBatch
from watcher.model.time import SECOND, Duration
from watcher.model.words import span

METRICS: Final[tuple[MetricKey, ...]] = (
    ("tls_certificate_not_after_seconds", ()),
    ("tls_certificate_valid", label_set({"check": "chain"})),
    ("tls_certificate_valid", label_set({"check": "host"})),
)
_AT_ONCE: Final = 64
BUDGET: Final[Duration] = DEADLINE * 3 // 4
"""Of one reading: what has not answered by then is silent, and the others are told in time."""
_NAMED: Final = 5
"""Silent targets that an error names."""

_log = structlog.get_logger()


class Tls:
    """Every endpoint in one reading; one that does not answer leaves its cells unknown."""

    def __init__(self, settings: TlsSettings, access: Access, *, budget: Duration = BUDGET) -> None:
        """`budget` is the time of one reading, however many do not answer."""
        self._settings = settings
        self._now = access.now
        self._trust = trusting(settings.ca_file)
        self._unknown: Mapping[int, str] = {}
        """By target's place: what could not be read of it last time, in words."""
        self._put_off: set[int] = set()
        """Those that did not answer when it was their turn."""
        self._budget = budget
        self._told_discover = False

    async def streams(self) -> Sequence[StreamSpec]:
        """One, of states."""
        if self._settings.discover and not self._told_discover:
            self._told_discover = True
            _log.info("not_served_yet", source=self._settings.name, key="discover")
        if not self._settings.targets:
            return ()
        return (StreamSpec("handshakes", width=0, every=self._settings.every),)

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """Shake hands with all targets, many at a time.

        Raises:
            NetworkFailed: none of them could be probed.
        """
        outcomes = await self._outcomes()
        self._tell(outcomes)
        findings = [outcome if isinstance(outcome, Finding) else None for outcome in outcomes]
        return SampleBatch(
            source=self._settings.name,
            vendor="tls",
            stream=stream.name,
            width=0,
            fetched_at=self._now(),
            settled_until=window.end,
            entities=tuple(
                label_set({"domain": target.name, "address": target.address})
                for target in self._settings.targets
            ),
            metrics=METRICS,
            starts=np.array([window.start], dtype=np.int64),
            values=np.stack([_values(finding) for finding in findings], axis=1)[np.newaxis],
            exemplars=tuple(
                Exemplar(place, window.start, finding.facts)
                for place, finding in enumerate(findings)
                if finding is not None
            ),
            remark=self._remark(),
        )

    def _remark(self) -> str:
        """Which targets are not wholly known, for who asks how the source is."""
        if not self._unknown:
            return ""
        some = "; ".join(
            f"{self._called(place)}: {why}" for place, why in list(self._unknown.items())[:_NAMED]
        )
        return f"{len(self._unknown)} of {len(self._settings.targets)} targets not known: {some}"

    async def _outcomes(self) -> Sequence[Finding | str]:
        """By target: what it presented, or in words why nothing is known.

        Those that did not answer last time come last: any number of them leaves time for the others.
        """
        targets, outcomes = self._settings.targets, dict[int, Finding | str]()
        gate = anyio.Semaphore(_AT_ONCE)

        async def probe_one(place: int) -> None:
            async with gate:
                self._put_off.add(place)
                outcomes[place] = await probe(targets[place], self._trust, self._settings.timeout)
                if isinstance(outcomes[place], Finding):
                    self._put_off.remove(place)

        with anyio.move_on_after(self._budget / SECOND):
            async with anyio.create_task_group() as group:
                for place in sorted(range(len(targets)), key=self._put_off.__contains__):
                    group.start_soon(probe_one, place)
        late = f"no answer within {span(self._budget)}, the time of one reading"
        return [outcomes.get(place, late) for place in range(len(targets))]

    def _tell(self, outcomes: Sequence[Finding | str]) -> None:
        """Log of which targets something became unknown, and which are wholly known again.

        Raises:
            NetworkFailed: nothing is known of any; whoever catches it logs it.
        """
        unknown = {place: why for place, outcome in enumerate(outcomes) if (why := _what_is_unknown(outcome))}
        before, self._unknown = self._unknown, unknown
        if all(isinstance(outcome, str) for outcome in outcomes):
            some = "; ".join(f"{self._called(place)}: {unknown[place]}" for place in list(unknown)[:_NAMED])
            raise NetworkFailed(f"no target could be probed: {some}")
        log = _log.bind(source=self._settings.name)
        for place in sorted(unknown.keys() - before.keys()):
            log.warning("probe_failed", target=self._called(place), why=unknown[place])
        for place in sorted(before.keys() - unknown.keys()):
            log.info("probe_recovered", target=self._called(place))

    def _called(self, place: int) -> str:
        target = self._settings.targets[place]
        return f"{target.name} at {target.address}"


def _what_is_unknown(outcome: Finding | str) -> str:
    if isinstance(outcome, str):
        return outcome
    return UNREADABLE_NAMES if outcome.host_fault is None else ""


def _values(finding: Finding | None) -> Floats:
    if finding is None:
        return np.full(len(METRICS), np.nan)
    host = np.nan if finding.host_fault is None else float(not finding.host_fault)
    return np.array([finding.not_after / SECOND, float(not finding.chain_fault), host])
