"""How fast a backlog shrinks, in words for people who wait for its end."""

from typing import Final

from watcher.model.time import MINUTE, SECOND, Duration, Instant
from watcher.model.words import span

_LOOKED_AT: Final[Duration] = 5 * SECOND
"""How long a backlog is watched before its end is guessed."""


class Pace:
    """Of one backlog at a time."""

    def __init__(self) -> None:
        """There is none."""
        self._began: tuple[Instant, Duration] | None = None

    def words(self, behind: Duration, now: Instant, *, caught_up: bool) -> str:
        """``catching up, 3 h 20 min behind, about 4 min left``; nothing once it has caught up."""
        if caught_up:
            self._began = None
            return ""
        if self._began is None or behind > self._began[1]:
            self._began = (now, behind)
        left = self._left(behind, now)
        guess = "" if left is None else f", about {_rough(left)} left"
        return f"catching up, {_rough(behind)} behind{guess}"

    def _left(self, behind: Duration, now: Instant) -> Duration | None:
        if self._began is None:
            return None
        began, first = self._began
        elapsed, gained = now - began, first - behind
        return round(behind * elapsed / gained) if elapsed >= _LOOKED_AT and gained > 0 else None


def _rough(duration: Duration) -> str:
    return span(max(MINUTE, duration // MINUTE * MINUTE)) if duration >= MINUTE else "a minute"
