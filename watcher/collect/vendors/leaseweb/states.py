"""Readings at an instant, and the batches that they become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from watcher.collect.words import printable
from watcher.model.inventory import Listing
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Floats, MetricKey, SampleBatch
from watcher.model.time import SECOND, Instant, rfc3339

LONGEST: Final = 40
"""Characters of a status."""
EXEMPLARS: Final = 20
"""Raw records that one batch carries at most."""


def word(text: object) -> str | None:
    """A status as a label: in lower case, otherwise as the vendor spells it. None where it says nothing."""
    return printable(text, LONGEST).lower() or None


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


def when(at: Instant | None) -> str:
    """One of the vendor's times in RFC 3339; empty where there is none."""
    return "" if at is None else rfc3339(at)


def remarks(*said: str) -> str:
    """Those that say something, as one."""
    return "; ".join(filter(None, said))
