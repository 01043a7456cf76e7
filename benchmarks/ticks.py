"""Goal (b): one tick of all shipped rules, minute after minute past a warm day, the closing of slots too."""

import sys
import time
from collections.abc import Callable
from typing import Final

from benchmarks.estate import CLASSED, DAY_BINS, Estate
from benchmarks.goals import QUICK, Goal, spread, tell
from benchmarks.memory import POOL, START, judged, warmed
from watcher.engine.engine import Engine
from watcher.model.time import MINUTE

SIZES: Final = (1_000,) if QUICK else (10_000, 100_000)
"""Resources: ten series each."""
HOURS: Final = {1_000: 26, 10_000: 26, 100_000: 3}
"""How long each has run before: a million series for less than a day, so that the whole stays bounded."""
TICKS: Final = {1_000: 65, 10_000: 65, 100_000: 12}
CORRECTIONS: Final = 7


def ticks(engine: Engine, estate: Estate, *, first: int, count: int) -> list[float]:
    """Seconds of window update, judging and transitions of so many minutes."""
    polls = (estate.poll(at % DAY_BINS, START + at * MINUTE) for at in range(first, first + count))
    return [judged(engine, poll) for poll in polls]


def corrections(engine: Engine, estate: Estate, minute: int) -> list[float]:
    """Seconds that one changed cell of a minute in the past takes."""
    batch = estate.poll(minute % DAY_BINS, START + minute * MINUTE)
    judged(engine, batch)
    costs = []
    for resource in range(CORRECTIONS):
        batch.values[0, 0, resource] += 1
        costs.append(judged(engine, batch))
    return sorted(costs)


def measured(resources: int, say: Callable[[str], object]) -> tuple[float, float]:
    """Milliseconds of a tick, median and most."""
    estate = Estate(resources, CLASSED, troubled=False)
    began, hours = time.perf_counter(), HOURS[resources]
    engine = warmed("shipped", estate, hours)
    warm = time.perf_counter() - began
    costs = sorted(1e3 * one for one in ticks(engine, estate, first=hours * POOL, count=TICKS[resources]))
    p50, p99 = costs[len(costs) // 2], costs[min(len(costs) - 1, round(len(costs) * 0.99))]
    say(
        f"{estate.series:>9,} series, {TICKS[resources]} ticks after {hours} h ({warm:.0f} s): "
        f"least {costs[0]:.1f}, p50 {p50:.1f}, p99 {p99:.1f}, most {costs[-1]:.1f} ms"
    )
    late = corrections(engine, estate, hours * POOL + 1)
    say(f"          one cell of {TICKS[resources] - 2} minutes before corrected, ms: {spread(late)}")
    return p50, costs[-1]


def main() -> int:
    """Every size; the goal is that of a hundred thousand series."""
    for resources in SIZES:
        middle, most = measured(resources, lambda line: print(line, flush=True))
        if resources == SIZES[0]:
            what = f"tick of all shipped rules at {resources * 10:,} series"
            tell(
                Goal("b", f"{what}, p50", 150, middle, "ms"),
                Goal("b", f"{what}, worst, slots closing", 150, most, "ms"),
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
