"""What each series that plays a role said last: some of a group may be silent while others speak.

A name has several addresses, and one that presents a bad certificate and then stops answering has not been
mended. So the value of a group at an instant is that of all its series, those that are silent included.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import Several
from watcher.engine.lifecycle import CLOSED_UNJUDGED_AFTER, NEVER
from watcher.model.labels import LabelSet
from watcher.model.sample import Floats, Instants, MetricKey
from watcher.model.time import DAY, Duration, Instant

Series: TypeAlias = tuple[MetricKey, LabelSet]
"""The metric, and the entity it is about."""

SILENT_FOR: Final[Duration] = CLOSED_UNJUDGED_AFTER
"""How long a value stands of a series that its stream goes on to list without one."""
UNLISTED_FOR: Final[Duration] = DAY
"""And of one that it does not list, while it lists others of the same group."""


@dataclass(frozen=True, slots=True)
class Seats:
    """One value of each series that plays a role; NaN where there is none."""

    series: tuple[Series, ...]
    rows: NDArray[np.intp]
    """The row of the track that each speaks for."""
    values: Floats
    said: Instants
    """The instant at which each value was said."""
    several: Several
    """Which of a row's values is that of the row."""

    def column(self, rows: int) -> Floats:
        """The value of every row: the one that counts most."""
        column = np.full(rows, np.nan)
        (np.fmin if self.several is Several.LEAST else np.fmax).at(column, self.rows, self.values)
        return column

    def oldest(self) -> Instant | None:
        """When the value that was said first of all was said; None without any."""
        said = self.said[~np.isnan(self.values)]
        return int(said.min()) if said.size else None

    def after(self, now: "Seats", at: Instant, *, complete: bool) -> "Seats":
        """What stands after an answer: what it says, and of its silent series what they said before."""
        if self.series is now.series or self.series == now.series:
            return now.with_former(self.values, self.said, at)
        place = {series: seat for seat, series in enumerate(self.series)}
        former = np.array([place.get(series, -1) for series in now.series], np.intp)
        values = np.append(self.values, np.nan)[former]
        found = now.with_former(values, np.append(self.said, NEVER)[former], at)
        return found if complete else found.joined(self._unlisted(now, at))

    def with_former(self, values: Floats, said: Instants, at: Instant) -> "Seats":
        """Where a series is silent, its value of before, if that is not too old."""
        silent = np.isnan(self.values)
        values = np.where(said < at - SILENT_FOR, np.nan, values)
        return Seats(
            self.series,
            self.rows,
            np.where(silent, values, self.values),
            np.where(silent, said, self.said),
            self.several,
        )

    def without(self, rows: NDArray[np.bool_]) -> "Seats":
        """The same, with nothing known of some rows."""
        values = np.where(rows[self.rows], np.nan, self.values)
        return Seats(self.series, self.rows, values, self.said, self.several)

    def joined(self, other: "Seats") -> "Seats":
        """These and others."""
        return Seats(
            self.series + other.series,
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.values, other.values]),
            np.concatenate([self.said, other.said]),
            self.several if self.series else other.several,
        )

    def _unlisted(self, now: "Seats", at: Instant) -> "Seats":
        """What still stands of the series that an answer, which need not be complete, does not list."""
        listed = set(now.series)
        is_old = np.isin(self.rows, now.rows) & (self.said < at - UNLISTED_FOR)
        kept = [
            seat for seat, old in enumerate(is_old.tolist()) if not old and self.series[seat] not in listed
        ]
        return Seats(
            tuple(self.series[seat] for seat in kept),
            self.rows[kept],
            self.values[kept],
            self.said[kept],
            self.several,
        )

    def differ(self, other: "Seats", rows: int) -> NDArray[np.bool_]:
        """The rows for which the two say something else."""
        differ = np.zeros(rows, np.bool_)
        if self.series is other.series or self.series == other.series:
            same = (self.values == other.values) | (np.isnan(self.values) & np.isnan(other.values))
            differ[self.rows[~same]] = True
        else:
            differ[self.rows] = differ[other.rows] = True
        return differ


NOBODY: Final = Seats((), np.zeros(0, np.intp), np.zeros(0), np.zeros(0, np.int64), Several.LEAST)
"""No series at all."""
