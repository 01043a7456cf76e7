"""Real calls and real messages, for a person who wants to know whether they work."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import anyio

from watcher.app import book
from watcher.app.lines import Shared, chance, line_to
from watcher.app.senders import Means, renderer, senders
from watcher.collect.transport import client_session
from watcher.collect.trial import Trial, try_source
from watcher.config import Config
from watcher.errors import (
    AuthenticationFailed,
    DatabaseUnusable,
    DeliveryError,
    RejectedByClock,
    StoreUnavailable,
)
from watcher.model.incident import Incident, Status
from watcher.model.message import Due, Message, Telling
from watcher.model.ports import ErrandKind, Sender
from watcher.model.sample import Poll
from watcher.model.time import SECOND, Duration, Instant
from watcher.notify.senders.posting import sending_session
from watcher.notify.stages import Reason
from watcher.notify.stages.plan import Case, Word, single
from watcher.runtime.clock import SystemClock
from watcher.store.database import Database
from watcher.store.errands import SqlErrands
from watcher.store.history import SqlHistory

DEADLINE: Final[Duration] = 30 * SECOND
"""Of one test message: as long as the courier waits."""
REJECTED: Final = {AuthenticationFailed.family, RejectedByClock.family}
"""Families with which rejected credentials are held back."""


async def try_sources(config: Config, names: Collection[str]) -> list[Trial]:
    """Make one real call to every stream of these sources; no names are all sources."""
    found: list[Trial] = []
    known = await book.known(config.database, {source.name for source in config.sources})
    async with client_session() as session:
        shared = Shared(session, SystemClock(), chance(), lambda: known)
        for source in config.sources:
            if not names or source.name in names:
                found += await try_source(line_to(config, source, shared, _unsent))
    await _let_in(config, found)
    return found


async def _let_in(config: Config, trials: Sequence[Trial]) -> None:
    """Tell a daemon that holds rejected credentials back that they are good: it tries them within seconds.

    They are where one stream was answered and none was rejected.
    """
    rejected = {trial.source for trial in trials if trial.family in REJECTED}
    good = {trial.source for trial in trials if not trial.family} - rejected
    try:
        async with await Database.open(
            config.database.reveal(), clock=SystemClock(), create=False
        ) as database:
            history = SqlHistory(database)
            owner = await history.owner()
            if owner is None or not owner.alive:
                return
            held_back = {sight.source for sight in await history.sights() if sight.family in REJECTED}
            for source in sorted(good & held_back):
                await SqlErrands(database).leave(source, ErrandKind.RENEW)
    except (DatabaseUnusable, StoreUnavailable):
        return  # then there is no daemon on it either, or none that could be told


async def _unsent(poll: Poll) -> None:
    """A trial leaves no trace."""


@dataclass(frozen=True, slots=True)
class TargetTest:
    """How one real message to one target of a receiver went."""

    target: str
    ok: bool
    words: str


async def try_receiver(config: Config, name: str) -> list[TargetTest]:
    """Send a test message to every target of a receiver, to each whatever becomes of the others."""
    clock, words = SystemClock(), renderer(config)
    async with sending_session() as session:
        ways = senders(config, Means(session, _NoThreads(), clock))
        mine = [target for target in ways if target.rpartition("/")[0] == name]
        return [await _try(ways[target], words.trial(target, now=clock.now()), target) for target in mine]


async def _try(sender: Sender, message: Message, target: str) -> TargetTest:
    try:
        with anyio.fail_after(DEADLINE / SECOND):
            return TargetTest(target, True, await sender.send(message))
    except TimeoutError:
        return TargetTest(target, False, f"no answer within {DEADLINE // SECOND} s")
    except DeliveryError as error:
        return TargetTest(target, False, str(error))


class _NoThreads:
    """A test is no part of an incident's thread."""

    async def token(self, _target: str, _incident_id: str) -> str | None:
        return None

    async def keep(self, _target: str, _tokens: Mapping[str, str]) -> None:
        return

    async def standing(self, _target: str, *, ended_since: Instant) -> Sequence[tuple[Incident, str]]:
        del ended_since
        return ()


def previewed(config: Config, name: str, incident: Incident) -> Mapping[str, Message]:
    """What each target of a receiver would be told of an incident as it stands now; nothing is sent."""
    clock, words = SystemClock(), renderer(config)
    telling = _telling(incident)
    messages = {}
    for receiver in config.receivers:
        for target in receiver.targets() if receiver.name == name else ():
            row = Due(0, telling, target, incident, clock.now(), attempts=0, held=False)
            messages[target] = words.message(
                single(Word(Case(incident, (row,)), telling, Reason.TOLD)), now=clock.now()
            )
    return messages


def _telling(incident: Incident) -> Telling:
    if incident.status is Status.WITHDRAWN:
        return Telling.WITHDRAWN
    return Telling.RESOLVED if incident.over else Telling.OPENED
