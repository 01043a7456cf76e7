"""Episodes of one row, and what changed between what was told of them and what the bins now say."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from watcher.model.incident import Change, Resolution
from watcher.model.rule import Severity
from watcher.model.time import Instant

KEPT: Final = 32
"""How many of its latest returns an episode remembers by their time."""


@dataclass(frozen=True, slots=True)
class Bin:
    """One judged bin: of which lane, and when. For states `start == end`."""

    start: Instant
    end: Instant
    lane: str


def in_order(bin_: Bin) -> tuple[Instant, Instant, str]:
    """Event order, and one order of bins that are equal in time: whichever came first."""
    return bin_.start, bin_.end, bin_.lane


@dataclass(frozen=True, slots=True)
class Episode:
    """From the first breaching bin to the end of the last one."""

    opened_at: Instant
    resolved_at: Instant | None = None
    resolution: Resolution | None = None
    fired_in: Bin | None = None
    """The bin in which `for` was satisfied; None when it is known from the book only."""
    ended_in: Bin | None = None
    noted: bool = False
    """It has been firing unseen for long."""
    severity: Severity | None = None
    """The present one; None when that is known from the book only."""
    highest: Severity | None = None
    graded_in: Bin | None = None
    """The bin that gave it its present severity, where that is not the one in which it fired."""

    returns: int = 0
    """How often it came back within its rule's `reopen_within`."""
    comebacks: tuple[Instant, ...] = ()
    """When it last did, `KEPT` times at most."""
    back_in: Bin | None = None
    """The bin in which it was known to be back."""
    flapping: bool = False
    """It came back so often, and so lately, that it flaps: at present, or as of its end."""

    @property
    def told_severity(self) -> Severity | None:
        """As the book has it: the present one while it is open, the highest once it is over."""
        return self.severity if self.resolved_at is None else self.highest

    def graded(self, severity: Severity, highest: Severity, graded_in: Bin | None) -> "Episode":
        """The same, at a severity."""
        return replace(self, severity=severity, highest=highest, graded_in=graded_in)

    def ended(self, at: Instant, resolution: Resolution, ended_in: Bin | None) -> "Episode":
        """The same, over."""
        return replace(self, resolved_at=at, resolution=resolution, ended_in=ended_in)

    def reopened(self) -> "Episode":
        """The same, not over."""
        return replace(self, resolved_at=None, resolution=None, ended_in=None)

    def returned(self, opened: Instant, fired_in: Bin) -> "Episode":
        """The same, not over after all: it broke again at a time."""
        again = (*self.comebacks, opened)[-KEPT:]
        return replace(self.reopened(), returns=self.returns + 1, comebacks=again, back_in=fired_in)

    def overlaps(self, other: "Episode") -> bool:
        """Whether the two share event time; touching counts, as one bin's end is the next one's start."""
        own_end = self.resolved_at if self.resolved_at is not None else max(self.opened_at, other.opened_at)
        other_end = (
            other.resolved_at if other.resolved_at is not None else max(self.opened_at, other.opened_at)
        )
        return self.opened_at <= other_end and other.opened_at <= own_end


@dataclass(frozen=True, slots=True)
class Difference:
    """One change; `was` is the episode as it was told, None where it is new."""

    change: Change
    now: Episode
    was: Episode | None


def differences(told: Sequence[Episode], now: Sequence[Episode]) -> Iterator[Difference]:
    """What has to be told so that `told` becomes `now`; both are in order and free of overlap.

    An episode keeps its identity by its start, else by overlap in event time. Where several told ones became
    one, the oldest goes on and the others are merged into it; where one was split, its earliest part keeps
    the identity. Two that touch are two for as long as both are there.
    """
    left = list(told)
    starts = {episode.opened_at for episode in now}
    for episode in now:
        same = [other for other in left if _goes_on(other, episode, starts)]
        if not same:
            yield from _new(episode)
            continue
        for other in same:
            left.remove(other)
        kept, *merged = same
        for other in merged:  # first, as the one that goes on may move to where one of them began
            yield Difference(Change.MERGED, episode, other)
        yield from _changed(kept, episode)
    for other in left:
        yield Difference(Change.WITHDRAWN, other, other)


def _goes_on(told: Episode, now: Episode, starts: Collection[Instant]) -> bool:
    """Whether an episode is what became of one that was told; `starts` are those of all there are now.

    What begins where a person has ended another one is not that one.
    """
    if told.opened_at == now.opened_at:
        return True
    is_other = _follows(told, now) or _follows(now, told)
    return told.opened_at not in starts and not is_other and told.overlaps(now)


def _follows(ended: Episode, other: Episode) -> bool:
    is_by_hand = ended.resolution is Resolution.MANUAL and ended.resolved_at is not None
    return is_by_hand and other.opened_at >= (ended.resolved_at or 0)


def _new(episode: Episode) -> Iterator[Difference]:
    yield Difference(Change.OPENED, episode, None)
    if episode.flapping:
        yield Difference(Change.FLAPPING, episode, episode)
    if episode.resolved_at is not None:
        yield Difference(Change.RESOLVED, episode, episode)


def _changed(was: Episode, now: Episode) -> Iterator[Difference]:
    is_other = _is_other_severity(was, now)
    if is_other and was.resolved_at is None and now.resolved_at is None:
        yield Difference(_direction(was, now), now, was)
    if was.opened_at != now.opened_at:
        yield Difference(Change.MOVED, now, was)
    if now.noted and not was.noted:
        yield Difference(Change.UNJUDGED, now, was)
    is_over = was.resolved_at is None and now.resolved_at is not None
    if is_over and was.flapping != now.flapping:
        yield _flap(was, now)
    if is_over:
        yield Difference(Change.RESOLVED, now, was)
    elif was.resolved_at is not None and now.resolved_at is None:
        yield Difference(Change.REOPENED, now, was)
    elif was.opened_at == now.opened_at and (
        _figures(was) != _figures(now) or (is_other and now.resolved_at)
    ):
        yield Difference(Change.MOVED, now, was)
    if was.flapping != now.flapping and not is_over:
        yield _flap(was, now)


def _flap(was: Episode, now: Episode) -> Difference:
    return Difference(Change.FLAPPING if now.flapping else Change.STEADY, now, was)


def _is_other_severity(was: Episode, now: Episode) -> bool:
    return now.told_severity not in {None, was.told_severity}


def _direction(was: Episode, now: Episode) -> Change:
    rose = (now.severity or 0) > (was.severity or 0)
    return Change.ROSE if rose else Change.FELL


def _figures(episode: Episode) -> tuple[Instant | None, Resolution | None, int]:
    return episode.resolved_at, episode.resolution, episode.returns
