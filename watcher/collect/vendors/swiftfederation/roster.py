"""Which of the configured names the vendor knows, as far as this process has asked. Pure state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from watcher.model.time import HOUR, MINUTE, Duration, Instant

DOUBT: Final[Duration] = 4 * MINUTE
"""How long a refused name is left alone at first. Only one that is refused again after it is missing."""
RETRY: Final[Duration] = HOUR
"""How long it is left alone at most."""
_NAMED: Final = 5
"""Names that a remark names."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Since when a name is refused, when it last was, and in which words."""

    since: Instant
    at: Instant
    why: str

    @property
    def is_confirmed(self) -> bool:
        """Whether it was refused again after a while: a single refusal may be a slip."""
        return self.at - self.since >= DOUBT

    def is_due(self, now: Instant) -> bool:
        """Whether to ask for it again: after as long as it has been refused for, an hour at most.

        A clock that was set back keeps no name away.
        """
        wait = min(max(self.at - self.since, DOUBT), RETRY)
        return not 0 <= now - self.at < wait


@dataclass(frozen=True, slots=True)
class Return:
    """A name that is known again, since when it was not, and whether that was told."""

    name: str
    since: Instant
    told: bool


class Roster:
    """Each name is known, refused since it was last answered, or not settled yet."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._known: set[str] = set()
        self._refusals: dict[str, Refusal] = {}
        self._told: dict[str, Instant] = {}
        """Those told as missing, and since when they are."""
        self._checked = 0
        """How many of the known have had their turn."""

    @property
    def unsettled(self) -> Sequence[str]:
        """Names about which there is no answer yet."""
        return [name for name in self._names if name not in self._known and name not in self._refusals]

    @property
    def knows_none(self) -> bool:
        """Whether every name is refused: then it is rather the vendor that has forgotten them."""
        return len(self._refusals) == len(self._names)

    @property
    def standings(self) -> Mapping[str, Refusal | None]:
        """By name, in the order of the configuration: None where it is known, as far as anybody has asked."""
        return {name: self._refusals.get(name) for name in self._names}

    @property
    def remark(self) -> str:
        """Which names are refused, in words; empty where none is."""
        refused = [name for name in self._names if name in self._refusals]
        if not refused:
            return ""
        some = ", ".join(refused[:_NAMED])
        more = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        return f"{len(refused)} of {len(self._names)} domains not known to the vendor: {some}{more}"

    def to_read(self) -> Sequence[str]:
        """Names to ask counts of: all that are not refused; where all are, another one of them each time."""
        return [name for name in self._names if name not in self._refusals] or self._longest_ago()[:1]

    def to_check(self, now: Instant, most: int) -> Sequence[str]:
        """Names to ask for only to learn whether they are known.

        Those that are not settled; else those that are due; else some that were known, others each time.
        """
        return self.unsettled or self.due(now, most) or self._in_turn(most)

    def due(self, now: Instant, most: int) -> Sequence[str]:
        """Refused names to ask for again; where all are, another one of them each time."""
        if self.knows_none:
            return self._longest_ago()[:1]
        return [name for name in self._longest_ago() if self._refusals[name].is_due(now)][:most]

    def answered(self, names: Iterable[str]) -> Sequence[Return]:
        """The vendor knows these; those of them that it did not know.

        Where all were refused, nothing is settled about the others any more.
        """
        names = tuple(names)
        since = {name: refusal.since for name, refusal in self._refusals.items()} | self._told
        returns = [Return(name, since[name], name in self._told) for name in names if name in since]
        if self.knows_none:
            self._refusals.clear()
        for name in names:
            self._refusals.pop(name, None)
            self._told.pop(name, None)
        self._known.update(names)
        return returns

    def refused(self, name: str, at: Instant, why: str) -> bool:
        """The vendor does not know this one; whether that is to be told: it is sure, and was not told yet."""
        before = self._refusals.get(name)
        refusal = Refusal(at if before is None else min(before.since, at), at, why)
        self._refusals[name] = refusal
        self._known.discard(name)
        if not refusal.is_confirmed or self.knows_none or name in self._told:
            return False
        self._told[name] = refusal.since
        return True

    def _longest_ago(self) -> list[str]:
        """Refused names, the one that was asked for longest ago first."""
        return sorted(self._refusals, key=lambda name: self._refusals[name].at)

    def _in_turn(self, most: int) -> Sequence[str]:
        known = [name for name in self._names if name in self._known]
        first = self._checked if self._checked < len(known) else 0
        self._checked = first + most
        return known[first : first + most]
