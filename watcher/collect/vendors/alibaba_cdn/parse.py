"""Alibaba Cloud's answers: bytes in, domains of origins out. Pure.

The document prints flat lists where the wire has objects around them, so each of the three lists may be
either. What the vendor does not say of a domain is unknown. A list that is not there at all is a changed
contract: overlooked, it would read as an orphaned origin.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from watcher.collect.decode import decode_json
from watcher.collect.http import Response
from watcher.collect.vendors.alibaba_cdn.api import is_not_found
from watcher.collect.vendors.alibaba_cdn.settings import comparable
from watcher.collect.words import printable
from watcher.errors import ContractBroken
from watcher.model.time import Instant, parse_rfc3339

T = TypeVar("T")
Wrapped: TypeAlias = list[T] | dict[str, list[T]]
"""A list, or an object whose single value is one."""

STATUSES: Final = (
    *("applying", "configure_failed", "configuring", "online", "stopping", "offline", "disabling"),
    *("checking", "check_failed", "deleting"),
)
"""What the vendor documents: of this call, and of DescribeUserDomains beside it."""

_LONGEST_NAME: Final = 255
_LONGEST_STATUS: Final = 40
_LONGEST_TIME: Final = 40
_TIMES: Final = 65_536
"""Times kept read and written: they are the same at each reading, and most of the work."""
_EARLIEST: Final[Instant] = parse_rfc3339("2000-01-01T00:00:00Z")
_LATEST: Final[Instant] = parse_rfc3339("2100-01-01T00:00:00Z")
"""A time beyond these stands for none: the vendor is younger."""


class _Info(msgspec.Struct, rename="pascal", gc=False):
    domain_name: str
    domain_cname: str | None = None
    cdn_type: str | None = None
    status: str | None = None
    create_time: str | None = None
    update_time: str | None = None


class _Entry(msgspec.Struct, rename="pascal"):
    source: str
    domains: Wrapped[str] | None = None
    domain_infos: Wrapped[_Info] | None = None


class _Body(msgspec.Struct, rename="pascal"):
    domains_list: Wrapped[_Entry]
    sources: Any = None
    request_id: Any = None


class Domain(msgspec.Struct, frozen=True, gc=False):
    """What the vendor says of one domain; empty and None where it says nothing."""

    name: str
    status: str = ""
    cname: str = ""
    kind: str = ""
    created: Instant | None = None
    updated: Instant | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Domains by origin (every origin that was asked for, as it was written), and what is known of each."""

    origins: Mapping[str, Collection[str]]
    domains: Mapping[str, Domain]
    slips: tuple[str, ...] = ()
    """What could not be read, in words."""


def parse_domains(response: Response, origins: Sequence[str]) -> Answer:
    """Read one answer about some origins.

    Raises:
        ContractBroken: it is not what the vendor documents, or not about these origins.
    """
    if is_not_found(response):
        return Answer(dict.fromkeys(origins, ()), {})
    asked = {comparable(origin): origin for origin in origins}
    found: dict[str, dict[str, None]] = {origin: {} for origin in origins}
    domains: dict[str, Domain] = {}
    slips: list[str] = []
    for entry in _list_of(decode_json(response, _Body, keys=_keys).domains_list, "DomainsList"):
        origin = asked.get(comparable(entry.source))
        if origin is None:
            raise ContractBroken(
                f"the answer is about {printable(entry.source, 60)!r}, which was not asked for"
            )
        for domain in _domains_of(entry, slips):
            found[origin][domain.name] = None
            domains[domain.name] = _newer(domains.get(domain.name), domain)
    return Answer(found, domains, tuple(slips))


def merged(answers: Sequence[Answer]) -> Answer:
    """One answer out of those about different origins; a domain may be in several."""
    domains: dict[str, Domain] = {}
    for answer in answers:
        for name, domain in answer.domains.items():
            domains[name] = _newer(domains.get(name), domain)
    return Answer(
        {origin: names for answer in answers for origin, names in answer.origins.items()},
        domains,
        tuple(dict.fromkeys(slip for answer in answers for slip in answer.slips)),
    )


def _keys(body: _Body) -> int:
    """How many keys the answer has if each that it has is documented, not null, and stands once."""
    entries = _list_of(body.domains_list, "DomainsList")
    infos = [info for entry in entries for info in _list_of(entry.domain_infos, "DomainInfos")]
    wrapped = (body.domains_list, *(of for entry in entries for of in (entry.domains, entry.domain_infos)))
    objects: tuple[msgspec.Struct, ...] = (body, *entries, *infos)
    said = sum(len(values) - values.count(None) for values in map(msgspec.structs.astuple, objects))
    return said + sum(isinstance(of, dict) for of in wrapped)


def _list_of(value: Wrapped[T] | None, where: str) -> list[T]:
    """Of an object the single value. An empty one inside an entry is how the vendor writes an empty list."""
    if isinstance(value, dict):
        if not value and where != "DomainsList":
            return []
        if len(value) != 1:
            raise ContractBroken(f"{where} is an object of {len(value)} lists")
        return next(iter(value.values()))
    return value or []


def _domains_of(entry: _Entry, slips: list[str]) -> Iterable[Domain]:
    """The union of both lists: they may disagree."""
    if entry.domains is None and entry.domain_infos is None:
        raise ContractBroken(
            f"nothing is said about {printable(entry.source, 60)!r}: no Domains, no DomainInfos"
        )
    infos = [_domain(info, slips) for info in _list_of(entry.domain_infos, "DomainInfos")]
    names = {_name(name) for name in _list_of(entry.domains, "Domains")}
    names.difference_update(map(attrgetter("name"), infos))
    return (*infos, *map(Domain, sorted(names)))


def _domain(info: _Info, slips: list[str]) -> Domain:
    name = _name(info.domain_name)
    times = []
    for what, text in (("CreateTime", info.create_time), ("UpdateTime", info.update_time)):
        instant = _instant(text) if text and len(text) <= _LONGEST_TIME else None
        if text and instant is None:
            slips.append(f"{what} of {name} is no time: {printable(text, 40)!r}")
        times.append(instant)
    status, cname = _word(info.status, _LONGEST_STATUS).lower(), _word(info.domain_cname).lower()
    return Domain(name, status, cname, _word(info.cdn_type), *times)


def _newer(before: Domain | None, domain: Domain) -> Domain:
    """Of two readings of one domain the one that changed last; the later reading where that does not tell."""
    if before is None or before == domain:
        return domain
    if not domain.status:
        return before
    if before.status and (before.updated or 0) > (domain.updated or 0):
        return before
    return domain


def _name(name: str) -> str:
    if not name.isprintable() or " " in name or "," in name or not 0 < len(name) <= _LONGEST_NAME:
        raise ContractBroken(f"domain name {printable(name, 60)!r}")
    return name.lower()


def _word(text: str | None, most: int = _LONGEST_NAME) -> str:
    """As it is, where people can read it."""
    if text is None or (text.isprintable() and len(text) <= most):
        return (text or "").strip()
    return printable(text, most)


@lru_cache(maxsize=_TIMES)
def _instant(text: str) -> Instant | None:
    try:
        instant = parse_rfc3339(text)
    except (ValueError, OverflowError):
        return None
    return instant if _EARLIEST <= instant < _LATEST else None
