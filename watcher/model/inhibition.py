"""Inhibition: an open incident explains others, which need not be told of while it stands. Pure.

A wider one explains narrower ones: a source that is not seen, what it feeds; an account, its resources; an
origin or a group of origins, what is served from it. It does so only where it is told as gravely itself.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from watcher.model.incident import Incident
from watcher.model.labels import Matcher, all_match
from watcher.model.relations import Relations, Resource
from watcher.model.silence import matched_labels

BLIND: Final = frozenset({"collector_down", "data_stopped"})
"""Rules whose incidents say that a source is not seen."""


@dataclass(frozen=True, slots=True)
class Inhibit:
    """One relation that is drawn by hand."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ("source",)

    def explains(self, wider: Mapping[str, str], labels: Mapping[str, str]) -> bool:
        """Whether one explains the other, by their labels. What could explain its like explains none."""
        return (
            all_match(self.source, wider)
            and all_match(self.target, labels)
            and not (all_match(self.target, wider) and all_match(self.source, labels))
            and all(wider.get(name, "") == labels.get(name, "") for name in self.equal)
        )


@dataclass(frozen=True, slots=True)
class Inhibition:
    """What is known for deciding who explains whom."""

    drawn: tuple[Inhibit, ...] = ()
    """By hand."""
    traffic: Collection[str] = field(default_factory=frozenset)
    """Rules that judge how resources are delivered: an origin or an account explains these alone."""


class Inhibitors:
    """The open incidents that explain others, and how far each of them reaches."""

    def __init__(self, standing: Collection[Incident], relations: Relations, known: Inhibition) -> None:
        """Of `standing` those explain that people are told of: not those of rules on trial, nor drills."""
        self._known = known
        self._relations = relations
        self._fed: dict[str, Collection[Resource]] = {}
        self._leaves: dict[str, set[Resource]] = {}
        for one in standing:
            resource = relations.resource_of(one)
            if one.parent_id is not None and resource is not None:
                self._leaves.setdefault(one.parent_id, set()).add(resource)
        told = (one for one in standing if not (one.over or one.shadow or one.drill))
        wide = [one for one in told if _is_wide(one, relations, known) or one.id in self._leaves]
        self._wide = sorted(wide, key=lambda one: (-one.severity, one.opened_at, one.id))

    def of(self, incident: Incident) -> Incident | None:
        """The open incident that explains this one: of several the gravest, then the oldest."""
        if not self._wide or incident.drill:
            return None
        return next((one for one in self._wide if self._explains(one, incident)), None)

    def _explains(self, wider: Incident, incident: Incident) -> bool:
        if wider.id == incident.id:
            return False
        labels, theirs = matched_labels(wider), matched_labels(incident)
        if any(one.explains(labels, theirs) for one in self._known.drawn):
            return True
        if wider.severity < incident.severity:
            return False
        return self._blinds(wider, labels, incident, theirs) or self._feeds(wider, incident)

    def _blinds(
        self, wider: Incident, labels: Mapping[str, str], incident: Incident, theirs: Mapping[str, str]
    ) -> bool:
        """A source that is not seen explains what is judged by its figures; one stream, that they stop."""
        if wider.key.rule not in BLIND or labels.get("source") != theirs.get("source"):
            return False
        if wider.key.rule == "collector_down":
            is_fed = incident.key.rule in self._known.traffic and not labels.get("stream")
            return is_fed or incident.key.rule == "data_stopped"
        return incident.key.rule in self._known.traffic

    def _feeds(self, wider: Incident, incident: Incident) -> bool:
        resource = self._relations.resource_of(incident)
        if resource is None or incident.key.rule not in self._known.traffic:
            return False
        if resource in self._leaves.get(wider.id, ()):
            return True
        if wider.id not in self._fed:
            self._fed[wider.id] = self._relations.served_by(wider)
        return resource in self._fed[wider.id]


def matters(one: Incident, relations: Relations, known: Inhibition) -> bool:
    """Whether it has a part in who explains whom; `Inhibitors` need not know of others, which are most."""
    return (
        one.parent_id is not None or "resource" not in dict(one.key.labels) or _is_wide(one, relations, known)
    )


def _is_wide(one: Incident, relations: Relations, known: Inhibition) -> bool:
    """Whether it may explain anything but its own leaves."""
    if one.key.rule in BLIND or relations.places_of(one):
        return True
    labels = matched_labels(one) if known.drawn else {}
    return any(all_match(drawn.source, labels) for drawn in known.drawn)
