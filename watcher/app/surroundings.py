"""What an incident stands among: silences, windows, other open incidents, and what vendors list."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from watcher.app.book import EVERY, STANDING
from watcher.config import Config
from watcher.model.incident import Incident
from watcher.model.inhibition import Inhibition, Inhibitors, matters
from watcher.model.inventory import Known
from watcher.model.message import Message
from watcher.model.ports import Committed, IncidentQuery
from watcher.model.relations import Relations, widened
from watcher.model.rule import Rule
from watcher.model.silence import Silence
from watcher.model.time import Instant
from watcher.notify.render import Renderer
from watcher.notify.stages import Plan, Suppressions
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.silences import SqlSilences, Version

_DELIVERED: Final = "cdn_"
"""How metrics begin that say how a resource is delivered."""


class Surroundings:
    """Of one daemon. It alone writes the book, so open incidents are kept in step with its commits."""

    def __init__(self, database: Database, config: Config, known: Callable[[], Sequence[Known]]) -> None:
        """`known` gives what the inventory holds; the same object for as long as that is the same."""
        self._history = SqlHistory(database)
        self._silences = SqlSilences(database)
        self._maintenance = config.maintenance
        self._inhibition = inhibition(config)
        self._known = known
        self._listed: Sequence[Known] = ()
        self._relations = Relations()
        self._standing: dict[str, Incident] = {}
        self._mattering: dict[str, Incident] = {}
        """Those of them that have a part in who explains whom: a storm of others costs nothing."""
        self._inhibitors: Inhibitors | None = None
        self._held: tuple[Silence, ...] = ()
        self._version: Version | None = None

    async def load(self) -> None:
        """Read what is open; from then on `take` keeps step."""
        self._standing = {one.id: one for one in await standing(self._history)}
        self._sort()

    def take(self, committed: Iterable[Committed]) -> None:
        """The book has changed."""
        for one in committed:
            incident = one.incident
            if incident.over:
                self._standing.pop(incident.id, None)
            else:
                self._standing[incident.id] = incident
            self._sort_one(incident)

    async def suppressions(self, incidents: Sequence[Incident], at: Instant) -> Suppressions:
        """What keeps these from being told at a time.

        Raises:
            StoreUnavailable: the silences cannot be read.
        """
        silences = tuple(one for one in await self._every_silence() if one.until(at) is not None)
        windows = tuple(one for one in self._maintenance if one.until(at) is not None)
        explaining = self._explaining()
        found = ((one.id, explaining.of(one)) for one in incidents)
        return Suppressions(silences, windows, {key: other for key, other in found if other is not None})

    def widened(self, incident: Incident) -> Incident:
        """The incident with what its origin feeds."""
        return widened(incident, self._related(), self._standing.values())

    async def _every_silence(self) -> Sequence[Silence]:
        version = await self._silences.version()
        if version != self._version:
            self._held = tuple(await self._silences.every())
            self._version = version
        return self._held

    def _explaining(self) -> Inhibitors:
        relations = self._related()
        if self._inhibitors is None:
            self._inhibitors = Inhibitors(self._mattering.values(), relations, self._inhibition)
        return self._inhibitors

    def _related(self) -> Relations:
        listed = self._known()
        if listed is not self._listed:
            self._listed, self._relations = listed, Relations(listed)
            self._sort()
        return self._relations

    def _sort(self) -> None:
        """Find out anew which of them matter: what is listed has changed."""
        self._mattering, self._inhibitors = {}, None
        for one in self._standing.values():
            self._sort_one(one)

    def _sort_one(self, incident: Incident) -> None:
        if not incident.over and matters(incident, self._relations, self._inhibition):
            self._mattering[incident.id], self._inhibitors = incident, None
        elif self._mattering.pop(incident.id, None) is not None:
            self._inhibitors = None


@dataclass(frozen=True, slots=True)
class WideWords:
    """A renderer whose messages say what else is hurt, or about to be."""

    renderer: Renderer
    surroundings: Surroundings

    def message(self, plan: Plan, *, now: Instant) -> Message:
        """What the target of a plan is told."""
        wide = partial(map, self.surroundings.widened)
        plan = replace(plan, incidents=tuple(wide(plan.incidents)), more=tuple(wide(plan.more)))
        return self.renderer.message(plan, now=now)


def inhibition(config: Config) -> Inhibition:
    """What this configuration says of who explains whom."""
    traffic = frozenset(rule.id for rule in config.rules if _is_of_traffic(rule))
    return Inhibition(config.inhibit, traffic)


async def standing(history: SqlHistory) -> Sequence[Incident]:
    """Every incident that is open."""
    query = IncidentQuery(status=STANDING, limit=EVERY)
    return await history.incidents(query)


def _is_of_traffic(rule: Rule) -> bool:
    """Whether it judges how something is delivered, by the vendor's figures."""
    metrics = [choice.metric for selector in rule.match.values() for choice in selector.choices()]
    return bool(metrics) and "resource" in rule.by and all(name.startswith(_DELIVERED) for name in metrics)
