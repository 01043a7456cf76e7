"""To which account, provider and origin a resource belongs: by labels of its series, and by the inventory."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from watcher.engine.extent import LABELS, Group
from watcher.model.inventory import Item, ItemKind
from watcher.model.labels import LabelSet
from watcher.model.sample import SampleBatch

RESOURCE: Final = "resource"
Values: TypeAlias = frozenset[str]
_Kind: TypeAlias = tuple[str, str]
"""Source, and which label it is about."""
_NONE: Final[Values] = frozenset()


class Places:
    """Of one engine, by source. A resource that is said to be in two places of one kind is in neither."""

    def __init__(self) -> None:
        """Nothing is known."""
        self.edition = 0
        """Rises with every change."""
        self.heard: dict[str, dict[LabelSet, None]] = {}
        """By source: labels that said something new, in their order; heard again, they say all there is."""
        self._said: dict[_Kind, dict[str, Values]] = {}
        """By resource. Most are in one place of few, so equal values are one object."""
        self._listed: dict[_Kind, dict[str, Values]] = {}
        self._values: dict[Values, Values] = {}
        self._seen: dict[tuple[str, str], tuple[LabelSet, ...]] = {}

    def see(self, batch: SampleBatch) -> None:
        """Learn what a batch says: labels that stand beside `resource`, and its listings."""
        stream = batch.source, batch.stream
        if self._seen.get(stream) != batch.entities:
            self._seen[stream] = batch.entities
            self.hear(batch.source, batch.entities)
        for listing in batch.listings:
            self.learn(batch.source, listing.items)

    def learn(self, source: str, items: Iterable[Item]) -> None:
        """Take what an inventory says of domains and distributions, in place of what it said before."""
        items = tuple(items)
        of = {item.id: item.words("origins") for item in items if item.kind is ItemKind.DISTRIBUTION}
        for item in items:
            if item.kind is ItemKind.DOMAIN or item.kind is ItemKind.DISTRIBUTION:
                origins = item.words("origins") or of.get(item.facts.get("distribution", ""), [])
                self._list(source, item.id, "origin", origins)
                self._list(source, item.id, "account", item.words("account"))

    def hear(self, source: str, entities: Iterable[LabelSet]) -> None:
        """Learn what labels say that stand beside `resource`."""
        heard = self.heard.setdefault(source, {})
        said = {label: self._said.setdefault((source, label), {}) for label in LABELS}
        new = [entity for entity in entities if entity not in heard]  # after a restart nearly all are known
        heard |= {entity: None for entity in new if self._is_news(said, dict(entity))}

    def groups(self, key: LabelSet) -> Sequence[Group]:
        """The groups of one incident key: by its own labels first, then by what is known of its resource."""
        own = dict(key)
        source, resource = own.get("source", ""), own.get(RESOURCE, "")
        found: list[Group] = []
        for label in LABELS:
            values = frozenset({own[label]}) if own.get(label) else self._known((source, label), resource)
            found += [(label, value) for value in values] if len(values) == 1 else []
        return tuple(found)

    def _is_news(self, said: Mapping[str, dict[str, Values]], labels: Mapping[str, str]) -> bool:
        """Take what the labels of one entity say; whether any of it was not known."""
        resource, is_news = labels.get(RESOURCE, ""), False
        for label, places in said.items() if resource else ():
            value, values = labels.get(label), places.get(resource, _NONE)
            if value and value not in values:
                places[resource] = self._one(values | {value})
                self.edition += 1
                is_news = True
        return is_news

    def _list(self, source: str, resource: str, label: str, values: Iterable[str]) -> None:
        now, listed = frozenset(values), self._listed.setdefault((source, label), {})
        if now and listed.get(resource) != now:
            listed[resource] = self._one(now)
            self.edition += 1

    def _known(self, kind: _Kind, resource: str) -> Values:
        """What series say of a resource, else what the inventory does."""
        return self._said.get(kind, {}).get(resource) or self._listed.get(kind, {}).get(resource, _NONE)

    def _one(self, values: Values) -> Values:
        return self._values.setdefault(values, values)
