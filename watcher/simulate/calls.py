"""Calls of a vendor's API, one by one: a pure function of the seed and time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final

from watcher.model.time import MINUTE, Instant, floor
from watcher.simulate.chance import Chance
from watcher.simulate.troubles import FailingApiCalls
from watcher.simulate.world import Api, Caller, Endpoint, World

CHANCES: Final = 16
"""The number of this purpose's chances."""
KEPT_MINUTES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it was made and answered."""

    at: Instant
    caller: Caller
    url: str
    """With `{project_id}` where the project's own id stands."""
    method: str
    code: str
    """An HTTP status."""
    reason: str
    """Why it failed; empty where it did not."""

    @property
    def failed(self) -> bool:
        """Whether it did."""
        return self.code[:1] not in {"1", "2", "3"}


class Calls:
    """All calls there are."""

    def __init__(self, world: World, *, anchor: Instant) -> None:
        self._api: Api = world.api
        self._chance = Chance(world.seed)
        self._troubles = [
            (trouble, *trouble.span(anchor))
            for trouble in world.troubles
            if isinstance(trouble, FailingApiCalls)
        ]
        self._minute = lru_cache(maxsize=KEPT_MINUTES)(self._generate)

    def between(self, start: Instant, end: Instant) -> Sequence[Call]:
        """Those of `[start, end)` in time order; calls of one millisecond keep their order too."""
        minutes = range(floor(start, MINUTE), end, MINUTE)
        every = chain.from_iterable(map(self._minute, minutes))
        return [call for call in every if start <= call.at < end]

    def _generate(self, minute: Instant) -> Sequence[Call]:
        rng = self._chance.stream(minute // MINUTE, CHANCES)
        made = rng.poisson([endpoint.calls_per_minute for endpoint in self._api.endpoints]).tolist()
        calls = [
            self._call(minute, endpoint, rng.random(4).tolist())
            for endpoint, count in zip(self._api.endpoints, made, strict=True)
            for _ in range(count)
        ]
        return sorted(calls, key=lambda call: call.at)

    def _call(self, minute: Instant, endpoint: Endpoint, chances: Sequence[float]) -> Call:
        when, who, fails, why = chances
        at = minute + int(when * MINUTE)
        caller = self._api.callers[int(who * len(self._api.callers))]
        code, reason = self._outcome(at, endpoint, caller, fails=fails, why=why)
        return Call(at, caller, endpoint.url, endpoint.method, code, reason)

    def _outcome(
        self, at: Instant, endpoint: Endpoint, caller: Caller, *, fails: float, why: float
    ) -> tuple[str, str]:
        for trouble in self._failing(at, endpoint, caller):
            if fails < trouble.share:
                return trouble.status, trouble.reason
        if fails < self._api.failing:
            usual = list(self._api.usual_failures.items())
            return usual[int(why * len(usual))]
        return "200", ""

    def _failing(self, at: Instant, endpoint: Endpoint, caller: Caller) -> Iterator[FailingApiCalls]:
        for trouble, start, end in self._troubles:
            meant = trouble.url in {"", endpoint.url} and trouble.user in {"", caller.name}
            if meant and start <= at < end:
                yield trouble
