"""What is wrong with routes, or probably not meant, beyond what their own fields can tell."""

from collections.abc import Iterator

from watcher.config.settings import Config
from watcher.document.complaints import nearest
from watcher.document.node import Document
from watcher.errors import Problem
from watcher.notify.reach import Nameable, Unreachable, unreachable
from watcher.notify.routing import OWN_SOURCE, Router


def mute_problems(document: Document) -> Iterator[Problem]:
    """Routes that are muted in times that there are not."""
    times, routes = document.get(("times",)), document.get(("routes",))
    known = set(times) if isinstance(times, dict) else set()
    for at, route in enumerate(routes if isinstance(routes, list) else []):
        mute = route.get("mute") if isinstance(route, dict) else None
        for index, name in enumerate(mute if isinstance(mute, list) else []):
            if isinstance(name, str) and name not in known:
                place = ("routes", at, "mute", index)
                yield document.problem(place, f"unknown time `{name}`", nearest(name, known))


def route_warnings(config: Config) -> Iterator[Problem]:
    """Routes that no incident takes, and receivers that none leads to."""
    if not config.routes:
        return
    router = Router(config.routes, config.receivers)
    for found in unreachable(router.routes, nameable(config)):
        yield config.problem(("routes", found.route), *_words(config, found))
    told = {name for route in config.routes for name in route.to}
    for at, receiver in enumerate(config.receivers):
        if receiver.name not in told:
            what = f"no route leads to receiver `{receiver.name}`"
            yield config.problem(("receivers", at, "name"), what, "name it in a route's `to`")


def nameable(config: Config) -> Nameable:
    """What incidents of this configuration can be called by."""
    sources = {source.name: source.vendor for source in config.sources}
    return Nameable(
        {rule.id: frozenset(rule.by) for rule in config.rules}, {**sources, OWN_SOURCE: OWN_SOURCE}
    )


def _words(config: Config, found: Unreachable) -> tuple[str, str]:
    if found.shadowed_by:
        lines = [str(config.document.mark(("routes", at)).line) for at in found.shadowed_by]
        takers = (
            f"the route in line {lines[0]} takes"
            if len(lines) == 1
            else f"routes in lines {_listed(lines)} take"
        )
        what = f"no incident comes to this route: {takers} all that it matches"
        return what, "put it before them, or let them say `continue: true`"
    if found.label:
        return f"no incident has such a `{found.label}`: the route matches none", "check its `match`"
    return "no incident has all of this together: the route matches none", "check its `match`"


def _listed(lines: list[str]) -> str:
    return f"{', '.join(lines[:-1])} and {lines[-1]}"
