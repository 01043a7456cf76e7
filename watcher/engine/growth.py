"""How many new series a stream may bring: identifiers that vendors mix into labels must not fill memory."""

from collections.abc import Hashable, Iterable
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from watcher.model.time import DAY, MINUTE, Instant

MOST: Final = 300_000
"""Series of one axis (entities, or metrics with their labels) that a stream may have."""
AT_ONCE: Final = 1_000
"""New ones that come in a minute whatever is known; else no more than are known: it may double."""
SETTLING_IN: Final = 10 * MINUTE
"""What a stream comes with in its first minutes is its own size: not all series arrive at one time."""

Name = TypeVar("Name", bound=Hashable)


class Growth(Generic[Name]):
    """The names of one axis that a stream has had within a day or two, and how many came this minute.

    What is refused is asked for again with the next batch, and so comes in over some minutes where it stays.
    """

    def __init__(self, most: int = MOST) -> None:
        """Nothing is known."""
        self._most = most
        self.last: tuple[Name, ...] = ()
        """What was taken last, where all of it was: the usual table."""
        self._young: set[Name] = set()
        self._old: set[Name] = set()
        self._begun: Instant | None = None
        self._day: Instant | None = None
        self._minute: Instant | None = None
        self._left = 0
        """New ones that may still come this minute."""

    def admit(self, names: tuple[Name, ...], at: Instant) -> NDArray[np.bool_] | None:
        """Which of a table's names are taken; None is all of them, the usual case."""
        if names is self.last or names == self.last:
            return None
        self._age(at)
        new = [place for place, name in enumerate(names) if name not in self._young and name not in self._old]
        refused = new[self._allowed(len(new), at) :] if new else []
        self._young.update(names)
        if not refused:
            self.last = names
            return None
        self._young.difference_update(names[place] for place in refused)
        taken = np.ones(len(names), np.bool_)
        taken[refused] = False
        return taken

    @property
    def known(self) -> tuple[Iterable[Name], Iterable[Name], Iterable[Name]]:
        """The usual table, what came beside it within a day, and what came only in the day before."""
        usual = set(self.last) if len(self._young) > len(self.last) else self._young
        return self.last, self._young - usual, self._old - self._young

    def know(self, last: Iterable[Name], young: Iterable[Name], old: Iterable[Name]) -> None:
        """Stand where another stood, as its `known` says."""
        self.last = tuple(last)
        self._young, self._old = {*self.last, *young}, set(old)

    def _age(self, at: Instant) -> None:
        """Forget what did not come for a day."""
        since = DAY if self._day is None else at - self._day
        if since >= DAY:
            self._day = at
            self._old = self._young if since < 2 * DAY else set()
            self._young = set(self.last)

    def _allowed(self, wanted: int, at: Instant) -> int:
        known = len(self._young | self._old)
        room = max(0, self._most - known)
        if self._begun is None:
            self._begun = at
        if at - self._begun < SETTLING_IN:
            return room
        if self._minute is None or not 0 <= at - self._minute < MINUTE:
            self._minute, self._left = at, max(AT_ONCE, known)
        taken = min(wanted, room, self._left)
        self._left -= taken
        return taken
