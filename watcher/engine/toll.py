"""What an episode amounts to: its worst reading, and how many events were hurt beyond what was expected.

Both follow from the breaching cells between its start and its end: of bins that may still change they are
summed whenever they are asked for, of those behind the frozen edge once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.blocks import END, Hurts, Tape, loud
from watcher.engine.detector import Verdict
from watcher.engine.episodes import Episode
from watcher.engine.lifecycle import Rows
from watcher.model.incident import Evidence
from watcher.model.time import Duration, Instant
from watcher.model.words import percent

NO_HURTS: Final[Hurts] = np.zeros(0, np.int32), np.zeros((0, 3), np.float32)


@dataclass(frozen=True, slots=True)
class Toll:
    """Of one episode, of bins that begin before a time."""

    until: Instant
    hurt: float = 0.0
    seen: float | None = None
    """The worst share; the earliest of equals."""
    expected: float = 0.0
    start: Instant = 0
    end: Instant = 0
    """Of the bin in which that was seen."""

    @property
    def peak(self) -> Evidence | None:
        """As evidence, with the words for it."""
        if self.seen is None:
            return None
        words = {"seen": percent(self.seen), "expected": percent(self.expected)}
        text = f"{words['seen']}, usually {words['expected']}"
        return Evidence(self.start, self.end, self.seen, self.expected, text=text, words=words)


def hurts_of(verdict: Verdict, bins: int, rows: Rows | None) -> list[Hurts]:
    """The breaching cells of each of some bins; none where `seen` is no share of events."""
    reading = verdict.reading.reshape(bins, -1)
    if verdict.of is None or not loud(reading).any():
        return [NO_HURTS] * bins
    columns = (verdict.seen, verdict.expected, verdict.of)
    seen, expected, of = (np.broadcast_to(one, verdict.reading.shape).reshape(bins, -1) for one in columns)
    found = []
    for at, bad in enumerate(loud(reading) & ~np.isnan(expected)):
        own = np.flatnonzero(bad)
        hurt = np.abs(seen[at, own] - expected[at, own]) * np.nan_to_num(of[at, own])
        figures = np.stack([seen[at, own], expected[at, own], hurt], axis=1).astype(np.float32)
        found.append(((own if rows is None else rows[own]).astype(np.int32), figures))
    return found


def patched(held: Hurts, rows: Rows, now: Hurts) -> Hurts:
    """The cells of a bin after some of its rows were judged again."""
    kept = ~np.isin(held[0], rows)
    both = np.concatenate([held[0][kept], now[0]])
    order = np.argsort(both)
    return both[order], np.concatenate([held[1][kept], now[1]])[order]


def tolls(
    episodes: Sequence[tuple[int, Episode]],
    frozen: Mapping[tuple[int, Instant], Toll],
    tape: Tape,
    now: Instant = END,
) -> list[Toll]:
    """What episodes, each with its row, amount to by the bins that begin before a time."""
    if not episodes:
        return []
    sums = _Sums(
        [frozen.get((row, one.opened_at), Toll(one.opened_at)) for row, one in episodes],
        [now if one.resolved_at is None else min(now, one.resolved_at) for _, one in episodes],
    )
    found = sorted(tape.hurts(int(sums.since.min()), int(sums.ends.max())), key=itemgetter(0, 1))
    rows = np.array([row for row, _ in episodes], np.int32)
    for places in _rounds(rows):
        for start, width, (bad, figures) in found:
            at = np.minimum(np.searchsorted(bad, rows[places]), len(bad) - 1)
            hurt = bad[at] == rows[places]
            sums.add(places[hurt], start, width, figures[at[hurt]].astype(np.float64))
    return sums.tolls()


def _rounds(rows: NDArray[np.int32]) -> Iterator[Rows]:
    """The places of rows, ascending by row, so that none is met twice in one round."""
    left: Rows = np.arange(len(rows))
    while len(left):
        _, first = np.unique(rows[left], return_index=True)
        yield left[first]
        left = np.delete(left, first)


class _Sums:
    """Tolls as columns."""

    def __init__(self, tolls: Sequence[Toll], ends: Sequence[Instant]) -> None:
        self.since = np.array([one.until for one in tolls], np.int64)
        self.ends = np.array(ends, np.int64)
        self._hurt = np.array([one.hurt for one in tolls], np.float64)
        self._seen = np.array([np.nan if one.seen is None else one.seen for one in tolls], np.float64)
        self._expected = np.array([one.expected for one in tolls], np.float64)
        self._bins = np.array([(one.start, one.end) for one in tolls], np.int64).reshape(-1, 2)

    def add(self, at: Rows, start: Instant, width: Duration, figures: NDArray[np.float64]) -> None:
        """What one bin adds to some of them, where it begins within their time; bins come in event order."""
        within = (self.since[at] <= start) & (start < self.ends[at])
        at, (seen, expected, hurt) = at[within], figures[within].T
        self._hurt[at] += hurt
        sign = np.where(seen < expected, -1.0, 1.0)
        worse = np.isnan(self._seen[at]) | (sign * seen > sign * self._seen[at])
        self._seen[at[worse]], self._expected[at[worse]] = seen[worse], expected[worse]
        self._bins[at[worse]] = start, start + width

    def tolls(self) -> list[Toll]:
        """As values."""
        until = np.maximum(self.since, self.ends).tolist()
        columns = (
            until,
            self._hurt.tolist(),
            self._seen.tolist(),
            self._expected.tolist(),
            self._bins.tolist(),
        )
        return [
            Toll(end, hurt, None if np.isnan(seen) else seen, expected, *bins)
            for end, hurt, seen, expected, bins in zip(*columns, strict=True)
        ]
