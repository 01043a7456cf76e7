"""Verdicts over the bins of a lane, one at a time or in blocks: what a rule's detector makes of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final

import numpy as np

from watcher.engine.blocks import Hurts
from watcher.engine.detector import Panel, Usual, Verdict
from watcher.engine.grading import Grades
from watcher.engine.lane import Lane, Run
from watcher.engine.lifecycle import NEVER, Codes, Rows, pack
from watcher.engine.past import Past, When
from watcher.engine.toll import hurts_of
from watcher.model.time import Duration, Instant, floor

MOST_CELLS: Final = 1 << 17
"""Of a block: what a few dozen columns of make fits the caches of a core."""


@dataclass(frozen=True, slots=True)
class Look:
    """A judged bin once more, with all that explains it."""

    panel: Panel
    usual: Usual
    verdict: Verdict
    at: int
    """The place of the row that was asked for in the columns, which may be of some rows only."""


class Judge:
    """Judges for one track. Rows are the track's."""

    def __init__(self, grades: Grades, past: Past, horizon: Duration) -> None:
        """By a rule's detector, with what the track knows of the past."""
        self.final: Instant = NEVER
        """Nothing that begins before this changes any more."""
        self._grades, self._past, self._horizon = grades, past, horizon

    def runs(self, lane: Lane, start: Instant, bins: int, rows: int) -> Iterator[Run]:
        """A run in pieces that can be judged at once."""
        step = max(1, MOST_CELLS // max(rows, 1)) if lane.by_row else 1
        for first in range(0, bins, step):
            yield start + first * lane.width, min(step, bins - first)

    def codes(self, lane: Lane, start: Instant, bins: int, rows: Rows | None) -> tuple[Codes, list[Hurts]]:
        """`[bins, rows]` of a piece, and what breaches in each bin; of all rows where none can be spared."""
        if not lane.by_row:
            rows = None
        panel = lane.panel(start, bins, rows)
        verdict = self._grades.judge(panel, self.usual(lane, start, bins, rows))
        return pack(verdict.reading, verdict.severity).reshape(bins, -1), hurts_of(verdict, bins, rows)

    def usual(self, lane: Lane, start: Instant, bins: int, rows: Rows | None) -> Usual:
        """What is usual for some bins: `[rows]` for one, `[bins, rows]` for a block."""
        if not self._past.counts:
            return {}
        total = len(lane.member)
        runs = list(self._runs(lane, start, bins))
        if bins > 1 and rows is None:
            self._past.prepare(runs[-1][0].until, total)
        found = self._past.usual(lane.key, [when for when, _ in runs], total, rows, self.final)
        if bins == 1:
            return {name: column[0] for name, column in found.items()}
        counts = [count for _, count in runs]
        return {name: np.repeat(column, counts, axis=0) for name, column in found.items()}

    def _runs(self, lane: Lane, start: Instant, bins: int) -> Iterator[tuple[When, int]]:
        """What of the past counts for bins that follow each other, and for how many of them."""
        horizon, reach = max(self._horizon, 3 * lane.width), self._past.reach
        starts = start + np.arange(bins) * lane.width
        slots = np.stack([starts // reach.slot, (starts - reach.lag) // reach.slot])
        firsts = np.flatnonzero(np.append(True, (slots[:, 1:] != slots[:, :-1]).any(axis=0)))
        counts = np.diff(np.append(firsts, bins)).tolist()
        times = [self._past.when(int(starts[first]), horizon) for first in firsts.tolist()]
        for when, run in groupby(zip(times, counts, strict=True), key=itemgetter(0)):
            yield when, sum(count for _, count in run)

    def look(self, lane: Lane, start: Instant, rows: Rows | None, at: int) -> Look:
        """One bin with its evidence."""
        panel, usual = lane.panel(start, 1, rows), self.usual(lane, start, 1, rows)
        return Look(panel, usual, self._grades.judge(panel, usual), at)


def by_slot(
    pieces: Iterable[tuple[Lane, Instant, int]], slot: Duration
) -> Iterator[tuple[Lane, Instant, int]]:
    """Runs of bins in pieces that end with a slot: memory is asked in event order, whoever is first."""
    for lane, first, count in pieces:
        step = max(1, slot // max(lane.width, 1))
        lead = (floor(first, slot) + slot - first) // max(lane.width, 1) or step
        at = 0
        while at < count:
            bins = min(lead if at == 0 else step, count - at)
            yield lane, first + at * lane.width, bins
            at += bins
