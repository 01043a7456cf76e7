"""Domains of origins as a `SampleBatch`: state sets, times of change, counts, and the inventory. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

import numpy as np

from watcher.collect.states import Statuses
from watcher.collect.vendors.alibaba_cdn.api import some
from watcher.collect.vendors.alibaba_cdn.parse import Answer, Domain
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Floats, SampleBatch
from watcher.model.time import SECOND, Instant

SERVING: Final = "online"
EXEMPLARS: Final = 20

_NO_TIME: Final = np.iinfo(np.int64).min
"""How NumPy writes "not a time"."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where answers come from: what their batch says of itself."""

    source: str
    stream: str
    at: Instant
    fetched_at: Instant
    refused: tuple[str, ...] = ()
    """Configured origins that nothing was learned of."""
    held: tuple[Item, ...] = ()
    """Domains that these fed when they were last answered, and that no other feeds now."""


def batch_of(answer: Answer, of: Provenance, statuses: Statuses) -> SampleBatch:
    """The answer in our words, by domain and by origin; `statuses` learns those that it does not know yet.

    A domain of unknown status, a refused origin and its domains are there without a value, so that none of
    them is taken for gone.
    """
    domains = [answer.domains[name] for name in sorted(answer.domains)]
    origins, facts = (*answer.origins, *of.refused), _facts(answer, domains)
    present = [domain.status or None for domain in domains] + [None] * len(of.held)
    states = statuses.columns("domain_status", present)
    names = (*sorted(answer.domains), *(item.id for item in of.held))
    return SampleBatch(
        source=of.source,
        vendor="alibaba_cdn",
        stream=of.stream,
        width=0,
        fetched_at=of.fetched_at,
        settled_until=of.at,
        entities=(*_entities("resource", names), *_entities("origin", origins)),
        metrics=(*(key for key, _ in states), ("domain_changed_seconds", ()), ("origin_domains", ())),
        starts=np.array([of.at], dtype=np.int64),
        values=_grid(answer, domains, [column for _, column in states], len(origins))[np.newaxis],
        exemplars=tuple(_exemplars(domains, facts, of.at)),
        complete=True,
        listings=_listings(answer, facts, of),
        remark=_remark(answer, of.refused),
    )


def _grid(answer: Answer, domains: Sequence[Domain], states: Sequence[Floats], origins: int) -> Floats:
    """Rows are statuses, time of change, domains; columns are domains, then origins."""
    count = len(states[0])
    values = np.full((len(states) + 2, count + origins), np.nan)
    values[:-2, :count] = states
    values[-2, : len(domains)] = [_seconds(domain.updated) for domain in domains]
    values[-1, count : count + len(answer.origins)] = [*map(len, answer.origins.values())]
    return values


def _seconds(instant: Instant | None) -> float:
    return np.nan if instant is None else instant / SECOND


def _entities(label: str, names: Iterable[str]) -> Iterator[LabelSet]:
    return (((label, name),) for name in names)


def _exemplars(domains: Sequence[Domain], facts: Sequence[dict[str, str]], at: Instant) -> Iterator[Exemplar]:
    """What is said of domains that do not serve."""
    failing = [column for column, domain in enumerate(domains) if domain.status not in {"", SERVING}]
    return (Exemplar(column, at, facts[column]) for column in failing[:EXEMPLARS])


def _facts(answer: Answer, domains: Sequence[Domain]) -> Sequence[dict[str, str]]:
    """Of each domain what is known of it. Times are written all at once: one by one is slow."""
    feeding: dict[str, list[str]] = {domain.name: [] for domain in domains}
    for origin in sorted(answer.origins):
        for name in answer.origins[origin]:
            feeding[name].append(origin)
    created, updated = (_written(map(attrgetter(name), domains)) for name in ("created", "updated"))
    facts = [
        {
            "status": domain.status,
            "cname": domain.cname,
            "type": domain.kind,
            "created": begun,
            "updated": changed,
            "origins": ",".join(feeding[domain.name]),
        }
        for domain, begun, changed in zip(domains, created, updated, strict=True)
    ]
    return [
        {name: fact for name, fact in known.items() if fact} if "" in known.values() else known
        for known in facts
    ]


def _written(instants: Iterable[Instant | None]) -> Sequence[str]:
    """As RFC 3339; no time is no text."""
    times = np.array([_NO_TIME if instant is None else instant for instant in instants], "datetime64[ms]")
    texts = np.datetime_as_string(times, unit="s", timezone="UTC").tolist()
    return ["" if text == "NaT" else text for text in texts]


def _listings(answer: Answer, facts: Sequence[dict[str, str]], of: Provenance) -> tuple[Listing, ...]:
    """Origins and domains, which name their origins. `facts` are of the domains in order of name."""
    origins = tuple(Item(ItemKind.ORIGIN, origin) for origin in (*answer.origins, *of.refused))
    names = sorted(answer.domains)
    domains = (Item(ItemKind.DOMAIN, *item) for item in zip(names, facts, strict=True))
    return Listing(ItemKind.ORIGIN, origins), Listing(ItemKind.DOMAIN, (*domains, *of.held))


def _remark(answer: Answer, refused: Sequence[str]) -> str:
    called = f"origins that the vendor calls malformed: {some(refused)}" if refused else ""
    more = len(answer.slips) - 1
    slip = answer.slips[0] + (f" (and {more} more)" if more else "") if answer.slips else ""
    return "; ".join(filter(None, (called, slip)))
