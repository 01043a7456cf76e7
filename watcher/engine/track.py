"""One rule over the rows of one source: which streams feed them, and the readings of their bins.

What the bins hold is the lanes', what they make of the past is `watcher.engine.past`'s, and what becomes of
the readings is the course's (`watcher.engine.course`). A changed bin judges again only what looked at it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from watcher.engine.binding import Binding, Words
from watcher.engine.bins import BinLane
from watcher.engine.blocks import END, Block, Hurts
from watcher.engine.bound import BoundRule
from watcher.engine.casting import Casting
from watcher.engine.cells import Cells, cells_of
from watcher.engine.course import Course
from watcher.engine.edge import edge
from watcher.engine.episodes import Bin
from watcher.engine.extent import TOGETHER
from watcher.engine.folding import Fold, fold_key
from watcher.engine.grading import Grades
from watcher.engine.grid import Grid
from watcher.engine.groups import Groups
from watcher.engine.instants import InstantLane
from watcher.engine.judging import Judge, Look, by_slot
from watcher.engine.lane import Changed, Lane, Run, lane_key, rows_of
from watcher.engine.lifecycle import GONE, NEVER, SKIP, Codes, Rows, reading_of
from watcher.engine.past import Past
from watcher.engine.totals import FEW_CELLS
from watcher.model.labels import LabelSet
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, Duration, Instant, floor

REMEMBERED: Final[Duration] = 7 * DAY
"""How long memory is kept of a group that no series speaks for."""
MOST_LOOKED_AT: Final = 4096
"""Rows that are explained together at most."""


class Track:
    """See the module's docstring. Rows are groups; numbers of those that are gone for long are given anew."""

    def __init__(self, bound: BoundRule, horizon: Duration) -> None:
        """A track without rows."""
        self.rule = bound.rule
        self.detector = bound.detector
        self.groups = Groups()
        self.keys, self.index = self.groups.keys, self.groups.index
        self.streams: set[str] = set()
        """Every stream that has fed it, also before a restart."""
        self.lanes: dict[str, Lane] = {}
        self.fed: dict[str, list[int]] = {}
        """Rows that lanes fed before a restart, by lane."""
        self.course = Course(bound.rule)
        self.accept_from: Instant = NEVER
        """Bins that begin earlier come too late: the course's edge, but for while a journal is recalled."""
        self.held_from: Instant = NEVER
        """Slots that end later can be made from the bins; of earlier ones some streams' bins are gone."""
        self.words = Words()
        self.late = 0
        """Readings of states that came too late to be judged."""
        self.past = Past(bound.detector, self.lanes)
        self._about: Rows = np.zeros(0, np.intp)
        self.judge = Judge(Grades(bound.rule, bound.detector), self.past, horizon)
        self.reach = self.past.reach
        self._can_fold = bool(bound.rule.by) and any(role.state for role in bound.detector.roles.values())
        self._horizon = horizon
        self._looked: dict[tuple[Bin, int], Look] = {}

    # --- rows

    def rows(self, keys: Sequence[LabelSet]) -> Rows:
        """Row numbers of these groups, new ones added."""
        fresh = self.groups.unknown(keys)
        if fresh:
            self._reclaim(fresh)
        rows = self.groups.rows(keys)
        for lane in self.lanes.values() if fresh else ():
            lane.widen(len(self.keys))
        return rows

    def _reclaim(self, wanted: int) -> None:
        """Free rows of which nothing is left, where so many are wanted and too few are free."""
        keep = self.reach.recent + self.reach.lag + (REMEMBERED if self.past.memory else self._horizon)
        now = max((lane.watermark for lane in self.lanes.values()), default=NEVER)
        rows = self.groups.freed(wanted, now - keep, self.course.busy() if self.groups.left else ())
        if rows.size:
            self.past.blank(rows)
            for lane in self.lanes.values():
                lane.blank(rows)

    # --- lanes

    def bin_lane(self, grid: Grid, casting: Casting) -> BinLane:
        """The lane of a grid, made at first sight."""
        key = lane_key(grid.stream, grid.width)
        lane = self.lanes.get(key)
        if not isinstance(lane, BinLane):
            lane = BinLane(grid, casting, self.detector.roles, self.keys, reach=self.reach)
            self._open(lane)
        return lane

    def bind(self, lane: BinLane) -> None:
        """Take the rows that a lane's casting now has."""
        rows = self.rows(list(lane.casting.groups))
        for row in lane.bind(rows).tolist():
            if not any(row in other.rows for other in self.lanes.values() if isinstance(other, BinLane)):
                self.groups.left[row] = lane.watermark

    def instant_lane(self, stream: str, width: Duration) -> InstantLane:
        """The lane of a stream's states, made at first sight."""
        lane = self.lanes.get(lane_key(stream, width))
        if not isinstance(lane, InstantLane):
            lane = InstantLane(stream, width, self.detector.roles)
            lane.words = self.words.known
            self._open(lane)
        return lane

    def _open(self, lane: Lane) -> None:
        self.streams.add(lane.stream)
        self.lanes[lane.key] = lane
        lane.widen(len(self.keys))
        lane.admit(np.array(self.fed.get(lane.key, []), np.intp))

    def take(self, lane: InstantLane, binding: Binding | None, batch: SampleBatch) -> None:
        """Take the states of a batch through its binding; None where it has no series of the rule."""
        rows = np.zeros(0, np.intp) if binding is None else self._bound(lane, binding)
        found = cells_of(batch, binding, rows, total=len(self.keys), words=self.words)
        for start, cells in found.items():
            self.put(lane, start, cells)

    def _bound(self, lane: InstantLane, binding: Binding) -> Rows:
        """The rows of a binding's groups."""
        if lane.bound is None or lane.bound[0] is not binding:
            lane.bound = binding, self.rows(binding.groups)
            if self.course.fold is None and self._can_fold:
                self.course.fold = Fold(int(self.rows([fold_key(binding.groups[0])])[0]))
            lane.admit(lane.bound[1])
        return lane.bound[1]

    def put(self, lane: InstantLane, start: Instant, cells: Cells) -> None:
        """Take one reading; what came too late is counted and judges nothing."""
        if start < self.accept_from:
            self.late += 1
        else:
            lane.put(start, cells)

    # --- judging

    def advance(self, watermarks: Mapping[str, Instant]) -> set[int]:
        """Judge what has settled, by lane, and what has changed; rows whose episodes may differ."""
        self._looked.clear()
        fresh = self._settled(watermarks)
        self.judge.final = max(self.edge(), self.course.frozen_at)
        differ = self._rejudged(self._changed())
        return self.course.advance(self._judged(fresh), differ, self)

    def _settled(self, watermarks: Mapping[str, Instant]) -> list[tuple[Lane, list[Run]]]:
        fresh = []
        for key, lane in self.lanes.items():
            at_most = max(1, self._horizon // lane.width) if lane.width else 0
            until = watermarks.get(key, NEVER)
            fresh.append((lane, lane.settle(until, since=self.course.frozen_at, at_most=at_most)))
        return [(lane, runs) for lane, runs in fresh if runs]

    def _changed(self) -> dict[str, list[Changed]]:
        """By lane: what its judged bins have to be judged again for."""
        found = {key: lane.changed() for key, lane in self.lanes.items()}
        for key, lane in self.lanes.items():
            for start, rows in found[key]:
                self._touch(start, start + max(lane.width, 1), rows)
            if isinstance(lane, BinLane) and found[key]:
                lane.mend(rows_of(found[key], len(self.keys)))
        if not self.past.counts:
            return found
        shared = [change for changes in found.values() for change in changes] + self._came()
        return dict.fromkeys(self.lanes, shared) if len(self.lanes) > 1 else found

    def _came(self) -> list[Changed]:
        """Bins that levels have not seen; of those, the ones that come behind what another lane judged."""
        behind: list[Changed] = []
        for lane in self.lanes.values():
            span = lane.came()
            if span is None:
                continue
            self._touch(*span, None)
            others = [other for other in self.lanes.values() if other is not lane]
            if any(len(other.judged.starts) and other.judged.starts[-1] > span[0] for other in others):
                behind.append((span[0], np.flatnonzero(lane.member)))
        return behind

    def _touch(self, start: Instant, end: Instant, rows: Rows | None) -> None:
        """Let the past look at bins again: a stream that is behind the others may bring such as are final."""
        self.past.touch(max(start, self.held_from), end, rows)

    def _rejudged(self, changed: Mapping[str, list[Changed]]) -> Rows:
        """Judge again the rows that changed, in the bins that looked at the change; those that differ."""
        differ: list[Rows] = []
        for key, changes in changed.items():
            lane = self.lanes[key]
            if not lane.by_row:
                differ += self._rejudge(lane, min((start for start, _ in changes), default=END), END, None)
                continue
            for since, until, rows in self._affected(lane, changes):
                differ += self._rejudge(lane, since, until, rows)
        differ = [rows for rows in differ if rows.size]
        return np.unique(np.concatenate(differ)) if differ else np.zeros(0, np.intp)

    def _affected(self, lane: Lane, changes: Iterable[Changed]) -> Iterator[tuple[Instant, Instant, Rows]]:
        """Rows by the earliest of their bins that changed: from when to when they look at the changes.

        Where these are few cells they are judged together: some bins once too often costs less than a call.
        """
        total = len(self.keys)
        since, until = np.full(total, END), np.full(total, NEVER)
        for start, rows in changes:
            own = slice(None) if rows is None else rows
            last = END if self.past.counts else start + max(self.reach.window, lane.width)
            since[own], until[own] = np.minimum(since[own], start), np.maximum(until[own], last)
        since[~lane.member] = END
        every = np.flatnonzero(since < END)
        if not every.size:
            return
        first, last = int(since[every].min()), int(until[every].max())
        if len(every) * (min(last, lane.watermark) - first) <= FEW_CELLS * lane.width:
            yield first, last, every
            return
        for start in np.unique(since[every]).tolist():
            rows = np.flatnonzero(since == start)
            yield start, int(until[rows].max()), rows

    def _rejudge(self, lane: Lane, since: Instant, until: Instant, rows: Rows | None) -> Iterator[Rows]:
        every = np.arange(len(self.keys))
        for first, count in lane.judged.runs(max(since, self.course.frozen_at), until):
            cells = len(every) if rows is None else len(rows)
            for start, bins in self.judge.runs(lane, first, count, cells):
                codes, hurts = self.judge.codes(lane, start, bins, rows)
                if rows is None:
                    codes = lane.mask(start, codes)
                starts = start + np.arange(bins, dtype=np.int64) * lane.width
                lane.judged.hurt(starts, hurts, rows)
                yield lane.judged.patch(starts, every if rows is None else rows, codes)

    def _judged(self, fresh: Sequence[tuple[Lane, list[Run]]]) -> list[Block]:
        """Judge what is settled; as blocks, for the course."""
        pieces = [(lane, *run) for lane, runs in fresh for run in runs]
        if self.past.memory and len(fresh) > 1:
            pieces = sorted(by_slot(pieces, self.reach.slot), key=lambda piece: (piece[1], piece[0].key))
        done: dict[str, list[Instant]] = {}
        for lane, first, count in pieces:
            for start, bins in self.judge.runs(lane, first, count, len(self.keys)):
                codes, hurts = self.judge.codes(lane, start, bins, None)
                codes = lane.mask(start, codes)
                starts = start + np.arange(bins, dtype=np.int64) * lane.width
                lane.judged.hurt(starts, hurts, None)
                lane.judged.put(starts, codes)
                done.setdefault(lane.key, []).extend(starts.tolist())
                if isinstance(lane, BinLane):
                    lane.done()
        return [self._spared(self.lanes[key].judged.at(starts)) for key, starts in done.items()]

    def blocks(self, since: Instant, until: Instant) -> list[Block]:
        """Every judged bin that begins in a time."""
        return [self._spared(lane.judged.block(since, until)) for lane in self.lanes.values()]

    def hurts(self, since: Instant, until: Instant) -> Iterator[tuple[Instant, Duration, Hurts]]:
        """The breaching cells of judged bins that begin in a time."""
        for lane in self.lanes.values():
            yield from lane.judged.breaching(since, until)

    def _spared(self, block: Block) -> Block:
        """What one stream no longer lists is not gone while another one still holds it."""
        gone = reading_of(block.codes) == GONE
        if len(self.lanes) < 2 or not gone.any():
            return block
        codes: Codes = block.codes.copy()
        for at in np.flatnonzero(gone.any(axis=1)).tolist():
            held = np.zeros(len(self.keys), np.bool_)
            for key, lane in self.lanes.items():
                if key != block.lane:
                    held |= lane.holds(int(block.starts[at]))
            codes[at, gone[at] & held[: codes.shape[1]]] = SKIP
        return replace(block, codes=codes)

    # --- explaining

    @property
    def about(self) -> Rows:
        """Rows that are about to be told of, ascending: those of one bin are explained together."""
        return self._about

    @about.setter
    def about(self, rows: Rows) -> None:
        self._about = rows
        self._looked.clear()

    def look(self, bin_: Bin, row: int) -> Look | None:
        """A judged bin once more, with all that explains it for a row; None where it is no longer at hand."""
        lane = self.lanes.get(bin_.lane)
        if lane is None or bin_.start < self.held_from - TOGETHER or bin_.start not in lane.judged:
            return None
        rows, at = self._together(row) if lane.by_row else (None, row)
        of = -1 if rows is None else int(rows[0])
        if (bin_, of) not in self._looked:
            self._looked = {(bin_, of): self.judge.look(lane, bin_.start, rows, at)}
        return replace(self._looked[bin_, of], at=at)

    def _together(self, row: int) -> tuple[Rows, int]:
        """Rows that are explained together with one, and its place among them."""
        at = int(np.searchsorted(self.about, row))
        if at == len(self.about) or int(self.about[at]) != row:
            return np.array([row]), 0
        first = at - at % MOST_LOOKED_AT
        return self.about[first : first + MOST_LOOKED_AT], at - first

    # --- forgetting

    def begin(self) -> None:
        """The journal has been recalled: judge from the edge on; without one, from the horizon."""
        if self.course.frozen_at == NEVER:
            self.course.frozen_at = self.edge()
        self.accept_from = self.course.frozen_at

    def edge(self) -> Instant:
        """Where the restatement horizon begins."""
        return edge(self.lanes.values(), self._horizon)

    def freeze(self) -> None:
        """Make final what is older than the horizon, and drop what no verdict can need any more."""
        self.freeze_to(self.edge())

    def freeze_to(self, until: Instant) -> None:
        """Make final what begins before a time."""
        if until > self.course.frozen_at:
            self.course.freeze(until, self)
            self.accept_from = until
            self.forget(until)

    def forget(self, judged_from: Instant) -> None:
        """Drop what no verdict on a bin from a time on can need."""
        self.held_from = max(self.held_from, judged_from)
        self.past.settle(judged_from, len(self.keys))
        widest = max((lane.width for lane in self.lanes.values()), default=0)
        self.past.forget(judged_from, max(self._horizon, 3 * widest))
        for lane in self.lanes.values():
            lane.forget(self.needed(lane, judged_from))
            if isinstance(lane, BinLane):
                lane.done()

    def needed(self, lane: Lane, judged_from: Instant) -> Instant:
        """Bins of a lane that end before this no verdict on a bin from a time on can need."""
        return floor(judged_from, self.reach.slot) - max(self.reach.window, lane.width) - lane.width

    def forget_recalled(self) -> None:
        """While a journal is recalled: learn from what no bin that will be judged needs, and drop it."""
        ahead = self.course.frozen_at == NEVER
        until = self.accept_from if ahead else min(self.accept_from, self.course.frozen_at)
        for lane in self.lanes.values():
            if (span := lane.came()) is not None:
                self.past.touch(*span, None)  # the edge has moved over the page, and is to be learned from
        self.forget(until)
        if until > NEVER:
            self.past.learn(self.past.when(until, self._horizon).edge, len(self.keys))

    def needed_from(self) -> Instant:
        """Bins that end before this no verdict will ever need, after a restart either."""
        if self.course.frozen_at == NEVER:
            return NEVER
        return self.course.frozen_at - self.reach.window - self.reach.recent - self.reach.lag - HOUR

    # --- joining

    def join(self, other: "Track") -> None:
        """Take over the rows and lanes of another track of the rule: a stream now feeds rows of both."""
        until = max(self.course.frozen_at, other.course.frozen_at)
        for track in (self, other):
            track.freeze_to(until)
            track.past.learn(max(self.past.learned, other.past.learned), len(track.keys))
        held = [row for row, key in enumerate(other.keys) if key]
        places = np.full(len(other.keys), -1, np.intp)
        places[held] = self.rows([other.keys[row] for row in held])
        self._take_over(other, places)

    def _take_over(self, other: "Track", places: Rows) -> None:
        total = len(self.keys)
        other.past.move(places, total)
        self.past.move(np.arange(total), total)
        self.past.join(other.past, total)
        self.course.join(other.course, places)
        for lane in other.lanes.values():
            lane.move(places, self.keys)
            self.lanes[lane.key] = lane
        self.streams |= other.streams
        self.groups.left |= {int(places[row]): since for row, since in other.groups.left.items()}
        self.accept_from = max(self.accept_from, other.accept_from)
        self.held_from = max(self.held_from, other.held_from)
