"""Lifecycles of many rows of which few are anything but inactive: only those are held."""

import numpy as np

from watcher.engine.lifecycle import INACTIVE, Lifecycle, Rows


class Lives:
    """Sparse columns: a row that is not in `rows` is inactive and has nothing to remember."""

    def __init__(self, slots: int) -> None:
        """All rows inactive; `slots` as the rule's `Holds` says."""
        self._slots = slots
        self.rows: Rows = np.zeros(0, np.intp)
        """Ascending."""
        self.life = Lifecycle.of(0, slots)
        """Of these."""

    def take(self, rows: Rows) -> Lifecycle:
        """A copy of some rows, which are ascending."""
        part = Lifecycle.of(len(rows), self._slots)
        place = np.searchsorted(self.rows, rows)
        inside = np.flatnonzero(place < len(self.rows))
        held = inside[self.rows[place[inside]] == rows[inside]]
        part.put(held, self.life.take(place[held]))
        return part

    def put(self, rows: Rows, part: Lifecycle) -> None:
        """Write back what `take` gave."""
        kept = np.flatnonzero(~np.isin(self.rows, rows))
        active = np.flatnonzero(part.state != INACTIVE)
        joined = np.concatenate([self.rows[kept], rows[active]])
        order = np.argsort(joined)
        self.rows = joined[order]
        self.life = self.life.take(kept).joined(part.take(active)).take(order)

    def drop(self, rows: Rows | None) -> None:
        """Forget some rows, or all."""
        kept = np.flatnonzero(~np.isin(self.rows, rows)) if rows is not None else np.zeros(0, np.intp)
        self.rows, self.life = self.rows[kept], self.life.take(kept)

    def state(self, row: int) -> int:
        """The state of one row."""
        at = int(np.searchsorted(self.rows, row))
        return int(self.life.state[at]) if at < len(self.rows) and self.rows[at] == row else INACTIVE
