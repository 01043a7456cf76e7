"""Questions about one rule and one group: why it fired, or which gate kept it quiet."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from watcher.app.feeds import Feed, metrics
from watcher.engine import inspection
from watcher.engine.detector import Gate
from watcher.engine.engine import BoundRule
from watcher.model.incident import Incident
from watcher.model.labels import LabelSet, label_set
from watcher.model.rule import Rule
from watcher.model.time import Instant
from watcher.runtime.rerun import Rerun, Step, matching

_BEFORE, _AFTER = 5, 3
"""Bins shown around the one that counts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule made of one group around a time."""

    rule: Rule
    labels: LabelSet
    at: Instant
    steps: Sequence[Step]
    """The bins around it, in event order."""
    decisive: Step | None
    """The bin that counts; None where none was judged."""
    gates: Sequence[Gate]
    """Its gates in the order in which they are asked, the engine's own after the detector's."""
    incident: Incident | None
    """What stood at that time."""

    @property
    def stopped_by(self) -> Gate | None:
        """The first gate that was not passed."""
        return inspection.stop(self.gates)


@dataclass(frozen=True, slots=True)
class Unclear:
    """The labels name no group that the rule judges, or several."""

    asked: LabelSet
    matching: Sequence[LabelSet]
    """Those that have the labels; none, or several."""
    known: Sequence[LabelSet]
    """All that there are, of the sources that were looked at."""


async def asked(
    feed: Feed, bound: BoundRule, labels: Mapping[str, str], at: Instant, *, fired: bool = False
) -> Answer | Unclear:
    """What the rule made of the group with these labels; `fired` asks for the bin in which it fired since."""
    known: list[LabelSet] = []
    found: list[tuple[Rerun, LabelSet]] = []
    for source in await feed.sources():
        if labels.get("source", source) != source:
            continue
        rerun = Rerun(bound, source, at, labels)
        async with aclosing(feed.arrivals(source, metrics([bound]))) as arrivals:
            await rerun.follow(arrivals)
        known += rerun.groups()
        found += [(rerun, group) for group in matching(rerun.groups(), labels)]
    if len(found) != 1:
        return Unclear(label_set(labels), [group for _, group in found], known)
    return _answer(*found[0], at, fired=fired)


async def asked_of_leaves(
    feed: Feed, bound: BoundRule, at: Instant, leaves: Sequence[Incident]
) -> list[Answer]:
    """What the rule made of each incident that a wider one of one source explains, which began at a time."""
    groups = [one.key.labels for one in leaves]
    source = next(dict(group)["source"] for group in groups)
    rerun = Rerun(bound, source, at, several=groups)
    async with aclosing(feed.arrivals(source, metrics([bound]))) as arrivals:
        await rerun.follow(arrivals)
    return [_answer(rerun, one.key.labels, one.opened_at, fired=True) for one in leaves]


def _answer(rerun: Rerun, labels: LabelSet, at: Instant, *, fired: bool) -> Answer:
    steps = rerun.steps(labels)
    place = _firing(steps, at) if fired else _holding(steps, at)
    decisive = None if place is None else steps[place]
    shown = [] if place is None else steps[_first(steps, place, at) : place + _AFTER + 1]
    rule = rerun.bound.rule
    return Answer(
        rule=rule,
        labels=labels,
        at=at,
        steps=shown,
        decisive=decisive,
        gates=_gates(rule, decisive),
        incident=rerun.incident(labels, at),
    )


def _first(steps: Sequence[Step], place: int, at: Instant) -> int:
    """Where the bins shown begin: some before the one that counts, and before the time asked about."""
    asked_about = next((n for n, step in enumerate(steps) if step.judged.end > at), place)
    return max(0, min(asked_about, place) - _BEFORE)


def _holding(steps: Sequence[Step], at: Instant) -> int | None:
    """The bin that holds the time; of states, the last reading before it."""
    for place, step in enumerate(steps):
        if step.judged.start <= at < step.judged.end:
            return place
    instants = [place for place, step in enumerate(steps) if step.judged.start == step.judged.end <= at]
    return instants[-1] if instants else None


def _firing(steps: Sequence[Step], since: Instant) -> int | None:
    """The first bin since a time that left it firing; else the one that holds the time."""
    for place, step in enumerate(steps):
        if step.judged.start >= since and step.state in inspection.FIRED:
            return place
    return _holding(steps, since)


def _gates(rule: Rule, step: Step | None) -> Sequence[Gate]:
    return (
        inspection.asked(rule, None, "") if step is None else inspection.asked(rule, step.judged, step.state)
    )
