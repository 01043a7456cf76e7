"""The readings of the bins of one lane that may still change, in event order."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from watcher.engine.arrays import scattered, widened
from watcher.engine.blocks import Block, Hurts
from watcher.engine.lifecycle import SKIP, Codes, Rows
from watcher.engine.toll import NO_HURTS, differing, patched
from watcher.model.sample import Instants
from watcher.model.time import Duration, Instant


class Judged:
    """Codes `[bins, rows]` of bins sorted by start."""

    def __init__(self, lane: str, width: Duration) -> None:
        """None has been judged."""
        self.lane, self.width = lane, width
        self.starts: Instants = np.zeros(0, np.int64)
        self.codes: Codes = np.zeros((0, 0), np.int8)
        self.hurts: dict[Instant, Hurts] = {}
        """By start, of bins in which any row breaches."""
        self._differ: list[tuple[Instant, Rows]] = []

    def __contains__(self, start: Instant) -> bool:
        at = int(np.searchsorted(self.starts, start))
        return at < len(self.starts) and int(self.starts[at]) == start

    def lacked(self, starts: Instants) -> Instants:
        """Those of some bins that have not been judged."""
        if not len(self.starts):
            return starts
        at = np.minimum(np.searchsorted(self.starts, starts), len(self.starts) - 1)
        lacked: Instants = starts[self.starts[at] != starts]
        return lacked

    def put(self, starts: Instants, codes: Codes) -> None:
        """Write the codes of some bins, those that are judged again in place."""
        rows = max(self.codes.shape[1], codes.shape[1])
        held, codes = widened(self.codes, rows, SKIP), widened(codes, rows, SKIP)
        if not len(self.starts) or starts[0] > self.starts[-1]:
            self.starts, self.codes = np.concatenate([self.starts, starts]), np.concatenate([held, codes])
            return
        fresh = ~np.isin(starts, self.starts)
        again = np.searchsorted(self.starts, starts[~fresh])
        held = held.copy() if held is self.codes else held
        held[again] = codes[~fresh]
        places = np.searchsorted(self.starts, starts[fresh])
        self.starts = np.insert(self.starts, places, starts[fresh])
        self.codes = np.insert(held, places, codes[fresh], axis=0)

    def patch(self, starts: Instants, rows: Rows, codes: Codes) -> Rows:
        """Write the codes of some rows in bins that are judged; the rows for which they differ."""
        self.codes = widened(self.codes, int(rows.max()) + 1, SKIP)
        at = np.searchsorted(self.starts, starts)[:, None]
        differ = (self.codes[at, rows] != codes).any(axis=0)
        self.codes[at, rows] = codes
        changed: Rows = rows[differ]
        return changed

    def hurt(self, starts: Instants, hurts: Sequence[Hurts], rows: Rows | None) -> None:
        """Write the breaching cells of some bins; `rows` are those that were judged, None: all."""
        for start, now in zip(starts.tolist(), hurts, strict=True):
            held = self.hurts.pop(start, NO_HURTS)
            both = now if rows is None or not len(held[0]) else patched(held, rows, now)
            if len(both[0]):
                self.hurts[start] = both
            if len(held[0]) or len(both[0]):
                self._differ.append((start, differing(held, both)))

    def restated(self) -> list[tuple[Instant, Rows]]:
        """By start, the rows whose breaching cells have become other ones since this was last asked."""
        found, self._differ = self._differ, []
        return found

    def breaching(self, since: Instant, until: Instant) -> Iterator[tuple[Instant, Duration, Hurts]]:
        """The breaching cells of the bins that begin in a time."""
        for start, hurts in self.hurts.items():
            if since <= start < until:
                yield start, self.width, hurts

    def move(self, places: Rows, rows: int) -> None:
        """Row `i` is now `places[i]`."""
        self._differ.clear()  # all have been asked for: rows move before bins are judged
        self.codes = scattered(self.codes, places, rows, SKIP)
        for start, (own, figures) in self.hurts.items():
            order = np.argsort(places[own])
            self.hurts[start] = places[own][order].astype(np.int32), figures[order]

    def block(self, since: Instant, until: Instant) -> Block:
        """The bins that begin in a time."""
        first, last = np.searchsorted(self.starts, [since, until]).tolist()
        return Block(self.lane, self.width, self.starts[first:last], self.codes[first:last])

    def at(self, starts: Sequence[Instant]) -> Block:
        """Some bins that were judged, by start."""
        own = np.unique(np.array(starts, np.int64))
        return Block(self.lane, self.width, own, self.codes[np.searchsorted(self.starts, own)])

    def of(self, start: Instant, rows: int) -> Codes:
        """The codes of one judged bin, over so many rows."""
        codes: Codes = widened(self.codes[int(np.searchsorted(self.starts, start))], rows, SKIP)
        return codes

    def forget(self, before: Instant) -> None:
        """Drop bins that begin before a time."""
        first = int(np.searchsorted(self.starts, before))
        if first:
            self.starts, self.codes = self.starts[first:].copy(), self.codes[first:].copy()
            self.hurts = {start: hurts for start, hurts in self.hurts.items() if start >= before}

    def runs(self, since: Instant, until: Instant) -> list[tuple[Instant, int]]:
        """The bins that begin in a time, as runs that follow each other: start, and how many."""
        first, last = np.searchsorted(self.starts, [since, until]).tolist()
        return runs(self.starts[first:last], self.width)

    def blank(self, rows: Rows) -> None:
        """Some row numbers are of other groups now."""
        self.codes = self.codes.copy()
        self.codes[:, rows[rows < self.codes.shape[1]]] = SKIP
        self.hurts = {start: patched(hurts, rows, NO_HURTS) for start, hurts in self.hurts.items()}


def runs(starts: Instants, width: Duration) -> list[tuple[Instant, int]]:
    """Sorted bins as runs of bins that follow each other; states stand alone."""
    if not len(starts):
        return []
    breaks = np.flatnonzero(np.diff(starts) != width) + 1 if width else np.arange(1, len(starts))
    edges = [0, *breaks.tolist(), len(starts)]
    return [(int(starts[low]), high - low) for low, high in pairwise(edges)]
