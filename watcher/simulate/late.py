"""What a vendor shows of a minute before its number is final: filling up, missing, or wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from watcher.model.time import MINUTE, Duration, Instant
from watcher.simulate.counts import Counts, Floats, Ints
from watcher.simulate.episodes import Episode, ongoing
from watcher.simulate.troubles import CorrectedBins, LateBins, TrafficTrouble


class Lateness:
    """The scenario's late and corrected bins."""

    def __init__(self, episodes: Sequence[Episode[TrafficTrouble]], codes: NDArray[np.int64]) -> None:
        self._episodes = [
            episode for episode in episodes if isinstance(episode.trouble, LateBins | CorrectedBins)
        ]
        self._failed = codes >= 500

    def seen(self, counts: Counts, minutes: Ints, *, now: Instant, lag: Duration) -> Counts:
        """Counts by `[code, minute, part]` as they are shown at `now`.

        A minute fills up evenly from its start until `lag` after its end.
        """
        ages = (now - minutes)[:, None]
        share = np.clip(ages / (MINUTE + lag), 0.0, 1.0) * np.ones(counts.seconds.shape[-1])
        for late, when in ongoing(self._episodes, LateBins, minutes):
            share[when, late.columns] *= ages[when] >= MINUTE + late.trouble.by
        if self._episodes:
            counts = self._uncorrected(counts, minutes, now)
        return counts if share.min(initial=1.0) >= 1 else counts.part(share)

    def missing(self, minutes: Ints, *, now: Instant, parts: int) -> NDArray[np.bool_]:
        """Which minutes of which parts are late and have not come, by `[minute, part]`."""
        found = np.zeros((len(minutes), parts), dtype=np.bool_)
        for late, when in ongoing(self._episodes, LateBins, minutes):
            found[when, late.columns] |= (now - minutes[when])[:, None] < MINUTE + late.trouble.by
        return found

    def _uncorrected(self, counts: Counts, minutes: Ints, now: Instant) -> Counts:
        others = np.ones(counts.seconds.shape)
        errors = np.ones(counts.seconds.shape)
        for wrong, when in ongoing(self._episodes, CorrectedBins, minutes):
            trouble = wrong.trouble
            young = (now - minutes[when])[:, None] < MINUTE + trouble.after
            first_errors = trouble.first if trouble.first_errors is None else trouble.first_errors
            others[when, wrong.columns] *= np.where(young, trouble.first, 1.0)
            errors[when, wrong.columns] *= np.where(young, first_errors, 1.0)
        factor = np.where(self._failed[:, None, None], errors, others)
        return Counts(
            local=_rounded(factor * counts.local),
            passed=_rounded(factor * counts.passed),
            hit_bytes=_rounded(others * counts.hit_bytes),
            miss_bytes=_rounded(others * counts.miss_bytes),
            seconds=counts.seconds * others,
        )


def _rounded(counts: Floats) -> Ints:
    rounded: Ints = np.rint(counts).astype(np.int64)
    return rounded
