"""Reading Alibaba Cloud CDN: all configured origins in one reading, a few a call."""

from collections.abc import Sequence
from typing import Final

import structlog

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.vendors.alibaba_cdn.api import SourcesMalformed, batches, domains_request, some
from watcher.collect.vendors.alibaba_cdn.auth import credential
from watcher.collect.vendors.alibaba_cdn.batch import Provenance, batch_of
from watcher.collect.vendors.alibaba_cdn.parse import STATUSES, Answer, merged, parse_domains, undocumented
from watcher.collect.vendors.alibaba_cdn.settings import AlibabaCdnSettings
from watcher.errors import RequestRefused
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, Duration, Instant

STREAM: Final = "domains"
REFUSED_HOLDS: Final[Duration] = HOUR
"""How long an origin that was called malformed is left out before it is asked for again."""
_REMEMBERED: Final = 64
"""Undocumented statuses that the state set keeps beyond those of the present answer."""

_log = structlog.get_logger()


class AlibabaCdn:
    """One access key and its origins: one stream of states, read as a whole or not at all."""

    def __init__(self, settings: AlibabaCdnSettings, access: Access) -> None:
        self._settings = settings
        self._now = access.now
        self._base = settings.base_url.reveal().rstrip("/")
        self._http = access.http([credential(settings.auth, access)])
        self._refused: dict[str, Instant] = {}
        """When an origin was last called malformed."""
        self._told: frozenset[str] = frozenset()
        """Of these the log knows."""
        self._statuses: Sequence[str] = ()
        """Undocumented ones, those met last at the end."""

    async def streams(self) -> Sequence[StreamSpec]:
        """One, of states."""
        return (StreamSpec(STREAM, width=0, every=self._settings.every),)

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """Ask for every origin. One call that fails fails the reading, since nothing may look gone.

        Raises:
            RequestRefused: the vendor calls every origin malformed.
        """
        answer = merged([part for batch in batches(self._asked()) for part in await self._answers(batch)])
        self._tell_refused()
        if not answer.origins:
            raise RequestRefused(f"the vendor calls every origin malformed: {some(self._settings.origins)}")
        of = Provenance(
            self._settings.name,
            stream.name,
            window.start,
            self._now(),
            refused=tuple(origin for origin in self._settings.origins if origin not in answer.origins),
            statuses=(*STATUSES, *self._met(answer)),
        )
        return batch_of(answer, of)

    def _asked(self) -> Sequence[str]:
        """All but those that were called malformed within the hour."""
        now = self._now()
        held = {origin for origin, at in self._refused.items() if 0 <= now - at < REFUSED_HOLDS}
        return [origin for origin in self._settings.origins if origin not in held]

    async def _answers(self, origins: Sequence[str]) -> list[Answer]:
        """What is said of these; of a call that the vendor calls malformed, of each half by itself."""
        try:
            response = await self._http(domains_request(self._base, origins))
        except SourcesMalformed:
            if len(origins) == 1:
                self._refused[origins[0]] = self._now()
                return []
            half = len(origins) // 2
            return [*await self._answers(origins[:half]), *await self._answers(origins[half:])]
        for origin in origins:
            self._refused.pop(origin, None)
        return [parse_domains(response, origins)]

    def _met(self, answer: Answer) -> Sequence[str]:
        """Undocumented statuses of this answer and of those before, in a fixed order."""
        present = undocumented(answer)
        for status in present:
            if status not in self._statuses:
                _log.info("undocumented_status", source=self._settings.name, status=status)
        former = [status for status in self._statuses if status not in present]
        self._statuses = (*former, *present)[-max(_REMEMBERED, len(present)) :]
        return sorted(self._statuses)

    def _tell_refused(self) -> None:
        log, refused = _log.bind(source=self._settings.name), frozenset(self._refused)
        for origin in sorted(refused - self._told):
            log.warning("origin_refused", origin=origin)
        for origin in sorted(self._told - refused):
            log.info("origin_accepted", origin=origin)
        self._told = refused
