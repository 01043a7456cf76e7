"""The inventory for verbs that show it, and what of it the rules in force look at."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from watcher.app.settings import rules
from watcher.config import Config
from watcher.document.secrets import SecretUrl
from watcher.engine.binding import bind
from watcher.engine.engine import BoundRule
from watcher.model.estate import Domain, Estate, Origin, joined
from watcher.model.inventory import ItemEvent, ItemKind, Known
from watcher.model.labels import LabelSet
from watcher.model.ports import Inventory
from watcher.model.sample import SampleBatch
from watcher.model.time import Instant
from watcher.runtime.clock import SystemClock
from watcher.store.database import Database
from watcher.store.inventory import SqlInventory
from watcher.store.journal import SqlJournal

OWN_SIGHT: Final = ".sight"
"""Streams of our own sight end so: every source has them, and they cover nothing of it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that no rule looks at."""

    kind: str
    """`source`, `origin` or `domain`."""
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is, and what of it is looked at."""

    estate: Estate
    watched: Mapping[str, tuple[str, ...]]
    """By domain: the rules that look at it."""
    gaps: tuple[Gap, ...]


async def survey(config: Config) -> Survey:
    """What the sources of the configuration know, and what its rules look at, by their last answers.

    Raises:
        DatabaseUnusable: there is no database, or it cannot be read.
    """
    names = {source.name for source in config.sources}
    async with _opened(config.database) as database:
        items = await SqlInventory(database).items()
        batches = await SqlJournal(database).newest()
    estate = joined(one for one in items if one.source in names)
    coverage = Coverage(
        rules(config),
        [one for one in batches if one.source in names and not one.stream.endswith(OWN_SIGHT)],
    )
    watched = {domain.name: tuple(sorted(coverage.of_domain(domain))) for domain in estate.domains}
    return Survey(estate, watched, tuple(_gaps(sorted(names), estate, coverage)))


async def changes(config: Config, *, since: Instant | None, limit: int) -> Sequence[ItemEvent]:
    """What became of items, the newest first.

    Raises:
        DatabaseUnusable: there is no database, or it cannot be read.
    """
    async with _opened(config.database) as database:
        reader: Inventory = SqlInventory(database)
        return await reader.changes(since=since, limit=limit)


class Coverage:
    """Which rules have series that speak of something, by the last answer of every stream."""

    def __init__(self, bound: Iterable[BoundRule], batches: Sequence[SampleBatch]) -> None:
        self._answered = {batch.source for batch in batches}
        self._sources: dict[str, set[str]] = {}
        self._labels: dict[tuple[str, str, str], set[str]] = {}
        self._probed: dict[str, set[str]] = {}
        for one in bound:
            for batch in batches:
                for labels in _judged(one, batch):
                    self._take(one.rule.id, batch, labels)

    def _take(self, rule: str, batch: SampleBatch, labels: LabelSet) -> None:
        self._sources.setdefault(batch.source, set()).add(rule)
        for name, value in labels:
            self._labels.setdefault((batch.source, name, value), set()).add(rule)
            if batch.vendor in {"tls", "http"} and (host := _probed_host(name, value)):
                self._probed.setdefault(host, set()).add(rule)

    def answered(self, source: str) -> bool:
        """Whether it has given anything by now."""
        return source in self._answered

    def of_source(self, source: str) -> set[str]:
        """Rules that look at anything of a source."""
        return self._sources.get(source, set())

    def of_probes(self, host: str) -> set[str]:
        """Rules that look at probes of a host."""
        return self._probed.get(host, set())

    def of_domain(self, domain: Domain) -> set[str]:
        """Rules that look at probes of a domain, or at what its sources count of it or of what serves it."""
        found = set(self.of_probes(domain.name))
        for one in domain.listed:
            for resource in {one.item.id, *one.item.words("distribution")}:
                found |= self._labels.get((one.source, "resource", resource), set())
            found |= self._labels.get((one.source, "domain", one.item.id), set())
        return found

    def of_origin(self, origin: Origin) -> set[str]:
        """Rules that look at an origin itself, or at a group that it is in."""
        own = {(one.source, "origin", name) for one in origin.listed for name in (one.item.id, origin.name)}
        groups = {(one.source, "resource", one.item.id) for one in origin.groups}
        return {rule for key in own | groups for rule in self._labels.get(key, ())}


def _gaps(sources: Sequence[str], estate: Estate, coverage: Coverage) -> Iterator[Gap]:
    for source in sources:
        if not coverage.answered(source):
            yield Gap("source", source, "has given nothing yet")
        elif not coverage.of_source(source):
            yield Gap("source", source, "no rule looks at anything it gives")
    covered = {domain.name for domain in estate.domains if coverage.of_domain(domain)}
    for origin in estate.origins:
        if not coverage.of_origin(origin) and covered.isdisjoint(origin.domains):
            yield Gap("origin", origin.name, "no rule looks at it, nor at any of its domains")
    for domain in estate.domains:
        if domain.name not in covered:
            yield Gap("domain", domain.name, "no rule looks at it")
        elif domain.is_served and not coverage.of_probes(domain.name):
            yield Gap("domain", domain.name, "no probe of TLS or HTTP asks it")


def _judged(bound: BoundRule, batch: SampleBatch) -> Iterator[LabelSet]:
    """Labels of the series of a batch that a rule reads."""
    binding = bind(bound.rule, bound.detector.roles, batch)
    for cast in binding.casts.values() if binding is not None else ():
        for place in sorted({int(entity) for entity in cast.entity}):
            yield batch.entities[place]


def _probed_host(label: str, value: str) -> str:
    """The host that a probe's label names."""
    if label == "domain":
        return value
    try:
        return urlsplit(value).hostname or "" if label == "target" else ""
    except ValueError:
        return ""


@asynccontextmanager
async def _opened(at: SecretUrl) -> AsyncIterator[Database]:
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        yield database


def vendors_of(listed: Iterable[Known]) -> list[str]:
    """Who serves it, by the names of vendors."""
    return sorted({one.vendor for one in listed if one.item.kind is not ItemKind.CERTIFICATE})
