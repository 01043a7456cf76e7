"""What is wrong with routes, or probably not meant, beyond what their own fields can tell."""

from collections.abc import Iterator
from typing import Final

from watcher.config.settings import Config
from watcher.document.complaints import nearest
from watcher.document.node import Document
from watcher.errors import Problem
from watcher.model.recurrence import Span, covers
from watcher.model.time import DAY, Instant, parse_rfc3339
from watcher.notify.reach import EVERY_INCIDENT, WIDER, Nameable, Unreachable, unreachable
from watcher.notify.routing import OWN_LABEL, OWN_SOURCE, Router

_MONDAY: Final[Instant] = parse_rfc3339("2026-01-05T00:00:00Z")
_WEEK: Final = Span(_MONDAY, _MONDAY + 7 * DAY)
"""One in which no zone with summer time changes its clocks: it stands for all."""


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


def mute_warnings(config: Config) -> Iterator[Problem]:
    """Routes whose times leave nothing of a week."""
    for at, route in enumerate(config.routes):
        if covers((one for name in route.mute for one in config.times[name]), _WEEK):
            what = "its times cover the whole week: this route tells of nothing new, ever"
            yield config.problem(("routes", at, "mute"), what, "leave some hours of some day free")


def group_warnings(config: Config) -> Iterator[Problem]:
    """Labels to group by that no incident has; without rules or sources nothing is known."""
    if not config.rules or not config.sources:
        return
    labels = {label for names in nameable(config).rules.values() for label in names}
    known = EVERY_INCIDENT | WIDER | {OWN_LABEL} | labels
    for at, route in enumerate(config.routes):
        for index, label in enumerate(route.group_by or ()):
            if label not in known:
                place = ("routes", at, "group_by", index)
                yield config.problem(place, f"no incident has a label `{label}`", nearest(label, known))


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
