"""Joins arrivals into blocks that are judged at once, where that gives what judging each alone gives.

Arrivals can be joined while none takes back what was judged before: while no settled bin comes again. What
one entity of a stream says a little after another (each resource of an import may have an arrival of its own)
can be joined too, as long as each entity's bins come in order: until then its bin was unknown, and unknown
fires and resolves nothing. When a verdict was reached follows from what settled its bin, or brought it.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.model.labels import LabelSet
from watcher.model.sample import Arrival, Instants, SampleBatch
from watcher.model.time import DAY, MINUTE, Duration, Instant
from watcher.runtime.merging import merged

MOST_TIME: Final[Duration] = DAY
"""Event time of one block."""
MOST_CELLS: Final = 4_000_000
"""Cells of one block: 32 MB."""
SPREAD: Final[Duration] = 10 * MINUTE
"""How far entities of one stream may be apart, or two bins: less than what any rule takes for absence."""
NEVER: Final[Instant] = -(1 << 62)
_UNREAD: Final = 64
"""Batches of a lane that are kept without having been looked at."""

Lane: TypeAlias = tuple[str, Duration]
"""Stream and width."""


@dataclass(slots=True)
class Settling:
    """What came of one lane in one block, and when."""

    since: Instant
    """Bins that end at or before it were settled before the block began."""
    until: list[Instant] = field(default_factory=list)
    """Until when bins were settled, ascending."""
    at: list[Instant] = field(default_factory=list)
    """By what came when."""
    brought: list[tuple[Instant, SampleBatch]] = field(default_factory=list)
    is_spread: bool = False
    """Whether entities came apart."""

    def settled_at(self, end: Instant) -> Instant | None:
        """When a bin was settled in this block; None where it was before, or has not been."""
        if end <= self.since:
            return None
        place = bisect_left(self.until, end)
        return self.at[place] if place < len(self.at) else None

    def brought_at(self, start: Instant, group: LabelSet) -> Instant:
        """When the last of what a bin says of a group came."""
        newest = NEVER
        for at, batch in self.brought:
            bins = np.flatnonzero(batch.starts == start)
            of = _entities_of(group, batch.entities)
            if not np.isnan(batch.values[bins][:, :, of]).all():
                newest = max(newest, at)
        return newest


def _entities_of(group: LabelSet, entities: Sequence[LabelSet]) -> NDArray[np.intp]:
    """The entities that speak for a group: the one with its labels, else all that have them."""
    own = tuple(pair for pair in group if pair[0] not in {"source", "vendor"})
    if own in entities:
        return np.array([entities.index(own)], np.intp)
    wanted = set(own)
    return np.array([at for at, entity in enumerate(entities) if wanted <= set(entity)], np.intp)


@dataclass(frozen=True, slots=True)
class Block:
    """Batches to take in, in order, before judging once."""

    at: Instant
    """When the newest of them came."""
    batches: Sequence[SampleBatch]
    settling: Mapping[Lane, Settling]

    def decided_at(self, stream: str, width: Duration, end: Instant, group: LabelSet = ()) -> Instant:
        """When the bin that ends there was settled, and said what it says of a group."""
        own = self.settling.get((stream, width))
        if own is None:
            return self.at
        settled = own.settled_at(end)
        brought = own.brought_at(end - width, group) if own.is_spread else NEVER
        if settled is None and end > own.since:
            return self.at
        decided = max(NEVER if settled is None else settled, brought)
        return decided if decided > NEVER else self.at


def _said(batch: SampleBatch) -> NDArray[np.bool_]:
    """`[bins, entities]`: where anything is said."""
    said: NDArray[np.bool_] = np.any(~np.isnan(batch.values), axis=1)
    return said


def _ends(starts: Instants) -> tuple[Instant, Instant]:
    """The least and the most of some; one bin, as of most polls, needs no search."""
    if len(starts) == 1:
        only = int(starts[0])
        return only, only
    return int(starts.min()), int(starts.max())


class _Order:
    """How far one lane has come, as a whole and entity by entity."""

    def __init__(self) -> None:
        self.mark: Instant = NEVER
        """Bins that end at or before it are settled."""
        self._newest: Instants = np.zeros(0, np.int64)
        self._unread: deque[SampleBatch] = deque()
        """What came last, in order: what it says of entities is looked at when that is asked."""
        self._entities: tuple[LabelSet, ...] = ()

    def restates(self, batch: SampleBatch) -> bool:
        """Whether it says something of a bin that was settled, or of one that cannot be yet."""
        if not len(batch.starts):
            return False
        first, last = _ends(batch.starts)
        is_ahead = last > batch.fetched_at > 0
        return is_ahead or first + batch.width <= self.mark

    def is_spread(self, batch: SampleBatch) -> bool:
        """Whether it says of settled bins only what was unknown, of entities that come in their order."""
        if not batch.partial or not self._know(batch):
            return False
        if _ends(batch.starts)[0] + batch.width <= self._near(batch.width):
            return False
        self._read()
        said = _said(batch)
        first = np.where(said.any(axis=0), batch.starts[said.argmax(axis=0)], np.iinfo(np.int64).max)
        return bool((first > self._newest).all())

    def add(self, batch: SampleBatch) -> None:
        """Take note of what came."""
        self.mark = max(self.mark, batch.settled_until)
        if self._know(batch) and len(batch.starts):
            self._unread.append(batch)
        if len(self._unread) > _UNREAD:
            self._read()
        near = self._near(batch.width) - batch.width
        while self._unread and _ends(self._unread[0].starts)[1] <= near:
            self._unread.popleft()  # no bin that can still be spread begins before it

    def _near(self, width: Duration) -> Instant:
        """Bins that end at or before it are no longer joined with later ones."""
        return self.mark - max(SPREAD, 2 * width)

    def _read(self) -> None:
        """Note the newest bin of each entity of which anything was said."""
        while self._unread:
            batch = self._unread.popleft()
            said = _said(batch)
            last = np.where(said.any(axis=0), batch.starts[len(said) - 1 - said[::-1].argmax(axis=0)], NEVER)
            known = self._newest[: len(last)]
            np.maximum(known, last, out=known)

    def _know(self, batch: SampleBatch) -> bool:
        """Whether its table of entities is the one known, or goes on from it."""
        if batch.entities is not self._entities:
            known = len(self._entities)
            if batch.entities[:known] != self._entities:
                self._newest = np.full(len(batch.entities), np.iinfo(np.int64).max, np.int64)
                self._entities = batch.entities
                self._unread.clear()
                return False
            grown = np.full(len(batch.entities) - known, NEVER, np.int64)
            self._newest = np.concatenate([self._newest, grown])
            self._entities = batch.entities
        return True


@dataclass(slots=True)
class Joiner:
    """Takes the arrivals of one source in their order and gives blocks, the last one at the end."""

    most_time: Duration = MOST_TIME
    _arrivals: list[Arrival] = field(default_factory=list)
    _settling: dict[Lane, Settling] = field(default_factory=dict)
    _orders: dict[Lane, _Order] = field(default_factory=dict)
    _begin: Instant = NEVER
    _cells: int = 0

    def take(self, arrival: Arrival) -> Iterator[Block]:
        """What has to be judged now that this has come."""
        again = [batch for batch in arrival.batches if self._order(batch).restates(batch)]
        spread = {id(batch) for batch in again if self._is_spread(batch)}
        restates = any(id(batch) not in spread for batch in again)
        if restates or self._is_full(arrival):
            yield from self.rest()
        self._add(arrival, spread)
        if restates:
            yield from self.rest()

    def rest(self) -> Iterator[Block]:
        """What has been taken and not given yet."""
        if self._arrivals:
            batches = merged([batch for arrival in self._arrivals for batch in arrival.batches])
            yield Block(self._arrivals[-1].at, batches, self._settling)
            self._arrivals, self._settling, self._begin, self._cells = [], {}, NEVER, 0

    def _order(self, batch: SampleBatch) -> _Order:
        key = batch.stream, batch.width
        if (order := self._orders.get(key)) is None:
            order = self._orders[key] = _Order()
        return order

    def _is_spread(self, batch: SampleBatch) -> bool:
        return self.most_time > 0 and self._order(batch).is_spread(batch)

    def _is_full(self, arrival: Arrival) -> bool:
        newest = max((batch.settled_until for batch in arrival.batches), default=NEVER)
        too_long = self._begin != NEVER and newest - self._begin > self.most_time
        return too_long or self._cells > MOST_CELLS

    def _add(self, arrival: Arrival, spread: set[int]) -> None:
        self._arrivals.append(arrival)
        for batch in arrival.batches:
            order = self._order(batch)
            if (own := self._settling.get((batch.stream, batch.width))) is None:
                own = self._settling[batch.stream, batch.width] = Settling(order.mark)
            if batch.settled_until > order.mark:
                own.until.append(batch.settled_until)
                own.at.append(arrival.at)
            own.brought.append((arrival.at, batch))
            own.is_spread |= id(batch) in spread
            order.add(batch)
            if len(batch.starts):
                first, _last = _ends(batch.starts)
                self._begin = first if self._begin == NEVER else min(self._begin, first)
            self._cells += batch.values.size
