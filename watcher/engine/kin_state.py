"""What a `Kin` and its extents know, as values that can be written down."""

from dataclasses import dataclass, replace

from watcher.engine.episodes import Episode
from watcher.engine.extent import Extent, Group, Leaf
from watcher.engine.toll import Amount, Tally
from watcher.model.incident import IncidentKey
from watcher.model.labels import LabelSet
from watcher.model.rule import Severity
from watcher.model.time import Instant


@dataclass(frozen=True, slots=True)
class ExtentState:
    """One `Extent`, as a value that can be written down."""

    group: Group
    opened_at: Instant
    members: int
    leaves: tuple[Leaf, ...]
    within: Group | None
    ever: tuple[LabelSet, ...]
    highest: Severity
    ended_at: Instant | None
    tally: Tally

    @classmethod
    def of(cls, extent: Extent) -> "ExtentState":
        """Its state."""
        return cls(
            extent.group,
            extent.opened_at,
            extent.members,
            leaves=tuple(extent.leaves.values()),
            within=extent.within,
            ever=tuple(sorted(extent.ever)),
            highest=extent.highest,
            ended_at=extent.ended_at,
            tally=extent.tally,
        )

    def extent(self) -> Extent:
        """The extent it is of."""
        plain = Extent(self.group, self.opened_at, self.members, {}, self.within, frozenset(self.ever))
        held = replace(plain, highest=self.highest, ended_at=self.ended_at, tally=self.tally)
        return held.joined(self.leaves)


@dataclass(frozen=True, slots=True)
class KinState:
    """One `Kin`, as a value that can be written down."""

    edge: Instant
    base: LabelSet
    extents: tuple[ExtentState, ...]
    standing: tuple[ExtentState, ...]
    finished: tuple[Leaf, ...]
    told: tuple[tuple[Group, tuple[Episode, ...]], ...]
    links: tuple[tuple[LabelSet, Instant, IncidentKey, Instant], ...]
    """Key and start of an episode, and of what explains it."""
    sizes: tuple[tuple[Group, Instant, int, int], ...]
    """Group and start of a wider incident, and its leaves as recorded and as last told to people."""
    amounts: tuple[tuple[LabelSet, Instant, Amount], ...]
    """Key and start of what is over, and its figures."""
