"""What all tests share: a clock that moves with the event loop's time."""

import asyncio

import pytest

from watcher.model.time import Duration, Instant, parse_rfc3339

BASE = parse_rfc3339("2026-11-22T03:00:00Z")


class LoopClock:
    """Wall-clock time that begins at `BASE` and passes as the loop's does: at once under looptime."""

    def __init__(self) -> None:
        self.shift: Duration = 0
        """Added to the time, as when somebody sets the clock."""
        self._began: float | None = None

    def now(self) -> Instant:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return BASE + self.shift
        time = loop.time()
        if self._began is None:
            self._began = 0.0 if getattr(loop, "looptime_on", False) else time
        return BASE + self.shift + round((time - self._began) * 1_000)


@pytest.fixture(scope="session", autouse=True)
def _no_loop_of_its_own() -> None:
    """looptime asks the policy for a loop in sync tests too, and Python would make one that nobody closes."""
    asyncio.set_event_loop(None)


@pytest.fixture
def clock() -> LoopClock:
    """`now()` is 2026-11-22T03:00:00Z and what has passed on the loop; `shift` sets it forward or back."""
    return LoopClock()
