"""One rule over the rows of one source: windows, readings, lifecycle and episodes, in event time.

A track keeps two lifecycles. `present` has taken every judged bin; `frozen` only those older than the
restatement horizon, which no longer change. When a bin inside the horizon changes, the rows it touches go
back to `frozen` and take the readings again, so that episodes are a function of the final bins whatever the
order they came in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from watcher.engine.binding import Binding
from watcher.engine.detector import Detector, Reach, Readings, Usual, Verdict
from watcher.engine.episodes import Bin, Difference, Episode, differences
from watcher.engine.lane import Lane, padded
from watcher.engine.levels import SLOT, LevelStore
from watcher.engine.lifecycle import FIRING, NEVER, SKIP, UNJUDGED_AFTER, Event, Holds, Lifecycle, Rows
from watcher.model.incident import Resolution
from watcher.model.labels import LabelSet
from watcher.model.rule import Rule
from watcher.model.sample import Floats
from watcher.model.time import Duration, Instant, floor


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule with the mechanism it names."""

    rule: Rule
    detector: Detector


@dataclass(frozen=True, slots=True)
class View:
    """A detector's panel: one bin of one lane."""

    lane: Lane
    start: Instant
    end: Instant

    def value(self, role: str) -> Floats:
        """The bin's own value of a role."""
        return self.lane.column(self.start, role)

    def total(self, role: str, window: Duration) -> Floats:
        """Sum over the trailing window, of bins in which every role is known; NaN where none is."""
        total = np.zeros(len(self.lane.member))
        any_known = np.zeros(len(total), np.bool_)
        for start in self.lane.window(self.end - max(window, self.end - self.start), self.end):
            known = self.lane.known(start)
            total[known] += self.lane.weighed(start, role)[known]
            any_known |= known
        total[~any_known] = np.nan
        return total


class Track:
    """See the module's docstring. Rows are groups; they are only ever added."""

    def __init__(self, bound: BoundRule, horizon: Duration) -> None:
        """A track without rows."""
        self.rule = bound.rule
        self.detector = bound.detector
        self.keys: list[LabelSet] = []
        self.index: dict[LabelSet, int] = {}
        self.lanes: dict[str, Lane] = {}
        self.present = Lifecycle.of(0)
        self.frozen = Lifecycle.of(0)
        self.frozen_at: Instant = NEVER
        self.episodes: dict[int, list[Episode]] = {}
        """By row: open ones, and those that ended after `frozen_at`."""
        self.told: dict[int, list[Episode]] = {}
        """The same as it was last told."""
        self.standing: Mapping[LabelSet, Sequence[Episode]] = {}
        """What the book held of each group at start, for rows that are yet to come."""
        self.late = 0
        """Bins that came too late to be judged."""
        self.judge_from: Instant = NEVER
        """Bins that begin earlier are history only: what they led to stands in the book."""
        self._horizon = horizon
        self._reach: Reach = bound.detector.reach()
        self._holds = Holds(bound.rule.hold, bound.rule.keep_firing_for)
        self._levels = LevelStore(bound.detector.roles)
        self._usual: dict[Instant, Usual] = {}
        self._changed_from: Instant | None = None
        self._stepped_to: Instant = NEVER

    # --- taking bins in

    def rows(self, keys: Sequence[LabelSet]) -> Rows:
        """Row numbers of these groups; new ones are added, and go on with what stands open in the book."""
        fresh = [key for key in keys if key not in self.index]
        for key in fresh:
            self.index[key] = len(self.keys)
            self.keys.append(key)
        if fresh:
            self.present.grow(len(self.keys))
            self.frozen.grow(len(self.keys))
            self._usual.clear()
        for key in fresh:
            for episode in self.standing.get(key, ()):
                if episode.resolved_at is None:
                    self._seed(self.index[key], episode, until=episode.opened_at)
        return np.array([self.index[key] for key in keys], np.intp)

    def begin(self, standing: Mapping[LabelSet, Sequence[Episode]], judge_from: Instant) -> None:
        """Before judging the bins of a rebuild: those that begin before a time are not judged again.

        What the book holds from before it stands: an episode that reaches beyond it is where its row starts,
        one that begins later is what judging must find again, an older one is no business of these bins.
        """
        self.standing = standing
        self.judge_from = judge_from
        for key, row in self.index.items():
            for episode in standing.get(key, ()):
                if episode.resolved_at is not None and episode.resolved_at <= self.judge_from:
                    continue
                if episode.opened_at < self.judge_from:
                    self._seed(row, episode, until=self.judge_from)
                else:
                    self.told.setdefault(row, []).append(episode)

    def adopt(self, key: LabelSet) -> None:
        """Add a row of which no bin at hand tells: unknown, as of every stream here."""
        rows = self.rows([key])
        for lane in self.lanes.values():
            lane.admit(rows, len(self.keys))

    def _seed(self, row: int, episode: Episode, *, until: Instant) -> None:
        """Start a row as firing, its last breach known up to a time."""
        self.told.setdefault(row, []).append(episode)
        self.episodes[row] = [episode.reopened()]
        for lifecycle in (self.frozen, self.present):
            lifecycle.seed(row, episode.opened_at, until)

    def lane(self, stream: str, width: Duration) -> Lane:
        """The stream's lane, made at first sight."""
        if stream not in self.lanes:
            self.lanes[stream] = Lane(stream, width, self.detector.roles)
        return self.lanes[stream]

    def put(self, lane: Lane, start: Instant, rows: Rows, columns: Mapping[str, Floats]) -> None:
        """Take one bin; what came too late is counted and judges nothing."""
        if start < self.frozen_at:
            self.late += 1
            return
        lane.admit(rows, len(self.keys))
        changed = lane.put(start, columns)
        if changed is not None and not changed.any():
            return
        if self._reach.baseline:
            self._levels.touch(start, lane.width)
        if start < self._stepped_to or start in lane.readings:
            self._changed_from = start if self._changed_from is None else min(start, self._changed_from)

    def put_bound(self, lane: Lane, binding: Binding, starts: Sequence[Instant], values: Floats) -> None:
        """Take the bins of a batch through its binding."""
        rows = self.rows(binding.groups)
        lane.admit(rows, len(self.keys))
        for start, grid in zip(starts, values, strict=True):
            columns = {role: binding.column(role, grid, rows, len(self.keys)) for role in self.detector.roles}
            self.put(lane, start, rows, columns)

    # --- judging

    def advance(self, watermarks: Mapping[str, Instant]) -> set[int]:
        """Judge what has settled and what has changed; the rows whose episodes may differ from before."""
        changed_slot = self._levels.refresh(self.lanes.values(), len(self.keys))
        if changed_slot is not None:
            self._usual = {at: usual for at, usual in self._usual.items() if at <= changed_slot}
        differ = self._rejudge()
        fresh = self._judge_settled(watermarks)
        if any(bin_.start < self._stepped_to for bin_ in fresh):
            differ |= self._members(fresh)
        again = np.flatnonzero(differ)
        affected = self._step_new(fresh, except_rows=again)
        if again.size:
            affected |= self._replay(again)
        if fresh:
            self._stepped_to = max(self._stepped_to, *(bin_.start for bin_ in fresh))
        return affected

    def _rejudge(self) -> NDArray[np.bool_]:
        """Judge again from the earliest changed bin on; the rows whose readings differ."""
        differ = np.zeros(len(self.keys), np.bool_)
        if self._changed_from is None:
            return differ
        for lane in self.lanes.values():
            for start in lane.window(self._changed_from, lane.watermark):
                if start in lane.readings:
                    before = lane.reading(start)
                    after = self._judge(lane, start)
                    differ |= padded(before != after, len(differ), 0)
        self._changed_from = None
        return differ

    def _judge_settled(self, watermarks: Mapping[str, Instant]) -> list[Bin]:
        fresh = []
        for stream, lane in self.lanes.items():
            at_most = max(1, self._horizon // lane.width) if lane.width else 0
            for start in lane.settle(watermarks.get(stream, NEVER), at_most=at_most):
                self._judge(lane, start)
                fresh.append(lane.bin(start))
        return sorted(fresh, key=_event_order)

    def _judge(self, lane: Lane, start: Instant) -> Readings:
        """Judge one bin; rows that another stream feeds are left out, as is what is history only."""
        if start < self.judge_from:
            reading = np.full(len(lane.member), SKIP, np.int8)
        else:
            reading = np.where(lane.member, self.verdict(lane, start).reading, SKIP).astype(np.int8)
        lane.readings[start] = reading
        return reading

    def verdict(self, lane: Lane, start: Instant) -> Verdict:
        """The detector's judgement of one bin, over the lane's rows."""
        return self.detector.judge(self.view(lane, start), self._usual_at(start, len(lane.member)))

    def view(self, lane: Lane, start: Instant) -> View:
        """The detector's panel of one bin."""
        return View(lane, start, start + lane.width)

    def _usual_at(self, start: Instant, rows: int) -> Usual:
        """What is usual for a bin: made once a slot, from slots that end before the bin's lag."""
        if not self._reach.baseline:
            return {}
        until = floor(start - self._reach.lag, SLOT)
        if until not in self._usual:
            levels = self._levels.view(until - self._reach.baseline, until, len(self.keys))
            self._usual[until] = self.detector.usual(levels)
            for old in sorted(self._usual)[:-32]:
                del self._usual[old]
        return {name: column[..., :rows] for name, column in self._usual[until].items()}

    # --- stepping lifecycles

    def _members(self, bins: Sequence[Bin]) -> NDArray[np.bool_]:
        members = np.zeros(len(self.keys), np.bool_)
        for stream in {bin_.stream for bin_ in bins}:
            members |= padded(self.lanes[stream].member, len(members), 0)
        return members

    def _reading(self, bin_: Bin) -> Readings:
        return padded(self.lanes[bin_.stream].reading(bin_.start), len(self.keys), SKIP)

    def _step_new(self, bins: Sequence[Bin], except_rows: Rows) -> set[int]:
        affected: set[int] = set()
        every = np.arange(len(self.keys))
        for bin_ in bins:
            reading = self._reading(bin_).copy()
            reading[except_rows] = SKIP
            for event, rows in self.present.step(reading, bin_.start, bin_.end, self._holds):
                self._record(event, rows, bin_, self.present, every)
                affected.update(rows.tolist())
        return affected

    def _replay(self, rows: Rows) -> set[int]:
        """Take the readings of these rows again, from `frozen` on."""
        part = self.frozen.take(rows)
        for at, row in enumerate(rows.tolist()):
            held = [e for e in self.episodes.get(row, []) if e.opened_at == part.opened[at]]
            episode = held[0].reopened() if held else Episode(int(part.opened[at]))
            self.episodes[row] = [episode] if part.state[at] >= FIRING else []
        for bin_ in self._judged_bins():
            for event, found in part.step(self._reading(bin_)[rows], bin_.start, bin_.end, self._holds):
                self._record(event, found, bin_, part, rows)
        self.present.put(rows, part)
        return set(rows.tolist())

    def _judged_bins(self) -> list[Bin]:
        """Every judged bin that is not frozen, in event order."""
        return sorted(
            (lane.bin(at) for lane in self.lanes.values() for at in lane.readings if at >= self.frozen_at),
            key=_event_order,
        )

    def _record(self, event: Event, found: Rows, bin_: Bin, life: Lifecycle, rows: Rows) -> None:
        """Write what a step found into the episodes; row `i` of `life` is the track's row `rows[i]`."""
        for at in found.tolist():
            episodes = self.episodes.setdefault(int(rows[at]), [])
            if event is Event.FIRED:
                episodes.append(Episode(int(life.opened[at]), fired_in=bin_))
            elif event is Event.NOTED:
                episodes[-1] = replace(episodes[-1], noted=True)
            elif event is Event.LAPSED:
                episodes[-1] = episodes[-1].ended(int(life.breached_until[at]), Resolution.UNJUDGED, None)
            else:
                # A state is over with the first good reading; a bin's trouble with the last bad bin.
                end = life.breached_until[at] if bin_.end > bin_.start else life.clear_from[at]
                episodes[-1] = episodes[-1].ended(int(end), Resolution.RECOVERED, bin_)

    def lapse(self, stream: str, at: Instant) -> set[int]:
        """The stream has said nothing for long, by the agent's own sight: note it, and at last give up."""
        lane = self.lanes.get(stream)
        if lane is None or at - lane.watermark <= UNJUDGED_AFTER:
            return set()
        blind = padded(lane.member, len(self.keys), 0)
        self.frozen.lapse(at, blind)
        affected: set[int] = set()
        for event, rows in self.present.lapse(at, blind):
            self._record(event, rows, Bin(at, at, stream), self.present, np.arange(len(self.keys)))
            affected.update(rows.tolist())
        return affected

    # --- telling, and forgetting

    def untold(self, affected: Iterable[int]) -> Iterator[tuple[int, Difference]]:
        """What has changed since it was last asked, by row; counts as told from now on."""
        for row in sorted(affected):
            now = self.episodes.get(row, [])
            for difference in differences(self.told.get(row, []), now):
                yield row, difference
            self.told[row] = list(now)

    def freeze(self) -> None:
        """Make final what is older than the horizon, and drop what no verdict can need any more."""
        watermark = max((lane.watermark for lane in self.lanes.values()), default=NEVER)
        widest = max((lane.width for lane in self.lanes.values()), default=0)
        until = watermark - max(self._horizon, 3 * widest)
        if until <= self.frozen_at:
            return
        for bin_ in self._judged_bins():
            if bin_.start >= until:
                break
            for event, rows in self.frozen.step(self._reading(bin_), bin_.start, bin_.end, self._holds):
                if event in {Event.ENDED, Event.LAPSED}:
                    self._finish(rows)
        self.frozen_at = until
        self.forget(until)

    def forget(self, judged_from: Instant) -> None:
        """Drop what no verdict on a bin from a time on can need."""
        self._levels.refresh(self.lanes.values(), len(self.keys))
        for lane in self.lanes.values():
            lane.forget(judged_from - max(self._reach.window, lane.width) - SLOT)
        self._levels.forget(judged_from - self._reach.baseline - self._reach.lag - SLOT)

    def _finish(self, rows: Rows) -> None:
        for row in rows.tolist():
            over = self.episodes[row].pop(0)
            self.told[row] = [episode for episode in self.told.get(row, []) if not episode.overlaps(over)]


def _event_order(bin_: Bin) -> tuple[Instant, Instant]:
    return bin_.start, bin_.end
