"""What a track asks of each stream that feeds it, be it of bins or of states."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import Panel
from watcher.engine.judged import Judged
from watcher.engine.levels import Share
from watcher.engine.lifecycle import Codes, Rows
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Instants
from watcher.model.time import Duration, Instant

Changed: TypeAlias = tuple[Instant, Rows | None]
"""Start of a bin that says something else than before, and of which rows; None is all."""
Run: TypeAlias = tuple[Instant, int]
"""Start of the first of some bins that follow each other, and how many they are."""


def lane_key(stream: str, width: Duration) -> str:
    """A stream whose bins get another width (own sight, at another cadence) goes on in another lane."""
    return f"{stream}@{width}"


class Lane(Protocol):
    """One stream at one width, as one track sees it."""

    key: str
    stream: str
    width: Duration
    watermark: Instant
    first: Instant
    """Start of the first bin there was."""
    judged: Judged
    by_row: bool
    """Whether some rows can be judged without the others."""
    member: NDArray[np.bool_]
    """Rows this stream has ever fed."""

    def admit(self, rows: Rows) -> None:
        """Learn that the stream feeds these rows."""
        ...

    def feeds(self, row: int) -> bool:
        """Whether the stream has ever fed a row."""
        ...

    def widen(self, rows: int) -> None:
        """Know of more rows, which this stream does not feed."""
        ...

    def settle(self, until: Instant, *, since: Instant, at_most: int) -> list[Run]:
        """Move the watermark; the bins that begin at `since` or later, are settled now, and are not judged.

        A gap of more than `at_most` bins is represented by its last ones: unknown changes nothing but timers.
        """
        ...

    def changed(self) -> list[Changed]:
        """What has changed since the last look, of bins that may have been judged."""
        ...

    def panel(self, start: Instant, bins: int, rows: Rows | None) -> Panel:
        """What a detector sees of some bins that follow each other; of some rows only where `by_row`."""
        ...

    def mask(self, start: Instant, codes: Codes) -> Codes:
        """Codes of bins over all rows, but for what another stream feeds, and what is no longer there."""
        ...

    def holds(self, at: Instant) -> NDArray[np.bool_]:
        """Rows that are there by the stream's last answer at or before a time."""
        ...

    def came(self) -> tuple[Instant, Instant] | None:
        """The span of bins that levels have to look at: newly settled, or newly come; None where none is."""
        ...

    def lend(self, starts: Instants, width: Duration, rows: Rows | None) -> Share | None:
        """What its settled bins add to slots that follow each other; None where nothing came."""
        ...

    def exemplars(self, row: int, after: Instant, until: Instant) -> Iterator[Exemplar]:
        """Raw records of one row in the bins of a time, the oldest first."""
        ...

    def needed_from(self) -> Instant | None:
        """The oldest bin that still speaks, whatever the horizon; None where none does."""
        ...

    def forget(self, before: Instant) -> None:
        """Drop what ends before a time, keeping what is carried on."""
        ...

    def blank(self, rows: Rows) -> None:
        """Some row numbers are free: nothing is known of them."""
        ...

    def move(self, places: Rows, keys: Sequence[LabelSet]) -> None:
        """Row `i` is now `places[i]`, of another track's rows."""
        ...


def rows_of(changes: Sequence[Changed], total: int) -> Rows:
    """All rows that some changes are of."""
    if any(rows is None for _, rows in changes):
        return np.arange(total)
    if len(changes) == 1 and (only := changes[0][1]) is not None:
        return only
    return np.unique(np.concatenate([rows for _, rows in changes if rows is not None]))
