"""Bins that were answered with nothing in them: a vendor that has stalled may fill them much later."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from watcher.collect.collector import StreamSpec, Window
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, Duration, Instant

REACH: Final[Duration] = 2 * HOUR
"""How long they are asked for again: what comes later than that is too late to be judged."""
FEW: Final = 2
"""Asked for in one poll, where each is a question of its own."""


class Unsaid:
    """Those of one stream."""

    def __init__(self, spec: StreamSpec) -> None:
        """There are none."""
        self._spec = spec
        self._starts: dict[Instant, bool] = {}
        """Whether it has said something since; the one that was asked for the longest ago first."""

    def hear(self, window: Window, batch: SampleBatch, now: Instant) -> bool:
        """A window was answered; whether with nothing anew, as all of it had been.

        A bin that says something at last is asked for once more: the vendor may have come back between the
        calls of one reading.
        """
        said = set(batch.starts[~np.isnan(batch.values).all(axis=(1, 2))].tolist())
        starts = range(window.start, window.end, self._spec.width)
        nothing_new = all(start in self._starts and start not in said for start in starts)
        for start in starts:
            was_silent = self._starts.pop(start, True) is False
            if start >= now - REACH and (start not in said or was_silent):
                self._starts[start] = start in said
        return nothing_new

    def again(self, before: Instant, now: Instant) -> Sequence[Window]:
        """What to ask for once more of the time before an instant, oldest first.

        Where one read holds many bins, all from the oldest on that one holds; else a few in turn.
        """
        self._starts = {start: said for start, said in self._starts.items() if start >= now - REACH}
        width, most = self._spec.width, self._spec.most
        starts: Sequence[Instant] = [start for start in self._starts if start < before]
        if most > 1 and starts:
            starts = range(max(min(starts), before - (most - 1) * width), before, width)
        return [Window(start, start + width) for start in sorted(starts if most > 1 else starts[:FEW])]
