"""What many incidents say together: how many, how soon found and over, and which rules are noise."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from watcher.model.incident import Status
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, Duration, Instant

BRIEF: Final[Duration] = 10 * MINUTE
"""What is over sooner is over before most people have looked."""


@dataclass(frozen=True, slots=True)
class Brief:
    """An incident as far as statistics need it."""

    rule: str
    severity: Severity
    status: Status
    opened_at: Instant
    detected_at: Instant
    acknowledged_at: Instant | None
    """The first time that anybody did, whether or not it lapsed."""
    resolved_at: Instant | None
    returns: int
    flapping: bool
    ended_by_hand_at: Instant | None = None
    """When somebody asked for its end; `resolved_at` is as of where its streams were settled then."""
    affected: float | None = None
    """Requests hurt beyond what was expected."""
    parent_id: str | None = None
    """The wider incident whose figures hold its own."""

    @property
    def to_detect(self) -> Duration:
        """From its start until watcher decided that it is one."""
        return max(0, self.detected_at - self.opened_at)

    @property
    def to_acknowledge(self) -> Duration | None:
        """From there until somebody said that they are at it; None where it was over before that."""
        if self.acknowledged_at is None or self._was_over:
            return None
        return max(0, self.acknowledged_at - self.detected_at)

    @property
    def to_resolve(self) -> Duration | None:
        """From its detection to its end, or to when a person ended it; None where it was over before."""
        end = self._end
        return None if end is None or self._was_over else max(0, end - self.detected_at)

    @property
    def _end(self) -> Instant | None:
        return self.resolved_at if self.ended_by_hand_at is None else self.ended_by_hand_at

    @property
    def _was_over(self) -> bool:
        """It was over before it was detected: nobody could have attended to it."""
        return self._end is not None and self._end < self.detected_at

    @property
    def is_brief(self) -> bool:
        """It was over before most people have looked."""
        return self.resolved_at is not None and self.resolved_at - self.opened_at < BRIEF

    @property
    def is_unattended(self) -> bool:
        """It is over, and nobody had acknowledged it."""
        return self.resolved_at is not None and self.acknowledged_at is None


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took: of how many, on average (as in MTTD, MTTA, MTTR), at the median, at worst."""

    count: int = 0
    mean: Duration | None = None
    median: Duration | None = None
    p90: Duration | None = None

    @classmethod
    def of(cls, durations: Iterable[Duration | None]) -> "Spread":
        """Of those that are known; quantiles are values that occurred (nearest rank)."""
        known = sorted(one for one in durations if one is not None)
        if not known:
            return cls()
        return cls(len(known), sum(known) // len(known), _rank(known, 0.5), _rank(known, 0.9))


@dataclass(frozen=True, slots=True)
class Group:
    """Some incidents together; withdrawn ones are counted and else left out."""

    incidents: int
    withdrawn: int
    standing: int
    """Not over yet."""
    unattended: int
    brief: int
    flapping: int
    returns: int
    affected: float
    """Requests hurt beyond what was expected; those of a wider incident once."""
    severities: Mapping[Severity, int]
    to_detect: Spread
    to_acknowledge: Spread
    to_resolve: Spread

    @property
    def noise(self) -> float | None:
        """The share of those that are over which nobody acknowledged; None before any is over."""
        over = self.incidents - self.standing
        return self.unattended / over if over else None


@dataclass(frozen=True, slots=True)
class Statistics:
    """All of them, and rule by rule, the one that most nobody attended to first."""

    total: Group
    rules: Mapping[str, Group]


def statistics(briefs: Iterable[Brief]) -> Statistics:
    """Of any number of incidents."""
    every, by_rule = list[Brief](), defaultdict[str, list[Brief]](list)
    for brief in briefs:
        every.append(brief)
        by_rule[brief.rule].append(brief)
    rules = {rule: _group(found) for rule, found in by_rule.items()}
    noisy = sorted(rules, key=lambda rule: (-rules[rule].unattended, -rules[rule].incidents, rule))
    return Statistics(_group(every), {rule: rules[rule] for rule in noisy})


def _group(briefs: Sequence[Brief]) -> Group:
    real = [one for one in briefs if one.status is not Status.WITHDRAWN]
    return Group(
        incidents=len(real),
        withdrawn=len(briefs) - len(real),
        standing=sum(one.resolved_at is None for one in real),
        unattended=sum(one.is_unattended for one in real),
        brief=sum(one.is_brief for one in real),
        flapping=sum(one.flapping for one in real),
        returns=sum(one.returns for one in real),
        affected=sum(one.affected or 0.0 for one in real if one.parent_id is None),
        severities=Counter(one.severity for one in real),
        to_detect=Spread.of(one.to_detect for one in real),
        to_acknowledge=Spread.of(one.to_acknowledge for one in real),
        to_resolve=Spread.of(one.to_resolve for one in real),
    )


def _rank(values: Sequence[Duration], share: float) -> Duration:
    """The smallest value that at least this share does not exceed."""
    return values[max(0, ceil(share * len(values)) - 1)]
