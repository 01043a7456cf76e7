"""What all streams of one source see together: which answer, how the others fail, how much is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Failure:
    """How a stream stands that is not answered. Moments are counted in answers of the source."""

    since: int
    """When it began to fail."""
    last: int = 0
    """When it last did."""
    family: str = ""
    words: str = ""
    """How, without secrets."""
    blind: bool = False
    """Whether it was when it last did."""


class Lookout:
    """One a source, shared by its streams and by its transport.

    Streams are asked at different times, so an outage of the source shows in them one by one. A stream is
    `blind` where its failure may be one of the source: nothing else was answered since it began.
    """

    def __init__(self) -> None:
        """Nothing was asked."""
        self._answers = 0
        self._streams: dict[str, _Failure | None] = {}
        """None where a stream is answered."""
        self._traffic = Traffic(0, 0)

    def see(self, stream: str, error: CollectError | None, words: str = "") -> None:
        """A question of a stream was answered, or failed; `words` are for people."""
        if error is None:
            self._streams[stream] = None
            self._answers += stream != STREAMS  # which may be known without asking the vendor
            return
        failure = self._streams.get(stream) or _Failure(since=self._answers)
        failure.last, failure.family, failure.words = self._answers, error.family, words
        self._streams[stream] = failure
        failure.blind = self.blind(stream)

    def forget(self, stream: str) -> None:
        """The stream asks nothing more: how it ended says nothing of now."""
        self._streams.pop(stream, None)

    def blind(self, stream: str) -> bool:
        """Whether it fails, and no other is known to be answered since it began to."""
        failure = self._streams.get(stream)
        return failure is not None and (failure.since == self._answers or None not in self._real.values())

    def overtaken(self, stream: str) -> bool:
        """Whether it was blind when it was last asked, and another was answered since.

        How it stands by now is not known then.
        """
        failure = self._streams.get(stream)
        return failure is not None and failure.blind and failure.last < self._answers

    def count(self, *, throttled: bool) -> None:
        """One request was made."""
        self._traffic = Traffic(self._traffic.requests + 1, self._traffic.throttled + throttled)

    def taken(self) -> Traffic:
        """What was counted since this was last called.

        At least one is throttled while a stream waits because of it: whoever waits asks nothing.
        """
        requests, throttled = self._traffic
        self._traffic = Traffic(0, 0)
        return Traffic(requests, max(throttled, int(self.fails("quota"))))

    @property
    def up(self) -> float:
        """0 while any stream is blind, else 1; NaN before anything was asked."""
        real = self._real
        return float(not any(map(self.blind, real))) if real else nan

    def reasons(self) -> Mapping[str, str]:
        """How streams presently fail, in the words of one of them, by family."""
        failures = (failure for failure in self._real.values() if failure is not None)
        return {failure.family: failure.words for failure in failures if failure.words}

    def fails(self, family: str) -> bool:
        """Whether any stream presently fails so."""
        return any(failure is not None and failure.family == family for failure in self._real.values())

    @property
    def _real(self) -> dict[str, _Failure | None]:
        """The real streams; the list of them while there are no others."""
        real = {stream: failure for stream, failure in self._streams.items() if stream != STREAMS}
        return real or self._streams
