"""Who would be told of an incident that opens at a time, when, and why others would not. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from watcher.model.incident import Change, Evidence, Incident, IncidentKey, Status, Transition
from watcher.model.labels import label_set
from watcher.model.message import Due, Owed, Telling
from watcher.model.recurrence import Recurrence
from watcher.model.rule import Severity
from watcher.model.time import Instant
from watcher.notify.routing import Route, Router
from watcher.notify.stages import Suppressions, View, decide
from watcher.notify.stages.suppressions import NOTHING

FOR_GROUP: Final = "waits for its group"
_MOST_WAITS: Final = 8
"""One stage may let go of a word only for the next to hold it, and no more often than there are stages."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Something that puts a telling off."""

    reason: str
    until: Instant


@dataclass(frozen=True, slots=True)
class Foretold:
    """One target that would be told."""

    target: str
    route: Route
    at: Instant
    pauses: tuple[Pause, ...]
    group: str


@dataclass(frozen=True, slots=True)
class Passed:
    """One route that would not be taken, and why."""

    route: Route
    why: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would become of one incident."""

    told: tuple[Foretold, ...]
    passed: tuple[Passed, ...]
    untold: tuple[str, ...]
    """Targets that would not be told."""


def foretell(
    router: Router,
    labels: Mapping[str, str],
    *,
    at: Instant,
    times: Mapping[str, Sequence[Recurrence]],
    suppressions: Suppressions = NOTHING,
) -> Forecast:
    """`labels` hold `rule` and `severity` beside the incident's own. No other incident explains it."""
    transition = _opening(labels, at)
    routes = {route.name: route for route in router.routes}
    told = tuple(
        _foretold(owed, routes[owed.route], transition, View(at, times=times, suppressions=suppressions))
        for owed in router.owed(transition, at=at, catching_up=False)
        if owed.route in routes
    )
    heard = {one.target for one in told}
    untold = dict.fromkeys(
        target for route in router.routes for target in route.targets if target not in heard
    )
    return Forecast(told, tuple(_passed(router, labels)), tuple(untold))


def _opening(labels: Mapping[str, str], at: Instant) -> Transition:
    own = {name: value for name, value in labels.items() if name not in {"rule", "severity"}}
    key = IncidentKey(labels.get("rule", ""), label_set(own))
    severity = Severity.parse(labels["severity"])
    return Transition(Change.OPENED, key, severity, at, at, None, at, "", Evidence(at, at))


def _foretold(owed: Owed, route: Route, opening: Transition, view: View) -> Foretold:
    """The row goes through the stages themselves, again and again until they let it go."""
    at = view.now
    incident = Incident("", opening.key, opening.severity, Status.OPEN, "", at, at, opening.evidence)
    row = Due(
        0,
        Telling.OPENED,
        owed.target,
        incident,
        at,
        0,
        held=False,
        heard=False,
        policy=owed.policy,
        group=owed.group,
    )
    pauses, due = [], owed.not_before
    if due > at:
        pauses.append(Pause(FOR_GROUP, due))
    for _ in range(_MOST_WAITS):
        waits = decide([row], replace(view, now=due)).waits
        if not waits:
            break
        if pauses and pauses[-1].reason == waits[0].words:
            pauses.pop()
        pauses.append(Pause(waits[0].words, waits[0].until))
        row, due = replace(row, reason=str(waits[0].reason)), waits[0].until
    return Foretold(owed.target, route, due, tuple(pauses), owed.group)


def _passed(router: Router, labels: Mapping[str, str]) -> Iterator[Passed]:
    chosen = {id(route) for route in router.chosen(labels)}
    taken: Route | None = None
    for route in router.routes:
        if id(route) in chosen:
            taken = None if route.settings.continues else route
            continue
        failing = next((one for one in route.matchers if not one.matches(labels.get(one.label, ""))), None)
        if failing is not None:
            has = labels.get(failing.label, "")
            yield Passed(
                route, f"wants {failing}, and it has {has!r}" if has else f"wants {failing}, and it has none"
            )
        elif taken is not None:
            yield Passed(route, f"{taken.name} takes it before, without `continue`")
