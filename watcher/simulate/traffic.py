"""What a world's resources serve in any minute: a pure function of the seed, so windows add up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import pairwise
from operator import add
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration, Instant, floor
from watcher.simulate.chance import MINUTES, Chance, poisson
from watcher.simulate.counts import Counts, Floats, Ints, joined, stacked
from watcher.simulate.episodes import Episode, Slice, ongoing, plan, slices
from watcher.simulate.late import Lateness
from watcher.simulate.troubles import (
    Errors,
    FlashCrowd,
    HitRatioCollapse,
    Slowness,
    StrayErrors,
    TrafficLoss,
)
from watcher.simulate.world import Resource, World

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
KEPT_HOURS: Final = 100
"""How many hours of minutes are remembered: some 50 MB in a large scenario."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the parts serve in good times, by column, and their answers by `[code, column]`."""

    level: Floats
    daily: Floats
    peak: Floats
    weekly: Floats
    noise: Floats
    hit: Floats
    body: Floats
    latency: Floats
    mix: Floats


class Traffic:
    """The generator. A resource's numbers depend on its place in the list, never on the others' traffic."""

    def __init__(self, world: World, *, anchor: Instant) -> None:
        """`anchor` is what the scenario's relative times are relative to."""
        self.resources = {resource.id: column for column, resource in enumerate(world.resources)}
        """Column of `window`, `minute` and whole `bins` by resource id."""
        self.parts = slices(world)
        """Columns of split `bins`."""
        self.codes = _codes(world)
        """Rows of every count."""
        self.episodes = plan(world, self.parts, anchor)
        self._late = Lateness(self.episodes, np.array(self.codes))
        self._chance = Chance(world.seed)
        self._has_body = np.array(self.codes) // 100 == 2
        self._cacheable = (np.array(self.codes) < 500)[:, None, None]
        self._shape = _shape(world, self.parts, self.codes)
        self._hour = lru_cache(maxsize=KEPT_HOURS)(self._generate)

    def window(
        self, start: Instant, end: Instant, *, now: Instant | None = None, lag: Duration = 0
    ) -> Counts:
        """Whole minutes of `[start, end)` by `[code, resource]`.

        With `now`, a minute fills up evenly from its start until `lag` after its end; what lies ahead is
        empty, and late and corrected bins look as they do by then. Without, all is final.
        """
        return self._whole(self._sum(start, end, now, lag))

    def minute(self, start: Instant) -> Counts:
        """The final numbers of the minute that starts there."""
        return self.window(start, start + MINUTE)

    def bins(
        self,
        start: Instant,
        end: Instant,
        *,
        width: Duration,
        now: Instant | None = None,
        lag: Duration = 0,
        split: bool = False,
    ) -> Counts:
        """Bins from `start` on, as many as begin before `end`, by `[code, bin, column]`.

        Columns are resources, or with `split` their parts. `width` is whole minutes.
        """
        starts = range(start, end, width)
        if width > HOUR:  # a month of minutes at once would fill the memory
            counts = stacked([self._sum(at, at + width, now, lag) for at in starts])
        else:
            counts = self._minutes(start, start + len(starts) * width, now, lag).summed(width // MINUTE)
        return counts if split else self._whole(counts)

    def missing(self, start: Instant, end: Instant, *, width: Duration, now: Instant) -> NDArray[np.bool_]:
        """Which bins of which parts have not come at all, by `[bin, part]`: they are late, and not quiet."""
        bins, length = len(range(start, end, width)), width // MINUTE
        minutes = floor(start, MINUTE) + MINUTE * np.arange(bins * length)
        missing: NDArray[np.bool_] = self._late.missing(minutes, now=now, parts=len(self.parts))
        whole: NDArray[np.bool_] = np.logical_and.reduce(missing.reshape(bins, length, -1), axis=1)
        return whole

    def missing_resources(self, start: Instant, end: Instant, *, now: Instant) -> frozenset[str]:
        """Resources of which nothing has come of the whole window."""
        missing = self.missing(start, end, width=end - start, now=now)[0].tolist()
        come = {part.resource for part, late in zip(self.parts, missing, strict=True) if not late}
        return frozenset(self.resources) - come

    def _sum(self, start: Instant, end: Instant, now: Instant | None, lag: Duration) -> Counts:
        edges = [start, *range(floor(start, HOUR) + HOUR, end, HOUR), end]
        return reduce(add, (self._minutes(*span, now, lag).over_time() for span in pairwise(edges)))

    def _whole(self, counts: Counts) -> Counts:
        if len(self.parts) == len(self.resources):
            return counts
        return counts.grouped([part.resource for part in self.parts])[1]

    def _minutes(self, start: Instant, end: Instant, now: Instant | None, lag: Duration) -> Counts:
        start = floor(start, MINUTE)
        minutes = -(-(end - start) // MINUTE)
        first = floor(start, HOUR)
        hours = [self._hour(hour) for hour in range(first, start + minutes * MINUTE, HOUR)]
        offset = (start - first) // MINUTE
        counts = joined(hours).span(offset, offset + minutes)
        if now is None:
            return counts
        return self._late.seen(counts, start + MINUTE * np.arange(minutes), now=now, lag=lag)

    def _generate(self, hour: Instant) -> Counts:
        """The final numbers of an hour's minutes, by `[code, minute, part]`."""
        minutes = hour + MINUTE * np.arange(MINUTES)
        chances = self._chance.hour(hour, codes=len(self.codes), columns=len(self.parts))
        local, passed = self._expected(minutes, chances.level, chances.hit)
        served = poisson(local, *chances.local)
        asked = poisson(passed, *chances.passed)
        for stray, when in ongoing(self.episodes, StrayErrors, minutes):
            asked[self.codes.index(stray.trouble.code), when, stray.columns[0]] += _strays(
                stray, minutes[when]
            )
        hits = served[self._has_body].sum(axis=0)
        misses = asked[self._has_body].sum(axis=0)
        latency = self._shape.latency * np.clip(1 + 0.1 * chances.latency, 0.5, 2)
        for slow, when in ongoing(self.episodes, Slowness, minutes):
            latency[when, slow.columns] *= slow.trouble.times
        return Counts(
            local=served,
            passed=asked,
            hit_bytes=self._bytes(hits, chances.hit_bytes),
            miss_bytes=self._bytes(misses, chances.miss_bytes),
            seconds=latency * (hits + misses),
        )

    def _expected(self, minutes: Ints, level_chance: Floats, hit_chance: Floats) -> tuple[Floats, Floats]:
        """Mean counts by `[code, minute, part]`: answered at the edge, passed to the origin."""
        level, hit = (
            self._level(minutes, level_chance),
            np.repeat(self._shape.hit[None], len(minutes), axis=0),
        )
        for collapse, when in ongoing(self.episodes, HitRatioCollapse, minutes):
            hit[when, collapse.columns] = collapse.trouble.to
        hit = np.clip(hit + HIT_WOBBLE * hit_chance, 0, 1)
        answered = level * self._shape.mix[:, None, :]
        local = np.where(self._cacheable, answered * hit, 0.0)
        passed = answered - local
        for burst, when in ongoing(self.episodes, Errors, minutes):
            place = (slice(None), when, burst.columns)
            share = burst.trouble.share
            local[place] *= 1 - share
            passed[place] *= 1 - share
            made_at = passed if burst.trouble.tier == "origin" else local
            errors = _scaled(burst.trouble.answers, self.codes)[:, None, None]
            made_at[place] += level[when, burst.columns] * share * errors
        return local, passed

    def _level(self, minutes: Ints, chance: Floats) -> Floats:
        """Requests a minute by `[minute, part]`; by time of day and of week, busiest on Wednesdays."""
        shape, at = self._shape, minutes[:, None]
        of_day = np.cos(2 * np.pi * (at - shape.peak) / DAY)
        of_week = np.cos(2 * np.pi * (at - MIDWEEK) / (7 * DAY))
        usual = shape.level * (1 + shape.daily * of_day) * (1 + shape.weekly * of_week)
        level: Floats = usual * np.maximum(1 + shape.noise * chance, 0)
        for loss, when in ongoing(self.episodes, TrafficLoss, minutes):
            level[when, loss.columns] *= 1 - loss.trouble.share
        for crowd, when in ongoing(self.episodes, FlashCrowd, minutes):
            level[when, crowd.columns] *= crowd.trouble.times
        return level

    def _bytes(self, answers: Ints, chance: Floats) -> Ints:
        """Bodies of so many answers: their mean size, deviating less the more there are."""
        deviation = BODY_DEVIATION * chance / np.sqrt(np.maximum(answers, 1))
        total: Floats = np.rint(answers * self._shape.body * np.clip(1 + deviation, 0.2, 3))
        return total.astype(np.int64)


def _codes(world: World) -> tuple[int, ...]:
    """The usual codes, then those only this world has."""
    named = {code for resource in world.resources for code in resource.mix}
    for trouble in world.troubles:
        if isinstance(trouble, Errors):
            named.update(trouble.answers)
        elif isinstance(trouble, StrayErrors):
            named.add(trouble.code)
    return (*USUAL_CODES, *sorted(named.difference(USUAL_CODES)))


def _shape(world: World, parts: Sequence[Slice], codes: Sequence[int]) -> Shape:
    by_id = {resource.id: resource for resource in world.resources}

    def column(figure: Callable[[Resource], float]) -> Floats:
        return np.array([figure(by_id[part.resource]) for part in parts], dtype=np.float64)

    return Shape(
        level=column(lambda resource: resource.requests_per_minute) * [part.share for part in parts],
        daily=column(lambda resource: resource.daily_swing),
        peak=column(lambda resource: resource.peak),
        weekly=column(lambda resource: resource.weekly_swing),
        noise=column(lambda resource: resource.noise),
        hit=column(lambda resource: resource.hit_ratio),
        body=column(lambda resource: resource.bytes_per_request),
        latency=column(lambda resource: resource.latency / SECOND),
        mix=np.array([_scaled(by_id[part.resource].mix, codes) for part in parts]).T,
    )


def _scaled(shares: Mapping[int, float], codes: Sequence[int]) -> Floats:
    """Shares by code as a column that adds up to 1."""
    column = np.array([shares.get(code, 0.0) for code in codes])
    scaled: Floats = column / column.sum()
    return scaled


def _strays(episode: Episode[StrayErrors], minutes: Ints) -> Ints:
    """How many of the evenly spread errors fall into each minute."""
    count, length = episode.trouble.count, episode.end - episode.start

    def before(instants: Ints) -> Ints:
        return -(-(instants - episode.start) * count // length)

    return before(minutes + MINUTE) - before(minutes)
