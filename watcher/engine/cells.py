"""What one bin of one lane was given: role columns over the rows, and what came with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.binding import Binding, Cast, Rows, Words
from watcher.engine.seats import Seats
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Floats, SampleBatch
from watcher.model.time import Instant

MOST_EXEMPLARS: Final = 20
"""Exemplars kept of one bin, for all its rows."""
MOST_EXEMPLARS_A_ROW: Final = 3
"""And for one of them."""


@dataclass(frozen=True, slots=True)
class Detail:
    """The cells of a role before they became a column, so that evidence can tell them apart."""

    cast: Cast
    rows: Rows
    """Of the binding's groups."""
    values: Floats

    def parts(self, row: int) -> Mapping[LabelSet, float]:
        """What the cells of one row add up to, by their own labels; nothing where there is nothing."""
        found: dict[LabelSet, float] = {}
        for at in np.flatnonzero((self.rows[self.cast.group] == row) & (self.values > 0)).tolist():
            labels = self.cast.details[at]
            found[labels] = found.get(labels, 0.0) + float(self.values[at])
        return found


@dataclass(frozen=True, slots=True)
class Cells:
    """One bin as it was given. A role without a column is unknown in every row."""

    columns: Mapping[str, Floats] = field(default_factory=dict)
    answered: bool = False
    """Whether it came from the vendor; otherwise it stands for a bin that nothing was said of."""
    listed: NDArray[np.bool_] | None = None
    """Of a complete listing: the rows in it. What the stream fed and is not in it is gone."""
    seats: Mapping[str, Seats] = field(default_factory=dict)
    """Of roles whose last values stand: each series by itself, where one of them speaks for the row."""
    details: Mapping[str, Detail] = field(default_factory=dict)
    exemplars: tuple[tuple[int, Exemplar], ...] = ()
    """By row."""


def cells_of(
    batch: SampleBatch, binding: Binding | None, rows: Rows, *, total: int, words: Words
) -> Mapping[Instant, Cells]:
    """A batch's bins through its binding, `rows` being those of its groups; None binds nothing of it."""
    listed = None
    if batch.complete and not batch.width:
        listed = np.zeros(total, np.bool_)
        listed[rows] = True
    starts: list[Instant] = batch.starts.tolist()
    if binding is None:
        return {start: Cells(answered=True, listed=listed) for start in starts}
    exemplars = _exemplars(batch, binding, rows) if batch.exemplars else {}
    found = {}
    for start, grid in zip(starts, batch.values, strict=True):
        values = {role: grid[cast.metric, cast.entity] for role, cast in binding.casts.items()}
        columns = {
            role: cast.column(values[role], rows, total=total, words=words)
            for role, cast in binding.casts.items()
        }
        found[start] = Cells(
            columns=columns,
            answered=True,
            listed=listed,
            seats={
                role: _seats(binding, cast, rows, values[role] if cast.series else columns[role][rows], start)
                for role, cast in binding.casts.items()
                if cast.series or cast.carry
            },
            details={
                role: Detail(cast, rows, values[role]) for role, cast in binding.casts.items() if cast.details
            },
            exemplars=exemplars.get(start, ()),
        )
    return found


def _seats(binding: Binding, cast: Cast, rows: Rows, values: Floats, at: Instant) -> Seats:
    """What each series says, else each group."""
    said = np.full(len(values), at, np.int64)
    if cast.series:
        return Seats(cast.series, rows[cast.group], values, said, cast.speaks)
    return Seats(binding.series, rows, values, said, cast.speaks)


def _exemplars(
    batch: SampleBatch, binding: Binding, rows: Rows
) -> Mapping[Instant, tuple[tuple[int, Exemplar], ...]]:
    """By the bin they lie in (else the newest): so many a bin and a row, that memory is bounded."""
    found: dict[Instant, list[tuple[int, Exemplar]]] = {}
    starts: list[Instant] = batch.starts.tolist()
    for exemplar in batch.exemplars if starts else ():
        own = (start for start in starts if start <= exemplar.at < start + max(batch.width, 1))
        kept = found.setdefault(next(own, starts[-1]), [])
        groups = [at for at in binding.groups_of(exemplar.entity) if agrees(exemplar, binding.groups[at])]
        for row in rows[groups].tolist():
            same = sum(other == row for other, _ in kept)
            if len(kept) < MOST_EXEMPLARS and same < MOST_EXEMPLARS_A_ROW:
                kept.append((row, exemplar))
    return {start: tuple(kept) for start, kept in found.items()}


def agrees(exemplar: Exemplar, group: LabelSet) -> bool:
    """Whether none of a record's facts is another one than the group's label of that name."""
    return all(exemplar.facts.get(name, value) == value for name, value in group)
