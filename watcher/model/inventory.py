"""What vendors know beside numbers: domains, origins, certificates, and what becomes of them. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias

from watcher.model.time import HOUR, Duration, Instant

SEEN_EVERY: Final[Duration] = HOUR
"""How often `last_seen` moves while nothing else changes."""
OUT_OF_SERVICE: Final = frozenset(
    {"offline", "stopping", "deleting", "disabled", "disabling", "checking", "check_failed", "not_found"}
)
"""What a domain's `status` is, in lower case, while it is not in service.

With any other it is or may be: a domain goes on serving while it is being configured, and where that failed.
"""
_LONGEST_ID: Final = 255
"""Characters: a host name has no more, and the index of a database holds little more."""
_LONGEST_FACT: Final = 1_000


class ItemKind(StrEnum):
    """What kind of thing an item is; the values are what people and the database see."""

    ORIGIN = "origin"  # where content comes from: a host name or an address
    ORIGIN_GROUP = "origin_group"  # several origins behind one name
    DOMAIN = "domain"  # a host name that visitors use: the id is the name itself
    DISTRIBUTION = "distribution"  # a resource that serves domains
    CERTIFICATE = "certificate"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing one source knows, by the vendor's id.

    Facts are plain words by name. Those that mean the same at all vendors: `name`, `status`, `cname`, `type`,
    `created`, `updated` (RFC 3339); references to other items of the same source by id, several joined by
    commas: `origins`, `distribution`, `certificate`, `domains`, `origin_group`; of certificates `not_after`
    (RFC 3339), `serial`, `fingerprint`, `issuer`; `tls` (`yes` or `no`) of a domain.
    """

    kind: ItemKind
    id: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_served(self) -> bool:
        """Whether a domain is in service, as far as its source says."""
        return self.facts.get("status", "").lower() not in OUT_OF_SERVICE

    def words(self, fact: str) -> list[str]:
        """The parts of a fact that holds several, such as ids of other items."""
        return [word for part in self.facts.get(fact, "").split(",") if (word := part.strip())]

    @property
    def names(self) -> set[str]:
        """The host names that a certificate is for, in lower case, wildcards included."""
        for fact in ("domains", "common_name", "name"):
            if names := self.words(fact):
                return {name.lower() for name in names}
        return set()


@dataclass(frozen=True, slots=True)
class Listing:
    """Items of one kind as one answer gave them."""

    kind: ItemKind
    items: tuple[Item, ...]
    complete: bool = True
    """Whether these are all there are of the kind in the source: what is missing is then gone."""


@dataclass(frozen=True, slots=True)
class Known:
    """One item of one source, as last seen."""

    source: str
    vendor: str
    item: Item
    first_seen: Instant = 0
    last_seen: Instant = 0
    gone_at: Instant | None = None
    """When a complete listing first lacked it; None while it is there."""


class ItemChange(StrEnum):
    """What became of an item."""

    APPEARED = "appeared"
    CHANGED = "changed"  # one fact: from what, to what
    GONE = "gone"
    RETURNED = "returned"  # there again after it was gone


@dataclass(frozen=True, slots=True)
class ItemEvent:
    """Something that became of an item. Where one fact changed: from `before` to `after`; empty is absent."""

    source: str
    vendor: str
    kind: ItemKind
    id: str
    at: Instant
    change: ItemChange
    fact: str = ""
    before: str = ""
    after: str = ""


Shelf: TypeAlias = tuple[str, ItemKind]
"""Source and kind: what one complete listing speaks of."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A listing, with who gave it and when."""

    source: str
    vendor: str
    at: Instant
    listing: Listing

    @property
    def shelf(self) -> Shelf:
        """What it speaks of."""
        return self.source, self.listing.kind


@dataclass(frozen=True, slots=True)
class Difference:
    """What a listing changes: items as they stand after it, and what became of them."""

    known: tuple[Known, ...] = ()
    events: tuple[ItemEvent, ...] = ()


def merged(heard: Iterable[Heard]) -> list[Heard]:
    """One of each shelf: the last complete one, with what incomplete ones added to it since.

    So what a tick makes of several is the same when the tick is applied again.
    """
    found: dict[Shelf, Heard] = {}
    for one in heard:
        before = found.get(one.shelf)
        if before is None or one.listing.complete:
            found[one.shelf] = one
            continue
        items = {item.id: item for item in (*before.listing.items, *one.listing.items)}
        both = replace(one.listing, items=tuple(items.values()), complete=before.listing.complete)
        found[one.shelf] = replace(one, listing=both)
    return list(found.values())


def compared(before: Mapping[str, Known], heard: Heard) -> Difference:
    """What a listing changes in what was known of its shelf, by id and those that are gone included."""
    now = {item.id: item for one in heard.listing.items if (item := _sound(one)) is not None}
    known: list[Known] = []
    events: list[ItemEvent] = []
    for item in now.values():
        held = before.get(item.id)
        after = _after(held, item, heard)
        if after != held:
            known.append(after)
            events += _events(held, item, heard)
    if heard.listing.complete:
        for held in before.values():
            if held.gone_at is None and held.item.id not in now:
                known.append(replace(held, gone_at=heard.at))
                events.append(_event(heard, held.item, ItemChange.GONE))
    return Difference(tuple(known), tuple(events))


def _after(held: Known | None, item: Item, heard: Heard) -> Known:
    first = heard.at if held is None else held.first_seen
    new = Known(heard.source, heard.vendor, item, first, heard.at)
    if held is None or abs(heard.at - held.last_seen) >= SEEN_EVERY:
        return new
    same = replace(new, last_seen=held.last_seen)
    return held if same == held else new


def _events(held: Known | None, item: Item, heard: Heard) -> Iterator[ItemEvent]:
    if held is None:
        yield _event(heard, item, ItemChange.APPEARED)
        return
    if held.gone_at is not None:
        yield _event(heard, item, ItemChange.RETURNED)
    for fact in sorted({*held.item.facts, *item.facts}):
        before, after = held.item.facts.get(fact, ""), item.facts.get(fact, "")
        if before != after:
            yield replace(_event(heard, item, ItemChange.CHANGED), fact=fact, before=before, after=after)


def _event(heard: Heard, item: Item, change: ItemChange) -> ItemEvent:
    return ItemEvent(heard.source, heard.vendor, item.kind, item.id, heard.at, change)


def _sound(item: Item) -> Item | None:
    """The item as a database can hold it; None where its id names nothing.

    Ids and facts are strangers' words: they may be of any length and hold characters that no table takes.
    """
    if not 0 < len(item.id) <= _LONGEST_ID or not item.id.isprintable():
        return None
    if all(fact and len(fact) <= _LONGEST_FACT and fact.isprintable() for fact in item.facts.values()):
        return item
    plain = {name: _plain(fact) for name, fact in item.facts.items()}
    return replace(item, facts={name: fact for name, fact in plain.items() if fact})


def _plain(fact: str) -> str:
    """Cut between two of its parts where it has several: half an id would be another one."""
    kept = fact[:_LONGEST_FACT]
    if len(fact) > _LONGEST_FACT and "," in kept and fact[_LONGEST_FACT] != ",":
        kept = kept.rpartition(",")[0]
    return "".join(letter if letter.isprintable() else " " for letter in kept).strip()
