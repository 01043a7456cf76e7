"""Slots of a track's past as they are kept, and as a detector sees them: levels of one time or of several."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from watcher.engine.arrays import widened
from watcher.engine.detector import Levels
from watcher.engine.lifecycle import Rows
from watcher.model.sample import Floats, Instants
from watcher.model.time import Duration, Instant

_CHEAP: Final = 1024
"""Rows of which all are sooner taken than some."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one lane adds to some slots."""

    sums: Mapping[str, Floats]
    """By role, `[slots, rows]`."""
    known: Floats
    """`[slots, rows]`: milliseconds."""
    answered: Floats
    """`[slots]`: milliseconds."""


class Lender(Protocol):
    """A lane, as far as levels are made of it."""

    def lend(self, starts: Instants, width: Duration, rows: Rows | None) -> Share | None:
        """What its settled bins add to slots that follow each other; None where nothing came."""
        ...


@dataclass(slots=True)
class Held:
    """One slot as it was made. Over as many rows as there were then."""

    sums: dict[str, NDArray[np.float32]]
    known: NDArray[np.float32]
    answered: float


def levels(
    slots: Mapping[Instant, Held],
    spans: Sequence[tuple[Instant, Instant]],
    roles: Iterable[str],
    slot: Duration,
    *,
    total: int,
    rows: Rows | None,
) -> Levels:
    """Of the slots of equally long spans, the rows of one behind those of another: see `Reach.undated`.

    A slot in which nothing came is left out where there is one span.
    """
    (since, until), is_one = spans[0], len(spans) == 1
    every = [start for start in range(since, spans[-1][1], slot) if not is_one or start in slots]
    held = [slots.get(start) for start in every]
    each = len(every) if is_one else (until - since) // slot
    firsts = [(edge - since) // slot for edge, _ in spans]

    def gathered(columns: Sequence[NDArray[np.float32] | None]) -> Floats:
        stacked = _stacked(columns, total, rows)
        if is_one:
            return stacked
        return np.concatenate([stacked[first : first + each] for first in firsts], axis=1)

    return Levels(
        width=slot,
        until=until,
        starts=np.array(every[:each], np.int64),
        sums=_Asked(roles, lambda role: gathered([None if one is None else one.sums[role] for one in held])),
        known=gathered([None if one is None else one.known for one in held]),
        answered=np.array([0.0 if one is None else one.answered for one in held[:each]], np.float64),
    )


class _Asked(Mapping[str, Floats]):
    """Sums by role, gathered when they are asked for: a detector that has learned enough needs none."""

    def __init__(self, roles: Iterable[str], gather: Callable[[str], Floats]) -> None:
        self._roles = list(roles)
        self._gather = gather

    def __getitem__(self, role: str) -> Floats:
        return self._gather(role)

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def __len__(self) -> int:
        return len(self._roles)


def summed(columns: Sequence[Floats]) -> NDArray[np.float32]:
    """The columns of several lanes together."""
    return np.asarray(np.sum(columns, axis=0), np.float32)


def patch(held: Held, made: Held, rows: Rows, total: int) -> None:
    """Some rows of a slot, made anew."""
    for role, column in made.sums.items():
        held.sums[role] = widened(held.sums[role], total, 0)
        held.sums[role][rows] = column
    held.known = widened(held.known, total, 0)
    held.known[rows] = made.known
    held.answered = made.answered


def _stacked(columns: Sequence[NDArray[np.float32] | None], total: int, rows: Rows | None) -> Floats:
    """`[slots, rows]`; 0 for rows that a slot does not know."""
    nothing = np.zeros(total, np.float32)
    whole = [nothing if column is None else column for column in columns]
    whole = [column if len(column) == total else widened(column, total, 0) for column in whole]
    is_few = rows is not None and total > _CHEAP
    own = [column[rows] for column in whole] if is_few else whole
    stacked = np.concatenate(own).reshape(len(own), -1) if own else np.zeros((0, total))
    if rows is not None and (not is_few or not own):
        stacked = stacked[:, rows]
    return stacked.astype(np.float64)
