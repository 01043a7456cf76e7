"""Real calls and real messages, for a person who wants to know whether they work."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from watcher.app import book
from watcher.app.lines import Shared, chance, line_to
from watcher.app.senders import senders
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
from watcher.model.ports import ErrandKind
from watcher.model.sample import Poll
from watcher.notify.render import Renderer
from watcher.runtime.clock import SystemClock
from watcher.store.database import Database
from watcher.store.errands import SqlErrands
from watcher.store.history import SqlHistory

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
    """Send a test message to every target of a receiver."""
    renderer, tests = Renderer({}), []
    for target, sender in senders(config).items():
        if target.rpartition("/")[0] == name:
            try:
                words = await sender.send(renderer.trial(target, now=SystemClock().now()))
                tests.append(TargetTest(target, True, words))
            except DeliveryError as error:
                tests.append(TargetTest(target, False, str(error)))
    return tests
