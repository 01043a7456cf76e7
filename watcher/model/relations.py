"""What is served from which origin, and by which account, at all sources: from the inventory alone. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from watcher.model.incident import Affected, Incident
from watcher.model.inventory import ItemKind, Known

Resource: TypeAlias = tuple[str, str]
"""Its source, and the value that the label `resource` has there."""

ORIGIN_OF: Final = frozenset({"origin_5xx_spike"})
"""Rules whose incidents name a resource and are about what feeds it."""
_SERVED: Final = frozenset({ItemKind.DOMAIN, ItemKind.DISTRIBUTION})
Place: TypeAlias = tuple[str, str, str]
"""A source, then `origin`, `origin_group` or `account`, then the id it has there."""


class Relations:
    """Of everything that is there at present."""

    def __init__(self, known: Iterable[Known] = ()) -> None:
        """Items that are gone are left out."""
        present = {(one.source, one.item.kind, one.item.id): one for one in known if one.gone_at is None}
        self._present: Final = present
        self._hosts: dict[tuple[str, str], str] = {}
        self._fed: dict[Place, set[Resource]] = {}
        self._places: dict[Resource, set[Place]] = {}
        self._same: dict[str, set[tuple[str, str]]] = {}
        for (source, kind, _), one in present.items():
            if kind is ItemKind.ORIGIN:
                host = one.item.facts.get("host", "") or one.item.id
                self._hosts[source, one.item.id] = host
                self._same.setdefault(host, set()).add((source, one.item.id))
        for one in present.values():
            if one.item.kind in _SERVED:
                self._learn(one)
            elif one.item.kind is ItemKind.ORIGIN:
                for name in one.item.words("domains"):
                    self._link((one.source, name), (one.source, "origin", one.item.id))

    def resource_of(self, incident: Incident) -> Resource | None:
        """What an incident is about, where that is one resource."""
        labels = dict(incident.key.labels)
        source, resource = labels.get("source", ""), labels.get("resource", "")
        return (source, resource) if resource and not self._group(source, resource) else None

    def places_of(self, incident: Incident) -> list[Place]:
        """What an incident is about, where that is an origin, a group of origins or an account."""
        labels = dict(incident.key.labels)
        source = labels.get("source", "")
        if resource := labels.get("resource", ""):
            return [(source, "origin_group", resource)] if self._group(source, resource) else []
        return [(source, kind, labels[kind]) for kind in ("origin", "account") if labels.get(kind)]

    def served_by(self, incident: Incident) -> Collection[Resource]:
        """Resources of the origin, the group of origins or the account that an incident is about."""
        return self._of(self.places_of(incident))

    def affected(self, incident: Incident, standing: Iterable[Incident]) -> tuple[Affected, ...]:
        """The domains of the origin that an incident is about: first those with open incidents of their own.

        Of an origin that a source lists by its host, those of every source that lists the same host.
        """
        places = self.places_of(incident)
        resource = self.resource_of(incident)
        if incident.key.rule in ORIGIN_OF and resource is not None:
            places += self._places.get(resource, ())
        fed = self._of(place for place in places if place[1] != "account")
        if not fed:
            return ()
        hurt = {found for one in standing if not one.over and (found := self.resource_of(one)) is not None}
        listed = (self._named(one, hurt) for one in fed)
        return tuple(sorted(listed, key=lambda one: (not one.hurt, one.name, one.source, one.resource)))

    def _group(self, source: str, resource: str) -> bool:
        """Whether a resource is a group of origins, which sources may call so too."""
        served = any((source, kind, resource) in self._present for kind in _SERVED)
        return not served and (source, ItemKind.ORIGIN_GROUP, resource) in self._present

    def _of(self, places: Iterable[Place]) -> set[Resource]:
        return {one for place in places for same in self._alike(place) for one in self._fed.get(same, ())}

    def _alike(self, place: Place) -> Iterable[Place]:
        """The same origin at every source that lists its host."""
        source, kind, id_ = place
        if kind != "origin":
            return (place,)
        host = self._hosts.get((source, id_), id_)
        return {place, *((other, kind, their_id) for other, their_id in self._same.get(host, ()))}

    def _learn(self, one: Known) -> None:
        """A domain is of what its distributions are of, and they are of what it is of."""
        resource = (one.source, one.item.id)
        for place in self._said(one):
            self._link(resource, place)
        for id_ in one.item.words("distribution"):
            serving = self._present.get((one.source, ItemKind.DISTRIBUTION, id_))
            for place in self._said(one):
                self._link((one.source, id_), place)
            for place in self._said(serving) if serving is not None else ():
                self._link(resource, place)

    def _said(self, one: Known) -> Iterable[Place]:
        for origin in one.item.words("origins"):
            yield one.source, "origin", origin
        for group in one.item.words("origin_group"):
            yield one.source, "origin_group", group
            members = self._present.get((one.source, ItemKind.ORIGIN_GROUP, group))
            for origin in members.item.words("origins") if members is not None else ():
                yield one.source, "origin", origin
        for account in one.item.words("account"):
            yield one.source, "account", account

    def _link(self, resource: Resource, place: Place) -> None:
        self._fed.setdefault(place, set()).add(resource)
        self._places.setdefault(resource, set()).add(place)

    def _named(self, resource: Resource, hurt: Collection[Resource]) -> Affected:
        source, id_ = resource
        known = next(
            (one for kind in _SERVED if (one := self._present.get((source, kind, id_))) is not None), None
        )
        facts: Mapping[str, str] = {} if known is None else known.item.facts
        return Affected(source, id_, facts.get("name", "") or id_, self._is_hurt(resource, known, hurt))

    def _is_hurt(self, resource: Resource, known: Known | None, hurt: Collection[Resource]) -> bool:
        serving = [] if known is None else known.item.words("distribution")
        return resource in hurt or any((resource[0], id_) in hurt for id_ in serving)


def widened(incident: Incident, relations: Relations, standing: Iterable[Incident]) -> Incident:
    """The incident with what its origin feeds; one that is over hurts nothing any more."""
    affects = () if incident.over else relations.affected(incident, standing)
    return replace(incident, affects=affects) if affects else incident
