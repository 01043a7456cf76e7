"""How the rows of a track fare: lifecycles take readings in event order, episodes come of them, and are told.

Two lifecycles are kept. `present` has taken every judged bin; `frozen` only those older than the restatement
horizon, which no longer change. When a bin inside the horizon changes, the rows it touches go back to
`frozen` and take the readings again, so that episodes are a function of the final bins whatever the order
they came in. Only rows that are not inactive cost anything, and bins that say nothing new are skipped.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from watcher.engine.blocks import BLIND, END, Block, Reel, Tape, blind, in_event_order
from watcher.engine.episodes import Bin, Difference, Episode, differences, in_order
from watcher.engine.folding import Fold
from watcher.engine.lifecycle import FIRING, INACTIVE, NEVER, Codes, Event, Events, Holds, Lifecycle, Rows
from watcher.engine.lives import Lives
from watcher.model.incident import Resolution
from watcher.model.rule import Rule, Severity
from watcher.model.time import Instant

Happening: TypeAlias = tuple[Event, Rows, Bin, Lifecycle]
"""What a bin made of some rows of a lifecycle: indexes into it."""

_ENDINGS = frozenset({Event.ENDED, Event.GONE, Event.LAPSED})
_NO_ROWS: Rows = np.zeros(0, np.intp)


class Course:
    """See the module's docstring. Rows are numbers that the track gives."""

    def __init__(self, rule: Rule) -> None:
        """Nothing has happened to any row."""
        self.holds = Holds.of(rule)
        self.present = Lives(self.holds.slots)
        self.frozen = Lives(self.holds.slots)
        self.frozen_at: Instant = NEVER
        """Bins that begin earlier are judged for good."""
        self.episodes: dict[int, list[Episode]] = {}
        """By row: open ones, and those that ended after `frozen_at`."""
        self.told: dict[int, list[Episode]] = {}
        """The same as it was last told."""
        self.fold: Fold | None = None
        self.taken = 0
        """Bins that were taken one by one: the others changed nothing."""
        self.finished: list[tuple[int, Episode]] = []
        """Episodes that have become final since they were last collected."""
        self.stepped_to = Bin(NEVER, NEVER, BLIND)
        """The last bin, in event order, that `present` has taken."""
        self._blind: list[Instant] = []

    # --- going on

    def advance(self, fresh: Sequence[Block], differ: Rows, tape: Tape) -> set[int]:
        """Take bins that are newly judged, and once more those of rows whose readings differ.

        Rows whose episodes may differ. The tape holds the fresh bins too.
        """
        if not fresh and not differ.size:
            return set()
        behind = any(self._is_behind(block.bin(0)) for block in fresh if len(block))
        concerned = [block.concerned() for block in fresh] if behind else []
        again = np.unique(np.concatenate([differ, *concerned])).astype(np.intp)
        all_again = self.fold is not None and bool(again.size)
        affected = set() if all_again else self._step(list(in_event_order(fresh)), again)
        for block in fresh:
            self._reach(block)
        if again.size:
            affected |= self._replay(None if all_again else again, tape)
        return affected

    def _is_behind(self, bin_: Bin) -> bool:
        """Whether bins that come after it have been taken; or, of states, one that it may spare."""
        stepped = self.stepped_to
        same_instant = bin_.start == bin_.end == stepped.start and bin_.lane != stepped.lane
        return same_instant or in_order(bin_) < in_order(stepped)

    def _reach(self, block: Block) -> None:
        if len(block):
            self.stepped_to = max(self.stepped_to, block.bin(len(block) - 1), key=in_order)

    def _step(self, blocks: Sequence[Block], but: Rows) -> set[int]:
        """Let `present` take bins that come after all it has taken, except for some rows."""
        rows = np.setdiff1d(self._moved(self.present, blocks), but, assume_unique=True)
        return self._take(self.present, rows, blocks)

    def _replay(self, rows: Rows | None, tape: Tape) -> set[int]:
        """Take the readings of these rows (None: all) again, from `frozen` on."""
        blocks = list(in_event_order([*tape.blocks(self.frozen_at, END), blind(self._blind)]))
        before = self.episodes.keys() | self.told.keys()
        affected = before if rows is None else before & set(rows.tolist())
        moved = self._moved(self.frozen, blocks)
        again = moved if rows is None else np.intersect1d(moved, rows, assume_unique=True)
        standing = self.frozen.take(again)
        held = self.episodes
        self.episodes = {row: episodes for row, episodes in held.items() if row not in affected}
        for at in np.flatnonzero(standing.state >= FIRING).tolist():
            row = int(again[at])
            self.episodes[row] = [_standing(standing, at, held.get(row, []))]
        self.present.drop(rows)
        affected |= self._take(self.present, again, blocks, standing)
        return affected

    def _moved(self, lives: Lives, blocks: Iterable[Block]) -> Rows:
        """Rows that some bins may make anything of: who is not inactive, and who has a bad reading."""
        own = [lives.rows, *(block.loud() for block in blocks)]
        if self.fold is not None:
            own.append(np.array([self.fold.row], np.intp))
        return np.unique(np.concatenate(own)).astype(np.intp)

    def _take(
        self, lives: Lives, rows: Rows, blocks: Sequence[Block], life: Lifecycle | None = None
    ) -> set[int]:
        """Let some rows take bins, and write what happens into the episodes."""
        if not rows.size:
            return set()
        part = lives.take(rows) if life is None else life
        affected: set[int] = set()
        for event, found, bin_, now in self._walk(part, rows, blocks):
            self._record(event, rows[found], bin_, now.take(found))
            affected.update(rows[found].tolist())
        lives.put(rows, part)
        return affected

    def _walk(self, life: Lifecycle, rows: Rows, blocks: Sequence[Block]) -> Iterator[Happening]:
        """What bins make of some rows, bin by bin; `life` is of these rows."""
        for block in blocks:
            reel = Reel(block, rows)
            at = self._next(life, reel, -1)
            while at < len(reel):
                bin_ = block.bin(at)
                self.taken += 1
                events = self._bin(life, reel.codes[at], bin_)
                if self.fold is not None and bin_.lane != BLIND:
                    events += self.fold.step(life, rows, block.codes[at], bin_)
                yield from ((event, found, bin_, life) for event, found in events)
                at = self._next(life, reel, at)

    def _bin(self, life: Lifecycle, codes: Codes, bin_: Bin) -> Events:
        """Let a lifecycle take one bin, or the blindness that was noted at an instant."""
        if bin_.lane == BLIND:
            return life.lapse(bin_.end)
        return life.step(codes, bin_.start, bin_.end, self.holds)

    def _next(self, life: Lifecycle, reel: Reel, at: int) -> int:
        """The next bin that has to be taken, after those that would change nothing."""
        if self.fold is not None or not reel.block.width:
            return at + 1
        if not np.any(life.state != INACTIVE):
            return reel.bad_from(at + 1)
        last = reel.same_until(at) if at >= 0 else 0
        if last > at + 1 and np.all(life.settled(reel.codes[at], reel.block.bin(last).end, self.holds)):
            return last
        return at + 1

    # --- episodes

    def _record(self, event: Event, rows: Rows, bin_: Bin, life: Lifecycle) -> None:
        """Write what a step found into the episodes; `life` is of these rows."""
        for at, row in enumerate(rows.tolist()):
            episodes = self.episodes.setdefault(row, [])
            if event is Event.FIRED:
                episode = Episode(int(life.opened[at]), fired_in=bin_)
                episodes.append(_graded(episode, life, at, None))
            else:
                episodes[-1] = _changed(episodes[-1], event, bin_, life, at)

    def lapse(self, now: Instant) -> set[int]:
        """Nothing has come for long, as of a time: note it, and at last give up."""
        if not self.present.life.take(np.arange(len(self.present.rows))).lapse(now):
            return set()
        self._blind.append(now)
        block = blind([now])
        self._reach(block)
        return self._step([block], _NO_ROWS)

    # --- telling, and forgetting

    def untold(self, affected: Iterable[int]) -> Iterator[tuple[int, Difference]]:
        """What has changed since it was last asked, by row; counts as told from now on."""
        for row in sorted(affected):
            now = self.episodes.get(row, [])
            for difference in differences(self.told.get(row, []), now):
                yield row, difference
            self.told[row] = list(now)
            if not now:
                self.told.pop(row)
                self.episodes.pop(row, None)

    def freeze(self, until: Instant, tape: Tape) -> None:
        """Make final what is older than the horizon."""
        if until <= self.frozen_at:
            return
        held = [block.before(until) for block in (*tape.blocks(self.frozen_at, until), blind(self._blind))]
        blocks = list(in_event_order(held))
        rows = self._moved(self.frozen, blocks)
        if rows.size:
            part = self.frozen.take(rows)
            for event, found, _, _ in self._walk(part, rows, blocks):
                if event in _ENDINGS:
                    self._finish(rows[found])
            self.frozen.put(rows, part)
        self._blind = [at for at in self._blind if at >= until]
        self.frozen_at = until

    def _finish(self, rows: Rows) -> None:
        for row in rows.tolist():
            over = self.episodes[row].pop(0)
            self.finished.append((row, over))
            self.told[row] = [episode for episode in self.told.get(row, []) if not episode.overlaps(over)]
            for kept in (self.episodes, self.told):
                if not kept[row]:
                    del kept[row]

    # --- standing

    def state(self, row: int) -> int:
        """The present state of a row."""
        return self.present.state(row)

    def busy(self) -> set[int]:
        """Rows that are more than inactive, or have been within the horizon: their numbers are taken."""
        held = {*self.present.rows.tolist(), *self.frozen.rows.tolist()}
        return held | self.episodes.keys() | self.told.keys()

    def stand(self, rows: Rows, life: Lifecycle, at: Instant) -> None:
        """Begin where a former engine stood: rows, ascending, as they were at a frozen edge."""
        self.frozen_at = at
        self.frozen.put(rows, life)
        self.present.put(rows, life)
        for place in np.flatnonzero(life.state >= FIRING).tolist():
            self.episodes[int(rows[place])] = [_standing(life, place, [])]

    def join(self, other: "Course", places: Rows) -> None:
        """Take over the rows of another course of the rule, which stands at the same edge.

        Its row `r` is `places[r]` here. Where both hold a row, the one that is not inactive stays, else this
        one's.
        """
        for own, theirs in ((self.present, other.present), (self.frozen, other.frozen)):
            free = ~np.isin(places[theirs.rows], own.rows)
            rows = places[theirs.rows[free]]
            order = np.argsort(rows)
            own.put(rows[order], theirs.life.take(np.flatnonzero(free)[order]))
        for kept, added in ((self.episodes, other.episodes), (self.told, other.told)):
            for row, episodes in added.items():
                kept.setdefault(int(places[row]), episodes)
        self.finished += [(int(places[row]), episode) for row, episode in other.finished]
        self.stepped_to = max(self.stepped_to, other.stepped_to, key=in_order)
        self._blind = sorted({*self._blind, *other._blind})  # noqa: SLF001 - of the same class


def _standing(life: Lifecycle, at: int, held: Sequence[Episode]) -> Episode:
    """The open episode of a row that fires, with what is known of it beside its lifecycle."""
    opened = int(life.opened[at])
    same = [episode for episode in held if episode.opened_at == opened]
    if not same:
        return _graded(Episode(opened), life, at, None)
    return _graded(same[0].reopened(), life, at, None)


def _graded(episode: Episode, life: Lifecycle, at: int, graded_in: Bin | None) -> Episode:
    """With the severities of a row; those of an older snapshot only the book knows."""
    if not life.level[at]:
        return episode
    return episode.graded(Severity(int(life.level[at])), Severity(int(life.highest[at])), graded_in)


def _changed(episode: Episode, event: Event, bin_: Bin, life: Lifecycle, at: int) -> Episode:
    """The episode after an event that is not its first."""
    match event:
        case Event.GRADED:
            return _graded(episode, life, at, bin_)
        case Event.NOTED:
            return replace(episode, noted=True)
        case Event.LAPSED:
            return episode.ended(int(life.breached_until[at]), Resolution.UNJUDGED, None)
        case Event.GONE:
            return episode.ended(bin_.end, Resolution.GONE, bin_)
    # A state is over with the first good reading; a bin's trouble with the last bad bin.
    end = life.breached_until[at] if bin_.end > bin_.start else life.clear_from[at]
    return episode.ended(int(end), Resolution.RECOVERED, bin_)
