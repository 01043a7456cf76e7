"""Names in a scenario that lead nowhere, or to two things: each with its place in the file."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from watcher.document.complaints import nearest
from watcher.simulate.troubles import FailingApiCalls, OriginGroupEmpty, TrafficTrouble, Trouble
from watcher.simulate.world import Resource, World

Loc: TypeAlias = tuple[str | int, ...]
Named: TypeAlias = Iterable[tuple[Loc, str]]
"""Names, and where they stand."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One name that is wrong."""

    loc: Loc
    what: str
    hint: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.loc))}: {self.what}; {self.hint}"


def of_world(world: World, vendors: Collection[str]) -> Iterator[Mistake]:
    """Of what all vendors share."""
    resources = list(enumerate(world.resources))
    yield from twice((("resources", place, "id"), one.id) for place, one in resources)
    yield from twice(
        (("origin_groups", place, "id"), one.id) for place, one in enumerate(world.origin_groups)
    )
    named: Named = (
        (("resources", place, "vendors", at), name)
        for place, one in resources
        for at, name in enumerate(one.vendors)
    )
    yield from unknown("vendor", named, vendors)
    groups = {group.id for group in world.origin_groups}
    named = ((("resources", place, "origin_group"), one.origin_group) for place, one in resources)
    yield from unknown("origin group", named, groups)
    yield from _hosts(world, vendors)
    for place, trouble in enumerate(world.troubles):
        at: Loc = ("troubles", place)
        if isinstance(trouble, TrafficTrouble):
            yield from _part(world, trouble, at)
        elif isinstance(trouble, Trouble):
            yield from unknown("resource", [((*at, "resource"), trouble.resource)], _ids(world))
        elif isinstance(trouble, OriginGroupEmpty):
            yield from unknown("origin group", [((*at, "group"), trouble.group)], groups)
        else:
            yield from _calls(world, trouble, at)


def unknown(what: str, named: Named, known: Collection[str]) -> Iterator[Mistake]:
    """Names of something that is not there; an empty one names nothing."""
    for loc, name in named:
        if name and name not in known:
            yield Mistake(loc, f"no such {what}: `{name}`", nearest(name, known))


def twice(named: Named) -> Iterator[Mistake]:
    """Names that more than one thing has."""
    first: dict[str, Loc] = {}
    for loc, name in named:
        if first.setdefault(name, loc) != loc:
            yield Mistake(loc, f"`{name}` stands twice", "each needs a name of its own")


def _ids(world: World) -> Collection[str]:
    return {resource.id for resource in world.resources}


def _hosts(world: World, vendors: Collection[str]) -> Iterator[Mistake]:
    """A vendor serves each host once."""
    told = set()
    for vendor in vendors:
        shown = {resource.id for resource in world.shown_by(vendor)}
        named: Named = (
            (("resources", place, "cname"), one.host)
            for place, one in enumerate(world.resources)
            if one.id in shown
        )
        for mistake in twice(named):
            if mistake.loc not in told:
                told.add(mistake.loc)
                yield mistake


def _part(world: World, trouble: TrafficTrouble, at: Loc) -> Iterator[Mistake]:
    """A provider or region must be one of the resource's, or of some resource's where none is named."""
    yield from unknown("resource", [((*at, "resource"), trouble.resource)], _ids(world))
    befallen = [one for one in world.resources if trouble.resource in {"", one.id}]
    providers, regions = (
        _dividing(one.providers for one in befallen),
        _dividing(one.regions for one in befallen),
    )
    if not befallen:
        return
    yield from unknown("provider", [((*at, "provider"), trouble.provider)], providers)
    yield from unknown("region", [((*at, "region"), trouble.region)], regions)
    both = trouble.provider in providers and trouble.region in regions
    if both and not any(_has(one, trouble) for one in befallen):
        yield Mistake((*at, "region"), f"`{trouble.provider}` serves nothing there", "name one of them alone")


def _has(resource: Resource, trouble: TrafficTrouble) -> bool:
    return trouble.provider in resource.providers and trouble.region in resource.regions


def _dividing(weights: Iterable[Mapping[str, float]]) -> Collection[str]:
    return {name for one in weights for name in one}


def _calls(world: World, trouble: FailingApiCalls, at: Loc) -> Iterator[Mistake]:
    urls = {endpoint.url for endpoint in world.api.endpoints}
    callers = {caller.name for caller in world.api.callers}
    yield from unknown("endpoint", [((*at, "url"), trouble.url)], urls)
    yield from unknown("caller", [((*at, "user"), trouble.user)], callers)
