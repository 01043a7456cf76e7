"""One statistics answer as columns: bytes in, `Series` out. Pure.

The document shows two layouts, one object with many names and many objects with one name; points are objects
of one key, the time. What is not said is NaN, never zero.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from watcher.collect.collector import Window
from watcher.collect.decode import decode_json
from watcher.collect.http import Response
from watcher.collect.vendors.leaseweb.api import checked_id, clean, parse_time, second
from watcher.errors import ContractBroken
from watcher.model.sample import Floats
from watcher.model.time import Duration

UNGROUPED: Final = "all"
"""The only name where nothing was grouped."""

Ints: TypeAlias = NDArray[np.int64]
Points: TypeAlias = list[dict[str, float | None]]


class Answer(msgspec.Struct):
    """The part that is read. `toTs`, `service` and the others repeat the question."""

    series: list[dict[str, Points]]
    groupBy: Any = None  # noqa: N815 - the vendor's spelling
    granularity: Any = None


@dataclass(frozen=True, slots=True)
class Grid:
    """The bins that were asked for, and the times the vendor gives them."""

    window: Window
    width: Duration
    at_end: bool = False
    """Whether a point's time is the end of its bin."""

    @property
    def bins(self) -> int:
        """How many."""
        return (self.window.end - self.window.start) // self.width

    @property
    def labels(self) -> Window:
        """The first and the last time, both inclusive."""
        shift = self.width if self.at_end else 0
        return Window(self.window.start + shift, self.window.end - self.width + shift)

    def place(self, text: str) -> int:
        """Bin by time in any other spelling; may lie outside.

        Raises:
            ContractBroken: no time, or none at which a bin begins.
        """
        label = parse_time(text, "the time of a point")
        if label is None or (label - self.labels.start) % self.width:
            raise ContractBroken(f"a point at {clean(text, 40)!r}, between bins")
        return (label - self.labels.start) // self.width


@dataclass(frozen=True, slots=True)
class Series:
    """What one metric was, by group and bin."""

    groups: Sequence[str]
    values: Floats
    """`[group, bin]`"""

    def of(self, groups: Mapping[str, int], bins: int) -> Floats:
        """As `[bin, group]` of more groups, whose places are given; unknown of those that are not here."""
        column = np.full((bins, len(groups)), np.nan)
        column[:, [groups[name] for name in self.groups]] = self.values.T
        return column


def parse_series(response: Response, grid: Grid, *, group_by: str, most: float) -> Series:
    """Read one answer; no value may be negative or above `most`.

    Raises:
        ContractBroken: it is not what the vendor documents, or not what was asked for.
    """
    answer = decode_json(response, Answer)
    _check_question(answer, group_by)
    named = list(_named(answer))
    groups = {name: place for place, name in enumerate(dict.fromkeys(map(itemgetter(0), named)))}
    _check_names(groups, group_by)
    points = list(chain.from_iterable(points for _, points in named))
    bins = _bins(list(chain.from_iterable(points)), grid)
    said = np.array(list(chain.from_iterable(map(dict.values, points))), dtype=np.float64)
    wrong = (said < 0) | (said > most)
    if wrong.any():
        raise ContractBroken(f"a value is {said[int(np.argmax(wrong))]:g}")
    owners = np.repeat([groups[name] for name, _ in named], [sum(map(len, part)) for _, part in named])
    return Series(tuple(groups), _placed(owners.astype(np.int64), bins, said, (len(groups), grid.bins + 1)))


def values_of(response: Response) -> Floats:
    """Every value of an answer, whichever its group and time.

    Raises:
        ContractBroken: it is not what the vendor documents.
    """
    answer = decode_json(response, Answer)
    points = chain.from_iterable(points for _, points in _named(answer))
    return np.array(list(chain.from_iterable(map(dict.values, points))), dtype=np.float64)


def _named(answer: Answer) -> Iterator[tuple[str, Points]]:
    return chain.from_iterable(map(dict.items, answer.series))


def _check_question(answer: Answer, group_by: str) -> None:
    said = answer.groupBy
    if isinstance(said, str) and said.upper() != group_by:
        raise ContractBroken(f"the answer is grouped by {clean(said, 40) or 'nothing'}")


def _check_names(names: Collection[str], group_by: str) -> None:
    for name in names:
        checked_id(name, "a group named")
    if names and (UNGROUPED in names if group_by else set(names) != {UNGROUPED}):
        raise ContractBroken(f"the answer is not grouped by {group_by or 'nothing'}")


def _bins(times: Sequence[str], grid: Grid) -> Ints:
    """Each point's bin. One more, right after the last, is an end that was taken as inclusive."""
    places = _places(grid)
    bins = [places.get(time, -1) for time in times]
    if -1 in bins:
        bins = [grid.place(time) if place < 0 else place for time, place in zip(times, bins, strict=True)]
        if min(bins) < 0 or max(bins) > grid.bins:
            raise ContractBroken("a point outside of the time that was asked for")
    return np.array(bins, dtype=np.int64)


@lru_cache(maxsize=8)
def _places(grid: Grid) -> Mapping[str, int]:
    """Bin by time as the vendor writes it."""
    first = grid.labels.start
    return {f"{second(first + place * grid.width)}Z": place for place in range(grid.bins)}


def _placed(owners: Ints, bins: Ints, said: Floats, shape: tuple[int, int]) -> Floats:
    """Points in their places, `[group, bin]`, without the bin that is one too many."""
    spoken = ~np.isnan(said)
    places, values = (owners * shape[1] + bins)[spoken], said[spoken]
    grid = np.full(shape[0] * shape[1], np.nan)
    grid[places] = values
    if (grid[places] != values).any():
        raise ContractBroken("one bin with two values")
    return grid.reshape(shape)[:, :-1]
