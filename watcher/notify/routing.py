"""Routing: who is owed a message of a transition, decided by labels alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from watcher.document.fields import DurationField
from watcher.document.secrets import SecretUrl
from watcher.model.incident import Change, Transition
from watcher.model.labels import Matcher, all_match
from watcher.model.message import Owed
from watcher.model.time import MINUTE, Duration, Instant

CATCH_UP: Final[Duration] = MINUTE
"""How long a row may wait for its source to catch up (design, "First looks and long absences")."""

OPENINGS: Final = frozenset({Change.OPENED, Change.REOPENED, Change.PARTED})
_URGENT: Final = frozenset({Change.ROSE, Change.WIDENED})
"""They open it for who has not heard of it, and do not wait for a group."""
_SILENT: Final = frozenset({Change.MOVED, Change.FELL, Change.JOINED})
"""Recorded and not told."""


class ReceiverSettings(BaseModel):
    """Somebody to tell: each URL is a target of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="unique name of the receiver")
    urls: tuple[SecretUrl, ...] = Field(min_length=1, description="apprise URLs, one target each")

    def targets(self) -> dict[str, SecretUrl]:
        """URLs by target, `mail/0`."""
        return {f"{self.name}/{ordinal}": url for ordinal, url in enumerate(self.urls)}


def _compiles(match: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
    for label, spec in match.items():
        Matcher.parse(label, spec)
    return match


class RouteSettings(BaseModel):
    """One route: the first that matches wins, unless it says `continue`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: Annotated[dict[str, str | list[str]], AfterValidator(_compiles)] = Field(
        default_factory=dict,
        description="incident labels, `severity` and `rule`: a string, a list, or ~regex; empty matches all",
    )
    to: tuple[str, ...] = Field(min_length=1, description="names of receivers")
    continues: bool = Field(default=False, alias="continue", description="go on to the next routes too")
    repeat: DurationField = Field(default=0, description="remind this long after telling, while open")
    group_wait: DurationField = Field(default=0, description="wait this long before an opening is told")


@dataclass(frozen=True, slots=True)
class _Route:
    matchers: tuple[Matcher, ...]
    targets: tuple[str, ...]
    settings: RouteSettings


class Router:
    """The routes of one configuration. Pure: the same transition is always owed to the same targets."""

    def __init__(self, routes: Sequence[RouteSettings], receivers: Sequence[ReceiverSettings]) -> None:
        """Without routes every receiver is told of everything, once.

        Raises:
            KeyError: a route names a receiver that there is not; the configuration has checked that.
        """
        names = {receiver.name: tuple(receiver.targets()) for receiver in receivers}
        if names and not routes:
            routes = [RouteSettings(to=tuple(names))]
        self._targets = tuple(target for targets in names.values() for target in targets)
        self._routes = [
            _Route(
                tuple(Matcher.parse(label, spec) for label, spec in route.match.items()),
                tuple(target for name in route.to for target in names[name]),
                route,
            )
            for route in routes
        ]

    def owed(self, transition: Transition, *, at: Instant, catching_up: bool) -> tuple[Owed, ...]:
        """The rows a transition owes, one a target, in the order of the routes.

        What comes after an opening answers every other target too, as one that follows: it is also told
        where the opening was told, which the book knows and the routes of today do not. A rule on trial
        tells nobody, but who heard of its incidents while it was in force.
        """
        if transition.quiet or transition.change in _SILENT:
            return ()
        owed: dict[str, Owed] = {}
        for route in () if transition.shadow else self._chosen(transition):
            wait = route.settings.group_wait if transition.change in OPENINGS else 0
            repeat = route.settings.repeat if transition.change in OPENINGS | _URGENT else 0
            for target in route.targets:
                owed.setdefault(target, _row(target, at, held=catching_up, wait=wait, repeat=repeat))
        if transition.change is not Change.OPENED:
            for target in self._targets:
                owed.setdefault(target, _row(target, at, held=catching_up, follows=True))
        return tuple(owed.values())

    def _chosen(self, transition: Transition) -> Iterator[_Route]:
        labels = route_labels(transition)
        for route in self._routes:
            if all_match(route.matchers, labels):
                yield route
                if not route.settings.continues:
                    return


def route_labels(transition: Transition) -> Mapping[str, str]:
    """What routes match on: the incident's labels, its severity and its rule."""
    own = {"severity": str(transition.severity), "rule": transition.key.rule}
    return dict(transition.key.labels) | own


def _row(
    target: str,
    at: Instant,
    *,
    held: bool,
    wait: Duration = 0,
    repeat: Duration = 0,
    follows: bool = False,
) -> Owed:
    due = at + max(wait, CATCH_UP if held else 0)
    return Owed(target, due, held=held, repeat=repeat, ready_at=at + wait, follows=follows)
