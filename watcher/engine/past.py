"""A track's own past: the newest of it as levels, and what its detector has learned of all that is older.

Levels are made from the bins whenever one of these changed, so they are the same whatever order the bins came
in. Memory takes each slot once, in event order, when it lies behind the restatement horizon; what memory says
of a time is asked once and kept for as long as bins of that time may be judged again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.arrays import scattered, widened
from watcher.engine.detector import Detector, Levels, Memory, Usual
from watcher.engine.levels import Lender, Share, Slots, SlotsState, joined, levels
from watcher.engine.lifecycle import NEVER, Rows
from watcher.model.sample import Floats, Instants
from watcher.model.time import Duration, Instant, floor

Learned: TypeAlias = NDArray[np.float32]

_NO_ROWS: Final[Rows] = np.zeros(0, np.intp)
_TOGETHER: Final = 1 << 16
"""Cells of levels that are made into what is usual at once."""


@dataclass(frozen=True, slots=True)
class When:
    """What of the past counts for bins of one time."""

    at: Instant
    """Start of the slot that holds them."""
    edge: Instant
    """Where memory ends and levels begin."""
    until: Instant
    """Where levels end."""


@dataclass(slots=True)
class _Normal:
    """What is usual at some time, over as many rows as there were, and where it is no longer right."""

    usual: dict[str, Floats]
    rows: int
    wrong: Rows


class Past:
    """See the module's docstring. All that grows with the rows is widened when it is looked at."""

    def __init__(self, detector: Detector, lenders: Mapping[str, Lender]) -> None:
        """Nothing is known. `lenders` are the track's lanes, as they come to be."""
        self.reach = detector.reach()
        self.learned: Instant = NEVER
        """Slots that end at or before this are in memory."""
        self.memory: dict[str, Learned] = {
            name: np.full((numbers, 0), np.nan, np.float32) for name, numbers in self.reach.memory.items()
        }
        self.stale: dict[Instant, Rows | None] = {}
        """Slots that have to be made anew, for some rows; None is all."""
        self.recalled: dict[tuple[Instant, Instant], Learned] = {}
        """By slot and edge: what memory said of it, its columns one below the other."""
        self.columns: dict[str, int] = {}
        """Of what memory says, by name and in order: how many numbers of a row; 0 is one by itself."""
        self.slots = Slots(self.reach.slot)
        self._detector = detector
        self._lenders = lenders
        self._normal: dict[When, _Normal] = {}
        self._newest: dict[str, When] = {}
        """By lane: what is usual is kept of the last time that it asked about."""
        self._ahead: tuple[Instant, dict[str, Learned]] | None = None
        """Memory that has learned what may still change, and up to where: while a lane waits for another."""

    @property
    def counts(self) -> bool:
        """Whether verdicts look at the past at all."""
        return bool(self.reach.recent or self.reach.memory)

    def when(self, start: Instant, horizon: Duration) -> When:
        """What counts for a bin that begins there."""
        slot = self.reach.slot
        until = floor(start - self.reach.lag, slot)
        if not self.reach.memory:
            return When(until, until - self.reach.recent, until)
        at = floor(start, slot)
        return When(at, floor(at - max(horizon, self.reach.recent), slot), until)

    def touch(self, start: Instant, end: Instant, rows: Rows | None) -> None:
        """Bins of some rows (None: all) came or changed."""
        for slot in range(max(floor(start, self.reach.slot), self.learned), end, self.reach.slot):
            self.stale[slot] = _either(self.stale.get(slot, _NO_ROWS), rows)
            if self._ahead is not None and self._ahead[0] > slot:
                self._ahead = None
            if self.recalled and max(self.recalled)[1] > slot:
                self.recalled = {key: kept for key, kept in self.recalled.items() if key[1] <= slot}
            for when in [when for when in self._normal if when.until > slot]:
                wrong = _either(self._normal[when].wrong, rows)
                if wrong is None:
                    del self._normal[when]
                else:
                    self._normal[when].wrong = wrong

    # --- what is usual

    def usual(self, lane: str, times: Sequence[When], total: int, rows: Rows | None, final: Instant) -> Usual:
        """`[times, rows]`: what is usual for some of the track's rows (None: all), at times in event order.

        Nothing changes before `final`.
        """
        if rows is not None:
            return _joined(list(self._made(times, total, rows, final)))
        unmade = [when for when in times if when not in self._normal]
        if unmade:
            made = _joined(list(self._made(unmade, total, None, final)))
            for at, when in enumerate(unmade):
                usual = {name: column[at].copy() for name, column in made.items()}
                self._normal[when] = _Normal(usual, total, _NO_ROWS)
        for when in times:
            self._mend(self._normal[when], when, total, final)
        every = [self._normal[when].usual for when in times]
        found = _joined([{name: column[None] for name, column in usual.items()} for usual in every])
        self._newest[lane] = times[-1]
        kept = set(self._newest.values())
        self._normal = {when: normal for when, normal in self._normal.items() if when in kept}
        return found

    def _mend(self, held: _Normal, when: When, total: int, final: Instant) -> None:
        """Make anew what is no longer right, and what is for rows that are new."""
        wrong = np.concatenate([held.wrong[held.wrong < held.rows], np.arange(held.rows, total)])
        if not wrong.size:
            return
        for name, column in next(self._made([when], total, wrong, final)).items():
            held.usual[name] = widened(held.usual[name], total, np.nan)
            held.usual[name][..., wrong] = column[0]
        held.rows, held.wrong = total, _NO_ROWS

    def prepare(self, until: Instant, total: int) -> None:
        """Make all slots up to a time at once: one by one costs more."""
        self._refresh(NEVER, until, total)

    def _made(self, times: Sequence[When], total: int, rows: Rows | None, final: Instant) -> Iterator[Usual]:
        """`[times, rows]`, piece by piece: of several times in one call, where the detector does not mind."""
        spans = {when.until - when.edge for when in times}
        cells = max(1, (total if rows is None else len(rows)) * max(spans, default=0) // self.reach.slot)
        step = max(1, _TOGETHER // cells) if self.reach.undated and len(spans) == 1 else 1
        for first in range(0, len(times), step):
            some = times[first : first + step]
            recalled = self._recalled(some, total, rows, final) if self.reach.memory else {}
            usual = self._detector.usual(recalled, self._levels(some, total, rows))
            yield {
                name: np.moveaxis(column.reshape(*column.shape[:-1], len(some), -1), -2, 0)
                for name, column in usual.items()
            }

    def _levels(self, times: Sequence[When], total: int, rows: Rows | None) -> Levels:
        self._refresh(times[0].edge, times[-1].until, total)
        spans = [(when.edge, when.until) for when in times]
        return levels(self.slots, spans, self._detector.roles, self.reach.slot, total=total, rows=rows)

    def _refresh(self, since: Instant, until: Instant, total: int) -> None:
        """Make anew the slots of a time that are stale."""
        stale = sorted(slot for slot in self.stale if since <= slot < until)
        for slot in [slot for slot in stale if self.stale[slot] is not None and slot in self.slots]:
            rows, one = self.stale.pop(slot), np.array([slot])
            if (made := self._lent(one, rows)) is not None:
                self.slots.put(one, made, rows, total)
        whole = np.array([slot for slot in stale if slot in self.stale], np.int64)
        breaks = np.flatnonzero(np.diff(whole) != self.reach.slot) + 1
        for run in np.split(whole, breaks) if whole.size else ():
            made = self._lent(run, None)
            for slot in run.tolist():
                del self.stale[slot]
                if made is None:
                    self.slots.drop(slot)
            if made is not None:
                self.slots.put(run, made, None, total)

    def _lent(self, starts: Instants, rows: Rows | None) -> Share | None:
        """Slots that follow each other, as the lanes have them; None where nothing came."""
        lent = (lane.lend(starts, self.reach.slot, rows) for lane in self._lenders.values())
        shares = [share for share in lent if share is not None]
        return joined(shares, float(self.reach.slot)) if shares else None

    @property
    def held(self) -> SlotsState:
        """The slots as a dump keeps them."""
        return self.slots.state

    @held.setter
    def held(self, state: SlotsState) -> None:
        self.slots.stand(state)

    # --- memory

    def _recalled(self, times: Sequence[When], total: int, rows: Rows | None, final: Instant) -> Usual:
        """What memory says of some slots, the rows of one behind those of another."""
        said = [self._said(when, total, final) for when in times]
        own = said if rows is None else [one[:, rows] for one in said]
        numbers = (own[0] if len(own) == 1 else np.concatenate(own, axis=1)).astype(np.float64)
        found, at = {}, 0
        for name, count in self.columns.items():
            found[name] = numbers[at : at + count] if count else numbers[at]
            at += count or 1
        return found

    def _said(self, when: When, total: int, final: Instant) -> Learned:
        """What memory said of a slot; of rows that have come since it was asked, what it says of nothing."""
        key = (when.at, when.edge)
        if key not in self.recalled:
            self.recalled[key] = self._asked(self._memory(when.edge, total, final), when.at)
        kept = self.recalled[key]
        known = kept.shape[1]
        if known < total:
            more = self._asked(_blank(self.reach.memory, total - known), when.at)
            kept = self.recalled[key] = np.concatenate([kept, more], axis=1)
        return kept

    def _asked(self, memory: Memory, at: Instant) -> Learned:
        """What a memory says of a slot, its columns one below the other."""
        said = self._detector.recall(memory, at)
        self.columns = {name: len(column) if column.ndim > 1 else 0 for name, column in said.items()}
        stacked: Learned = np.concatenate([np.atleast_2d(column) for column in said.values()]).astype(
            np.float32
        )
        return stacked

    def _memory(self, edge: Instant, total: int, final: Instant) -> Memory:
        """Memory that has learned every slot up to an edge. What may still change is learned into a copy."""
        self.learn(min(edge, floor(final, self.reach.slot)), total)
        if edge <= self.learned:
            return self.memory
        if self._ahead is None or self._ahead[0] > edge:
            self._ahead = self.learned, {name: learned.copy() for name, learned in self.memory.items()}
        since, memory = self._ahead
        memory = {name: widened(learned, total, np.nan) for name, learned in memory.items()}
        self._teach(memory, since, edge, total)
        self._ahead = edge, memory
        return memory

    def learn(self, until: Instant, total: int) -> None:
        """Learn for good the slots that end at or before a time."""
        if not self.memory:
            return
        self.memory = {name: widened(learned, total, np.nan) for name, learned in self.memory.items()}
        if until > self.learned:
            self._teach(self.memory, self.learned, until, total)
            self.learned = until

    def _teach(self, memory: Memory, since: Instant, until: Instant, total: int) -> None:
        self._refresh(since, until, total)
        for start in self.slots.starts(since, until).tolist():
            self._detector.learn(memory, self.slots.slot(start, self._detector.roles, total))

    def settle(self, until: Instant, total: int) -> None:
        """Make the slots that end before a time, while the lanes still hold their bins."""
        if self.counts:
            self._refresh(NEVER, until - self.reach.slot + 1, total)

    # --- forgetting

    def forget(self, frozen_at: Instant, horizon: Duration) -> None:
        """Drop what no bin that begins at a time or later can need."""
        if not self.counts or frozen_at == NEVER:
            return
        when = self.when(frozen_at, horizon)
        before = min(when.edge, self.learned) if self.memory else when.edge
        self.slots.forget(before)
        for slot in [slot for slot in self.stale if slot < before]:
            del self.stale[slot]
        self.recalled = {key: kept for key, kept in self.recalled.items() if key[0] >= when.at}

    def blank(self, rows: Rows) -> None:
        """Some row numbers are of other groups now: nothing is known of them."""
        for learned in self.memory.values():
            _set(learned, rows, np.nan)
        self.slots.blank(rows)
        nothing = _blank(self.reach.memory, len(rows))
        for (at, edge), said in self.recalled.items():
            self.recalled[at, edge] = widened(said, int(rows.max()) + 1, np.nan)
            self.recalled[at, edge][:, rows] = self._asked(nothing, at)
        self._normal.clear()
        self._ahead = None

    def move(self, places: Rows, rows: int) -> None:
        """Row `i` is now `places[i]`, of so many."""
        self.memory = {name: scattered(kept, places, rows, np.nan) for name, kept in self.memory.items()}
        self.slots.move(places, rows)
        self.stale = dict.fromkeys(self.stale)
        self._drop_made()

    def _drop_made(self) -> None:
        self.recalled.clear()
        self._normal.clear()
        self._ahead = None

    def join(self, other: "Past", total: int) -> None:
        """Take over what another one knows of other rows; both stand at one edge, over as many rows."""
        for name, kept in other.memory.items():
            mine = self.memory[name]
            self.memory[name] = np.where(np.isnan(mine), kept, mine)
        self.slots.join(other.slots, total)
        self.stale |= dict.fromkeys(other.stale)
        self._drop_made()


def _blank(numbers: Mapping[str, int], rows: int) -> Memory:
    return {name: np.full((count, rows), np.nan, np.float32) for name, count in numbers.items()}


def _set(column: NDArray[np.float32], rows: Rows, value: float) -> None:
    column[..., rows[rows < column.shape[-1]]] = value


def _either(one: Rows | None, other: Rows | None) -> Rows | None:
    """Rows that are among some or others, each ascending; None is all."""
    if one is None or other is None:
        return None
    return np.union1d(one, other) if one.size else other


def _joined(found: Sequence[Usual]) -> Usual:
    """`[times, rows]` of pieces. Nobody writes into it."""
    if len(found) == 1:
        return found[0]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}
