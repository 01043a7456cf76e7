"""The troubles of a scenario in time: which columns each befalls, and from when until when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar, cast

import numpy as np

from watcher.model.time import MINUTE, Instant, floor
from watcher.simulate.chance import stable_id
from watcher.simulate.counts import Ints
from watcher.simulate.troubles import PartialOutage, TrafficTrouble
from watcher.simulate.world import Resource, World

TroubleT_co = TypeVar("TroubleT_co", bound=TrafficTrouble, covariant=True)
KindT = TypeVar("KindT", bound=TrafficTrouble)


@dataclass(frozen=True, slots=True)
class Slice:
    """What one provider serves of one resource in one region."""

    resource: str
    provider: str
    """Empty where the resource is not divided."""
    region: str
    share: float
    """Of the resource's requests."""


@dataclass(frozen=True, slots=True)
class Episode(Generic[TroubleT_co]):
    """A trouble in time: which columns it befalls, and its half-open span of whole minutes."""

    trouble: TroubleT_co
    columns: Sequence[int]
    """Of the parts."""
    start: Instant
    end: Instant


def slices(world: World) -> tuple[Slice, ...]:
    """Every part of every resource, in the world's order."""
    return tuple(part for resource in world.resources for part in _sliced(resource))


def plan(world: World, parts: Sequence[Slice], anchor: Instant) -> tuple[Episode[TrafficTrouble], ...]:
    """The troubles that show in numbers; those that befall nothing are left out."""
    planned = (
        Episode(trouble, _befallen(trouble, world, parts), *minutes_of(trouble, anchor))
        for trouble in world.troubles
        if isinstance(trouble, TrafficTrouble)
    )
    return tuple(episode for episode in planned if episode.columns)


def befallen(trouble: TrafficTrouble, world: World) -> frozenset[str]:
    """Ids of the resources that a trouble befalls, wholly or in part."""
    parts = slices(world)
    return frozenset(parts[column].resource for column in _befallen(trouble, world, parts))


def minutes_of(trouble: TrafficTrouble, anchor: Instant) -> tuple[Instant, Instant]:
    """Its half-open span of whole minutes, of one at least."""
    start, end = (floor(bound, MINUTE) for bound in trouble.span(anchor))
    return start, max(end, start + MINUTE)


def ongoing(
    episodes: Sequence[Episode[TrafficTrouble]], kind: type[KindT], minutes: Ints
) -> Iterator[tuple[Episode[KindT], slice]]:
    """Episodes of a kind and the places of consecutive minutes that they hold, where there are any."""
    for episode in episodes:
        if isinstance(episode.trouble, kind):
            first, last = np.searchsorted(minutes, (episode.start, episode.end)).tolist()
            if first < last:
                yield cast("Episode[KindT]", episode), slice(first, last)


def _sliced(resource: Resource) -> Iterator[Slice]:
    providers, regions = (_shares(weights) for weights in (resource.providers, resource.regions))
    for provider, of_provider in providers.items():
        for region, of_region in regions.items():
            yield Slice(resource.id, provider, region, of_provider * of_region)


def _shares(weights: Mapping[str, float]) -> Mapping[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()} or {"": 1.0}


def _befallen(trouble: TrafficTrouble, world: World, parts: Sequence[Slice]) -> Sequence[int]:
    among = _some(world, trouble.of) if isinstance(trouble, PartialOutage) else None
    return [
        column
        for column, part in enumerate(parts)
        if trouble.resource in {"", part.resource}
        and trouble.provider in {"", part.provider}
        and trouble.region in {"", part.region}
        and (among is None or part.resource in among)
    ]


def _some(world: World, share: float) -> frozenset[str]:
    """That share of the resources, always the same ones for a seed."""
    ids = sorted((resource.id for resource in world.resources), key=lambda name: stable_id(world.seed, name))
    return frozenset(ids[: ceil(share * len(ids))])
