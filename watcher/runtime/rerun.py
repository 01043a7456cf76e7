"""One rule over one source up to a time, step by step where it counts: what `rules why` is answered from."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from watcher.engine.engine import BoundRule
from watcher.engine.inspection import Judged, groups, judged
from watcher.model.incident import Incident, IncidentKey, Status
from watcher.model.labels import LabelSet
from watcher.model.sample import Arrival, Exemplar, Instants, SampleBatch
from watcher.model.time import HOUR, Duration, Instant
from watcher.runtime.backtest import Backtest, Replay

BEFORE: Final[Duration] = 2 * HOUR
"""How long before the time asked about each bin is judged by itself, so that its state is seen."""
AFTER: Final[Duration] = HOUR
"""How long after it corrections are still taken in."""
_KEEPING: Final[Duration] = HOUR // 2
_BEGIN, _END = -(1 << 62), 1 << 62
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
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the group that is asked about: what it is judged is kept, as the engine forgets it."""
    several: Sequence[LabelSet] = ()
    """Where more groups than one are asked about: their labels."""
    _judged: dict[LabelSet, dict[tuple[Instant, Instant], Judged]] = field(default_factory=dict)
    """By group, and by start and end: the newest verdict on each bin of the groups that are asked about."""
    _test: Backtest = field(init=False)
    _replay: Replay = field(init=False)
    _states: dict[LabelSet, list[tuple[Instant, str]]] = field(default_factory=dict)
    """By group: until when bins were settled, and the state then."""
    _settled: Instant = _BEGIN
    _kept: Instant = _BEGIN
    """How far it was when verdicts were last kept."""
    _before: Duration = BEFORE

    def __post_init__(self) -> None:
        """Nothing has come."""
        self._test = Backtest([self.bound])
        self._replay = self._test.source()

    async def follow(self, arrivals: AsyncIterator[Arrival]) -> None:
        """Take what came until the time is well past."""
        async for arrival in arrivals:
            margin = max((_BINS * batch.width for batch in arrival.batches), default=0)
            self._before = max(self._before, margin)
            since = self.at - self._before
            until = self.at + max(AFTER, margin) + self._lasting(arrival)
            for step in _bin_by_bin(arrival, since, until):
                self._settled = max([self._settled, *(batch.settled_until for batch in step.batches)])
                self._replay.take(step)
                if self._settled > since:
                    self._replay.end()
                    self._note()
            if self._settled > until and self._reached() > until:
                break
        self._replay.end()
        self._note()
        self._keep()

    def _lasting(self, arrival: Arrival) -> Duration:
        """How long what is bad has to last before it fires."""
        rule = self.bound.rule
        widest = max((batch.width for batch in arrival.batches), default=0)
        return rule.hold + (0 if rule.needs is None else rule.needs.of * widest)

    def _reached(self) -> Instant:
        """How far the rule's own streams are settled: own sight is ahead of them."""
        tracks = self._replay.engine.tracks(self.bound.rule.id, self.source)
        return max((lane.watermark for track in tracks for lane in track.lanes.values()), default=_BEGIN)

    def _note(self) -> None:
        """What each group's state is where the streams that feed it are settled."""
        for track in self._replay.engine.tracks(self.bound.rule.id, self.source):
            for labels, row in track.index.items():
                own = (lane.watermark for lane in track.lanes.values() if lane.feeds(row))
                state = self._replay.engine.state(self._key(labels))
                self._states.setdefault(labels, []).append((max(own, default=_BEGIN), state))
        if self._settled >= self._kept + _KEEPING:
            self._keep()

    def _keep(self) -> None:
        """Keep the verdicts that the engine holds: often enough that it forgets none before."""
        self._kept = self._settled
        found = self.several or matching(self.groups(), self.labels)
        for group in found if self.several or len(found) == 1 else ():
            held = judged(self._replay.engine, self._key(group), self.at - self._before, _END)
            self._judged.setdefault(group, {}).update({(one.start, one.end): one for one in held})

    def groups(self) -> Sequence[LabelSet]:
        """The groups that the rule judges here."""
        return groups(self._replay.engine, self.bound.rule.id, self.source)

    def steps(self, labels: LabelSet) -> list[Step]:
        """The judged bins of a group that is asked about, in event order, from shortly before on."""
        found = sorted(self._judged.get(labels, {}).items(), key=lambda item: item[0])
        return [Step(one, self._state(labels, one.end)) for _, one in found]

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


def _bin_by_bin(arrival: Arrival, since: Instant, until: Instant) -> Iterator[Arrival]:
    """What came at once, as if its settled bins of a time had come one after the other; not what is later.

    A block is its bins one by one, so this changes no verdict: it shows the states between.
    """
    settling = [_settling(batch) for batch in arrival.batches]
    cuts = np.unique(np.concatenate([np.zeros(0, np.int64), *settling]))
    before = _BEGIN
    for cut in cuts[cuts > since].tolist():
        yield Arrival(arrival.at, tuple(_parts(arrival.batches, before, cut)))
        before = cut
        if cut > until:
            return
    yield Arrival(arrival.at, tuple(_parts(arrival.batches, before, _END)))


def _settling(batch: SampleBatch) -> Instants:
    """The ends of its bins that have settled."""
    ends = batch.starts + batch.width
    return ends[ends <= batch.settled_until]


def _parts(batches: Sequence[SampleBatch], after: Instant, until: Instant) -> Iterator[SampleBatch]:
    """The bins of each batch that end in `(after, until]`, settled so far; the last part has all marks."""
    for batch in batches:
        own = (batch.starts + batch.width > after) & (batch.starts + batch.width <= until)
        if own.all() and until >= batch.settled_until:
            yield batch
        elif own.any() or until == _END:
            yield replace(
                batch,
                starts=batch.starts[own],
                values=batch.values[own],
                settled_until=min(until, batch.settled_until),
                exemplars=tuple(_within(batch, after, until)),
                complete=batch.complete and bool(own.any()),
            )


def _within(batch: SampleBatch, after: Instant, until: Instant) -> Iterator[Exemplar]:
    """The raw records of its bins of a time; those of states are at their end."""
    into = min(batch.width, 1)
    return (one for one in batch.exemplars if after < one.at + into <= until)


def matching(groups: Sequence[LabelSet], labels: Mapping[str, str]) -> list[LabelSet]:
    """The groups that have all of these labels."""
    return [group for group in groups if labels.items() <= dict(group).items()]
