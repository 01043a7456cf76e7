"""One rule over one source up to a time, step by step where it counts: what `rules why` is answered from."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from watcher.engine.engine import BoundRule
from watcher.engine.inspection import Judged, groups, judged
from watcher.model.incident import Incident, IncidentKey, Status
from watcher.model.labels import LabelSet
from watcher.model.sample import Arrival
from watcher.model.time import HOUR, Duration, Instant
from watcher.runtime.backtest import Backtest, Replay

BEFORE: Final[Duration] = 2 * HOUR
"""How long before the time asked about each arrival is judged by itself, so that states are seen."""
AFTER: Final[Duration] = HOUR
"""How long after it corrections are still taken in."""
_BINS: Final = 6
"""The same in bins, where these are wide."""


@dataclass(frozen=True, slots=True)
class Step:
    """One judged bin, and the alert state that it left behind."""

    judged: Judged
    state: str


@dataclass(slots=True)
class Rerun:
    """One rule over one source, as of a little after a time."""

    bound: BoundRule
    source: str
    at: Instant
    _test: Backtest = field(init=False)
    _replay: Replay = field(init=False)
    _states: dict[LabelSet, list[tuple[Instant, str]]] = field(default_factory=dict)
    """By group: until when bins were settled, and the state then."""
    _settled: Instant = -(1 << 62)

    def __post_init__(self) -> None:
        """Nothing has come."""
        self._test = Backtest([self.bound])
        self._replay = self._test.source()

    async def follow(self, arrivals: AsyncIterator[Arrival]) -> None:
        """Take what came until the time is well past."""
        async for arrival in arrivals:
            margin = max((_BINS * batch.width for batch in arrival.batches), default=0)
            self._settled = max([self._settled, *(batch.settled_until for batch in arrival.batches)])
            self._replay.take(arrival)
            if self._settled > self.at - max(BEFORE, margin):
                self._replay.end()
                self._note()
            if self._settled > self.at + max(AFTER, margin):
                break
        self._replay.end()
        self._note()

    def _note(self) -> None:
        for labels in self.groups():
            state = self._replay.engine.state(self._key(labels))
            self._states.setdefault(labels, []).append((self._settled, state))

    def groups(self) -> Sequence[LabelSet]:
        """The groups that the rule judges here."""
        return groups(self._replay.engine, self.bound.rule.id, self.source)

    def steps(self, labels: LabelSet, since: Instant, until: Instant) -> list[Step]:
        """The judged bins of a group that begin in a time, in event order."""
        found = judged(self._replay.engine, self._key(labels), since, until)
        return [Step(one, self._state(labels, one.end)) for one in found]

    def incident(self, labels: LabelSet, at: Instant) -> Incident | None:
        """What stood of a group at a time, by the numbers as they are now."""
        for one in self._test.incidents(at, at + 1):
            if one.key == self._key(labels) and one.status is not Status.WITHDRAWN:
                return one
        return None

    def _state(self, labels: LabelSet, end: Instant) -> str:
        known = self._states.get(labels, [])
        return next(
            (state for settled, state in known if settled >= end), known[-1][1] if known else "inactive"
        )

    def _key(self, labels: LabelSet) -> IncidentKey:
        return IncidentKey(self.bound.rule.id, labels)


def matching(groups: Sequence[LabelSet], labels: Mapping[str, str]) -> list[LabelSet]:
    """The groups that have all of these labels."""
    return [group for group in groups if labels.items() <= dict(group).items()]
