"""Reading TLS endpoints: all of a source in one batch of states."""

from collections.abc import Mapping, Sequence
from typing import Final

import anyio
import numpy as np
import structlog

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.vendors.tls.probe import Finding, probe, trusting
from watcher.collect.vendors.tls.settings import TlsSettings
from watcher.errors import NetworkFailed
from watcher.model.labels import label_set
from watcher.model.sample import Exemplar, Floats, MetricKey, SampleBatch
from watcher.model.time import SECOND

METRICS: Final[tuple[MetricKey, ...]] = (
    ("tls_certificate_not_after_seconds", ()),
    ("tls_certificate_valid", label_set({"check": "chain"})),
    ("tls_certificate_valid", label_set({"check": "host"})),
)
_AT_ONCE: Final = 8
_NAMED: Final = 5
"""Silent targets that an error names."""

_log = structlog.get_logger()


class Tls:
    """Every endpoint in one reading; one that does not answer leaves its cells unknown."""

    def __init__(self, settings: TlsSettings, access: Access) -> None:
        self._settings = settings
        self._now = access.now
        self._trust = trusting(settings.ca_file)
        self._silent: Mapping[str, str] = {}

    async def streams(self) -> Sequence[StreamSpec]:
        """One, of states."""
        if self._settings.discover:
            _log.info("not_served_yet", source=self._settings.name, key="discover")
        if not self._settings.targets:
            return ()
        return (StreamSpec("handshakes", width=0, every=self._settings.every),)

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """Shake hands with all targets, a few at a time.

        Raises:
            NetworkFailed: none of them could be probed.
        """
        outcomes = await self._outcomes()
        self._tell_silent(outcomes)
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
        )

    async def _outcomes(self) -> Sequence[Finding | str]:
        """By target: what it presented, or in words why nothing is known."""
        outcomes: dict[int, Finding | str] = {}
        gate = anyio.Semaphore(_AT_ONCE)

        async def probe_one(place: int) -> None:
            async with gate:
                outcomes[place] = await probe(
                    self._settings.targets[place], self._trust, self._settings.timeout
                )

        async with anyio.create_task_group() as group:
            for place in range(len(self._settings.targets)):
                group.start_soon(probe_one, place)
        return [outcomes[place] for place in range(len(outcomes))]

    def _tell_silent(self, outcomes: Sequence[Finding | str]) -> None:
        """Log which targets fell silent and which answer again.

        Raises:
            NetworkFailed: all are silent; whoever catches it logs it.
        """
        silent = {
            f"{target.name} at {target.address}": outcome
            for target, outcome in zip(self._settings.targets, outcomes, strict=True)
            if isinstance(outcome, str)
        }
        before, self._silent = self._silent, silent
        if len(silent) == len(outcomes):
            some = "; ".join(f"{target}: {why}" for target, why in list(silent.items())[:_NAMED])
            raise NetworkFailed(f"no target could be probed: {some}")
        for target in sorted(silent.keys() - before.keys()):
            _log.warning("probe_failed", source=self._settings.name, target=target, why=silent[target])
        for target in sorted(before.keys() - silent.keys()):
            _log.info("probe_recovered", source=self._settings.name, target=target)


def _values(finding: Finding | None) -> Floats:
    if finding is None:
        return np.full(len(METRICS), np.nan)
    return np.array(
        [finding.not_after / SECOND, float(not finding.chain_fault), float(not finding.host_fault)]
    )
