"""The plans of one claim, as a lane sends them, several at once where its target takes that."""

from collections.abc import Iterator

from watcher.notify.stages import Plan


class Round:
    """Which plan is next, and how many have failed in a row."""

    def __init__(self, plans: list[Plan], *, tries: int, last_start: float) -> None:
        """`plans` are taken off their list once something has become of them.

        After `tries` misses in a row the rest waits; `last_start`, in the loop's seconds, is when a send may
        begin at the latest.
        """
        self._left = plans
        self._next: Iterator[Plan] = iter(tuple(plans))
        self._tries = tries
        self._last_start = last_start
        self._misses = 0
        self._flying = 0

    def take(self, at: float) -> Plan | None:
        """The plan to send now, at so many of the loop's seconds.

        None is left where all of those under way may turn out to be the last that are tried.
        """
        if self._misses + self._flying >= self._tries or at > self._last_start:
            return None
        plan = next(self._next, None)
        self._flying += plan is not None
        return plan

    def landed(self, plan: Plan, *, missed: bool) -> None:
        """Something has become of a plan."""
        self._flying -= 1
        self._misses = self._misses + 1 if missed else 0
        self._left.remove(plan)
