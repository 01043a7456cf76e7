"""Verdicts over the bins of a lane, one at a time or in blocks: what a rule's detector makes of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from watcher.engine.detector import Panel, Usual, Verdict
from watcher.engine.grading import Grades
from watcher.engine.lane import Lane, Run
from watcher.engine.lifecycle import NEVER, Codes, Rows, pack
from watcher.engine.past import Past
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

    def codes(self, lane: Lane, start: Instant, bins: int, rows: Rows | None) -> Codes:
        """`[bins, rows]` of a piece; of all rows where these cannot be judged alone."""
        if not lane.by_row:
            rows = None
        panel = lane.panel(start, bins, rows)
        verdict = self._grades.judge(panel, self.usual(lane, start, bins, rows))
        return pack(verdict.reading, verdict.severity).reshape(bins, -1)

    def usual(self, lane: Lane, start: Instant, bins: int, rows: Rows | None) -> Usual:
        """What is usual for some bins: `[rows]` for one, `[bins, rows]` for a block."""
        if not self._past.counts:
            return {}
        total = len(lane.member)
        horizon = max(self._horizon, 3 * lane.width)
        times = [self._past.when(start + at * lane.width, horizon) for at in range(bins)]
        if bins > 1 and rows is None:
            self._past.prepare(times[-1].until, total)
        runs = [(when, len(list(same))) for when, same in groupby(times)]
        found = self._past.usual([when for when, _ in runs], total, rows, self.final)
        if bins == 1:
            return {name: column[0] for name, column in found.items()}
        counts = [count for _, count in runs]
        return {name: np.repeat(column, counts, axis=0) for name, column in found.items()}

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
