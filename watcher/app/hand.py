"""The hand, put together: courier, senders, and what goes on beside: alerts told again, drills, heartbeat."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import anyio
import structlog

from watcher.app.failpoints import Failpoint
from watcher.app.senders import Means, manners, renderer, senders
from watcher.app.surroundings import Surroundings, WideWords
from watcher.config import Config
from watcher.errors import DeliveryError, StoreUnavailable
from watcher.model.incident import Incident, Transition
from watcher.model.inventory import Known
from watcher.model.message import Owed
from watcher.model.ports import Book, Clock, Committed, Sender, Tick
from watcher.model.time import MINUTE, SECOND, Duration, Instant
from watcher.notify.courier import Courier
from watcher.notify.manner import Terms
from watcher.notify.receivers import marks
from watcher.notify.render import Renderer
from watcher.notify.routing import Router
from watcher.notify.senders.alertmanager import AlertmanagerSender, FactsOf
from watcher.notify.senders.heartbeat import HeartbeatSender
from watcher.notify.senders.posting import sending_session
from watcher.runtime.daemon import Task
from watcher.runtime.drilling import Drilling
from watcher.runtime.heartbeat import Heartbeat
from watcher.runtime.progress import Progress
from watcher.store.database import Database
from watcher.store.drills import SqlDrills
from watcher.store.outbox import SqlOutbox
from watcher.store.targets import SqlTargets
from watcher.store.threads import SqlThreads

ENGINE: Final = "engine"
STORE: Final = "store"
COURIER: Final = "courier"

ENGINE_SILENT: Final[Duration] = 3 * MINUTE
"""How long no tick may be committed beyond the shortest cadence of a source."""
STORE_SILENT: Final[Duration] = 30 * SECOND
"""The lease is renewed every 5 s."""
COURIER_SILENT: Final[Duration] = 5 * MINUTE
"""A lane looks every minute, and works at one claim for 90 s at most."""
COLLECTOR_SILENT: Final[Duration] = 2 * MINUTE
"""Beyond three cadences: a poll may take its time, and a failed one counts too."""


@dataclass(frozen=True, slots=True)
class Hand:
    """What tells people, of one configuration."""

    courier: Courier
    renderer: Renderer
    senders: Mapping[str, Sender]
    clock: Clock
    surroundings: Surroundings

    def told(self, tick: Tick, committed: Sequence[Committed]) -> None:
        """Something was committed: where it may be due, every lane looks now."""
        self.surroundings.take(committed)
        if committed or tick.released or tick.acts:
            self.courier.notify()

    def chores(self) -> Iterator[Task]:
        """What goes on beside the courier."""
        for target, sender in self.senders.items():
            if isinstance(sender, AlertmanagerSender):
                facts = partial(self._facts, target)
                yield partial(resending, target, sender, facts)

    def _facts(self, target: str, incident: Incident) -> Mapping[str, object]:
        return self.renderer.facts(self.surroundings.widened(incident), target)


async def hand(
    config: Config,
    database: Database,
    stack: AsyncExitStack,
    *,
    clock: Clock,
    rng: random.Random,
    known: Callable[[], Sequence[Known]] = tuple,
    fail: Failpoint | None = None,
) -> Hand:
    """A courier to every target; its connections end with the stack. `known` gives the inventory.

    Targets that are called otherwise than before keep what is theirs; what is owed to those that are gone is
    given up.
    """
    outbox = SqlOutbox(database)
    session = await stack.enter_async_context(sending_session())
    ways = senders(config, Means(session, SqlThreads(database), clock))
    await _settle_names(config, database, outbox)
    words, surroundings = renderer(config), Surroundings(database, config, known)
    await surroundings.load()
    terms = Terms(manners=manners(config), times=config.times, suppressing=surroundings.suppressions)
    wide = WideWords(words, surroundings)
    sending, marking = (ways, outbox) if fail is None else (fail.sends(ways), fail.marks(database))
    courier = Courier(marking, sending, renderer=wide, clock=clock, rng=rng, terms=terms)
    return Hand(courier, words, ways, clock, surroundings)


async def _settle_names(config: Config, database: Database, outbox: SqlOutbox) -> None:
    """Before anything is told: whose name has changed, and who is there no more."""
    names, log = marks(config.receivers), structlog.get_logger()
    if renamed := await SqlTargets(database).adopt(names):
        log.info("targets_renamed", names=dict(renamed))
    if given_up := await outbox.retire(names, at=database.clock.now()):
        log.warning("targets_gone", messages_given_up=given_up)


def drilling(
    router: Router, database: Database, book: Book, told: Callable[[Tick, Sequence[Committed]], None]
) -> Drilling:
    """What carries out drills: routes, book and courier are those of real incidents."""

    def routes(transition: Transition, at: Instant) -> Sequence[Owed]:
        return router.owed(transition, at=at, catching_up=False)

    return Drilling(SqlDrills(database), book, routes=routes, told=told, clock=database.clock)


def progress_of(config: Config) -> Progress:
    """The parts that must get on, each with its deadline."""
    cadences = {source.name: source.every for source in config.sources}
    shortest = min(cadences.values(), default=0)
    deadlines = {collector(name): 3 * every + COLLECTOR_SILENT for name, every in cadences.items()}
    if cadences:
        deadlines[ENGINE] = 3 * shortest + ENGINE_SILENT
    deadlines[STORE] = STORE_SILENT
    if config.receivers:
        deadlines[COURIER] = COURIER_SILENT
    return Progress(deadlines)


def collector(source: str) -> str:
    """The name of a collector as a part that gets on."""
    return f"collector {source}"


def beating(progress: Progress, renew: Task) -> Task:
    """The lease's heartbeat, which is the store's beat once it has gone through."""

    async def beat() -> None:
        await renew()
        progress.beat(STORE)

    return beat


async def heartbeat(config: Config, progress: Progress, courier: Courier) -> None:
    """Ping for as long as every part gets on, until cancelled; nothing without an address."""
    settings = config.heartbeat
    if settings is None:
        return
    async with sending_session() as session:
        sender = HeartbeatSender(settings.url, session)

        def stalled() -> Sequence[str]:
            progress.seen(COURIER, courier.looked_at)
            return progress.stalled()

        await Heartbeat(stalled, sender.ping, every=settings.every).run()


class Resends(Protocol):
    """A sender whose receiver forgets."""

    @property
    def resend_every(self) -> Duration:
        """How often it is told again."""
        ...

    async def resend(self, facts_of: FactsOf) -> int:
        """Tell again of what stands."""
        ...


async def resending(target: str, sender: Resends, facts: FactsOf) -> None:
    """Tell an Alertmanager of what stands, again and again until cancelled."""
    log, failing = structlog.get_logger().bind(target=target), False
    while True:
        await anyio.sleep(sender.resend_every / SECOND)
        try:
            await sender.resend(facts)
        except (DeliveryError, StoreUnavailable) as error:
            if not failing:
                log.warning("resend_failed", error=str(error))
            failing = True
        else:
            failing = False
