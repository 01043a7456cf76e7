"""Backtests, put together: rule sets over recorded or imported samples."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from anyio import create_memory_object_stream, create_task_group, to_thread
from anyio.streams.memory import MemoryObjectSendStream

from watcher.app.feeds import Feed, metrics
from watcher.engine.engine import BoundRule
from watcher.errors import UserError
from watcher.model.sample import Arrival
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, pack_files, rule_files
from watcher.runtime.backtest import Backtest, Replay

_AT_ONCE: Final = 1_000
"""Arrivals that are handed from reading to judging together."""


def rules_of(folder: Path) -> list[BoundRule]:
    """The rules of one folder, or of one file, and no others; they may extend shipped ones.

    Raises:
        UserError: there are none.
        ConfigurationError: all that is wrong in them.
    """
    files = rule_files(folder) if folder.exists() else ()
    if not files:
        raise UserError(f"{folder}: there are no rules; name a folder of *.yaml, or one of them")
    return [bind(rule) for rule in load_rules(files, bases=pack_files())]


async def judged(feed: Feed, rule_sets: Sequence[Sequence[BoundRule]]) -> list[Backtest]:
    """Each rule set over all that a feed holds, which is read once, and while what came before is judged."""
    tests = [Backtest(rules) for rules in rule_sets]
    wanted = frozenset[str]().union(*(metrics(rules) for rules in rule_sets))
    for source in await feed.sources():
        replays = [test.source() for test in tests]
        async with create_task_group() as group:
            send, receive = create_memory_object_stream[Sequence[Arrival]]()
            group.start_soon(_read, feed.arrivals(source, wanted), send)
            async with receive:
                async for arrivals in receive:
                    await to_thread.run_sync(_take, replays, arrivals)
        for replay in replays:
            replay.end()
    return tests


async def _read(arrivals: AsyncIterator[Arrival], send: MemoryObjectSendStream[Sequence[Arrival]]) -> None:
    """Hand arrivals on, and read further as soon as they are taken."""
    async with send:
        some: list[Arrival] = []
        async for arrival in arrivals:
            some.append(arrival)
            if len(some) >= _AT_ONCE:
                await send.send(some)
                some = []
        await send.send(some)


def _take(replays: Sequence[Replay], arrivals: Sequence[Arrival]) -> None:
    for arrival in arrivals:
        for replay in replays:
            replay.take(arrival)
