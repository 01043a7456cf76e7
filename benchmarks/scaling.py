"""Goal (h): what a minute costs against the number of series, and against the length of its windows."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.estate import CODED, Estate
from benchmarks.goals import QUICK, Goal, tell
from benchmarks.memory import CDN, POOL, START, judged
from watcher.engine.engine import Engine
from watcher.model.rule import Rule
from watcher.model.time import DAY, HOUR, MINUTE, Duration, format_duration
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, rule_files

SIZES: Final = (100, 1_000) if QUICK else (100, 1_000, 10_000, 100_000)
"""Resources: ten series each."""
WINDOWS: Final[Sequence[Duration]] = (5 * MINUTE, HOUR, 6 * HOUR, DAY)
WINDOWED: Final = 1_000 if QUICK else 10_000
TICKS: Final = 15
FLOOR: Final = 10_000
"""Series below which the number of calls decides what a minute costs, and not the data."""
LINEAR: Final = 1.5
"""How many times dearer one series may be among the most than among `FLOOR`: caches end somewhere."""
LEVEL: Final = 1.3
"""How many times dearer the longest window may be than the shortest."""


def tick(rules: Sequence[Rule], resources: int, *, hours: int) -> float:
    """Least CPU seconds of one more minute after so many hours, window update to transitions."""
    engine, estate = Engine([bind(rule) for rule in rules]), Estate(resources, CODED, troubled=False)
    pool, seconds = estate.bins(0, POOL), list[float]()
    for hour in range(hours):
        starts = [START + (hour * POOL + at) * MINUTE for at in range(POOL)]
        judged(engine, estate.batch(pool, starts))
    for at in range(TICKS):
        batch = estate.poll(at, START + (hours * POOL + at) * MINUTE)
        seconds.append(judged(engine, batch, time.process_time))
    return min(seconds)


def by_series(rules: Sequence[Rule], say: Callable[[str], object]) -> None:
    """The reference group over growing estates."""
    costs = {resources * 10: tick(rules, resources, hours=2) for resources in SIZES}
    for series, seconds in costs.items():
        each = seconds / series * 1e9
        say(f"{series:>9,} series: {seconds * 1e3:8.2f} ms a minute, {each:7.0f} ns a series")
    base = next(series for series in costs if series >= min(FLOOR, max(costs)))
    most = max(costs)
    dearer = (costs[most] / most) / (costs[base] / base)
    tell(Goal("h", f"a series among {most:,} against one among {base:,}, cost", LINEAR, dearer, "times"))


def by_window(spike: Rule, say: Callable[[str], object]) -> None:
    """One rule over ever longer windows."""
    costs = {}
    for window in WINDOWS:
        params = spike.params.model_copy(update={"window": window})
        costs[window] = tick([replace(spike, params=params)], WINDOWED, hours=25)
        say(f"window of {format_duration(window):>3}: {costs[window] * 1e3:8.2f} ms a minute")
    dearer = costs[WINDOWS[-1]] / costs[WINDOWS[0]]
    tell(Goal("h", "a window of a day against one of five minutes, cost", LEVEL, dearer, "times"))


def main() -> int:
    """Both."""
    rules = load_rules(rule_files(CDN))
    by_series(rules, lambda line: print(line, flush=True))
    by_window(next(rule for rule in rules if rule.id == "spike"), lambda line: print(line, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
