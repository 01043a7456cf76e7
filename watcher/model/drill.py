"""Drills: an incident that nothing is behind, taken through the whole path to see that people are told."""

from dataclasses import dataclass

from watcher.model.incident import Change, Evidence, IncidentKey, Resolution, Transition
from watcher.model.labels import LabelSet, label_set
from watcher.model.rule import Severity
from watcher.model.time import Duration, Instant

LABEL = "drill"
"""The label that keeps a drill's incident apart from every real one; its value is the drill's name."""


@dataclass(frozen=True, slots=True)
class Drill:
    """What a person asked for. All its times follow from these, so applying it again changes nothing."""

    name: str
    rule: str
    severity: Severity
    labels: LabelSet
    """As an incident of the rule would have them, for routes to match."""
    who: str
    asked_at: Instant
    lasts: Duration
    opened: bool = False
    """Whether its incident stands in the book."""

    @property
    def ends_at(self) -> Instant:
        """When its recovery is due."""
        return self.asked_at + self.lasts

    def opening(self) -> Transition:
        """What begins it."""
        return self._transition(Change.OPENED)

    def ending(self) -> Transition:
        """What ends it, as a recovery."""
        return self._transition(Change.RESOLVED)

    def _transition(self, change: Change) -> Transition:
        over = change is Change.RESOLVED
        text = "an exercise: no data are behind it"
        return Transition(
            change=change,
            key=IncidentKey(self.rule, label_set({**dict(self.labels), LABEL: self.name})),
            severity=self.severity,
            was=self.asked_at,
            opened_at=self.asked_at,
            resolved_at=self.ends_at if over else None,
            decided_at=self.ends_at if over else self.asked_at,
            summary=f"drill of {self.rule} by {self.who}: nothing is wrong",
            evidence=Evidence(self.asked_at, self.asked_at, text=text),
            resolution=Resolution.RECOVERED if over else None,
            recovery=Evidence(self.ends_at, self.ends_at, text="the exercise is over") if over else None,
            drill=True,
        )
