"""Which episodes of one rule and source have one cause: a wider incident of an account, provider or origin.

A wider incident opens when enough of a group fail together: three episodes at least, that opened within
`TOGETHER`, still go on, and are half of the group's members that are judged at the time. The smallest such
group is told; a wider one instead where it explains the rest as well, that is where half of its members
outside the smaller group fail too. What opens later in the group joins; it ends with its last episode.

All this is decided in the order of event time, from starts and ends alone: it follows from the final bins.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, TypeAlias

from watcher.engine.episodes import Episode
from watcher.engine.toll import NOTHING, Tally, Toll
from watcher.model.incident import Resolution
from watcher.model.labels import LabelSet
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, Duration, Instant

TOGETHER: Final[Duration] = 10 * MINUTE
"""Episodes that open within this of each other may have one cause: small ones take longer to show."""
FEWEST: Final = 3
"""Episodes that make a wider incident."""
LABELS: Final = ("origin", "provider", "account")
"""What may explain several; of equal groups the first."""

Group: TypeAlias = tuple[str, str]
"""One of `LABELS`, and its value."""
LeafId: TypeAlias = tuple[LabelSet, Instant]
"""The key of an episode and its start."""
ExtentId: TypeAlias = tuple[Group, Instant]
"""The group of a wider incident and its start."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One episode of one group of the rule."""

    key: LabelSet
    episode: Episode
    toll: Toll | None = None
    """What it amounts to, where that is final."""

    @property
    def id(self) -> LeafId:
        """What names it."""
        return self.key, self.episode.opened_at

    def lasts(self, at: Instant) -> bool:
        """Whether it goes on after a time."""
        return self.episode.resolved_at is None or self.episode.resolved_at > at


@dataclass(frozen=True, slots=True)
class Extent:
    """A wider incident, and the episodes it explains."""

    group: Group
    opened_at: Instant
    members: int
    """Of the group, judged when it opened."""
    leaves: Mapping[LeafId, Leaf] = field(default_factory=dict)
    within: Group | None = None
    """A still wider one that opened later and explains this one too."""
    ever: frozenset[LabelSet] = frozenset()
    """Keys it has explained whose episodes are over for good."""
    highest: Severity = Severity.INFO
    """Of these."""
    ended_at: Instant | None = None
    """And when the last of them ended."""
    tally: Tally = NOTHING
    """And what they amount to."""

    @property
    def keys(self) -> frozenset[LabelSet]:
        """All that failed under it."""
        return self.ever | {leaf.key for leaf in self.leaves.values()}

    def lasts(self, at: Instant) -> bool:
        """Whether it goes on at a time: what ends and what begins in one instant touch."""
        return any(leaf.lasts(at - 1) for leaf in self.leaves.values())

    def joined(self, leaves: Iterable[Leaf]) -> "Extent":
        """The same with more leaves."""
        return replace(self, leaves={**self.leaves, **{leaf.id: leaf for leaf in leaves}})

    @property
    def episode(self) -> Episode:
        """From when the group came to explain to the end of its last leaf.

        It flaps where all that stands of it does; once over, where what ended last did.
        """
        episodes = [leaf.episode for leaf in self.leaves.values()]
        standing = [one for one in episodes if one.resolved_at is None]
        highest = max([self.highest, *(one.highest or Severity.INFO for one in episodes)])
        present = max((one.severity or Severity.INFO for one in standing), default=highest)
        opened = Episode(self.opened_at, severity=present, highest=highest)
        if standing:
            return replace(opened, flapping=all(one.flapping for one in standing))
        last = max(episodes, key=lambda one: (one.resolved_at or 0, one.opened_at), default=None)
        end = max(self.ended_at or self.opened_at, (last.resolved_at or 0) if last else 0, self.opened_at)
        reason = last.resolution if last else None
        flaps = last is not None and last.flapping
        return replace(opened, flapping=flaps).ended(end, reason or Resolution.RECOVERED, None)


GroupsOf: TypeAlias = Callable[[LabelSet], Sequence[Group]]
"""The groups that a key belongs to."""
Judged: TypeAlias = Callable[[Group, Instant], int]
"""How many members of a group are judged at a time."""


class Sweep:
    """Goes through the openings of episodes in event order."""

    def __init__(self, standing: Iterable[Extent], groups_of: GroupsOf, judged: Judged) -> None:
        """From the extents that stand already; their order is that in which they opened."""
        self.extents = list(standing)
        self._groups_of = groups_of
        self._judged = judged
        self._recent: list[Leaf] = []

    def run(self, leaves: Iterable[Leaf], since: Instant) -> "Sweep":
        """Decide of every leaf that opened at or after a time; the earlier ones are decided already."""
        ordered = sorted(leaves, key=lambda leaf: (leaf.episode.opened_at, leaf.key))
        for at, opening in groupby(ordered, key=lambda leaf: leaf.episode.opened_at):
            self._open(at, list(opening), decide=at >= since)
        return self

    def _open(self, at: Instant, opening: Sequence[Leaf], *, decide: bool) -> None:
        self._recent = [leaf for leaf in self._recent if leaf.episode.opened_at >= at - TOGETHER]
        self._recent += opening
        left = [leaf for leaf in opening if not self._join(leaf, at)] if decide else []
        if not left:
            return
        failing = self._failing(at)
        sizes = {
            group: max(self._judged(group, at), _keys(leaves))
            for group, leaves in failing.items()
            if _keys(leaves) >= FEWEST
        }
        while left and (best := _best(self._groups(left), failing, sizes)) is not None:
            self._found(best, at, failing[best], sizes[best])
            left = [leaf for leaf in left if best not in self._groups_of(leaf.key)]

    def _failing(self, at: Instant) -> dict[Group, list[Leaf]]:
        """What opened not long ago and goes on, by group."""
        failing: dict[Group, list[Leaf]] = {}
        for leaf in self._recent:
            for group in self._groups_of(leaf.key) if leaf.lasts(at) else ():
                failing.setdefault(group, []).append(leaf)
        return failing

    def _groups(self, leaves: Iterable[Leaf]) -> set[Group]:
        return {group for leaf in leaves for group in self._groups_of(leaf.key)}

    def _join(self, leaf: Leaf, at: Instant) -> bool:
        """Let a leaf join the narrowest extent that stands; those around it know by it."""
        groups = self._groups_of(leaf.key)
        standing = [one for one in self.extents if one.group in groups and one.lasts(at)]
        if not standing:
            return False
        narrowest = min(standing, key=lambda one: (one.members, LABELS.index(one.group[0])))
        self._put(narrowest.joined([leaf]), narrowest)
        for around in self._around(narrowest):
            self._put(around.joined([leaf]), around)
        return True

    def _around(self, extent: Extent) -> Iterator[Extent]:
        """The extents that explain one, from the narrowest on."""
        while extent.within is not None:
            extent = next(one for one in reversed(self.extents) if one.group == extent.within)
            yield extent

    def _put(self, now: Extent, before: Extent) -> None:
        self.extents[self.extents.index(before)] = now

    def _found(self, group: Group, at: Instant, recent: Sequence[Leaf], members: int) -> None:
        """Open a wider incident over what is recent in a group and the narrower ones that stand in it."""
        ids = {leaf.id for leaf in recent}
        leaves = list(recent)
        for place, one in enumerate(self.extents):
            if one.within is None and one.lasts(at) and ids & one.leaves.keys():
                self.extents[place] = replace(one, within=group)
                leaves += one.leaves.values()
        self.extents.append(Extent(group, at, max(members, _keys(leaves))).joined(leaves))


def _keys(leaves: Iterable[Leaf]) -> int:
    return len({leaf.key for leaf in leaves})


def _best(
    groups: Iterable[Group], failing: Mapping[Group, Sequence[Leaf]], sizes: Mapping[Group, int]
) -> Group | None:
    """The smallest group that explains what opened, or a wider one that explains the rest as well."""
    quorate = [group for group in groups if group in sizes and 2 * _keys(failing[group]) >= sizes[group]]
    best: Group | None = None
    for group in sorted(quorate, key=lambda one: (sizes[one], LABELS.index(one[0]), one[1])):
        if best is None:
            best = group
            continue
        rest = {leaf.key for leaf in failing[group]} - {leaf.key for leaf in failing[best]}
        if rest and 2 * len(rest) >= sizes[group] - sizes[best]:
            best = group
    return best


def owners(extents: Iterable[Extent]) -> Mapping[LeafId, Extent]:
    """The narrowest extent of each leaf."""
    found: dict[LeafId, Extent] = {}
    for extent in extents:  # what is around another one opened after it
        for leaf in extent.leaves:
            found.setdefault(leaf, extent)
    return found
