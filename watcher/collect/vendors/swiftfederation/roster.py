"""Which of the configured names the vendor knows, as far as this process has asked. Pure state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from watcher.model.time import HOUR, MINUTE, Duration, Instant

RETRY: Final[Duration] = HOUR
"""How long a name is left alone that the vendor did not know."""
RETRY_LAST: Final[Duration] = 10 * MINUTE
"""The same while it knows none at all: then it is rather the vendor that has forgotten them."""
_NAMED: Final = 5
"""Names that a remark names."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """When a name was last not known, and in which words."""

    at: Instant
    why: str


class Roster:
    """Each name is known, missing since it was last asked for, or not settled yet."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._known: set[str] = set()
        self._missing: dict[str, Refusal] = {}
        self._checked = 0
        """How many of the known have had their turn."""

    @property
    def unsettled(self) -> Sequence[str]:
        """Names about which there is no answer yet."""
        return [name for name in self._names if name not in self._known and name not in self._missing]

    @property
    def standings(self) -> Mapping[str, Refusal | None]:
        """By settled name, in the order of the configuration: None where it is known."""
        settled = self._known | self._missing.keys()
        return {name: self._missing.get(name) for name in self._names if name in settled}

    @property
    def remark(self) -> str:
        """Which names are missing, in words; empty where none is."""
        missing = [name for name in self._names if name in self._missing]
        if not missing:
            return ""
        some = ", ".join(missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        return f"{len(missing)} of {len(self._names)} domains not known to the vendor: {some}{more}"

    def to_read(self, now: Instant) -> Sequence[str]:
        """Names to ask counts of: all that are not missing; where all are, now and then one of them."""
        return [name for name in self._names if name not in self._missing] or self._due(now)

    def to_check(self, now: Instant, most: int) -> Sequence[str]:
        """Names to ask for only to learn whether they are known.

        Those that are not settled; else one that has been missing for long; else some that were known, others
        each time.
        """
        return self.unsettled or self._due(now) or self._in_turn(most)

    def answered(self, names: Iterable[str]) -> Sequence[str]:
        """The vendor knows these; those of them that were missing.

        Where all were missing, the others are to be asked for again too.
        """
        names = tuple(names)
        returned = tuple(name for name in names if name in self._missing)
        if returned and not self._known:
            self._missing.clear()
        for name in returned:
            self._missing.pop(name, None)
        self._known.update(names)
        return returned

    def refused(self, name: str, refusal: Refusal) -> bool:
        """The vendor does not know this one; whether that is new."""
        new = name not in self._missing
        self._known.discard(name)
        self._missing[name] = refusal
        return new

    def _due(self, now: Instant) -> Sequence[str]:
        """One name at most: the one that was asked for longest ago, if that is long enough."""
        if not self._missing:
            return []
        name, refusal = min(self._missing.items(), key=lambda one: one[1].at)
        wait = RETRY if self._known else RETRY_LAST
        return [] if 0 <= now - refusal.at < wait else [name]

    def _in_turn(self, most: int) -> Sequence[str]:
        known = [name for name in self._names if name in self._known]
        first = self._checked if self._checked < len(known) else 0
        self._checked = first + most
        return known[first : first + most]
