"""How one target wants to be told, and on what terms all of them are."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from watcher.model.incident import Incident
from watcher.model.recurrence import Recurrence
from watcher.model.time import Instant
from watcher.notify.rate import USUAL, Rate
from watcher.notify.stages.suppressions import NOTHING, Suppressions

Suppressing: TypeAlias = Callable[[Sequence[Incident], Instant], Awaitable[Suppressions]]
"""What keeps these incidents from being told at a time, as the store has it."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What a lane keeps to, whatever the route."""

    rate: Rate = USUAL
    """More messages than that become fewer that tell of many; critical ones never wait."""
    gathers: bool = True
    """Whether it takes several incidents in one message; else each goes by itself, and the rest waits."""
    abreast: int = 1
    """Messages, of different incidents, that it takes at once."""


async def _nothing(_incidents: Sequence[Incident], _at: Instant) -> Suppressions:
    return NOTHING


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration and people say of telling."""

    manners: Mapping[str, Manner] = field(default_factory=dict)
    """By target; one that is not named is told in the usual manner."""
    times: Mapping[str, Sequence[Recurrence]] = field(default_factory=dict)
    """The named times that routes are muted in."""
    suppressing: Suppressing = _nothing
