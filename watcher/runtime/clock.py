"""The real clock: the only place that asks the machine what time it is."""

import time

from watcher.model.time import Instant


class SystemClock:
    """Wall-clock time of this machine."""

    def now(self) -> Instant:
        """Milliseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1_000_000
