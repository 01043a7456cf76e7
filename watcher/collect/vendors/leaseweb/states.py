"""Readings at an instant: state sets (1 for the status a thing has, 0 for every other) and their batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from watcher.collect.vendors.leaseweb.api import parse_time
from watcher.errors import ContractBroken
from watcher.model.inventory import Listing
from watcher.model.labels import LabelSet, label_set
from watcher.model.sample import Exemplar, Floats, MetricKey, SampleBatch
from watcher.model.time import SECOND, Instant, rfc3339

MOST: Final = 32
"""Statuses that no document knows and that are kept apart."""
ONE_MORE: Final = "another"
"""What all further ones are called."""
LONGEST: Final = 40
EXEMPLARS: Final = 20
"""Raw records that one batch carries at most."""


class Statuses:
    """The statuses of one kind of thing: those documented, then others in the order they were first seen."""

    def __init__(self, *documented: str) -> None:
        self._known = dict.fromkeys(documented)
        self._most = len(documented) + MOST

    def columns(self, metric: str, present: Sequence[str | None]) -> list[tuple[MetricKey, Floats]]:
        """One column a status, over the things in order; None is a thing whose status nobody said."""
        kept = [None if status is None else self._kept(status) for status in present]
        known = np.array([status is not None for status in kept], dtype=bool)
        return [
            (
                (metric, label_set({"status": status})),
                np.where(known, np.array([status == one for one in kept], dtype=np.float64), np.nan),
            )
            for status in self._known
        ]

    def _kept(self, status: str) -> str:
        """Itself; or that it is one more, where there are too many for each to be a status of its own."""
        if status not in self._known and len(self._known) >= self._most:
            status = ONE_MORE
        self._known.setdefault(status)
        return status


def word(text: str, what: str) -> str:
    """A status as a label: in lower case, otherwise as the vendor spells it.

    Raises:
        ContractBroken: empty, not printable, or too long to be a status.
    """
    status = text.strip().lower()
    if not status.isprintable() or not 0 < len(status) <= LONGEST:
        raise ContractBroken(f"{what} has no usable status")
    return status


@dataclass(frozen=True, slots=True)
class States:
    """What one reading told, before it is known whose and when it was."""

    entities: tuple[LabelSet, ...]
    columns: Sequence[tuple[MetricKey, Floats]]
    """One value an entity."""
    complete: bool = False
    """Whether the entities are all there are."""
    listings: tuple[Listing, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    exemplars: Sequence[tuple[int, Mapping[str, str]]] = ()
    """Facts of some entities, the most telling first."""
    remark: str = ""
    """What could not be read."""
    oddity: str = ""
    """What contradicts itself and is read all the same."""


def batch_of(states: States, *, source: str, stream: str, at: Instant, fetched_at: Instant) -> SampleBatch:
    """States in our words."""
    columns = [column for _, column in states.columns]
    shape = (1, len(columns), len(states.entities))
    return SampleBatch(
        source=source,
        vendor="leaseweb",
        stream=stream,
        width=0,
        fetched_at=fetched_at,
        settled_until=at,
        entities=states.entities,
        metrics=tuple(key for key, _ in states.columns),
        starts=np.array([at], dtype=np.int64),
        values=np.array(columns, dtype=np.float64).reshape(shape),
        names=states.names,
        exemplars=tuple(Exemplar(entity, at, facts) for entity, facts in states.exemplars[:EXEMPLARS]),
        complete=states.complete,
        listings=states.listings,
        remark=states.remark,
    )


def seconds(instants: Sequence[Instant | None]) -> Floats:
    """Unix seconds; NaN where there is no time."""
    return np.array([np.nan if at is None else at / SECOND for at in instants], dtype=np.float64)


def facts(**said: str | None) -> Mapping[str, str]:
    """Those that were said."""
    return {name: text for name, text in said.items() if text}


def yes(said: bool | None) -> str:  # noqa: FBT001 - what a document says of itself
    """A truth in words; empty where it was not said."""
    return "" if said is None else "yes" if said else "no"


def when(text: str | None, what: str) -> str:
    """One of the vendor's times in RFC 3339; empty where there is none.

    Raises:
        ContractBroken: no time; `what` names it.
    """
    at = parse_time(text, what)
    return "" if at is None else rfc3339(at)
