"""The groups of a track: their row numbers, and which of these are free again."""

from collections.abc import Collection, Sequence

import numpy as np

from watcher.engine.lifecycle import Rows
from watcher.model.labels import LabelSet
from watcher.model.time import Instant


class Groups:
    """Rows are numbered as groups come; the numbers of those that are gone for long are given anew."""

    def __init__(self) -> None:
        """None."""
        self.keys: list[LabelSet] = []
        """By row; that of a free one is empty."""
        self.index: dict[LabelSet, int] = {}
        self.left: dict[int, Instant] = {}
        """Rows that no series speaks for any more, and since when."""
        self.spare: list[int] = []
        """Rows that are free."""
        self.edition = 0
        """Rises whenever a row gets another group, or none."""

    def unknown(self, keys: Sequence[LabelSet]) -> int:
        """How many of some groups have no row."""
        return sum(key not in self.index for key in keys)

    def rows(self, keys: Sequence[LabelSet]) -> Rows:
        """Row numbers of some groups, new ones added."""
        for key in keys:
            if key not in self.index:
                row = self.spare.pop() if self.spare else len(self.keys)
                if row == len(self.keys):
                    self.keys.append(key)
                self.keys[row], self.index[key] = key, row
                self.edition += 1
        rows = np.array([self.index[key] for key in keys], np.intp)
        if self.left:
            for row in self.left.keys() & set(rows.tolist()):
                del self.left[row]
        return rows

    def freed(self, wanted: int, before: Instant, busy: Collection[int]) -> Rows:
        """Rows that were left before a time and are free now, where more are wanted than there are."""
        if len(self.spare) >= wanted or not self.left or min(self.left.values()) > before:
            return np.zeros(0, np.intp)
        free = [row for row, since in self.left.items() if since <= before and row not in busy]
        for row in free:
            del self.left[row], self.index[self.keys[row]]
            self.keys[row] = ()
            self.edition += 1
        self.spare += free
        return np.array(free, np.intp)
