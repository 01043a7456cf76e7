"""Bins that come too late to be judged: told when that begins, and when it is over."""

from typing import Final

import structlog

from watcher.model.time import MINUTE, Duration, Instant

QUIET: Final[Duration] = 15 * MINUTE
"""Without any, it is over."""


class Late:
    """Their count, tick by tick."""

    def __init__(self) -> None:
        """There were none."""
        self._count = 0
        self._before = 0
        """The count when it began."""
        self._last: Instant | None = None
        """When the last of them came; None while it is over."""
        self._log = structlog.get_logger()

    def see(self, count: int, at: Instant) -> None:
        """So many have come in all, by the end of a tick."""
        if count > self._count:
            if self._last is None:
                self._before = self._count
                self._log.warning("late_bins", state="begins", count=count - self._count)
            self._count, self._last = count, at
        elif self._last is not None and at - self._last >= QUIET:
            self._log.info("late_bins", state="over", count=self._count - self._before)
            self._last = None
