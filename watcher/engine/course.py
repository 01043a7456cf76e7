"""How the rows of a track fare: lifecycles take readings in event order, episodes come of them, and are told.

Two lifecycles are kept. `present` has taken every judged bin; `frozen` only those older than the restatement
horizon, which no longer change. When a bin inside the horizon changes, the rows it touches go back to
`frozen` and take the readings again, so that episodes are a function of the final bins whatever the order
they came in. Only rows that are not inactive cost anything, and bins that say nothing new are skipped.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from watcher.engine.blocks import BLIND, END, HAND, Block, Reel, Tape, blind, by_hand, in_event_order
from watcher.engine.episodes import Bin, Difference, Episode, differences, in_order
from watcher.engine.folding import Fold
from watcher.engine.happenings import ENDINGS, Episodes, joined, record, returns, standing, taken_from
from watcher.engine.lifecycle import (
    FIRING,
    INACTIVE,
    NEVER,
    PENDING,
    SKIP,
    Codes,
    Event,
    Events,
    Holds,
    Lifecycle,
    Rows,
)
from watcher.engine.lives import Lives
from watcher.engine.toll import Toll, tolls
from watcher.model.rule import Flapping, Rule
from watcher.model.sample import Instants
from watcher.model.time import Instant

Happening: TypeAlias = tuple[Event, Rows, Bin, Lifecycle]
"""What a bin made of some rows of a lifecycle: indexes into it."""

_NO_BINS = frozenset({BLIND, HAND})
_NO_ROWS: Rows = np.zeros(0, np.intp)


class Course:
    """See the module's docstring. Rows are numbers that the track gives."""

    def __init__(self, rule: Rule) -> None:
        """Nothing has happened to any row."""
        self.holds = Holds.of(rule)
        self._flapping = rule.flapping
        self.present = Lives(self.holds.slots)
        self.frozen = Lives(self.holds.slots)
        self.frozen_at: Instant = NEVER
        """Bins that begin earlier are judged for good."""
        self.episodes: Episodes = {}
        """Open ones, and those that may yet change or come back."""
        self.told: Episodes = {}
        """The same as it was last told."""
        self.settled: Episodes = {}
        """Those that began before `frozen_at`, as they are by then."""
        self.tolls: dict[tuple[int, Instant], Toll] = {}
        """By row and start, what these amount to by then."""
        self.ended: set[int] = set()
        """Rows of these in which one is over."""
        self.flapping: set[int] = set()
        """Rows of which an open episode flaps."""
        self.fold: Fold | None = None
        self.taken = 0
        """Bins that were taken one by one: the others changed nothing."""
        self.finished: list[tuple[int, Episode, Toll]] = []
        """Episodes that have become final since they were last collected."""
        self.stepped_to = Bin(NEVER, NEVER, BLIND)
        """The last bin, in event order, that `present` has taken."""
        self._blind: list[Instant] = []
        self.hands: set[tuple[Instant, int]] = set()
        """When a person ended what went on in which row; what lies behind `frozen_at` the lifecycles know."""

    # --- going on

    def advance(self, fresh: Sequence[Block], differ: Rows, tape: Tape) -> set[int]:
        """Take bins that are newly judged, and once more those of rows whose readings differ.

        Rows whose episodes may differ. The tape holds the fresh bins too.
        """
        fresh = [*fresh, *self._untaken()]
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
        return self._weighed(affected)

    def dismiss(self, rows: Collection[int], at: Instant, tape: Tape) -> set[int]:
        """Let a person end what goes on in some rows, as of a time; rows whose episodes may differ.

        What has been said before, and what lies behind the frozen edge, changes nothing.
        """
        fresh = {(at, row) for row in rows} - self.hands if at >= self.frozen_at else set()
        if not fresh:
            return set()
        self.hands |= fresh
        behind = self._is_behind(Bin(at, at, HAND))
        again = sorted(row for _, row in fresh) if behind else []
        return self.advance([], np.array(again, np.intp), tape)

    def _untaken(self) -> list[Block]:
        """Acts that come after all that `present` has taken."""
        ahead = [one for one in self.hands if not self._is_behind(Bin(one[0], one[0], HAND))]
        return [by_hand(ahead)] if ahead else []

    def _is_behind(self, bin_: Bin) -> bool:
        """Whether bins that come after it have been taken; or, of states, one that it may spare."""
        stepped = self.stepped_to
        same_instant = bin_.start == bin_.end == stepped.start and bin_.lane != stepped.lane
        is_order_free = HAND in {bin_.lane, stepped.lane}
        return (same_instant and not is_order_free) or in_order(bin_) < in_order(stepped)

    def _reach(self, block: Block) -> None:
        if len(block):
            self.stepped_to = max(self.stepped_to, block.bin(len(block) - 1), key=in_order)

    def _step(self, blocks: Sequence[Block], but: Rows) -> set[int]:
        """Let `present` take bins that come after all it has taken, except for some rows."""
        rows = np.setdiff1d(self._moved(self.present, blocks), but, assume_unique=True)
        return self._take(self.present, rows, blocks)

    def _replay(self, rows: Rows | None, tape: Tape) -> set[int]:
        """Take the readings of these rows (None: all) again, from `frozen` on."""
        noted = blind(self._blind), by_hand(self.hands)
        blocks = list(in_event_order([*tape.blocks(self.frozen_at, END), *noted]))
        before = self.episodes.keys() | self.told.keys()
        affected = before if rows is None else before & set(rows.tolist())
        moved = self._moved(self.frozen, blocks)
        again = moved if rows is None else np.intersect1d(moved, rows, assume_unique=True)
        standing = self.frozen.take(again)
        settled = self.settled if rows is None else self.settled.keys() & set(rows.tolist())
        self.episodes = {row: held for row, held in self.episodes.items() if row not in affected}
        self.episodes |= {row: list(self.settled[row]) for row in settled}
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
        for happening in self._walk(part, rows, blocks):
            record(self.episodes, happening, rows, self.holds.reopen_within)
            affected.update(rows[happening[1]].tolist())
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
                if self.fold is not None and bin_.lane not in _NO_BINS:
                    events += self.fold.step(life, rows, block.codes[at], bin_)
                yield from ((event, found, bin_, life) for event, found in events)
                at = self._next(life, reel, at)

    def _bin(self, life: Lifecycle, codes: Codes, bin_: Bin) -> Events:
        """Let a lifecycle take one bin, the blindness that was noted at an instant, or an act of a person."""
        if bin_.lane == BLIND:
            return life.lapse(bin_.end)
        if bin_.lane == HAND:
            return life.dismiss(codes != SKIP)
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

    def lapse(self, now: Instant) -> set[int]:
        """Nothing has come for long, as of a time: note it, and at last give up."""
        if not self.present.life.take(np.arange(len(self.present.rows))).lapse(now):
            return set()
        self._blind.append(now)
        block = blind([now])
        self._reach(block)
        return self._weighed(self._step([block], _NO_ROWS))

    def _weighed(self, affected: set[int]) -> set[int]:
        """These rows, and those whose episode flaps no more; of each episode whether it does.

        What is open does as of its last known bin: to be unknown steadies nothing.
        """
        if self._flapping is None:
            return affected
        for row in affected | self.flapping:
            held = self.episodes.get(row, [])
            for place, one in enumerate(held):
                flaps = self._flaps(row, one, self._flapping)
                if flaps != one.flapping:
                    held[place] = replace(one, flapping=flaps)
                    affected.add(row)
            if held and held[-1].flapping and held[-1].resolved_at is None:
                self.flapping.add(row)
            else:
                self.flapping.discard(row)
        return affected

    def _flaps(self, row: int, episode: Episode, flapping: Flapping) -> bool:
        until = flapping.until(episode.comebacks)
        if until is None or episode.resolved_at is not None:
            return until is not None and (episode.resolved_at or 0) < until
        return int(self.present.take(np.array([row])).known_at[0]) < until

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
        noted = blind(self._blind), by_hand(self.hands)
        held = [block.before(until) for block in (*tape.blocks(self.frozen_at, until), *noted)]
        blocks = list(in_event_order(held))
        rows = self._moved(self.frozen, blocks)
        if rows.size:
            part = self.frozen.take(rows)
            for happening in self._walk(part, rows, blocks):
                record(self.settled, happening, rows, self.holds.reopen_within)
                if happening[0] in ENDINGS:
                    self.ended.update(rows[happening[1]].tolist())
            self.frozen.put(rows, part)
        self._blind = [at for at in self._blind if at >= until]
        self.hands = {one for one in self.hands if one[0] >= until}
        self.frozen_at = until
        self._sum_up(tape)
        self._finish()

    def _sum_up(self, tape: Tape) -> None:
        """Add up for good what is behind the frozen edge."""
        held = [(row, one) for row, episodes in self.settled.items() for one in episodes]
        found = tolls(held, self.tolls, tape, self.frozen_at)
        self.tolls = {(row, one.opened_at): toll for (row, one), toll in zip(held, found, strict=True)}

    def amounts(self, episodes: Sequence[tuple[int, Episode]], tape: Tape) -> list[Toll]:
        """What episodes amount to so far, each with its row."""
        return tolls(episodes, self.tolls, tape)

    def _finish(self) -> None:
        """Let go of what can neither change nor come back."""
        for row in sorted(self.ended):
            held = self.settled[row]
            while held and self._is_final(row, held):
                over = held.pop(0)
                same = [one for one in self.episodes.get(row, ()) if one.opened_at == over.opened_at]
                toll = self.tolls[row, over.opened_at]
                self.finished += [(row, one, toll) for one in same or [over]]
                for kept in (self.episodes, self.told):
                    taken_from(kept, row, over)
            if not held:
                del self.settled[row]
            if not held or held[0].resolved_at is None:
                self.ended.discard(row)

    def _is_final(self, row: int, held: Sequence[Episode]) -> bool:
        """Whether the first of a row's episodes is over for good, as of the frozen edge."""
        first = held[0]
        if first.resolved_at is None or len(held) > 1:
            return first.resolved_at is not None
        life = self.frozen.take(np.array([row]))
        begins = int(life.opened[0]) if life.state[0] == PENDING else self.frozen_at
        return not self.holds.reopen_within or not returns(first, begins, self.holds.reopen_within)

    # --- standing

    def state(self, row: int) -> int:
        """The present state of a row."""
        return self.present.state(row)

    @property
    def open_from(self) -> Instant:
        """What begins or ends before this no longer changes: neither what may yet fire, nor what may be over.

        A group that is pending at the frozen edge may fire as of before it, and one that is not bad any more
        there may have recovered before it; one that has may come back.
        """
        life = self.frozen.life
        since = np.where(life.state == PENDING, life.opened, life.breached_until)
        open_: Instants = since[life.state >= PENDING]
        rest = [one.resolved_at for row in self.ended for one in self.settled[row] if one.resolved_at]
        return min([int(open_.min(initial=self.frozen_at)), *rest])

    def busy(self) -> set[int]:
        """Rows that are more than inactive, or have been within the horizon: their numbers are taken."""
        held = {*self.present.rows.tolist(), *self.frozen.rows.tolist()}
        held |= self.settled.keys()
        return held | self.episodes.keys() | self.told.keys() | {row for _, row in self.hands}

    def stand(self, rows: Rows, life: Lifecycle, at: Instant) -> None:
        """Begin where a former engine stood: rows, ascending, as they were at a frozen edge."""
        self.frozen_at = at
        self.frozen.put(rows, life)
        self.present.put(rows, life)
        for place in np.flatnonzero(life.state >= FIRING).tolist():
            self.settled[int(rows[place])] = [standing(life, place)]
            self.episodes[int(rows[place])] = [standing(life, place)]

    def resume(self, row: int, episode: Episode, toll: Toll) -> None:
        """What is known of the episode that a row stands in, or that may come back."""
        self.tolls[row, episode.opened_at] = toll
        if episode.resolved_at is None:  # as bad as it is by its lifecycle
            [now] = self.settled[row]
            episode = replace(now, returns=episode.returns, comebacks=episode.comebacks)
        else:
            self.ended.add(row)
        self.settled[row], self.episodes[row] = [episode], [episode]

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
        joined(self.episodes, other.episodes, places)
        joined(self.told, other.told, places)
        joined(self.settled, other.settled, places)
        self.tolls = {(int(places[row]), at): one for (row, at), one in other.tolls.items()} | self.tolls
        self.ended = {row for row, held in self.settled.items() if held[0].resolved_at is not None}
        self.flapping |= {int(places[row]) for row in other.flapping}
        self.finished += [(int(places[row]), one, toll) for row, one, toll in other.finished]
        self.stepped_to = max(self.stepped_to, other.stepped_to, key=in_order)
        self.hands |= {(at, int(places[row])) for at, row in other.hands}
        self._blind = sorted({*self._blind, *other._blind})  # noqa: SLF001 - of the same class
