"""What people do to incidents: written down by a command, applied by the daemon or, where none is, here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio

from watcher.document.secrets import SecretUrl
from watcher.engine.acting import acted
from watcher.errors import LeaseLost, StoreUnavailable
from watcher.model.act import UNACKNOWLEDGE_AFTER, Act, ActKind, ActState
from watcher.model.incident import Asked, Incident, Transition
from watcher.model.message import Owed
from watcher.model.ports import Owner, Tick
from watcher.model.time import Duration, Instant
from watcher.runtime.clock import SystemClock
from watcher.store.acts import SqlActs
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.identity import time_ordered
from watcher.store.lease import Vacancy

PROMPT: Final = 5.0
"""Seconds within which a daemon that can takes an act up."""
LOOK: Final = 0.1
"""Seconds between two looks at what became of it."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person wants done to some incidents."""

    kind: ActKind
    who: str
    text: str = ""
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it."""

    acts: Sequence[Act] = ()
    """One an incident, in the order in which they were named; `asked` while no daemon has taken it up."""
    incidents: Sequence[Incident] = ()
    """As they stand after it."""
    owner: Owner | None = None
    """The daemon that was there."""
    unclear: Mapping[str, Sequence[Incident]] = field(default_factory=dict)
    """Names that name no incident, or several; then nothing was done."""


async def act(
    at: SecretUrl, names: Sequence[str], deed: Deed, *, unacknowledge_after: Duration = UNACKNOWLEDGE_AFTER
) -> Answer:
    """Do it to the incidents of these ids, each of which may be shortened: to all of them or to none.

    Raises:
        DatabaseUnusable: there is none, or it cannot be read.
        StoreUnavailable: nothing was written.
    """
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        history = SqlHistory(database)
        meant = {name: await history.beginning(name) for name in names}
        unclear = {name: found for name, found in meant.items() if len(found) != 1}
        if unclear:
            return Answer(unclear=unclear)
        incidents = list({one.id: one for found in meant.values() for one in found}.values())
        office = _Office(database, unacknowledge_after)
        ids = await office.acts.leave([_act(one, deed, database.clock.now()) for one in incidents])
        acts = await office.settled(ids)
        after = [found for one in incidents if (found := await history.incident(one.id)) is not None]
        return Answer(acts, after, await history.owner())


def _act(incident: Incident, deed: Deed, at: Instant) -> Act:
    return Act(incident.id, deed.kind, deed.who, at, text=deed.text, until=deed.until)


class _Office:
    """Sees to it that acts are applied: by the daemon that owns the database, else by this process."""

    def __init__(self, database: Database, unacknowledge_after: Duration) -> None:
        self.acts = SqlActs(database)
        self._database = database
        self._history = SqlHistory(database)
        self._book = SqlBook(
            database, Vacancy(database), time_ordered(), unacknowledge_after=unacknowledge_after
        )

    async def settled(self, ids: Sequence[int]) -> Sequence[Act]:
        """Wait until they are applied or refused, or it is clear that the daemon does not come to it."""
        deadline = anyio.current_time() + PROMPT
        while True:
            await self._apply_where_vacant()
            acts = await self.acts.named(ids)
            if all(act.state is not ActState.ASKED for act in acts) or anyio.current_time() > deadline:
                return acts
            await anyio.sleep(LOOK)

    async def _apply_where_vacant(self) -> None:
        """Apply what waits, unless a daemon owns the database: it comes to it by itself."""
        owner = await self._history.owner()
        if owner is not None and (owner.alive or owner.process_alive):
            return
        try:
            await self._apply(await self.acts.waiting(self._database.clock.now()))
        except (LeaseLost, StoreUnavailable):
            return  # a daemon has just started, or the database is busy: the next look shows which

    async def _apply(self, asked: Sequence[Asked]) -> None:
        at, read_to = self._database.clock.now(), await self.acts.watermarks()
        reached = {one.incident.key: read_to.get(_source(one.incident), at) for one in asked}
        acts, ends = acted(asked, at, reached)
        of = {one.act.id: one.incident for one in asked}
        changes = [(end, await self._owed(end, of, at)) for end in ends]
        await self._book.commit(Tick(at, acts=acts, changes=changes))

    async def _owed(self, end: Transition, of: dict[int, Incident], at: Instant) -> Sequence[Owed]:
        """The all-clear goes where an opening went: the routes need not be asked."""
        if end.act is None:
            return ()
        deliveries = await self._history.deliveries(of[end.act.id].id)
        targets = dict.fromkeys(one.target for one in deliveries)
        return [Owed(target, at, ready_at=at, follows=True) for target in targets]


def _source(incident: Incident) -> str:
    return dict(incident.key.labels).get("source", "")
