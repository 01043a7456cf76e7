"""The incidents one tick touches, while its transitions are applied to them in order. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from watcher.model.incident import Change, Incident, IncidentKey, Resolution, Status, Transition
from watcher.model.ports import IdFactory
from watcher.store.amend import amend, begin, inherit, inheritance, is_untold, story


@dataclass(frozen=True, slots=True)
class Entry:
    """One transition that changed the book: a row of the timeline."""

    incident_id: str
    transition: Transition
    mark: str
    text: str
    is_worse: bool = False
    """Its severity is higher than it has been."""


def mark_of(transition: Transition) -> str:
    """Names one transition of one incident, so that applying it again is seen to be that.

    Not by time alone: a clock may be set back, and what is decided then is still new.
    """
    end = "" if transition.resolved_at is None else transition.resolved_at
    return f"{transition.change}@{transition.decided_at}:{transition.was}>{transition.opened_at}-{end}"


class Ledger:
    """Incidents of the keys that a tick speaks of; `marks`: (incident id, mark) already in the timeline."""

    def __init__(
        self, held: Iterable[Incident], marks: Collection[tuple[str, str]], new_id: IdFactory
    ) -> None:
        self._new_id = new_id
        self._marks = set(marks)
        self._incidents: dict[str, Incident] = {}
        self._by_key: defaultdict[IncidentKey, list[str]] = defaultdict(list)
        self._before: dict[str, Incident] = {}
        self.inherited: list[Entry] = []
        """Rows of the timelines of incidents that others were merged into, with what people had done."""
        for incident in held:
            self._put(incident)
            self._before[incident.id] = incident

    def __getitem__(self, incident_id: str) -> Incident:
        """The incident as it stands by now."""
        return self._incidents[incident_id]

    @property
    def incidents(self) -> Sequence[Incident]:
        """Every incident as it stands by now, in the order in which they were first heard of."""
        return [*self._incidents.values()]

    @property
    def added(self) -> Sequence[Incident]:
        """Incidents that the database does not hold yet."""
        return [one for one in self._incidents.values() if one.id not in self._before]

    @property
    def changed(self) -> Sequence[Incident]:
        """Incidents that it holds otherwise; withdrawn ones first: they make room for others' starts."""
        changed = [one for one in self._incidents.values() if self._before.get(one.id, one) != one]
        return sorted(changed, key=lambda one: one.status is not Status.WITHDRAWN)

    def apply(self, transition: Transition) -> Entry | None:
        """Change what it changes; None when the book holds it already, or nothing it could mean."""
        mark = mark_of(transition)
        family = [self._incidents[one] for one in self._by_key[transition.key]]
        if any((incident.id, mark) in self._marks for incident in family):
            return None
        before = _meant(transition, family)
        wider = self._wider(transition)
        if transition.change is Change.OPENED:
            if before is not None:
                return None
            after = begin(transition, self._new_id(transition.decided_at), wider.id if wider else None)
        else:
            if before is None or _was_ended_by_hand(before, transition):
                return None
            into = _older(transition, family, before) if transition.change is Change.MERGED else wider
            after = amend(before, transition, into)
            if into is not None and transition.change is Change.MERGED:
                self._inherit(into, before, transition)
            if after == before and transition.change is not Change.UNJUDGED:
                return None
        self._put(after)
        if before is not None and is_untold(before, after, transition):
            return None
        self._marks.add((after.id, mark))
        is_worse = before is not None and after.severity > before.severity
        return Entry(after.id, transition, mark, story(before, after, transition), is_worse)

    def _inherit(self, older: Incident, younger: Incident, transition: Transition) -> None:
        """What people did to the younger one is done to the one it is merged into."""
        heir = inherit(older, younger)
        if heir != older:
            self._put(heir)
            story_of = inheritance(older, heir, younger)
            self.inherited.append(Entry(older.id, transition, f"inherits:{younger.id}", story_of))

    def _wider(self, transition: Transition) -> Incident | None:
        """The wider incident that a transition names."""
        named = transition.wider
        if named is None:
            return None
        family = [self._incidents[one] for one in self._by_key[named.key]]
        live = [one for one in family if one.status is not Status.WITHDRAWN]
        same = [one for one in live if one.opened_at == named.opened_at]
        return next(iter(same), None) or max(live, key=lambda one: one.opened_at, default=None)

    def _put(self, incident: Incident) -> None:
        if incident.id not in self._incidents:
            self._by_key[incident.key].append(incident.id)
        self._incidents[incident.id] = incident


def _was_ended_by_hand(incident: Incident, transition: Transition) -> bool:
    """Whether a person's word stands: what a person has ended, numbers end and open no more.

    Nor is ended by hand what is over by itself.
    """
    if transition.resolution is Resolution.MANUAL and transition.act is not None:
        return incident.over
    return incident.resolution is Resolution.MANUAL and transition.change in _BEYOND_AN_END


_BEYOND_AN_END: Final = frozenset(
    {Change.RESOLVED, Change.REOPENED, Change.ROSE, Change.FELL, Change.WIDENED, Change.UNJUDGED}
)


def _meant(transition: Transition, family: Sequence[Incident]) -> Incident | None:
    """The episode it speaks of: by its start as told or as it is now, else by overlap in event time."""
    if not family:
        return None
    live = [incident for incident in family if incident.status is not Status.WITHDRAWN]
    starts = (
        [transition.was] if transition.change is Change.MERGED else [transition.was, transition.opened_at]
    )
    for start in starts:
        for incident in live:
            if incident.opened_at == start:
                return incident
    overlapping = [incident for incident in live if _overlaps(incident, transition)]
    return max(overlapping, key=lambda incident: incident.opened_at, default=None)


def _overlaps(incident: Incident, transition: Transition) -> bool:
    end = inf if incident.resolved_at is None else incident.resolved_at
    if transition.resolved_at is not None:
        reach: float = transition.resolved_at
    else:
        # One without an end yet is not taken to reach over episodes that began later and ended.
        reach = inf if incident.resolved_at is None else transition.was
    return transition.was < end and (incident.opened_at < reach or incident.opened_at <= transition.was)


def _older(transition: Transition, family: Sequence[Incident], younger: Incident) -> Incident | None:
    others = [one for one in family if one.id != younger.id and one.status is not Status.WITHDRAWN]
    same = [one for one in others if one.opened_at == transition.opened_at]
    before = [one for one in others if one.opened_at <= younger.opened_at]
    return next(iter(same), None) or max(before, key=lambda one: one.opened_at, default=None)
