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
from watcher.engine.detector import Detector, Levels, Memory, Slot, Usual
from watcher.engine.levels import Held, Lender, levels, patch, summed
from watcher.engine.lifecycle import NEVER, Rows
from watcher.model.sample import Floats, Instants
from watcher.model.time import Duration, Instant, floor

Learned: TypeAlias = NDArray[np.float32]

_NO_ROWS: Final[Rows] = np.zeros(0, np.intp)
USUAL_KEPT: Final = 3
"""Slots for which what is usual is kept for all rows."""
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
        self.slots: dict[Instant, Held] = {}
        self.stale: dict[Instant, Rows | None] = {}
        """Slots that have to be made anew, for some rows; None is all."""
        self.recalled: dict[tuple[Instant, Instant], dict[str, Learned]] = {}
        """By slot and edge: what memory said of it."""
        self._detector = detector
        self._lenders = lenders
        self._normal: dict[When, _Normal] = {}
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

    def usual(self, times: Sequence[When], total: int, rows: Rows | None, final: Instant) -> Usual:
        """`[times, rows]`: what is usual for some of the track's rows (None: all), at times in event order.

        Nothing changes before `final`.
        """
        if not self.counts:
            return {}
        if rows is not None:
            return _joined(list(self._made(times, total, rows, final)))
        unmade = [when for when in times if when not in self._normal]
        made = dict(zip(unmade, self._made(unmade, total, None, final), strict=True))
        self._normal |= {when: _Normal(dict(usual), total, _NO_ROWS) for when, usual in made.items()}
        for when in times:
            self._mend(self._normal[when], when, total, final)
        found = _joined([self._normal[when].usual for when in times])
        for when in list(self._normal)[:-USUAL_KEPT]:
            del self._normal[when]
        return found

    def _mend(self, held: _Normal, when: When, total: int, final: Instant) -> None:
        """Make anew what is no longer right, and what is for rows that are new."""
        wrong = np.concatenate([held.wrong[held.wrong < held.rows], np.arange(held.rows, total)])
        if not wrong.size:
            return
        for name, column in next(self._made([when], total, wrong, final)).items():
            held.usual[name] = widened(held.usual[name], total, np.nan)
            held.usual[name][..., wrong] = column
        held.rows, held.wrong = total, _NO_ROWS

    def prepare(self, until: Instant, total: int) -> None:
        """Make all slots up to a time at once: one by one costs more."""
        self._refresh(NEVER, until, total)

    def _made(self, times: Sequence[When], total: int, rows: Rows | None, final: Instant) -> Iterator[Usual]:
        """What is usual at each time: of several in one call, where the detector does not mind."""
        spans = {when.until - when.edge for when in times}
        cells = max(1, (total if rows is None else len(rows)) * max(spans, default=0) // self.reach.slot)
        step = max(1, _TOGETHER // cells) if self.reach.undated and len(spans) == 1 else 1
        for first in range(0, len(times), step):
            some = times[first : first + step]
            recalled: Usual = {}
            if self.reach.memory:
                found = [self._recalled(when, total, rows, final) for when in some]
                recalled = {name: np.concatenate([one[name] for one in found], axis=-1) for name in found[0]}
            usual = self._detector.usual(recalled, self._levels(some, total, rows))
            if len(some) == 1:
                yield usual
                continue
            made = {name: np.split(column, len(some), axis=-1) for name, column in usual.items()}
            yield from ({name: columns[at] for name, columns in made.items()} for at in range(len(some)))

    def _levels(self, times: Sequence[When], total: int, rows: Rows | None) -> Levels:
        self._refresh(times[0].edge, times[-1].until, total)
        spans = [(when.edge, when.until) for when in times]
        return levels(self.slots, spans, self._detector.roles, self.reach.slot, total=total, rows=rows)

    def _refresh(self, since: Instant, until: Instant, total: int) -> None:
        """Make anew the slots of a time that are stale."""
        slots = sorted(slot for slot in self.stale if since <= slot < until)
        for slot in [slot for slot in slots if self.stale[slot] is not None and slot in self.slots]:
            rows = self.stale.pop(slot)
            made = self._lent(np.array([slot]), rows)[0]
            if made is not None and rows is not None:
                patch(self.slots[slot], made, rows, total)
        whole = np.array([slot for slot in slots if slot in self.stale], np.int64)
        for run in (
            np.split(whole, np.flatnonzero(np.diff(whole) != self.reach.slot) + 1) if whole.size else ()
        ):
            for slot, made in zip(run.tolist(), self._lent(run, None), strict=True):
                del self.stale[slot]
                if made is None:
                    self.slots.pop(slot, None)
                else:
                    self.slots[slot] = made

    def _lent(self, starts: Instants, rows: Rows | None) -> list[Held | None]:
        """Slots that follow each other, as the lanes have them; None where nothing came."""
        lent = (lane.lend(starts, self.reach.slot, rows) for lane in self._lenders.values())
        shares = [share for share in lent if share is not None]
        if not shares:
            return [None] * len(starts)
        answered = np.sum([share.answered for share in shares], axis=0)
        known = summed([share.known for share in shares])
        sums = {role: summed([share.sums[role] for share in shares]) for role in shares[0].sums}
        most = float(self.reach.slot)
        return [
            Held({role: column[at] for role, column in sums.items()}, known[at], min(float(ms), most))
            if ms
            else None
            for at, ms in enumerate(answered.tolist())
        ]

    # --- memory

    def _recalled(self, when: When, total: int, rows: Rows | None, final: Instant) -> Usual:
        """What memory says of a slot: of rows that have come since it was asked, what it says of nothing."""
        key = (when.at, when.edge)
        if key not in self.recalled:
            memory = self._memory(when.edge, total, final)
            said = self._detector.recall(memory, when.at)
            self.recalled[key] = {name: column.astype(np.float32) for name, column in said.items()}
        kept = self.recalled[key]
        known = min((column.shape[-1] for column in kept.values()), default=total)
        if known < total:
            said = self._detector.recall(_blank(self.reach.memory, total - known), when.at)
            more = {name: column.astype(np.float32) for name, column in said.items()}
            kept = {name: np.concatenate([kept[name], more[name]], axis=-1) for name in kept}
            self.recalled[key] = kept
        own = slice(None) if rows is None else rows
        return {name: column[..., own].astype(np.float64) for name, column in kept.items()}

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
        for start in sorted(slot for slot in self.slots if since <= slot < until):
            held = self.slots[start]
            sums = {role: widened(column, total, 0).astype(np.float64) for role, column in held.sums.items()}
            known = widened(held.known, total, 0).astype(np.float64)
            self._detector.learn(memory, Slot(start, self.reach.slot, sums, known, held.answered))

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
        for slot in [slot for slot in self.slots if slot < before]:
            del self.slots[slot]
        for slot in [slot for slot in self.stale if slot < before]:
            del self.stale[slot]
        self.recalled = {key: kept for key, kept in self.recalled.items() if key[0] >= when.at}

    def blank(self, rows: Rows) -> None:
        """Some row numbers are of other groups now: nothing is known of them."""
        for learned in self.memory.values():
            _set(learned, rows, np.nan)
        for held in self.slots.values():
            for column in (*held.sums.values(), held.known):
                _set(column, rows, 0)
        nothing = _blank(self.reach.memory, len(rows))
        for (at, _), columns in self.recalled.items():
            for name, said in self._detector.recall(nothing, at).items():
                columns[name] = widened(columns[name], int(rows.max()) + 1, np.nan)
                columns[name][..., rows] = said
        self._normal.clear()
        self._ahead = None

    def move(self, places: Rows, rows: int) -> None:
        """Row `i` is now `places[i]`, of so many."""
        self.memory = {name: scattered(kept, places, rows, np.nan) for name, kept in self.memory.items()}
        for held in self.slots.values():
            held.sums = {role: scattered(column, places, rows, 0) for role, column in held.sums.items()}
            held.known = scattered(held.known, places, rows, 0)
        self.stale = dict.fromkeys(self.stale)
        self._drop_made()

    def _drop_made(self) -> None:
        self.recalled.clear()
        self._normal.clear()
        self._ahead = None

    def join(self, other: "Past") -> None:
        """Take over what another one knows of other rows; both stand at one edge, over the same rows."""
        for name, kept in other.memory.items():
            mine = self.memory[name]
            self.memory[name] = np.where(np.isnan(mine), kept, mine)
        for slot, theirs in other.slots.items():
            held = self.slots.setdefault(slot, theirs)
            if held is not theirs:
                held.sums = {role: column + theirs.sums[role] for role, column in held.sums.items()}
                held.known, held.answered = held.known + theirs.known, max(held.answered, theirs.answered)
        self.stale |= dict.fromkeys(other.stale)
        self._drop_made()


def _blank(numbers: Mapping[str, int], rows: int) -> Memory:
    return {name: np.full((count, rows), np.nan, np.float32) for name, count in numbers.items()}


def _set(column: NDArray[np.float32], rows: Rows, value: float) -> None:
    column[..., rows[rows < column.shape[-1]]] = value


def _either(one: Rows | None, other: Rows | None) -> Rows | None:
    return None if one is None or other is None else np.union1d(one, other)


def _joined(found: Sequence[Usual]) -> Usual:
    """`[times, rows]` of what was made time by time."""
    return {name: np.stack([one[name] for one in found]) for name in found[0]}
