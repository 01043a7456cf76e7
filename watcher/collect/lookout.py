"""What all streams of one source see together: which answer, how the others fail, how much is asked."""

from math import nan
from typing import Final, NamedTuple

from watcher.errors import CollectError

FAMILIES: Final = ("auth", "permission", "quota", "clock", "request", "vendor", "network", "contract")
"""Every family of `watcher.errors.CollectError`."""
STREAMS: Final = "streams"
"""The stream whose sight says whether the source could tell what there is to read."""


class Traffic(NamedTuple):
    """HTTP requests made, and those of them that the vendor refused for being too many."""

    requests: int
    throttled: int


class Lookout:
    """One a source, shared by its streams and by its transport."""

    def __init__(self) -> None:
        """Nothing was asked."""
        self._streams: dict[str, str] = {}
        """The family each stream fails with; empty where it is answered."""
        self._traffic = Traffic(0, 0)

    def see(self, stream: str, error: CollectError | None) -> None:
        """A question of a stream was answered, or failed."""
        self._streams[stream] = "" if error is None else error.family

    def forget(self, stream: str) -> None:
        """The stream asks nothing more: how it ended says nothing of now."""
        self._streams.pop(stream, None)

    def count(self, *, throttled: bool) -> None:
        """One request was made."""
        self._traffic = Traffic(self._traffic.requests + 1, self._traffic.throttled + throttled)

    def taken(self) -> Traffic:
        """What was counted since this was last called."""
        taken, self._traffic = self._traffic, Traffic(0, 0)
        return taken

    @property
    def up(self) -> float:
        """1 while any stream is answered, 0 while none is, NaN before anything was asked."""
        states = self._states()
        return float("" in states) if states else nan

    def fails(self, family: str) -> bool:
        """Whether any stream presently fails so."""
        return family in self._states()

    def _states(self) -> set[str]:
        """Of the real streams; of the list of them while there are no others."""
        real = {family for stream, family in self._streams.items() if stream != STREAMS}
        return real or set(self._streams.values())
