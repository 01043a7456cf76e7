"""Which routes no incident can ever take, as far as that follows from what there is to match. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from watcher.model.labels import Matcher
from watcher.model.rule import Severity
from watcher.notify.routing import Route

EVERY_INCIDENT: Final = frozenset({"rule", "severity", "source", "vendor"})
"""Labels that all incidents have, and whose values are known beforehand."""
WIDER: Final = frozenset({"account", "provider", "origin"})
"""What explains a wider incident; it may have one of these and none of its rule's."""


@dataclass(frozen=True, slots=True)
class Nameable:
    """What incidents can be called by, in one configuration."""

    rules: Mapping[str, frozenset[str]]
    """By rule: the labels that its incidents may have beside those that all have."""
    sources: Mapping[str, str]
    """Vendors by source."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A route that no incident takes, and why."""

    route: int
    shadowed_by: tuple[int, ...] = ()
    """Routes before it that take all that it matches."""
    label: str = ""
    """Else, the label of which no incident has such a value; empty where it is all of them together."""


def unreachable(routes: Sequence[Route], nameable: Nameable) -> Iterator[Unreachable]:
    """Each route that can never be taken, in their order; without rules or sources nothing is known."""
    if not nameable.rules or not nameable.sources:
        return
    every = [*_kinds(nameable)]
    for at, route in enumerate(routes):
        kinds = [kind for kind in every if _fits(route, kind, nameable)]
        if not kinds:
            yield Unreachable(at, label=_culprit(route, every, nameable))
            continue
        takers = [_taker(route, routes[:at], kind, nameable) for kind in kinds]
        if None not in takers:
            yield Unreachable(at, tuple(sorted({taker for taker in takers if taker is not None})))


def _kinds(nameable: Nameable) -> Iterator[Mapping[str, str]]:
    for rule, (source, vendor), severity in product(nameable.rules, nameable.sources.items(), Severity):
        yield {"rule": rule, "severity": str(severity), "source": source, "vendor": vendor}


def _fits(route: Route, kind: Mapping[str, str], nameable: Nameable) -> bool:
    return all(_may_match(matcher, kind, nameable) for matcher in route.matchers)


def _may_match(matcher: Matcher, kind: Mapping[str, str], nameable: Nameable) -> bool:
    if matcher.label in EVERY_INCIDENT:
        return matcher.matches(kind[matcher.label])
    return matcher.label in nameable.rules[kind["rule"]] | WIDER or matcher.matches("")


def _culprit(route: Route, every: Sequence[Mapping[str, str]], nameable: Nameable) -> str:
    """The first label that no incident whatever can satisfy."""
    for matcher in route.matchers:
        if not any(_may_match(matcher, kind, nameable) for kind in every):
            return matcher.label
    return ""


def _taker(route: Route, before: Sequence[Route], kind: Mapping[str, str], nameable: Nameable) -> int | None:
    """The first of the routes before that takes every incident of this kind that the route matches."""
    for at, one in enumerate(before):
        if one.settings.continues:
            continue
        if all(_covers(matcher, route, kind, nameable) for matcher in one.matchers):
            return at
    return None


def _covers(matcher: Matcher, route: Route, kind: Mapping[str, str], nameable: Nameable) -> bool:
    """Whether what the route matches satisfies this matcher too, as far as that is certain."""
    if matcher.label in EVERY_INCIDENT:
        return matcher.matches(kind[matcher.label])
    if matcher.label not in nameable.rules[kind["rule"]] | WIDER:
        return matcher.matches("")
    for own in route.matchers:
        if own.label == matcher.label:
            same = own == matcher
            return same or (own.regex is None and all(matcher.matches(value) for value in own.values))
    return False
