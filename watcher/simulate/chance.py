"""Repeatable chance: counter-based random numbers, and Poisson counts drawn without rejection."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.model.time import HOUR, MINUTE, Instant

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

MINUTES: Final = HOUR // MINUTE
"""Of an hour: what is drawn at once."""
NORMAL_FROM: Final = 12.0
"""Means from which the normal approximation serves."""


@dataclass(frozen=True, slots=True)
class Draws:
    """One hour's chances: (uniform, normal) by `[code, minute, column]`, normals by `[minute, column]`."""

    local: tuple[Floats, Floats]
    passed: tuple[Floats, Floats]
    level: Floats
    hit: Floats
    hit_bytes: Floats
    miss_bytes: Floats
    latency: Floats


class Chance:
    """Draws for any hour in any order. How many are taken depends on the shape alone, never on any mean."""

    def __init__(self, seed: int) -> None:
        """`seed` below 2**32."""
        self._seed = seed

    def hour(self, start: Instant, *, codes: int, columns: int) -> Draws:
        """The chances of the minutes of the hour that starts there."""
        shape = (codes, MINUTES, columns)
        streams = [self.stream(start // HOUR, number) for number in range(5)]
        # Codes are the outer axis, so that one more code at the end shifts nothing before it.
        level, hit, hit_bytes, miss_bytes, latency = streams[4].standard_normal((5, MINUTES, columns))
        return Draws(
            local=(streams[0].random(shape), streams[1].standard_normal(shape)),
            passed=(streams[2].random(shape), streams[3].standard_normal(shape)),
            level=level,
            hit=hit,
            hit_bytes=hit_bytes,
            miss_bytes=miss_bytes,
            latency=latency,
        )

    def stream(self, counter: int, number: int) -> np.random.Generator:
        """Chances of their own for each counter (an hour, a minute) and number below 256 (a purpose)."""
        key = np.array([self._seed << 8 | number, counter % 2**64], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key))


def stable_id(*parts: object, length: int = 16) -> str:
    """Hexadecimal digits, at most 64, that are always the same for the same parts."""
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:length]


def poisson(mean: Floats, uniform: Floats, normal: Floats) -> Ints:
    """Poisson counts from given chances: by inversion where means are small, else nearly normal.

    Unlike `Generator.poisson` it takes one chance per count, so that no count depends on another's mean.
    """
    counts = np.zeros(mean.shape, dtype=np.int64)
    large = mean >= NORMAL_FROM
    spread = mean[large] + np.sqrt(mean[large]) * normal[large]
    counts[large] = np.maximum(np.rint(spread), 0).astype(np.int64)
    small = (mean > 0) & ~large
    counts[small] = _inverted(mean[small], uniform[small])
    return counts


def _inverted(mean: Floats, uniform: Floats) -> Ints:
    """The smallest count whose cumulative probability reaches the uniform chance."""
    counts = np.zeros(mean.shape, dtype=np.int64)
    at = np.flatnonzero(uniform > np.exp(-mean))
    rate, chance = mean[at], uniform[at]
    term = np.exp(-rate)
    reached = term.copy()
    count = 0
    while at.size and count < 100:  # far beyond any chance a double can express at these means
        count += 1
        term = term * rate / count
        reached = reached + term
        counts[at] = count
        going = chance > reached
        at, rate, chance, term, reached = at[going], rate[going], chance[going], term[going], reached[going]
    return counts
