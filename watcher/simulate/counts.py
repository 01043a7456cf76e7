"""Counts of what was served: arrays that add up over time, codes and columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counts:
    """What was served, by `[code, ..., column]` or `[..., column]`.

    The axis between, where there is one, is time. A column is a resource, or a part of one. All of it adds up
    over time.
    """

    local: Ints
    """Answered at the edge itself: cache hits, and errors made there."""
    passed: Ints
    """Passed on to the origin and answered by it."""
    hit_bytes: Ints
    miss_bytes: Ints
    seconds: Floats
    """Median seconds of the smallest 2xx answers at the edge, times their number."""

    @property
    def answers(self) -> Ints:
        """What the edge answered, by code."""
        return self.local + self.passed

    @property
    def requests(self) -> Ints:
        """At the edge, over all codes."""
        total: Ints = self.answers.sum(axis=0)
        return total

    def __add__(self, other: Self) -> "Counts":
        """Both spans together."""
        return Counts(
            local=self.local + other.local,
            passed=self.passed + other.passed,
            hit_bytes=self.hit_bytes + other.hit_bytes,
            miss_bytes=self.miss_bytes + other.miss_bytes,
            seconds=self.seconds + other.seconds,
        )

    def of(self, columns: Sequence[int]) -> "Counts":
        """Some columns only, in the order given."""
        chosen = list(columns)
        return Counts(
            local=self.local[..., chosen],
            passed=self.passed[..., chosen],
            hit_bytes=self.hit_bytes[..., chosen],
            miss_bytes=self.miss_bytes[..., chosen],
            seconds=self.seconds[..., chosen],
        )

    def part(self, share: float | Floats) -> "Counts":
        """What has been counted while only a share has come in; grows with the share, and 1 is all.

        Shares by `[..., column]` are for the counts of that place.
        """
        return Counts(
            local=_floored(self.local, share),
            passed=_floored(self.passed, share),
            hit_bytes=_floored(self.hit_bytes, share),
            miss_bytes=_floored(self.miss_bytes, share),
            seconds=self.seconds * share,
        )

    def total(self) -> "Counts":
        """All columns as one."""
        return self.grouped([""] * self.seconds.shape[-1])[1]

    def grouped(self, labels: Sequence[str]) -> tuple[tuple[str, ...], "Counts"]:
        """Columns of equal label as one; one label a column, names in the order they first appear."""
        names = tuple(dict.fromkeys(labels))
        member = np.array([[label == name for name in names] for label in labels], dtype=np.int64)
        member = member.reshape(len(labels), len(names))
        return names, Counts(
            local=self.local @ member,
            passed=self.passed @ member,
            hit_bytes=self.hit_bytes @ member,
            miss_bytes=self.miss_bytes @ member,
            seconds=self.seconds @ member,
        )

    def summed(self, width: int) -> "Counts":
        """So many neighbours in time as one; the number of them must divide by it."""
        return Counts(
            local=_in_bins(self.local, width),
            passed=_in_bins(self.passed, width),
            hit_bytes=_in_bins(self.hit_bytes, width),
            miss_bytes=_in_bins(self.miss_bytes, width),
            seconds=_in_bins(self.seconds, width),
        )

    def span(self, first: int, last: int) -> "Counts":
        """From one place in time to before another."""
        chosen = slice(first, last)
        return Counts(
            local=self.local[:, chosen],
            passed=self.passed[:, chosen],
            hit_bytes=self.hit_bytes[chosen],
            miss_bytes=self.miss_bytes[chosen],
            seconds=self.seconds[chosen],
        )

    def over_time(self) -> "Counts":
        """All of it, without the axis of time."""
        return Counts(
            local=self.local.sum(axis=1),
            passed=self.passed.sum(axis=1),
            hit_bytes=self.hit_bytes.sum(axis=0),
            miss_bytes=self.miss_bytes.sum(axis=0),
            seconds=self.seconds.sum(axis=0),
        )


def joined(spans: Sequence[Counts]) -> Counts:
    """One after the other in time."""
    if len(spans) == 1:
        return spans[0]
    return Counts(
        local=np.concatenate([span.local for span in spans], axis=1),
        passed=np.concatenate([span.passed for span in spans], axis=1),
        hit_bytes=np.concatenate([span.hit_bytes for span in spans]),
        miss_bytes=np.concatenate([span.miss_bytes for span in spans]),
        seconds=np.concatenate([span.seconds for span in spans]),
    )


def stacked(sums: Sequence[Counts]) -> Counts:
    """Sums without an axis of time as so many places in it."""
    return Counts(
        local=np.stack([one.local for one in sums], axis=1),
        passed=np.stack([one.passed for one in sums], axis=1),
        hit_bytes=np.stack([one.hit_bytes for one in sums]),
        miss_bytes=np.stack([one.miss_bytes for one in sums]),
        seconds=np.stack([one.seconds for one in sums]),
    )


def _floored(counts: Ints, share: float | Floats) -> Ints:
    floored: Ints = np.floor(counts * share).astype(np.int64)
    return floored


def _in_bins(array: NDArray, width: int) -> NDArray:  # type: ignore[type-arg] # whichever it was
    *outer, minutes, columns = array.shape
    bins: NDArray = array.reshape(*outer, minutes // width, width, columns).sum(axis=-2)  # type: ignore[type-arg]
    return bins
