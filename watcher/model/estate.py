"""What all sources know, joined: origins, their domains, who serves these, and their certificates. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from watcher.model.inventory import ItemKind, Known


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of a domain, as a vendor's API or a probe gave it."""

    known: Known

    @property
    def not_after(self) -> str:
        """RFC 3339, or empty where it is not known."""
        return self.known.item.facts.get("not_after", "")


@dataclass(frozen=True, slots=True)
class Domain:
    """A host name that visitors use, with all that is known of it at all sources."""

    name: str
    listed: tuple[Known, ...]
    """As each source lists it; by none where it is only probed."""
    certificates: tuple[Certificate, ...]
    """Those of vendors first, then what probes saw."""
    origins: tuple[str, ...]
    """Host names or addresses, or the vendor's id where no more is known."""

    @property
    def is_served(self) -> bool:
        """Whether some source has it in service."""
        return any(one.item.is_served for one in self.listed)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where content comes from."""

    name: str
    listed: tuple[Known, ...]
    domains: tuple[str, ...]
    groups: tuple[Known, ...] = ()
    """Groups of origins that it is in."""
    is_linked: bool = True
    """Whether some source that lists it says of any domain where it comes from."""


@dataclass(frozen=True, slots=True)
class Estate:
    """Everything that is there at present."""

    origins: tuple[Origin, ...]
    domains: tuple[Domain, ...]
    known: tuple[Known, ...]


def joined(known: Iterable[Known]) -> Estate:
    """The estate that these items make; those that are gone are left out."""
    present = [one for one in known if one.gone_at is None]
    index = _Index(present)
    names = sorted(
        {one.item.id for one in present if one.item.kind is ItemKind.DOMAIN}
        | {name for one in present if one.vendor == "tls" for name in one.item.names}
    )
    domains = tuple(index.domain(name) for name in names)
    return Estate(index.origins(domains), domains, tuple(present))


class _Index:
    """Items by what they are asked for."""

    def __init__(self, known: Sequence[Known]) -> None:
        self._items = {(one.source, one.item.kind, one.item.id): one for one in known}
        self._domains: dict[str, list[Known]] = {}
        self._origins: dict[str, list[Known]] = {}
        self._feeding: dict[tuple[str, str], list[str]] = {}
        self._naming: dict[str, list[Known]] = {}
        self._groups: dict[tuple[str, str], list[Known]] = {}
        for one in known:
            if one.item.kind is ItemKind.DOMAIN:
                self._domains.setdefault(one.item.id, []).append(one)
            elif one.item.kind is ItemKind.ORIGIN:
                self._origins.setdefault(_name_of(one), []).append(one)
                for name in one.item.words("domains"):
                    self._feeding.setdefault((one.source, name), []).append(_name_of(one))
            elif one.item.kind is ItemKind.CERTIFICATE:
                for pattern in one.item.names:
                    self._naming.setdefault(pattern, []).append(one)
            elif one.item.kind is ItemKind.ORIGIN_GROUP:
                for member in one.item.words("origins"):
                    self._groups.setdefault((one.source, member), []).append(one)

    def domain(self, name: str) -> Domain:
        listed = tuple(self._domains.get(name, ()))
        origins = dict.fromkeys(origin for one in listed for origin in self._origins_of(one))
        certificates = {id(one): one for one in (*self._referred(listed), *self._named(name))}
        ordered = sorted(
            certificates.values(), key=lambda one: (one.vendor == "tls", one.source, one.item.id)
        )
        return Domain(name, listed, tuple(map(Certificate, ordered)), tuple(sorted(origins)))

    def origins(self, domains: Sequence[Domain]) -> tuple[Origin, ...]:
        """Those that are listed, and those that domains only name."""
        fed: dict[str, list[str]] = {name: [] for name in self._origins}
        for domain in domains:
            for origin in domain.origins:
                fed.setdefault(origin, []).append(domain.name)
        linking = {
            one.source
            for domain in domains
            for one in domain.listed
            if any(True for _ in self._origins_of(one))
        }
        return tuple(self._origin(name, fed[name], linking) for name in sorted(fed))

    def _origin(self, name: str, domains: Sequence[str], linking: Collection[str]) -> Origin:
        listed = tuple(self._origins.get(name, ()))
        groups = tuple(group for one in listed for group in self._groups.get((one.source, one.item.id), ()))
        is_linked = bool(domains) or any(one.source in linking for one in listed)
        return Origin(name, listed, tuple(domains), groups, is_linked)

    def _origins_of(self, domain: Known) -> Iterable[str]:
        """Its own, those of what serves it, and those that say that they feed it."""
        for holder in (domain, *self._find(domain, ItemKind.DISTRIBUTION, "distribution")):
            yield from self._named_origins(holder)
            for group in self._find(holder, ItemKind.ORIGIN_GROUP, "origin_group"):
                yield from self._named_origins(group)
        yield from self._feeding.get((domain.source, domain.item.id), ())

    def _named_origins(self, holder: Known) -> Iterable[str]:
        for id_ in holder.item.words("origins"):
            found = self._items.get((holder.source, ItemKind.ORIGIN, id_))
            yield id_ if found is None else _name_of(found)

    def _referred(self, listed: Iterable[Known]) -> Iterable[Known]:
        """Certificates that the domain, or what serves it, names by id."""
        for domain in listed:
            for holder in (domain, *self._find(domain, ItemKind.DISTRIBUTION, "distribution")):
                yield from self._find(holder, ItemKind.CERTIFICATE, "certificate")

    def _named(self, name: str) -> Iterable[Known]:
        """Certificates for the name, itself or by a wildcard."""
        yield from self._naming.get(name, ())
        yield from self._naming.get(f"*.{name.partition('.')[2]}", ())

    def _find(self, holder: Known, kind: ItemKind, fact: str) -> list[Known]:
        found = (self._items.get((holder.source, kind, id_)) for id_ in holder.item.words(fact))
        return [one for one in found if one is not None]


def _name_of(origin: Known) -> str:
    """Its host where the source says so: ids of one origin differ between sources."""
    return origin.item.facts.get("host", "") or origin.item.id
