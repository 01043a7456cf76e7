"""Drills from the command line: carried out by the daemon where one runs, else by the command itself."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import anyio

from watcher.app.hand import drilling, hand
from watcher.config import Config
from watcher.errors import LeaseLost, StoreUnavailable
from watcher.model.drill import LABEL, Drill
from watcher.model.incident import Incident
from watcher.model.labels import label_set
from watcher.model.message import Telling
from watcher.model.ports import Delivery, IncidentQuery
from watcher.model.rule import Rule, Severity
from watcher.model.time import SECOND, Duration
from watcher.notify.routing import Router
from watcher.notify.stages import Reason
from watcher.runtime.clock import SystemClock
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.drills import SqlDrills
from watcher.store.history import SqlHistory
from watcher.store.identity import time_ordered
from watcher.store.lease import Vacancy
from watcher.store.migrate import upgrade

LOOK: Final = 0.2
"""Seconds between two looks at what has become of it."""
STAND_IN: Final = "drill"
"""The value of labels that nobody gave."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for."""

    rule: Rule
    who: str
    severity: Severity | None = None
    labels: Mapping[str, str] | None = None
    lasts: Duration = 5 * SECOND
    wait: Duration = 60 * SECOND
    """Beyond its end, for messages to arrive."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went."""

    incident: Incident | None
    """None: no daemon took it up in time."""
    deliveries: Sequence[Delivery] = ()
    by_daemon: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will become of it."""
        over = self.incident is not None and self.incident.over
        return over and not any(one.state == "due" for one in self.deliveries)

    @property
    def is_told(self) -> bool:
        """Whether everybody who was owed a word of it has heard its beginning, and its end."""
        openings = [one for one in self.deliveries if one.telling is Telling.OPENED]
        heard = all(one.state == "done" and one.reason != Reason.WITH_ITS_END for one in openings)
        given_up = any(one.state == "dead" for one in self.deliveries)
        return self.is_settled and bool(openings) and heard and not given_up


async def drill(config: Config, order: Order) -> Outcome:
    """Carry out one drill and wait until people have heard of its beginning and its end.

    Raises:
        DatabaseUnusable: it cannot be opened.
        StoreUnavailable: nothing was written.
    """
    async with await Database.open(config.database.reveal(), clock=SystemClock()) as database:
        await upgrade(database)
        asked = _drill(config, order, database)
        owner = await SqlHistory(database).owner()
        by_daemon = owner is not None and bool(owner.alive or owner.process_alive)
        await SqlDrills(database).ask(asked)
        async with _standing_in(config, database, needed=not by_daemon):
            with anyio.move_on_after((order.lasts + order.wait) / SECOND):
                while True:
                    outcome = await _outcome(database, asked, by_daemon=by_daemon)
                    if outcome.is_settled:
                        return outcome
                    await anyio.sleep(LOOK)
        return await _outcome(database, asked, by_daemon=by_daemon)


def _drill(config: Config, order: Order, database: Database) -> Drill:
    source = config.sources[0] if config.sources else None
    usual = dict.fromkeys(order.rule.by, STAND_IN)
    usual |= {"source": source.name if source else STAND_IN, "vendor": source.vendor if source else STAND_IN}
    return Drill(
        name=uuid4().hex[:8],
        rule=order.rule.id,
        severity=order.severity or order.rule.severity,
        labels=label_set(usual | dict(order.labels or {})),
        who=order.who,
        asked_at=database.clock.now(),
        lasts=order.lasts,
    )


@asynccontextmanager
async def _standing_in(config: Config, database: Database, *, needed: bool) -> AsyncIterator[None]:
    """Where no daemon runs, its part in drills: the book's writer for one step at a time, and a courier.

    What else is due is told too, as the next daemon would.
    """
    if not needed:
        yield
        return
    async with AsyncExitStack() as stack:
        rng = random.Random()  # noqa: S311 - spreads retries
        telling = await hand(config, database, stack, clock=database.clock, rng=rng)
        book = SqlBook(database, Vacancy(database), time_ordered())
        router = Router(config.routes, config.receivers)
        steps = drilling(router, database, book, telling.told)

        async def carry_out() -> None:
            with suppress(LeaseLost):  # a daemon has started meanwhile, and goes on with it
                await steps.run()

        async with anyio.create_task_group() as telling_of_it:
            telling_of_it.start_soon(telling.courier.run)
            async with anyio.create_task_group() as steps_of_it:
                steps_of_it.start_soon(carry_out)
                yield
                steps_of_it.cancel_scope.cancel()
            telling.courier.stop()  # it ends what it is sending, which may be of others than the drill


async def _outcome(database: Database, asked: Drill, *, by_daemon: bool) -> Outcome:
    history = SqlHistory(database)
    with suppress(StoreUnavailable):
        found = await history.incidents(IncidentQuery(rule=asked.rule, labels={LABEL: asked.name}))
        for incident in found:
            return Outcome(incident, await history.deliveries(incident.id), by_daemon)
    return Outcome(None, by_daemon=by_daemon)
