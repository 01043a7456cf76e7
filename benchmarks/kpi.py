"""`traffic_anomaly` over labelled series, through the live engine: flags and alarms that a scorer can judge.

    python -m benchmarks.kpi --data F.npz --flags FLAGS.npz --alarms ALARMS.jsonl

`F.npz` holds `<series>_t` (epoch seconds) and `<series>_v` (values) of each series. A flag is a bin whose
verdict is a breach (`<series>_f`, in the order of `<series>_t`). An alarm is a page: an incident that opens
as a warning, or becomes one; its time is the start of the newest bin judged when this was decided.

Every series is one resource, all of one step one stream, with the rule below and nothing else. Labels are
never read. Series are moved by whole days to begin together: times of day stay.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import BREACH
from watcher.engine.detectors.traffic_anomaly import TrafficAnomaly, TrafficAnomalyParams
from watcher.engine.engine import BoundRule, Engine
from watcher.engine.lifecycle import reading_of
from watcher.model.incident import Change, Transition
from watcher.model.labels import LabelSet, Selector, label_set
from watcher.model.rule import Rule, Severity
from watcher.model.sample import Floats, Instants, SampleBatch
from watcher.model.time import DAY, MINUTE, SECOND, Duration, Instant, floor

BEGIN: Final[Instant] = floor(1_700_000_000_000, DAY)
TOGETHER: Final = 3
"""Bins judged at once: as many as the engine holds for restatement, so that it still has their readings."""
SURE: Final = {"strays": 6.0, "habit": 1.6}
"""What makes a page of a breach."""
METRIC: Final = "kpi"


@dataclass(frozen=True, slots=True)
class Series:
    """One series as it was given, and where its points lie on its own grid of bins."""

    name: str
    times: NDArray[np.int64]
    step: Duration
    first: Instant
    """Start of its first bin, in its own time."""
    bins: NDArray[np.int64]
    """The bin of each point, from the first one on."""
    values: Floats
    """By bin; NaN where nothing was given."""

    @property
    def moved(self) -> Duration:
        """By how many days it has to be moved to begin with all others."""
        return floor(self.first, DAY) - BEGIN


def read(data: Mapping[str, NDArray[np.float64]]) -> Iterator[Series]:
    """Every series of a file, in whatever order: of two points of a bin the later one counts."""
    for name in sorted(key[:-2] for key in data if key.endswith("_v")):
        times = np.asarray(data[f"{name}_t"]).astype(np.int64)
        if len(times):
            yield series(name, times, np.asarray(data[f"{name}_v"], np.float64))


def series(name: str, times: NDArray[np.int64], given: Floats) -> Series:
    """One series on its own grid."""
    apart = np.diff(np.unique(times))
    step = max(1, int(np.median(apart))) * SECOND if len(apart) else MINUTE
    first = int(times.min()) * SECOND
    bins = (times * SECOND - first) // step
    values = np.full(int(bins.max()) + 1, np.nan)
    order = np.argsort(times, kind="stable")
    values[bins[order]] = np.where(np.isfinite(given[order]), given[order], np.nan)
    return Series(name, times, step, first, bins, values)


def rule(step: Duration) -> BoundRule:
    """The one rule, for bins of one width."""
    usual = TrafficAnomalyParams().model_copy(update={"bin": step})
    sure = usual.model_copy(update=SURE)
    policy = Rule(
        id="kpi",
        detector="traffic_anomaly",
        match={"value": Selector(METRIC)},
        by=("resource",),
        params=usual,
        keep_firing_for=30 * step,
        severity=Severity.INFO,
        severities={Severity.INFO: usual, Severity.WARNING: sure},
        summary="{text}",
    )
    return BoundRule(policy, TrafficAnomaly(usual))


class Run:
    """All series of one step, side by side through one engine."""

    def __init__(self, step: Duration, members: Sequence[Series]) -> None:
        """Nothing has been judged."""
        self.members = members
        self.alarms: list[tuple[str, int]] = []
        self._step = step
        self._engine = Engine([rule(step)], horizon=0)
        self._grid, self._offsets = _side_by_side(step, members)
        self._flags = np.zeros(self._grid.shape, np.bool_)
        self._entities = tuple(label_set({"resource": f"{place:05d}"}) for place in range(len(members)))

    def judge(self) -> "Run":
        """Let every bin come as it would have come, and take down what the engine says."""
        for first in range(min(self._offsets), len(self._grid), TOGETHER):
            values = self._grid[first : first + TOGETHER]
            starts = BEGIN + np.arange(first, first + len(values), dtype=np.int64) * self._step
            self._engine.ingest(self._batch(starts, values))
            found = self._engine.evaluate(int(starts[-1]) + self._step, _at_once)
            self.alarms.extend(self._alarm(transition) for transition in found if _is_page(transition))
            self._take_down(starts)
        return self

    def flags(self) -> Iterator[tuple[Series, NDArray[np.int8]]]:
        """Of each series, by its points."""
        for place, (member, offset) in enumerate(zip(self.members, self._offsets, strict=True)):
            yield member, self._flags[member.bins + offset, place].astype(np.int8)

    def _batch(self, starts: Instants, values: Floats) -> SampleBatch:
        until = int(starts[-1]) + self._step
        return SampleBatch(
            source="kpi",
            vendor="kpi",
            stream="kpi",
            width=self._step,
            fetched_at=until,
            settled_until=until,
            entities=self._entities,
            metrics=((METRIC, ()),),
            starts=starts,
            values=values[:, np.newaxis, :],
        )

    def _take_down(self, starts: Instants) -> None:
        for track in self._engine.tracks("kpi", "kpi"):
            places = [int(dict(key)["resource"]) for key in track.keys]
            for lane in track.lanes.values():
                for start in starts.tolist():
                    if start in lane.judged:
                        codes = reading_of(lane.judged.of(start, len(places)))
                        self._flags[(start - BEGIN) // self._step, places] = codes == BREACH

    def _alarm(self, transition: Transition) -> tuple[str, int]:
        member = self.members[int(dict(transition.key.labels)["resource"])]
        newest = transition.decided_at - self._step
        return member.name, (newest + member.moved) // SECOND


def _at_once(stream: str, width: Duration, end: Instant, key: LabelSet) -> Instant:
    """A bin is decided when it ends."""
    del stream, width, key
    return end


def _is_page(transition: Transition) -> bool:
    tells = transition.change in {Change.OPENED, Change.ROSE}
    return tells and transition.severity >= Severity.WARNING


def _side_by_side(step: Duration, members: Sequence[Series]) -> tuple[Floats, list[int]]:
    """`[bins, series]`, and the bin at which each series begins."""
    offsets = [(member.first - member.moved - BEGIN) // step for member in members]
    longest = max(offset + len(member.values) for offset, member in zip(offsets, members, strict=True))
    grid = np.full((longest, len(members)), np.nan)
    for place, (member, offset) in enumerate(zip(members, offsets, strict=True)):
        grid[offset : offset + len(member.values), place] = member.values
    return grid, offsets


def runs(members: Iterable[Series]) -> Iterator[Run]:
    """One for each step."""
    by_step: dict[Duration, list[Series]] = {}
    for member in members:
        by_step.setdefault(member.step, []).append(member)
    for step, found in sorted(by_step.items()):
        yield Run(step, found)


def main() -> int:
    """Read, judge, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--flags", type=Path, required=True)
    parser.add_argument("--alarms", type=Path, required=True)
    chosen = parser.parse_args()
    begun = time.perf_counter()
    flags: dict[str, NDArray[np.int8]] = {}
    alarms: list[tuple[str, int]] = []
    with np.load(chosen.data) as data:
        members = list(read({key: data[key] for key in data.files}))
        flags.update(
            {f"{key[:-2]}_f": np.zeros(len(data[key]), np.int8) for key in data.files if key[-2:] == "_t"}
        )
    for run in runs(members):
        run.judge()
        alarms += run.alarms
        flags |= {f"{member.name}_f": flagged for member, flagged in run.flags()}
    np.savez_compressed(chosen.flags, allow_pickle=False, **flags)
    lines = [json.dumps({"series": name, "time": at}) + "\n" for name, at in alarms]
    chosen.alarms.write_text("".join(lines), encoding="utf-8")
    points = sum(len(member.times) for member in members)
    print(f"{points} points, {len(alarms)} alarms, {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
