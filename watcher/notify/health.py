"""How one target takes what it is sent: whether it fails, since when, and when it is tried again."""

from dataclasses import dataclass
from typing import Final

import structlog

from watcher.model.time import MINUTE, SECOND, Duration, Instant

OUTAGE: Final = 3
"""Failed sends in a row that are not the message's fault any more, but the target's."""
PROBE: Final[Duration] = MINUTE
"""A target that fails is tried this often at least: that is soon enough to notice, and no burden."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of attempts since this was last asked for."""

    arrived: int = 0
    missed: int = 0
    failing_since: Instant | None = None
    """Of the first miss since the last arrival, on the wall clock as is the next."""
    given_up_at: Instant | None = None
    """When a message was given up last, whatever arrived since."""
    words: str = ""
    """Of the last miss or giving up."""


class Health:
    """Counts misses in a row and keeps the pause they lead to, by the event loop's clock."""

    def __init__(self, target: str) -> None:
        self.misses = 0
        """In a row."""
        self._paused_until: Instant = 0
        self._failing_since: Instant | None = None
        self._words = ""
        self._arrived = self._missed = 0
        self._given_up_at: Instant | None = None
        self._log = structlog.get_logger().bind(target=target)

    @property
    def fails(self) -> bool:
        """Whether it is the target that fails, as far as can be told."""
        return self.misses >= OUTAGE

    @property
    def tries(self) -> int:
        """Failed sends after which the rest of a round waits."""
        return 1 if self.fails else OUTAGE

    def missed(self, error: str, *, at: Instant) -> None:
        """A send failed."""
        if not self.misses:
            self._log.warning("target_failing", error=error)
            self._failing_since = at
        self.misses += 1
        self._missed += 1
        self._words = error

    def gave_up(self, error: str, *, at: Instant) -> None:
        """A message will not be sent again."""
        self._given_up_at = at
        self._words = error

    def arrived(self) -> bool:
        """A send succeeded: whether that ended an outage."""
        ended, self._arrived = self.fails, self._arrived + 1
        if self.misses:
            self._log.info("target_recovered", misses=self.misses)
        self.misses, self._paused_until, self._failing_since = 0, 0, None
        return ended

    def pause(self, wait: Duration, *, at: Instant) -> None:
        """Try nothing for so long."""
        self._paused_until = max(self._paused_until, at + wait)

    def paused(self, at: Instant) -> Duration:
        """For how long nothing is tried yet."""
        return max(self._paused_until - at, 0)

    def outcomes(self) -> Outcomes:
        """What became of attempts since this was last called."""
        outcomes = Outcomes(self._arrived, self._missed, self._failing_since, self._given_up_at, self._words)
        self._arrived = self._missed = 0
        return outcomes


def monotonic(seconds: float) -> Instant:
    """A reading of the event loop's clock in milliseconds."""
    return round(seconds * SECOND)
