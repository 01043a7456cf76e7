"""What an episode amounts to: its worst reading, and how many events were hurt beyond what was expected.

The worst share is the one that is furthest out by itself; the worst of other figures (a level, a rate) the
one that is furthest from what was expected then. Of such figures no events are counted.

Both follow from the breaching cells between its start and its end: of bins that may still change they are
summed whenever they are asked for, of those behind the frozen edge once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import itemgetter
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.blocks import END, Hurts, Tape, loud
from watcher.engine.detector import Detector, Verdict
from watcher.engine.episodes import Episode
from watcher.engine.lifecycle import Bools, Rows
from watcher.model.incident import Evidence, Figures, Incident
from watcher.model.labels import LabelSet
from watcher.model.time import Duration, Instant
from watcher.model.words import percent

Amount: TypeAlias = tuple[float | None, float | None, Instant]
"""Figures of an episode as they were told: how many were hurt, the worst that was seen, and when."""
NO_HURTS: Final[Hurts] = np.zeros(0, np.int32), np.zeros((0, 3), np.float32)


@dataclass(frozen=True, slots=True)
class Toll:
    """Of one episode, of bins that begin before a time."""

    until: Instant
    hurt: float | None = 0.0
    """None: what is seen is no share of events."""
    seen: float | None = None
    """The worst; the earliest of equals."""
    expected: float = 0.0
    start: Instant = 0
    end: Instant = 0
    """Of the bin in which that was seen."""

    @property
    def gravity(self) -> float:
        """By which one is worse than another of the same rule."""
        if self.seen is None:
            return -np.inf
        if self.hurt is None:
            return abs(self.seen - self.expected)
        return -self.seen if self.seen < self.expected else self.seen

    def peak(self, detector: Detector) -> Evidence | None:
        """The worst as evidence, with the words for it."""
        if self.seen is None:
            return None
        found = Evidence(self.start, self.end, self.seen, self.expected)
        if self.hurt is None:
            return detector.worst(found)
        words = {"seen": percent(self.seen), "expected": percent(self.expected)}
        return replace(found, text=f"{words['seen']}, usually {words['expected']}", words=words)


def hurts_of(verdict: Verdict, bins: int, rows: Rows | None) -> list[Hurts]:
    """The breaching cells of each of some bins; none where the worst of what is seen means nothing."""
    reading = verdict.reading.reshape(bins, -1)
    if (verdict.of is None and not verdict.gauge) or not loud(reading).any():
        return [NO_HURTS] * bins
    of = np.float64(np.nan) if verdict.of is None else np.nan_to_num(verdict.of)
    columns = (verdict.seen, verdict.expected, of)
    seen, expected, of = (np.broadcast_to(one, verdict.reading.shape).reshape(bins, -1) for one in columns)
    at, own = np.nonzero(loud(reading) & ~np.isnan(seen) & ~np.isnan(expected))
    now, usual = seen[at, own], expected[at, own]
    figures = np.stack([now, usual, np.abs(now - usual) * of[at, own]], axis=1).astype(np.float32)
    named = (own if rows is None else rows[own]).astype(np.int32)
    cuts = np.searchsorted(at, np.arange(bins + 1)).tolist()
    # Copies: a bin's cells are kept for as long as the bin is, and not with all others of its block.
    return [
        (named[low:high].copy(), figures[low:high].copy()) if low < high else NO_HURTS
        for low, high in pairwise(cuts)
    ]


def patched(held: Hurts, rows: Rows, now: Hurts) -> Hurts:
    """The cells of a bin after some of its rows were judged again."""
    kept = ~np.isin(held[0], rows)
    both = np.concatenate([held[0][kept], now[0]])
    order = np.argsort(both)
    return both[order], np.concatenate([held[1][kept], now[1]])[order]


def differing(before: Hurts, after: Hurts) -> Rows:
    """The rows of which two versions of a bin's cells say something else."""
    if not len(before[0]):
        return after[0].astype(np.intp)
    rows: Rows = np.union1d(before[0], after[0]).astype(np.intp)
    figures = np.full((2, len(rows), 3), np.inf, np.float32)
    for own, (bad, cells) in zip(figures, (before, after), strict=True):
        own[np.searchsorted(rows, bad)] = cells
    same = (figures[0] == figures[1]) | (np.isnan(figures[0]) & np.isnan(figures[1]))
    differ: Rows = rows[~same.all(axis=1)]
    return differ


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
        self._hurt = np.array([np.nan if one.hurt is None else one.hurt for one in tolls], np.float64)
        self._seen = np.array([np.nan if one.seen is None else one.seen for one in tolls], np.float64)
        self._expected = np.array([one.expected for one in tolls], np.float64)
        self._bins = np.array([(one.start, one.end) for one in tolls], np.int64).reshape(-1, 2)

    def add(self, at: Rows, start: Instant, width: Duration, figures: NDArray[np.float64]) -> None:
        """What one bin adds to some of them, where it begins within their time; bins come in event order."""
        within = (self.since[at] <= start) & (start < self.ends[at])
        at, (seen, expected, hurt) = at[within], figures[within].T
        self._hurt[at] += hurt
        held, usual = self._seen[at], self._expected[at]
        worse = np.isnan(held) | _is_worse(hurt, (seen, expected), (held, usual))
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
            Toll(end, _known(hurt), _known(seen), expected, *bins)
            for end, hurt, seen, expected, bins in zip(*columns, strict=True)
        ]


_Cells: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""What was seen, and what was expected."""


def _is_worse(hurt: NDArray[np.float64], now: _Cells, held: _Cells) -> Bools:
    """Where a reading is worse than the worst before it."""
    sign = np.where(now[0] < now[1], -1.0, 1.0)
    share = sign * now[0] > sign * held[0]
    worse: Bools = np.where(np.isnan(hurt), np.abs(now[0] - now[1]) > np.abs(held[0] - held[1]), share)
    return worse


def _known(figure: float) -> float | None:
    return None if np.isnan(figure) else figure


@dataclass(frozen=True, slots=True)
class Tally:
    """What several episodes of a rule amount to together."""

    hurt: float | None = None
    """None: no events are counted."""
    worst: Toll | None = None
    key: LabelSet = ()
    """Whose the worst is."""
    returns: int = 0
    """How often the one came back that did so most often."""

    @classmethod
    def of(cls, parts: Iterable[tuple[LabelSet, Episode, Toll]]) -> "Tally":
        """Of episodes, each with its group; of equals the earliest is the worst."""
        held = sorted(parts, key=lambda part: (part[2].start, part[0]))
        known = [(key, toll) for key, _, toll in held if toll.seen is not None]
        key, worst = max(known, key=lambda one: one[1].gravity, default=((), None))
        counted = [toll.hurt for _, toll in known if toll.hurt is not None]
        returns = max((episode.returns for _, episode, _ in held), default=0)
        return cls(sum(counted) if counted else None, worst, key, returns)

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        counted = [one.hurt for one in (self, other) if one.hurt is not None]
        known = [one for one in (self, other) if one.worst is not None]
        known.sort(key=lambda one: (one.worst.start if one.worst else 0, one.key))
        gravest = max(known, key=lambda one: one.worst.gravity if one.worst else 0.0, default=self)
        hurt = sum(counted) if counted else None
        return Tally(hurt, gravest.worst, gravest.key, max(self.returns, other.returns))


NOTHING: Final = Tally()


def amount_of(figures: Figures | None) -> Amount | None:
    """What tells figures from other ones; None where there is no worst reading."""
    if figures is None or figures.peak is None:
        return None
    return figures.affected, figures.peak.seen, figures.peak.start


def toll_of(incident: Incident) -> Toll:
    """What the book says that an incident which is over amounts to.

    The worst of what is no share is left out: a detector may tell it in another unit than it judges by.
    """
    end, peak = incident.resolved_at or incident.opened_at, incident.peak
    if peak is None or peak.seen is None or incident.affected is None:
        return Toll(end)
    return Toll(end, incident.affected, peak.seen, peak.expected or 0.0, peak.start, peak.end)
