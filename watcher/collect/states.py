"""State sets: 1 for the status a thing has, 0 for every other one that there is."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from watcher.model.labels import label_set
from watcher.model.sample import Floats, MetricKey

MOST: Final = 32
"""Statuses that no document knows and that are kept apart: each is a column of every later batch."""
ONE_MORE: Final = "another"
"""What all further ones are called."""


class Statuses:
    """The statuses of one kind of thing: those documented, then others in the order they were first seen."""

    def __init__(self, *documented: str) -> None:
        self._documented = frozenset(documented)
        self._known = dict.fromkeys(documented)

    @property
    def undocumented(self) -> tuple[str, ...]:
        """Those that came and that no document knows."""
        return tuple(status for status in self._known if status not in self._documented)

    def columns(self, metric: str, present: Sequence[str | None]) -> list[tuple[MetricKey, Floats]]:
        """One column a status, over the things in order; None is a thing whose status nobody said."""
        kept = [None if status is None else self._kept(status) for status in present]
        known = np.array([status is not None for status in kept], dtype=bool)
        place = {status: at for at, status in enumerate(self._known)}
        own = np.array([-1 if status is None else place[status] for status in kept])
        return [
            ((metric, label_set({"status": status})), np.where(known, (own == at).astype(np.float64), np.nan))
            for status, at in place.items()
        ]

    def _kept(self, status: str) -> str:
        """Itself; or that it is one more, where there are too many for each to be a status of its own."""
        if status not in self._known and len(self._known) >= len(self._documented) + MOST:
            status = ONE_MORE
        self._known.setdefault(status)
        return status
