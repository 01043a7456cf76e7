"""What a world's resources serve in any minute: a pure function of the seed, so windows add up."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Final, Generic, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from watcher.model.time import DAY, MINUTE, SECOND, Duration, Instant, floor
from watcher.simulate.chance import Chance, poisson
from watcher.simulate.world import (
    AnyTrouble,
    ErrorBurst,
    HitRatioCollapse,
    Resource,
    StrayErrors,
    TrafficLoss,
    Trouble,
    World,
)

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
TroubleT = TypeVar("TroubleT", bound=Trouble)

USUAL_CODES: Final = (
    200, 204, 206, 301, 302, 304, 400, 401, 403, 404, 416, 429, 499, 500, 501, 502, 503, 504, 505,
)  # fmt: skip
"""Always the first rows, so that a scenario's rarer codes change nobody's numbers."""
HIT_WOBBLE: Final = 0.004
"""Deviation of a minute's hit ratio: real caches are less even than chance alone."""
BODY_DEVIATION: Final = 0.5
"""Relative deviation of one body's size."""
MIDWEEK: Final = 6.5 * DAY
"""Noon of a Wednesday, counted from the epoch."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was served in a span, by `[code, resource]` or `[resource]`. All of it adds up over time."""

    local: Ints
    """Answered at the edge itself: cache hits, and errors made there."""
    passed: Ints
    """Passed on to the origin and answered by it."""
    hit_bytes: Ints
    miss_bytes: Ints
    seconds: Floats
    """Median seconds of the smallest 2xx answers at the edge, times their number."""

    def __add__(self, other: Self) -> "Counts":
        """Both spans together."""
        return Counts(
            local=self.local + other.local,
            passed=self.passed + other.passed,
            hit_bytes=self.hit_bytes + other.hit_bytes,
            miss_bytes=self.miss_bytes + other.miss_bytes,
            seconds=self.seconds + other.seconds,
        )

    def of(self, rows: Sequence[int]) -> "Counts":
        """Some resources only, in the order given."""
        chosen = list(rows)
        return Counts(
            local=self.local[:, chosen],
            passed=self.passed[:, chosen],
            hit_bytes=self.hit_bytes[chosen],
            miss_bytes=self.miss_bytes[chosen],
            seconds=self.seconds[chosen],
        )

    def part(self, share: float) -> "Counts":
        """What has been counted while only a share has come in; grows with the share, and 1 is all."""
        return Counts(
            local=np.floor(self.local * share).astype(np.int64),
            passed=np.floor(self.passed * share).astype(np.int64),
            hit_bytes=np.floor(self.hit_bytes * share).astype(np.int64),
            miss_bytes=np.floor(self.miss_bytes * share).astype(np.int64),
            seconds=self.seconds * share,
        )

    def total(self) -> "Counts":
        """All resources as one."""
        return Counts(
            local=self.local.sum(axis=1, keepdims=True),
            passed=self.passed.sum(axis=1, keepdims=True),
            hit_bytes=self.hit_bytes.sum(keepdims=True),
            miss_bytes=self.miss_bytes.sum(keepdims=True),
            seconds=self.seconds.sum(keepdims=True),
        )


@dataclass(frozen=True, slots=True)
class Episode(Generic[TroubleT]):
    """A trouble in time: which column it befalls, and its half-open span of whole minutes."""

    trouble: TroubleT
    resource: int
    start: Instant
    end: Instant


class Traffic:
    """The generator. A resource's numbers depend on its place in the list, never on the others' traffic."""

    def __init__(self, world: World, *, anchor: Instant) -> None:
        """`anchor` is what the scenario's relative times are relative to."""
        self.resources = {resource.id: column for column, resource in enumerate(world.resources)}
        self.codes = _codes(world)
        self.episodes = tuple(
            _episode(trouble, self.resources[trouble.resource], anchor) for trouble in world.troubles
        )
        self._chance = Chance(world.seed)
        codes = np.array(self.codes)
        self._has_body = codes // 100 == 2
        self._cacheable = (codes < 500)[:, None]
        self._mix = np.array([_scaled(resource.mix, self.codes) for resource in world.resources]).T
        self._level = _column(world, lambda resource: resource.requests_per_minute)
        self._daily = _column(world, lambda resource: resource.daily_swing)
        self._peak = _column(world, lambda resource: resource.peak)
        self._weekly = _column(world, lambda resource: resource.weekly_swing)
        self._noise = _column(world, lambda resource: resource.noise)
        self._hit = _column(world, lambda resource: resource.hit_ratio)
        self._body = _column(world, lambda resource: resource.bytes_per_request)
        self._latency = _column(world, lambda resource: resource.latency / SECOND)

    def window(
        self, start: Instant, end: Instant, *, now: Instant | None = None, lag: Duration = 0
    ) -> Counts:
        """Whole minutes of `[start, end)`.

        With `now`, a minute fills up evenly from its start until `lag` after its end; what lies ahead is
        empty.
        """
        minutes = range(floor(start, MINUTE), end, MINUTE)
        return reduce(add, (self._seen(minute, now, lag) for minute in minutes))

    def _seen(self, minute: Instant, now: Instant | None, lag: Duration) -> Counts:
        counts = self.minute(minute)
        share = 1.0 if now is None else (now - minute) / (MINUTE + lag)
        return counts if share >= 1 else counts.part(max(share, 0.0))

    def minute(self, start: Instant) -> Counts:
        """The final numbers of the minute that starts there."""
        chances = self._chance.minute(start, codes=len(self.codes), resources=len(self._level))
        local, passed = self._expected(start, chances.level, chances.hit)
        served = poisson(local, *chances.local)
        asked = poisson(passed, *chances.passed)
        for episode in self._now(start, StrayErrors):
            asked[self.codes.index(episode.trouble.code), episode.resource] += _strays(episode, start)
        hits = served[self._has_body].sum(axis=0)
        misses = asked[self._has_body].sum(axis=0)
        return Counts(
            local=served,
            passed=asked,
            hit_bytes=self._bytes(hits, chances.hit_bytes),
            miss_bytes=self._bytes(misses, chances.miss_bytes),
            seconds=self._latency * np.clip(1 + 0.1 * chances.latency, 0.5, 2) * (hits + misses),
        )

    def _expected(self, start: Instant, level_chance: Floats, hit_chance: Floats) -> tuple[Floats, Floats]:
        """Mean counts by `[code, resource]`: answered at the edge, passed to the origin."""
        level = self._usual_level(start) * np.maximum(1 + self._noise * level_chance, 0)
        hit = self._hit.copy()
        for loss in self._now(start, TrafficLoss):
            level[loss.resource] *= 1 - loss.trouble.share
        for collapse in self._now(start, HitRatioCollapse):
            hit[collapse.resource] = collapse.trouble.to
        hit = np.clip(hit + HIT_WOBBLE * hit_chance, 0, 1)
        answered = level * self._mix
        local = np.where(self._cacheable, answered * hit, 0.0)
        passed = answered - local
        for burst in self._now(start, ErrorBurst):
            share, column = burst.trouble.share, burst.resource
            local[:, column] *= 1 - share
            passed[:, column] *= 1 - share
            made_at = passed if burst.trouble.tier == "origin" else local
            made_at[:, column] += level[column] * share * _scaled(burst.trouble.codes, self.codes)
        return local, passed

    def _usual_level(self, start: Instant) -> Floats:
        """Requests a minute by time of day and of week; busiest on Wednesdays."""
        of_day = np.cos(2 * np.pi * (start - self._peak) / DAY)
        of_week = np.cos(2 * np.pi * (start - MIDWEEK) / (7 * DAY))
        level: Floats = self._level * (1 + self._daily * of_day) * (1 + self._weekly * of_week)
        return level

    def _bytes(self, answers: Ints, chance: Floats) -> Ints:
        """Bodies of so many answers: their mean size, deviating less the more there are."""
        deviation = BODY_DEVIATION * chance / np.sqrt(np.maximum(answers, 1))
        total: Floats = np.rint(answers * self._body * np.clip(1 + deviation, 0.2, 3))
        return total.astype(np.int64)

    def _now(self, minute: Instant, kind: type[TroubleT]) -> Iterator[Episode[TroubleT]]:
        for episode in self.episodes:
            if isinstance(episode.trouble, kind) and episode.start <= minute < episode.end:
                yield Episode(episode.trouble, episode.resource, episode.start, episode.end)


def _episode(trouble: AnyTrouble, resource: int, anchor: Instant) -> Episode[AnyTrouble]:
    start, end = (floor(bound, MINUTE) for bound in trouble.span(anchor))
    return Episode(trouble, resource, start, max(end, start + MINUTE))


def _codes(world: World) -> tuple[int, ...]:
    """The usual codes, then those only this world has."""
    named = {code for resource in world.resources for code in resource.mix}
    for trouble in world.troubles:
        if isinstance(trouble, ErrorBurst):
            named.update(trouble.codes)
        elif isinstance(trouble, StrayErrors):
            named.add(trouble.code)
    return (*USUAL_CODES, *sorted(named.difference(USUAL_CODES)))


def _column(world: World, figure: Callable[[Resource], float]) -> Floats:
    return np.array([figure(resource) for resource in world.resources], dtype=np.float64)


def _scaled(shares: Mapping[int, float], codes: Sequence[int]) -> Floats:
    """Shares by code as a column that adds up to 1."""
    column = np.array([shares.get(code, 0.0) for code in codes])
    scaled: Floats = column / column.sum()
    return scaled


def _strays(episode: Episode[StrayErrors], minute: Instant) -> int:
    """How many of the evenly spread errors fall into the minute."""

    def before(instant: Instant) -> int:
        return -(-(instant - episode.start) * episode.trouble.count // (episode.end - episode.start))

    return before(minute + MINUTE) - before(minute)
