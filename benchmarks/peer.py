"""Goal (a): one rule group over the same data in watcher's engine and in Prometheus, firing sets equal.

Prometheus is loaded by remote write: the last 75 minutes of all series and a whole day of the hit ratio,
whose rule alone looks so far back. The day ends at a minute that is about to come, so that its rules, which
look at the wall clock, see what the engine saw. Its times are the durations it gives for whole evaluations of
the group; ours are window update, judging and transitions of each new minute.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.estate import DAY_BINS, SOURCE, Estate
from benchmarks.goals import QUICK, Goal, spread, tell
from benchmarks.memory import judged
from benchmarks.prometheus import Evaluation, PeerMissing, Prometheus, running
from benchmarks.remote_write import labels, request
from watcher.engine.engine import Engine
from watcher.model.incident import IncidentKey
from watcher.model.labels import label_set
from watcher.model.rule import Rule
from watcher.model.sample import Floats
from watcher.model.time import MINUTE, SECOND, Instant, floor
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, rule_files

HERE: Final = Path(__file__).parent
GROUP: Final = "cdn"
ENDED: Final = "stale"
"""Its rule about series that end, of which one that ended long ago is open here and no more there."""
FULL_BINS: Final = 75
"""Minutes of all series; the longest window but the hit ratio's is 65."""
TICKS: Final = 15
"""Minutes whose cost is measured."""
RESOURCES: Final = (1_000,) if QUICK else (1_000, 10_000)
ROUNDS: Final = 3
ENOUGH: Final = 3
"""Evaluations of the peer."""
_SETTLES: Final = 6 * SECOND
"""An evaluation is stamped up to one interval before it begins."""
_CHUNK: Final = 50_000
"""Samples in one remote write, or so."""


@dataclass
class Ours:
    """The engine under the group's rules, minute after minute."""

    estate: Estate
    start: Instant
    rules: Sequence[Rule]
    seconds: list[float] = field(default_factory=list)
    bins: int = 0

    def __post_init__(self) -> None:
        """Nothing seen yet."""
        self.engine = Engine([bind(rule) for rule in self.rules])

    def history(self, until: int) -> None:
        """The day up to a bin: hit ratios first, an hour a batch, then all."""
        ratio = self.estate.metrics[-1:]
        while self.bins < until:
            is_full = self.bins >= DAY_BINS - FULL_BINS
            count = min(60, (until if is_full else min(until, DAY_BINS - FULL_BINS)) - self.bins)
            starts = [self.start + (self.bins + at) * MINUTE for at in range(count)]
            if is_full:
                batch = self.estate.batch(self.estate.bins(self.bins, count), starts)
            else:
                values = self.estate.ratios(self.bins, count)[:, None, :]
                batch = self.estate.batch(values, starts, ratio)
            judged(self.engine, batch)
            self.bins += count

    def tick(self) -> None:
        """One more minute, timed."""
        batch = self.estate.poll(self.bins, self.start + self.bins * MINUTE)
        self.seconds.append(judged(self.engine, batch))
        self.bins += 1

    def firing(self) -> dict[str, frozenset[str]]:
        """Resources by rule."""
        return {rule.id: frozenset(self._firing(rule)) for rule in self.rules}

    def _firing(self, rule: Rule) -> Iterator[str]:
        for entity in self.estate.entities:
            own = {name: value for name, value in entity if name in rule.by}
            key = IncidentKey(rule.id, label_set(own | {"source": SOURCE, "vendor": SOURCE}))
            if self.engine.state(key) == "firing":
                yield dict(entity)["resource"]


@dataclass
class Theirs:
    """The same minutes in Prometheus: a bin is a sample at its end."""

    peer: Prometheus
    estate: Estate
    start: Instant
    samples: int = 0
    evaluations: list[Evaluation] = field(default_factory=list)

    def __post_init__(self) -> None:
        """What does not change from request to request."""
        self._named = [
            [
                labels({"__name__": _peer_name(metric), **dict(own), **dict(entity)})
                for entity in self.estate.entities
            ]
            for metric, own in self.estate.metrics
        ]

    def history(self, until: int) -> None:
        """The same as ours: the whole day of the hit ratio, the end of it of everything else."""
        full = self.estate.bins(until - FULL_BINS, FULL_BINS)
        for metric in range(len(self.estate.metrics) - 1):
            self._write(metric, full[:, metric], until - FULL_BINS)
        self._write(len(self.estate.metrics) - 1, self.estate.ratios(0, until), 0)

    def tick(self, number: int) -> None:
        """One more minute."""
        for metric, row in enumerate(self.estate.bins(number, 1)[0]):
            self._write(metric, row[None, :], number)

    def _write(self, metric: int, values: Floats, first: int) -> None:
        times = [self.start + (first + at + 1) * MINUTE for at in range(len(values))]
        step = max(1, _CHUNK // len(values))
        for at in range(0, values.shape[1], step):
            part = values[:, at : at + step]
            self.peer.write(request(self._named[metric][at : at + step], part, times))
            self.samples += part.size

    def watch(self, present: Instant, group: str) -> Evaluation | None:
        """Take evaluations whose window ends with the present minute; the last one, or None."""
        last = None
        while now() < present + MINUTE - SECOND:
            found = self.peer.evaluation(group)
            is_whole = found is not None and found.at >= present + _SETTLES and now() < present + MINUTE
            if found is not None and is_whole and (last is None or found.at > last.at):
                last = found
                self.evaluations.append(found)
                if len(self.evaluations) >= ENOUGH + 2:
                    break
            time.sleep(0.25)
        return last


def now() -> Instant:
    """Wall-clock time: the peer's rules have no other."""
    return time.time_ns() // 1_000_000


def compared(resources: int, say: Callable[[str], object]) -> tuple[Goal, bool]:
    """One size; its goal, and whether the firing sets were equal."""
    estate = Estate(resources)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as peer:
        allowance = 30 * SECOND + resources * 6
        start = floor(now() + allowance, MINUTE) + MINUTE - DAY_BINS * MINUTE
        theirs = Theirs(peer, estate, start)
        began = time.perf_counter()
        theirs.history(DAY_BINS)
        loaded = time.perf_counter() - began
        ours = Ours(estate, start, load_rules(rule_files(HERE / "rules" / GROUP)))
        ours.history(DAY_BINS - TICKS)
        for _ in range(TICKS):
            ours.tick()
        say(
            f"\n{estate.series:,} series, Prometheus {peer.version}: {theirs.samples:,} samples loaded in "
            f"{loaded:.0f} s; {peer.resident() / 1e6:.0f} MB resident"
        )
        is_equal = in_step(ours, theirs, say)
        say(f"  resident under rules {peer.resident() / 1e6:.0f} MB")
    return told(estate, ours, theirs, say), is_equal


def in_step(ours: Ours, theirs: Theirs, say: Callable[[str], object]) -> bool:
    """Let both judge the present minute, until the peer has been timed often enough."""
    rules, equal, compared_once = (HERE / "prometheus_cdn.yml").read_text(), True, False
    for round_ in range(ROUNDS):
        while ours.start + (ours.bins + 1) * MINUTE <= now():
            theirs.tick(ours.bins)
            ours.tick()
        present = ours.start + ours.bins * MINUTE
        time.sleep(max(0.0, (present - now()) / SECOND + 0.5))
        if round_ == 0:
            theirs.peer.judge(rules)
        if (last := theirs.watch(present, GROUP)) is not None:
            compared_once = True
            equal &= same(ours.firing(), last, {ENDED: ours.estate.gone}, say)
        if len(theirs.evaluations) >= ENOUGH:
            break
    if not compared_once:
        say("  Prometheus finished no evaluation within a minute: nothing to compare")
    return equal and compared_once


def same(
    ours: Mapping[str, frozenset[str]],
    last: Evaluation,
    only_ours: Mapping[str, frozenset[str]],
    say: Callable[[str], object],
) -> bool:
    """Compare firing sets, alert by alert; `only_ours` must fire here, and must not there, by design."""
    is_same = True
    for name in sorted(ours.keys() | last.firing.keys()):
        mine, other = ours.get(name, frozenset()), last.firing.get(name, frozenset())
        designed = only_ours.get(name, frozenset())
        is_equal = mine - other == designed and other <= mine
        verdict = "equal" if is_equal else f"NOT EQUAL: {_difference(mine - designed, other)}"
        but = f" but for {len(designed)} by design" if is_equal and designed else ""
        say(f"  firing {name:<10} ours {len(mine):>5}, theirs {len(other):>5}: {verdict}{but}")
        is_same &= is_equal
    return is_same


def told(estate: Estate, ours: Ours, theirs: Theirs, say: Callable[[str], object]) -> Goal:
    """Print both times; the goal is held against medians."""
    others = [one.seconds for one in theirs.evaluations]
    say(f"  watcher, ms a minute: {spread(ours.seconds)} over {len(ours.seconds)}")
    what = f"rule group at {estate.series:,} series, times faster than Prometheus"
    if not others:
        return Goal("a", what, 100, None, "times", at_least=True, why="no evaluation of the peer")
    say(f"  Prometheus, ms an evaluation: {spread(others)} over {len(others)}")
    best = min(others) / min(ours.seconds)
    ratio = statistics.median(others) / statistics.median(ours.seconds)
    say(f"  ratio of medians {ratio:.0f}, of minima {best:.0f}")
    return Goal("a", what, 100, ratio, "times", at_least=True)


def _peer_name(metric: str) -> str:
    """As the peer's rules, which were written first, call it."""
    return "cdn_requests" if metric == "cdn_status_responses" else metric


def _difference(mine: frozenset[str], other: frozenset[str]) -> str:
    return f"only ours {sorted(mine - other)[:5]}, only theirs {sorted(other - mine)[:5]}"


def main() -> int:
    """Measure every size; 1 where the peer is missing or fires otherwise."""
    code = 0
    for resources in RESOURCES:
        try:
            goal, is_equal = compared(resources, lambda line: print(line, flush=True))
        except PeerMissing:
            what = f"rule group at {resources * 10:,} series, times faster than Prometheus"
            tell(Goal("a", what, 100, None, "times", at_least=True, why="peer missing"))
            code = 1
            continue
        tell(goal)
        code |= not is_equal
    return code


if __name__ == "__main__":
    sys.exit(main())
