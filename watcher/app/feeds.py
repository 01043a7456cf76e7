"""Samples to judge again: imported from files, or recorded by the daemon; one shape for both."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from watcher.engine.engine import BoundRule
from watcher.longformat.arrivals import arrivals, sources
from watcher.longformat.columns import Samples
from watcher.longformat.files import load
from watcher.model.ports import Recording, Wanted
from watcher.model.sample import Arrival, SampleBatch
from watcher.model.time import Duration, Instant


class Feed(Protocol):
    """Where samples come from, source by source."""

    async def sources(self) -> Sequence[str]:
        """Whose samples there are."""
        ...

    def arrivals(self, source: str, metrics: frozenset[str] = frozenset()) -> AsyncGenerator[Arrival, None]:
        """What came from one source, in the order of arrival; of some metrics, where that spares work."""
        ...


@dataclass(frozen=True, slots=True)
class Imported:
    """Files in the long format."""

    samples: Samples
    settle: Duration | None = None

    @classmethod
    def of(cls, paths: Sequence[Path], *, settle: Duration | None, until: Instant | None) -> "Imported":
        """Read them; bins that begin at `until` or later are left out.

        Raises:
            ConfigurationError: what is wrong in them.
        """
        samples = load(paths)
        return cls(samples if until is None else samples.take(samples.times < until), settle)

    def metrics(self) -> frozenset[str]:
        """What was measured."""
        return frozenset(self.samples.series[at].metric[0] for at in np.unique(self.samples.of).tolist())

    async def sources(self) -> Sequence[str]:
        """Whose samples there are."""
        return sources(self.samples)

    async def arrivals(
        self,
        source: str,
        metrics: frozenset[str] = frozenset(),  # noqa: ARG002 - all is at hand
    ) -> AsyncGenerator[Arrival, None]:
        """What came from one source, in the order of arrival."""
        for arrival in arrivals(self.samples, source, settle=self.settle):
            yield arrival


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a daemon has read."""

    recording: Recording
    until: Instant | None = None

    async def sources(self) -> Sequence[str]:
        """Whose samples there are."""
        return await self.recording.sources()

    async def arrivals(
        self, source: str, metrics: frozenset[str] = frozenset()
    ) -> AsyncGenerator[Arrival, None]:
        """What came from one source, in the order of its commits; what came at once is one arrival."""
        wanted = Wanted(source=source, until=self.until, metrics=metrics)
        together: list[SampleBatch] = []
        async for page in self.recording.pages(wanted):
            for batch in page:
                if together and batch.fetched_at != together[0].fetched_at:
                    yield Arrival(together[0].fetched_at, tuple(together))
                    together = []
                together.append(batch)
        if together:
            yield Arrival(together[0].fetched_at, tuple(together))


def metrics(rules: Iterable[BoundRule]) -> frozenset[str]:
    """The metrics that some rules read, and own sight, by which blindness is judged."""
    chosen = (selector for bound in rules for selector in bound.rule.match.values())
    return frozenset(choice.metric for selector in chosen for choice in selector.choices()) | {"watcher_up"}
