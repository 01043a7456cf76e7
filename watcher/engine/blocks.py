"""Readings of judged bins on their way to lifecycles: a block a lane, put in event order."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import BREACH, SUSTAINED, URGENT
from watcher.engine.episodes import Bin
from watcher.engine.lifecycle import NEVER, SKIP, Bools, Codes, Rows, reading_of
from watcher.model.sample import Instants
from watcher.model.time import Duration, Instant

BLIND: Final = ""
"""The lane of a bin that stands for long blindness."""
HAND: Final = "\U0010ffff"
"""The lane of a bin that stands for an act of a person: whatever was read of the same instant came before."""
END: Final[Instant] = -NEVER
"""After every bin."""


Hurts: TypeAlias = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Rows that breach in one bin, ascending, and of each what was seen, expected, and hurt: `[rows, 3]`."""


@dataclass(frozen=True, slots=True)
class Block:
    """Judged bins of one lane, in event order."""

    lane: str
    width: Duration
    """0 of states: readings at instants."""
    starts: Instants
    codes: Codes
    """`[bins, rows]`, as `pack` makes them; rows beyond are SKIP."""

    def __len__(self) -> int:
        return len(self.starts)

    def bin(self, at: int) -> Bin:
        """One of its bins."""
        start = int(self.starts[at])
        return Bin(start, start + self.width, self.lane)

    def part(self, first: int, last: int) -> "Block":
        """Some of its bins."""
        return Block(self.lane, self.width, self.starts[first:last], self.codes[first:last])

    def before(self, until: Instant) -> "Block":
        """Those that begin earlier."""
        return self.part(0, int(np.searchsorted(self.starts, until)))

    def of(self, rows: Rows) -> Codes:
        """The codes of some rows."""
        if not len(rows) or rows[-1] < self.codes.shape[1]:
            return self.codes[:, rows]
        codes = np.full((len(self), len(rows)), SKIP, np.int8)
        inside = rows < self.codes.shape[1]
        codes[:, inside] = self.codes[:, rows[inside]]
        return codes

    def loud(self) -> Rows:
        """Rows that are bad in any bin: all that can move a row that is inactive."""
        rows: Rows = np.flatnonzero(loud(self.codes).any(axis=0))
        return rows

    def concerned(self) -> Rows:
        """Rows of which any bin says anything."""
        rows: Rows = np.flatnonzero((reading_of(self.codes) != SKIP).any(axis=0))
        return rows


class Reel:
    """A block's codes of some rows, and where they say something new."""

    def __init__(self, block: Block, rows: Rows) -> None:
        """`rows` ascending."""
        self.block = block
        self.codes = block.of(rows)
        self._loud = np.flatnonzero(loud(self.codes).any(axis=1))
        other = (self.codes[1:] != self.codes[:-1]).any(axis=1)
        self._new = np.flatnonzero(other | (np.diff(block.starts) != block.width)) + 1

    def __len__(self) -> int:
        return len(self.block)

    def bad_from(self, at: int) -> int:
        """The first bin from one on in which any of the rows is bad; behind the last where there is none."""
        return self._at(self._loud, at)

    def same_until(self, at: int) -> int:
        """The last bin that, with all between, says what this one says and follows on it without a gap."""
        return self._at(self._new, at + 1) - 1

    def _at(self, places: NDArray[np.intp], at: int) -> int:
        found = int(np.searchsorted(places, at))
        return int(places[found]) if found < len(places) else len(self)


class Tape(Protocol):
    """Who keeps the readings of the bins that still may change."""

    def blocks(self, since: Instant, until: Instant) -> Sequence[Block]:
        """Every judged bin that begins in a time, at most a block a lane."""
        ...

    def hurts(self, since: Instant, until: Instant) -> Iterable[tuple[Instant, Duration, Hurts]]:
        """By start and width, the breaching cells of bins that begin in a time."""
        ...


def loud(codes: Codes) -> Bools:
    """Where a reading is bad."""
    reading = reading_of(codes)
    found: Bools = (reading == BREACH) | (reading == URGENT) | (reading == SUSTAINED)
    return found


def blind(instants: Sequence[Instant]) -> Block:
    """When long blindness, and no bin, noted or ended something."""
    starts = np.array(instants, np.int64)
    return Block(BLIND, 0, starts, np.zeros((len(starts), 0), np.int8))


def by_hand(ends: Collection[tuple[Instant, int]]) -> Block:
    """When people ended what went on in some rows; a breach marks the rows that an act is about."""
    starts = np.unique(np.array([at for at, _ in ends], np.int64))
    codes = np.full((len(starts), 1 + max((row for _, row in ends), default=-1)), SKIP, np.int8)
    for at, row in ends:
        codes[np.searchsorted(starts, at), row] = BREACH
    return Block(HAND, 0, starts, codes)


def in_event_order(blocks: Sequence[Block]) -> Iterator[Block]:
    """The same bins by start, end and lane, in runs of one lane."""
    blocks = sorted((block for block in blocks if len(block)), key=lambda block: block.lane)
    if len(blocks) < 2:
        yield from blocks
        return
    starts = np.concatenate([block.starts for block in blocks])
    ends = np.concatenate([block.starts + block.width for block in blocks])
    which = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    at = np.concatenate([np.arange(len(block)) for block in blocks])
    order = np.lexsort((which, ends, starts))
    which, at = which[order], at[order]
    edges = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), len(which)]
    for first, last in pairwise(edges):
        yield blocks[which[first]].part(int(at[first]), int(at[last - 1]) + 1)
