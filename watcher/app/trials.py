"""Real calls and real messages, for a person who wants to know whether they work."""

from collections.abc import Collection
from dataclasses import dataclass

from watcher.app.lines import Shared, chance, line_to
from watcher.app.senders import senders
from watcher.collect.transport import client_session
from watcher.collect.trial import Trial, try_source
from watcher.config import Config
from watcher.errors import DeliveryError
from watcher.model.sample import Poll
from watcher.notify.render import Renderer
from watcher.runtime.clock import SystemClock


async def try_sources(config: Config, names: Collection[str]) -> list[Trial]:
    """Make one real call to every stream of these sources; no names are all sources."""
    found: list[Trial] = []
    async with client_session() as session:
        shared = Shared(session, SystemClock(), chance())
        for source in config.sources:
            if not names or source.name in names:
                found += await try_source(line_to(config, source, shared, _unsent))
    return found


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
