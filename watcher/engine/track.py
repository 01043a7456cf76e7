"""One rule over the rows of one source: windows, readings, lifecycle and episodes, in event time.

A track keeps two lifecycles. `present` has taken every judged bin; `frozen` only those older than the
restatement horizon, which no longer change. When a bin inside the horizon changes, the rows it touches go
back to `frozen` and take the readings again, so that episodes are a function of the final bins whatever the
order they came in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.binding import Binding, Words
from watcher.engine.cells import Cells, cells_of
from watcher.engine.detector import Detector, Reach, Readings, Usual, Verdict
from watcher.engine.edge import edge
from watcher.engine.episodes import Bin, Difference, Episode, differences, in_order
from watcher.engine.folding import Fold, fold_key
from watcher.engine.lane import Lane, lane_key, padded
from watcher.engine.levels import SLOT, LevelStore
from watcher.engine.lifecycle import FIRING, GONE, NEVER, SKIP, Event, Holds, Lifecycle, Rows
from watcher.engine.view import View
from watcher.model.incident import Resolution
from watcher.model.labels import LabelSet
from watcher.model.rule import Rule, Severity
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, Duration, Instant, floor

BLIND: Final = ""
"""The lane of a bin that stands for long blindness."""
USUAL_KEPT: Final = 32
"""Slots for which what is usual is kept."""


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule with the mechanism it names."""

    rule: Rule
    detector: Detector


class Track:
    """See the module's docstring. Rows are groups; they are only ever added."""

    def __init__(self, bound: BoundRule, horizon: Duration) -> None:
        """A track without rows."""
        self.rule = bound.rule
        self.detector = bound.detector
        self.keys: list[LabelSet] = []
        self.index: dict[LabelSet, int] = {}
        self.streams: set[str] = set()
        """Every stream that has fed it, also before a restart."""
        self.lanes: dict[str, Lane] = {}
        self.fed: dict[str, list[int]] = {}
        """Rows that lanes fed before a restart, by lane."""
        self.present = Lifecycle.of(0)
        self.frozen = Lifecycle.of(0)
        self.frozen_at: Instant = NEVER
        """Bins that begin earlier are judged for good."""
        self.accept_from: Instant = NEVER
        """Bins that begin earlier come too late: `frozen_at`, but for while a journal is recalled."""
        self.episodes: dict[int, list[Episode]] = {}
        """By row: open ones, and those that ended after `frozen_at`."""
        self.told: dict[int, list[Episode]] = {}
        """The same as it was last told."""
        self.words = Words()
        self.fold: Fold | None = None
        self.late = 0
        """Bins that came too late to be judged."""
        self._can_fold = bool(bound.rule.by) and any(role.state for role in bound.detector.roles.values())
        self._horizon = horizon
        self._reach: Reach = bound.detector.reach()
        self._holds = Holds(bound.rule.hold, bound.rule.keep_firing_for)
        self._levels = LevelStore(bound.detector.roles)
        self._usual: dict[Instant, Usual] = {}
        self._looked: tuple[Bin, View, Verdict] | None = None
        """The bin that was last explained."""
        self._changed_from: Instant | None = None
        self._stepped_to = Bin(NEVER, NEVER, BLIND)
        """The last bin, in event order, that `present` has taken."""
        self._blind: list[Instant] = []
        """When long blindness, and no bin, noted or ended something."""

    # --- taking bins in

    def rows(self, keys: Sequence[LabelSet]) -> Rows:
        """Row numbers of these groups, new ones added."""
        known = len(self.keys)
        for key in keys:
            if key not in self.index:
                self.index[key] = len(self.keys)
                self.keys.append(key)
        if len(self.keys) > known:
            self.present.grow(len(self.keys))
            self.frozen.grow(len(self.keys))
            self._usual.clear()
        return np.array([self.index[key] for key in keys], np.intp)

    def lane(self, stream: str, width: Duration) -> Lane:
        """The lane of the stream's bins of this width, made at first sight."""
        key = lane_key(stream, width)
        if key not in self.lanes:
            self.streams.add(stream)
            lane = self.lanes[key] = Lane(stream, width, self.detector.roles)
            lane.widen(len(self.keys))
            lane.admit(np.array(self.fed.get(key, []), np.intp))
        return self.lanes[key]

    def take(self, lane: Lane, binding: Binding | None, batch: SampleBatch) -> None:
        """Take the bins of a batch through its binding; None where it has no series of the rule."""
        rows = np.zeros(0, np.intp) if binding is None else self._bound(lane, binding)
        found = cells_of(batch, binding, rows, total=len(self.keys), words=self.words)
        for start, cells in found.items():
            self.put(lane, start, cells)

    def _bound(self, lane: Lane, binding: Binding) -> Rows:
        """The rows of a binding's groups."""
        if lane.bound is None or lane.bound[0] is not binding:
            lane.bound = binding, self.rows(binding.groups)
            if self.fold is None and self._can_fold:
                self.fold = Fold(int(self.rows([fold_key(binding.groups[0])])[0]))
            lane.widen(len(self.keys))
            lane.admit(lane.bound[1])
        return lane.bound[1]

    def put(self, lane: Lane, start: Instant, cells: Cells) -> None:
        """Take one bin; what came too late is counted and judges nothing."""
        self._looked = None
        if start < self.accept_from:
            self.late += 1
            return
        lane.widen(len(self.keys))
        changed = lane.put(start, cells)
        if changed is not None and not changed.any():
            return
        if self._reach.baseline:
            self._levels.touch(start, lane.width)
        if start < self._stepped_to.start or start in lane.readings:
            self._changed_from = start if self._changed_from is None else min(start, self._changed_from)

    # --- judging

    def advance(self, watermarks: Mapping[str, Instant]) -> set[int]:
        """Judge what has settled, by lane, and what has changed; rows whose episodes may differ."""
        self._looked = None
        changed_slot = self._levels.refresh(self.lanes.values(), len(self.keys))
        if changed_slot is not None:
            self._usual = {at: usual for at, usual in self._usual.items() if at <= changed_slot}
        differ = self._rejudge()
        fresh = self._judge_settled(watermarks)
        if any(self._is_behind(bin_) for bin_ in fresh):
            differ |= self._members(fresh)
        again = np.flatnonzero(differ) if self.fold is None or not differ.any() else self._all()
        affected = self._step_new(fresh, except_rows=again)
        if again.size:
            affected |= self._replay(again)
        return affected

    def _rejudge(self) -> NDArray[np.bool_]:
        """Judge again from the earliest changed bin on; the rows whose readings differ."""
        differ = np.zeros(len(self.keys), np.bool_)
        if self._changed_from is None:
            return differ
        for lane in self.lanes.values():
            for start in lane.window(self._changed_from, lane.watermark):
                if start in lane.readings:
                    before = lane.judged(start)
                    self._judge(lane, start)
                    differ |= padded((before != lane.judged(start)).any(axis=0), len(differ), 0)
        self._changed_from = None
        return differ

    def _judge_settled(self, watermarks: Mapping[str, Instant]) -> list[Bin]:
        fresh = []
        for key, lane in self.lanes.items():
            at_most = max(1, self._horizon // lane.width) if lane.width else 0
            for start in lane.settle(watermarks.get(key, NEVER), at_most=at_most):
                self._judge(lane, start)
                fresh.append(lane.bin(start))
        return sorted(fresh, key=in_order)

    def _judge(self, lane: Lane, start: Instant) -> Readings:
        """Judge one bin, but for rows that another stream feeds and what a restart found frozen."""
        if start < self.frozen_at:
            reading = np.full(len(lane.member), SKIP, np.int8)
        else:
            verdict = self.verdict(lane, start)
            reading = np.where(lane.member, verdict.reading, SKIP).astype(np.int8)
            reading[lane.gone(start)] = GONE
            if verdict.severity is not None:
                lane.severities[start] = verdict.severity
        lane.readings[start] = reading
        return reading

    def verdict(self, lane: Lane, start: Instant) -> Verdict:
        """The detector's judgement of one bin, over the lane's rows."""
        return self.detector.judge(self.view(lane, start), self._usual_at(start, len(lane.member)))

    def view(self, lane: Lane, start: Instant) -> View:
        """The detector's panel of one bin."""
        return View(lane, start, start + lane.width, self.words.known)

    def look(self, lane: Lane, start: Instant) -> tuple[View, Verdict]:
        """A judged bin once more, to explain it: the same for every row that fired in it."""
        bin_ = lane.bin(start)
        if self._looked is None or self._looked[0] != bin_:
            view = self.view(lane, start)
            verdict = self.detector.judge(view, self._usual_at(start, len(lane.member)))
            self._looked = bin_, view, verdict
        return self._looked[1:]

    def _usual_at(self, start: Instant, rows: int) -> Usual:
        """What is usual for a bin: made once a slot, from slots that end before the bin's lag."""
        if not self._reach.baseline:
            return {}
        until = floor(start - self._reach.lag, SLOT)
        if until not in self._usual:
            levels = self._levels.view(until - self._reach.baseline, until, len(self.keys))
            self._usual[until] = self.detector.usual(levels)
            if len(self._usual) > USUAL_KEPT:
                del self._usual[next(iter(self._usual))]  # what was made first, never what was asked for
        return {name: column[..., :rows] for name, column in self._usual[until].items()}

    # --- stepping lifecycles

    def _members(self, bins: Sequence[Bin]) -> NDArray[np.bool_]:
        members = np.zeros(len(self.keys), np.bool_)
        for key in {bin_.lane for bin_ in bins}:
            members |= padded(self.lanes[key].member, len(members), 0)
        return members

    def _step(self, life: Lifecycle, bin_: Bin, rows: Rows) -> list[tuple[Event, Rows]]:
        """Let some rows' lifecycle take one bin, or the blindness that was noted at an instant."""
        if bin_.lane == BLIND:
            return life.lapse(bin_.end)
        reading = padded(self.lanes[bin_.lane].reading(bin_.start), len(self.keys), SKIP)
        if len(self.lanes) > 1 and (reading == GONE).any():
            reading = self._spared(reading, bin_)
        events = life.step(reading[rows], bin_.start, bin_.end, self._holds)
        if self.fold is not None and len(rows) == len(self.keys):
            events += self.fold.step(life, reading, bin_)
        return events

    def _spared(self, reading: Readings, bin_: Bin) -> Readings:
        """What one stream no longer lists is not gone while another one still holds it."""
        held = np.zeros(len(reading), np.bool_)
        for key, lane in self.lanes.items():
            if key != bin_.lane:
                held |= padded(lane.holds(bin_.start), len(held), 0)
        return np.where((reading == GONE) & held, SKIP, reading)

    def _all(self) -> Rows:
        return np.arange(len(self.keys))

    def _step_new(self, bins: Sequence[Bin], except_rows: Rows) -> set[int]:
        rows = np.setdiff1d(self._all(), except_rows)
        if not bins:
            return set()
        part = self.present.take(rows)
        affected: set[int] = set()
        for bin_ in bins:
            for event, found in self._step(part, bin_, rows):
                self._record(event, found, bin_, part, rows)
                affected.update(rows[found].tolist())
        self.present.put(rows, part)
        self._stepped_to = max(self._stepped_to, bins[-1], key=in_order)
        return affected

    def _is_behind(self, bin_: Bin) -> bool:
        """Whether bins that come after it have been taken; or, of states, one that it may spare."""
        stepped = self._stepped_to
        same_instant = bin_.start == bin_.end == stepped.start and bin_.lane != stepped.lane
        return same_instant or in_order(bin_) < in_order(stepped)

    def _replay(self, rows: Rows) -> set[int]:
        """Take the readings of these rows again, from `frozen` on."""
        part = self.frozen.take(rows)
        for at, row in enumerate(rows.tolist()):
            held = [e for e in self.episodes.get(row, []) if e.opened_at == part.opened[at]]
            episode = held[0].reopened() if held else Episode(int(part.opened[at]))
            self.episodes[row] = [episode] if part.state[at] >= FIRING else []
        for bin_ in self._judged_bins():
            for event, found in self._step(part, bin_, rows):
                self._record(event, found, bin_, part, rows)
        self.present.put(rows, part)
        return set(rows.tolist())

    def _judged_bins(self) -> list[Bin]:
        """Every judged bin that is not frozen, in event order."""
        bins = [lane.bin(at) for lane in self.lanes.values() for at in lane.readings if at >= self.frozen_at]
        return sorted([*bins, *(Bin(at, at, BLIND) for at in self._blind)], key=in_order)

    def _record(self, event: Event, found: Rows, bin_: Bin, life: Lifecycle, rows: Rows) -> None:
        """Write what a step found into the episodes; row `i` of `life` is row `rows[i]` here."""
        for at in found.tolist():
            episodes = self.episodes.setdefault(int(rows[at]), [])
            if event is Event.FIRED:
                severity = self._severity(bin_, int(rows[at]))
                episodes.append(Episode(int(life.opened[at]), fired_in=bin_, severity=severity))
            elif event is Event.NOTED:
                episodes[-1] = replace(episodes[-1], noted=True)
            elif event is Event.LAPSED:
                episodes[-1] = episodes[-1].ended(int(life.breached_until[at]), Resolution.UNJUDGED, None)
            elif event is Event.GONE:
                episodes[-1] = episodes[-1].ended(bin_.end, Resolution.GONE, bin_)
            else:
                # A state is over with the first good reading; a bin's trouble with the last bad bin.
                end = life.breached_until[at] if bin_.end > bin_.start else life.clear_from[at]
                episodes[-1] = episodes[-1].ended(int(end), Resolution.RECOVERED, bin_)

    def _severity(self, bin_: Bin, row: int) -> Severity:
        """That of a bin that fired."""
        if self.fold is not None and row == self.fold.row:
            return Severity.INFO
        own = self.lanes[bin_.lane].severities.get(bin_.start)
        found = int(own[row]) if own is not None and row < len(own) else 0
        return Severity(found) if found else self.rule.severity

    def lapse(self, now: Instant) -> set[int]:
        """Nothing has come for long, as of a time: note it, and at last give up."""
        if not self.present.take(self._all()).lapse(now):
            return set()
        self._blind.append(now)
        return self._step_new([Bin(now, now, BLIND)], except_rows=np.zeros(0, np.intp))

    def begin(self) -> None:
        """The journal has been recalled: judge from the edge on; without one, from the horizon."""
        if self.frozen_at == NEVER:
            self.frozen_at = self.edge()
        self.accept_from = self.frozen_at

    # --- telling, and forgetting

    def untold(self, affected: Iterable[int]) -> Iterator[tuple[int, Difference]]:
        """What has changed since it was last asked, by row; counts as told from now on."""
        for row in sorted(affected):
            now = self.episodes.get(row, [])
            for difference in differences(self.told.get(row, []), now):
                yield row, difference
            self.told[row] = list(now)

    def edge(self) -> Instant:
        """Where the restatement horizon begins."""
        return edge(self.lanes.values(), self._horizon)

    def freeze(self) -> None:
        """Make final what is older than the horizon, and drop what no verdict can need any more."""
        until = self.edge()
        if until <= self.frozen_at:
            return
        every = self._all()
        for bin_ in self._judged_bins():
            if bin_.start >= until:
                break
            for event, rows in self._step(self.frozen, bin_, every):
                if event in {Event.ENDED, Event.GONE, Event.LAPSED}:
                    self._finish(rows)
        self._blind = [at for at in self._blind if at >= until]
        self.frozen_at = self.accept_from = until
        self.forget(until)

    def _finish(self, rows: Rows) -> None:
        for row in rows.tolist():
            over = self.episodes[row].pop(0)
            self.told[row] = [episode for episode in self.told.get(row, []) if not episode.overlaps(over)]

    def forget(self, judged_from: Instant) -> None:
        """Drop what no verdict on a bin from a time on can need."""
        self._levels.refresh(self.lanes.values(), len(self.keys))
        for lane in self.lanes.values():
            lane.forget(judged_from - max(self._reach.window, lane.width) - SLOT)
        self._levels.forget(judged_from - self._reach.baseline - self._reach.lag - SLOT)

    def forget_recalled(self) -> None:
        """While a journal is recalled: drop what the bins that will be judged cannot need."""
        ahead = self.frozen_at == NEVER
        self.forget(self.accept_from if ahead else min(self.accept_from, self.frozen_at))

    def needed_from(self) -> Instant:
        """Bins that end before this no verdict will ever need, after a restart either."""
        if self.frozen_at == NEVER:
            return NEVER
        return self.frozen_at - self._reach.window - self._reach.baseline - self._reach.lag - HOUR
