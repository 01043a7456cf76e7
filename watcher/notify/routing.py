"""Routing: who is owed a message of a transition, decided by labels alone."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from watcher.document.fields import DurationField
from watcher.model.incident import Change, Transition
from watcher.model.labels import Matcher, all_match
from watcher.model.message import Owed, Policy
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, SECOND, Duration, Instant
from watcher.notify.receivers import ReceiverSettings
from watcher.notify.stages.plan import Reason

CATCH_UP: Final[Duration] = MINUTE
"""How long a row may wait for its source to catch up (design, "First looks and long absences")."""

OPENINGS: Final = frozenset({Change.OPENED, Change.REOPENED, Change.PARTED})
_GOING_ON: Final = frozenset({Change.ROSE, Change.WIDENED, Change.FLAPPING})
"""They open it for who has not heard of it, and do not wait for a group."""
GROUP_WAIT: Final[Duration] = 30 * SECOND
GROUP_INTERVAL: Final[Duration] = 5 * MINUTE
OWN_SOURCE: Final = "watcher"
"""The source, and the vendor, of what watcher sees of its own telling."""
OWN_TROUBLE: Final = "delivery_failing"
"""The rule whose incidents say, by the label `target`, that a target takes nothing."""
OWN_LABEL: Final = "target"
"""The label of those."""
_SILENT: Final = frozenset({Change.MOVED, Change.FELL, Change.JOINED, Change.STEADY})
"""Recorded and not told."""


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
    name: str = Field(default="", description="what the delivery log calls it")
    to: tuple[str, ...] = Field(min_length=1, description="names of receivers")
    continues: bool = Field(default=False, alias="continue", description="go on to the next routes too")
    repeat: DurationField = Field(default=0, description="remind this long after telling, while open")
    repeat_max: DurationField = Field(
        default=0,
        description="wait twice as long before each next reminder, up to this; unset is always `repeat`",
    )
    repeat_times: int | None = Field(
        default=None, ge=1, description="remind so many times at most; unset is for as long as it is open"
    )
    group_by: tuple[str, ...] | None = Field(
        default=None,
        description="labels, `severity` or `rule`: equal ones are told in one message; [] is the whole route",
    )
    group_wait: DurationField | None = Field(
        default=None, description="wait this long before an opening is told; 30s with `group_by`, else 0s"
    )
    group_interval: DurationField | None = Field(
        default=None, description="tell a group again no sooner than this; 5m"
    )
    mute: tuple[str, ...] = Field(
        default=(), description="names of `times` in which nothing new is told; an all-clear always is"
    )
    digest: DurationField = Field(
        default=0,
        description="gather low severities and tell them this often, at whole multiples of it in UTC",
    )
    digest_below: Literal["warning", "critical"] = Field(
        default="warning", description="severities below this are gathered: info, or warning as well"
    )

    @field_validator("digest")
    @classmethod
    def _gathers(cls, every: Duration) -> Duration:
        if not every:
            raise ValueError("0s gathers nothing; leave `digest` out, and each is told by itself")
        return every

    @model_validator(mode="after")
    def _fits_together(self) -> "RouteSettings":
        if self.repeat_max and not self.repeat:
            raise ValueError("`repeat_max` needs `repeat`, which it bounds")
        if self.repeat_max and self.repeat_max < self.repeat:
            raise ValueError("`repeat_max` is shorter than `repeat`; make it as long or longer")
        if self.repeat_times is not None and not self.repeat:
            raise ValueError("`repeat_times` needs `repeat`, which says how often")
        if self.group_interval is not None and self.group_by is None:
            raise ValueError("`group_interval` needs `group_by`, which says what a group is")
        if "digest_below" in self.model_fields_set and not self.digest:
            raise ValueError("`digest_below` needs `digest`, which says how often")
        return self

    @property
    def wait(self) -> Duration:
        """How long an opening waits for more of its group."""
        if self.group_wait is not None:
            return self.group_wait
        return 0 if self.group_by is None else GROUP_WAIT

    @property
    def policy(self) -> Policy:
        """What rows that it owes keep of it."""
        interval = GROUP_INTERVAL if self.group_interval is None else self.group_interval
        return Policy(
            repeat_max=self.repeat_max,
            repeat_times=self.repeat_times,
            group_interval=0 if self.group_by is None else interval,
            mute=self.mute,
            digest=self.digest,
            digest_below=Severity[self.digest_below.upper()],
        )

    def group_of(self, labels: Mapping[str, str]) -> str:
        """The group that an incident with these labels belongs to, as a JSON object; empty for none."""
        if self.group_by is None:
            return ""
        return json.dumps({name: labels.get(name, "") for name in sorted(self.group_by)}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Route:
    """One route, ready to match."""

    name: str
    matchers: tuple[Matcher, ...]
    targets: tuple[str, ...]
    settings: RouteSettings
    policy: Policy

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether it is for an incident with these labels, `severity` and `rule` among them."""
        return all_match(self.matchers, labels)


_LAST_RESORT: Final = Route("everyone else", (), (), RouteSettings(to=("everyone",)), Policy())


class Router:
    """The routes of one configuration. Pure: the same transition is always owed to the same targets."""

    def __init__(self, routes: Sequence[RouteSettings], receivers: Sequence[ReceiverSettings]) -> None:
        """Without routes every receiver is told of everything, once.

        Raises:
            KeyError: a route names a receiver that there is not; the configuration has checked that.
        """
        names = {receiver.name: tuple(receiver.targets()) for receiver in receivers}
        if names and not routes:
            routes = [RouteSettings(name="everyone", to=tuple(names))]
        self._targets = tuple(target for targets in names.values() for target in targets)
        self.routes: Final = tuple(
            Route(
                route.name or f"routes[{ordinal}]",
                tuple(Matcher.parse(label, spec) for label, spec in route.match.items()),
                tuple(target for name in route.to for target in names[name]),
                route,
                route.policy,
            )
            for ordinal, route in enumerate(routes)
        )

    def owed(self, transition: Transition, *, at: Instant, catching_up: bool) -> tuple[Owed, ...]:
        """The rows a transition owes, one a target, in the order of the routes.

        What comes after an opening answers every other target too, as one that follows: it is also told
        where the opening was told, which the book knows and the routes of today do not. A rule on trial
        tells nobody, but who heard of its incidents while it was in force. A drill waits for no group, no
        digest and no mute: it is asked for.
        """
        if transition.quiet or transition.change in _SILENT:
            return ()
        labels = route_labels(transition)
        owed: dict[str, Owed] = {}
        for target, route in () if transition.shadow else self._pointed(transition.key.rule, labels):
            if target not in owed:
                row = _row(target, at, route, transition.change, labels, held=catching_up)
                owed[target] = _at_once(row, at) if transition.drill else row
        if transition.change is not Change.OPENED:
            due = _due(at, 0, held=catching_up)
            for target in self._targets:
                owed.setdefault(target, Owed(target, due, held=catching_up, ready_at=at, follows=True))
        return tuple(_rested(row, transition.rest) for row in owed.values())

    def _pointed(self, rule: str, labels: Mapping[str, str]) -> Iterator[tuple[str, Route]]:
        """Whom the routes point to. That a target takes nothing is told to others, whatever they say."""
        failing = labels.get("target") if rule == OWN_TROUBLE else None
        others = [
            (target, route) for route in self.chosen(labels) for target in route.targets if target != failing
        ]
        if failing is not None and not others:
            return ((target, _LAST_RESORT) for target in self._targets if target != failing)
        return iter(others)

    def chosen(self, labels: Mapping[str, str]) -> Iterator[Route]:
        """The routes that an incident with these labels takes."""
        for route in self.routes:
            if route.matches(labels):
                yield route
                if not route.settings.continues:
                    return


def route_labels(transition: Transition) -> Mapping[str, str]:
    """What routes match on: the incident's labels, its severity and its rule."""
    own = {"severity": str(transition.severity), "rule": transition.key.rule}
    return dict(transition.key.labels) | own


def _row(
    target: str, at: Instant, route: Route, change: Change, labels: Mapping[str, str], *, held: bool
) -> Owed:
    wait = route.settings.wait if change in OPENINGS else 0
    return Owed(
        target,
        _due(at, wait, held=held),
        held=held,
        repeat=route.settings.repeat if change in OPENINGS | _GOING_ON else 0,
        ready_at=at + wait,
        route=route.name,
        group=route.settings.group_of(labels),
        policy=route.policy,
    )


def _rested(row: Owed, rest: Duration) -> Owed:
    """The same, where it may come back, when it has not; a return replaces it."""
    if not rest:
        return row
    until = row.ready_at + rest
    return replace(row, not_before=max(row.not_before, until), ready_at=until, reason=Reason.FLAPPING)


def _at_once(row: Owed, at: Instant) -> Owed:
    """The same by itself, as soon as it may be told."""
    due = _due(at, 0, held=row.held)
    return replace(row, not_before=due, ready_at=at, group="", policy=Policy())


def _due(at: Instant, wait: Duration, *, held: bool) -> Instant:
    return at + max(wait, CATCH_UP if held else 0)
