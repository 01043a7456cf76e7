"""Reading Alibaba Cloud CDN: all configured origins in one reading, a few a call."""

from collections.abc import Sequence
from typing import Final

import structlog

from watcher.collect.collector import Access, StreamSpec, Window
from watcher.collect.states import Statuses
from watcher.collect.vendors.alibaba_cdn.api import SourcesMalformed, batches, domains_request, some
from watcher.collect.vendors.alibaba_cdn.auth import credential
from watcher.collect.vendors.alibaba_cdn.batch import Provenance, batch_of
from watcher.collect.vendors.alibaba_cdn.parse import STATUSES, Answer, merged, parse_domains
from watcher.collect.vendors.alibaba_cdn.settings import AlibabaCdnSettings
from watcher.errors import RequestRefused
from watcher.model.inventory import Item, ItemKind
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, Duration, Instant

STREAM: Final = "domains"
REFUSED_HOLDS: Final[Duration] = HOUR
"""How long an origin that was called malformed is left out before it is asked for again."""

_log = structlog.get_logger()


class AlibabaCdn:
    """One access key and its origins: one stream of states, read as a whole or not at all."""

    def __init__(self, settings: AlibabaCdnSettings, access: Access) -> None:
        self._settings = settings
        self._now = access.now
        self._base = settings.base_url.reveal().rstrip("/")
        self._http = access.http([credential(settings.auth, access)])
        self._inventory = access.inventory
        self._refused: dict[tuple[str, ...], Instant] = {}
        """When origins, asked for together, were called malformed."""
        self._told: frozenset[str] = frozenset()
        """Of these the log knows."""
        self._statuses = Statuses(*STATUSES)

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
        refused = tuple(origin for origin in self._settings.origins if origin not in answer.origins)
        held = self._held(answer, refused)
        of = Provenance(self._settings.name, stream.name, window.start, self._now(), refused, held)
        met = len(self._statuses.undocumented)
        batch = batch_of(answer, of, self._statuses)
        for status in self._statuses.undocumented[met:]:
            _log.info("undocumented_status", source=self._settings.name, status=status)
        return batch

    def _asked(self) -> Sequence[str]:
        """All but those that were called malformed within the hour."""
        now = self._now()
        self._refused = {each: at for each, at in self._refused.items() if 0 <= now - at < REFUSED_HOLDS}
        return [origin for origin in self._settings.origins if (origin,) not in self._refused]

    async def _answers(self, origins: Sequence[str]) -> list[Answer]:
        """What is said of these; of a call that the vendor calls malformed, of each half by itself.

        A call that was refused is not made again unchanged, also where the reading it was made for failed.
        """
        if tuple(origins) not in self._refused:
            try:
                response = await self._http(domains_request(self._base, origins))
            except SourcesMalformed:
                self._refused[tuple(origins)] = self._now()
            else:
                return [parse_domains(response, origins)]
        if len(origins) == 1:
            return []
        half = len(origins) // 2
        return [*await self._answers(origins[:half]), *await self._answers(origins[half:])]

    def _held(self, answer: Answer, refused: Sequence[str]) -> tuple[Item, ...]:
        """Domains that were last fed by an origin that is refused now: nobody can say that they are gone."""
        return tuple(
            known.item
            for known in (self._inventory() if refused else ())
            if (known.source, known.item.kind) == (self._settings.name, ItemKind.DOMAIN)
            and known.gone_at is None
            and known.item.id not in answer.domains
            and not {*refused}.isdisjoint(known.item.words("origins"))
        )

    def _tell_refused(self) -> None:
        log, refused = (
            _log.bind(source=self._settings.name),
            frozenset(each[0] for each in self._refused if len(each) == 1),
        )
        for origin in sorted(refused - self._told):
            log.warning("origin_refused", origin=origin)
        for origin in sorted(self._told - refused):
            log.info("origin_accepted", origin=origin)
        self._told = refused
