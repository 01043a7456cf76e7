"""Where senders and drills meet the store: protocols beside those of `watcher.model.ports`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from watcher.model.drill import Drill
from watcher.model.incident import Incident
from watcher.model.time import Instant


class Threads(Protocol):
    """What targets were told of which incident, as far as a later word must know it."""

    async def token(self, target: str, incident_id: str) -> str | None:
        """What was kept; None where the target has not been told of it.

        Raises:
            StoreUnavailable: it could not be answered in time.
        """
        ...

    async def keep(self, target: str, tokens: Mapping[str, str]) -> None:
        """By incident; replaces what was kept before.

        Raises:
            StoreUnavailable: nothing was kept.
        """
        ...

    async def standing(self, target: str, *, ended_since: Instant) -> Sequence[tuple[Incident, str]]:
        """Incidents with their tokens, as the target is to know them: not over, or ended since then.

        Raises:
            StoreUnavailable: it could not be answered in time.
        """
        ...


class Drills(Protocol):
    """Drills that are under way."""

    async def under_way(self) -> Sequence[Drill]:
        """Those that are not over, oldest first.

        Raises:
            StoreUnavailable: it could not be answered in time.
        """
        ...

    async def opened(self, drill: Drill) -> None:
        """Its incident stands in the book."""
        ...

    async def over(self, drill: Drill) -> None:
        """Its incident is over."""
        ...


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Messages that one target was owed and will not be told."""

    target: str
    count: int
    at: Instant
    """When the last of them was given up."""
    detail: str
    """Why that was."""
