"""Backtests, put together: rule sets over recorded or imported samples."""

from collections.abc import Sequence
from pathlib import Path

from watcher.app.feeds import Feed, metrics
from watcher.engine.engine import BoundRule
from watcher.errors import UserError
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, pack_files, rule_files
from watcher.runtime.backtest import Backtest


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
    """Each rule set over all that a feed holds, which is read once."""
    tests = [Backtest(rules) for rules in rule_sets]
    wanted = frozenset[str]().union(*(metrics(rules) for rules in rule_sets))
    for source in await feed.sources():
        replays = [test.source() for test in tests]
        async for arrival in feed.arrivals(source, wanted):
            for replay in replays:
                replay.take(arrival)
        for replay in replays:
            replay.end()
    return tests
