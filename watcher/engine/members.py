"""How many members of a group are judged at a time: what a wider incident is measured against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from watcher.engine.blocks import Block
from watcher.engine.course import Course
from watcher.engine.detector import UNKNOWN
from watcher.engine.extent import TOGETHER, Group, GroupsOf
from watcher.engine.groups import Groups
from watcher.engine.lane import Lane
from watcher.engine.lifecycle import GONE, SKIP, Bools, Rows, reading_of
from watcher.model.labels import LabelSet
from watcher.model.time import HOUR, Duration, Instant

STATES_SPEAK_FOR: Final[Duration] = 2 * HOUR
"""Readings of states are rare: who was judged so long ago counts."""
_NO_ROWS: Rows = np.zeros(0, np.intp)


class Tracked(Protocol):
    """What a track shows of itself here."""

    course: Course

    @property
    def keys(self) -> Sequence[LabelSet]:
        """Groups by row."""
        ...

    @property
    def groups(self) -> Groups:
        """The same as rows, and how often that changed."""
        ...

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """By stream and width."""
        ...

    def blocks(self, since: Instant, until: Instant) -> Sequence[Block]:
        """Judged bins that begin in a time."""
        ...


def looks_back(track: Tracked) -> Duration:
    """How long before a time a bin may begin that tells who was judged then."""
    widths = [lane.width for lane in track.lanes.values()]
    return max([STATES_SPEAK_FOR if 0 in widths else TOGETHER, *widths])


class Members:
    """The rows of some tracks by group: made anew only where a track or what is known of places changed."""

    def __init__(self, groups_of: GroupsOf) -> None:
        """Nothing is counted until it is asked for."""
        self._groups_of = groups_of
        self._tracks: Sequence[Tracked] = ()
        self._edition = -1
        self._held: list[_Held] = []
        self._judged: dict[Instant, Sequence[Bools]] = {}

    def look(self, tracks: Sequence[Tracked], edition: int) -> None:
        """Count in these tracks from now on, as they are now; the edition is that of the groups."""
        self._tracks, self._judged = tracks, {}
        if edition != self._edition:
            self._edition, self._held = edition, []

    def judged(self, group: Group, at: Instant) -> int:
        """Members of which a bin says anything that began at a time, or not long before."""
        if at not in self._judged:
            self._held = [self._rows(track) for track in self._tracks]
            self._judged[at] = [_known(track, at) for track in self._tracks]
        rows = (held.rows.get(group, _NO_ROWS) for held in self._held)
        return sum(int(known[of].sum()) for known, of in zip(self._judged[at], rows, strict=True))

    def _rows(self, track: Tracked) -> "_Held":
        for held in self._held:
            if held.track is track and held.edition == track.groups.edition:
                return held
        rows: dict[Group, list[int]] = {}
        for row, key in enumerate(track.keys):
            for group in self._groups_of(key):
                rows.setdefault(group, []).append(row)
        return _Held(
            track, track.groups.edition, {group: np.array(of, np.intp) for group, of in rows.items()}
        )


@dataclass(frozen=True, slots=True)
class _Held:
    """The rows of one track by group, as of an edition of its keys."""

    track: Tracked
    edition: int
    rows: Mapping[Group, Rows]


def _known(track: Tracked, at: Instant) -> Bools:
    """Rows of a track that are judged."""
    known = np.zeros(len(track.keys), np.bool_)
    for block in track.blocks(at - looks_back(track), at + 1):
        reading = reading_of(block.codes)
        told = ((reading != UNKNOWN) & (reading != SKIP) & (reading != GONE)).any(axis=0)
        known[: len(told)] |= told
    return known
