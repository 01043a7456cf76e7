"""What vendors know beside numbers: domains, origins, certificates, and what becomes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from watcher.model.time import Instant


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


@dataclass(frozen=True, slots=True)
class Listing:
    """Items of one kind as one answer gave them."""

    kind: ItemKind
    items: tuple[Item, ...]
    complete: bool = True
    """Whether these are all there are of the kind in the source and scope: what is missing is then gone."""
    scope: str = ""
    """What part of the source's items the answer was about, where several streams list one kind."""


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
