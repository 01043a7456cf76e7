"""One statistics answer as columns: bytes in, `Series` out. Pure.

The document shows two layouts, one object with many names and many objects with one name; points are objects
of one key, the time. What is not said is NaN, never zero.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from watcher.collect.collector import Window
from watcher.collect.decode import decode_json
from watcher.collect.http import Response
from watcher.collect.vendors.leaseweb.api import second
from watcher.collect.vendors.leaseweb.rows import check_ids, parse_time
from watcher.collect.words import clean
from watcher.errors import ContractBroken
from watcher.model.sample import Floats
from watcher.model.time import Duration

UNGROUPED: Final = "all"
"""The only name where nothing was grouped."""

Ints: TypeAlias = NDArray[np.int64]
Point: TypeAlias = dict[str, float | None]


class Answer(msgspec.Struct):
    """All that the document shows. What is beside `series` repeats the question."""

    series: list[dict[str, list[Point]]]
    groupBy: Any = msgspec.UNSET  # noqa: N815 - the vendor's spelling
    granularity: Any = msgspec.UNSET
    distributionId: Any = msgspec.UNSET  # noqa: N815
    service: Any = msgspec.UNSET
    fromTs: Any = msgspec.UNSET  # noqa: N815
    toTs: Any = msgspec.UNSET  # noqa: N815

    @property
    def points(self) -> Iterator[list[Point]]:
        """Of each name, in order."""
        return chain.from_iterable(map(dict.values, self.series))

    @property
    def keys(self) -> int:
        """How many keys it was written with, if it holds nothing else."""
        own = sum(value is not msgspec.UNSET for value in msgspec.structs.astuple(self))
        return own + sum(map(len, self.series)) + sum(map(len, chain.from_iterable(self.points)))


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
        try:
            place, off = divmod(parse_time(text) - self.labels.start, self.width)
        except ValueError as error:
            raise ContractBroken(f"a point: {error}") from error
        if off:
            raise ContractBroken(f"a point at {clean(text, 40)!r}, between bins")
        return place


@dataclass(frozen=True, slots=True)
class Series:
    """What one metric was, by group and bin."""

    groups: Sequence[str]
    values: Floats
    """`[group, bin]`"""

    def of(self, groups: Mapping[str, int], bins: int) -> Floats:
        """As `[bin, group]` of more groups, whose places are given; unknown of those that are not here."""
        column = np.full((bins, len(groups)), np.nan)
        column[:, _ints(map(groups.__getitem__, self.groups))] = self.values.T
        return column


def parse_series(response: Response, grid: Grid, *, group_by: str, most: float) -> Series:
    """Read one answer; no value may be negative or above `most`.

    Raises:
        ContractBroken: it is not what the vendor documents, or not what was asked for.
    """
    answer = _decoded(response)
    _check_question(answer, group_by)
    named = list(chain.from_iterable(answer.series))
    groups = dict(zip(dict.fromkeys(named), count(), strict=False))
    _check_names(groups, group_by)
    lists = list(answer.points)
    points = list(chain.from_iterable(lists))
    said = _values(points)
    wrong = (said < 0) | (said > most)
    if wrong.any():
        raise ContractBroken(f"a value is {said[int(np.argmax(wrong))]:g}")
    owners = np.repeat(_ints(map(groups.__getitem__, named)), _ints(map(len, lists)))
    owners = np.repeat(owners, _ints(map(len, points)))  # a point is one value, but may be several
    bins = _bins(list(chain.from_iterable(points)), grid)
    return Series(tuple(groups), _placed(owners, bins, said, (len(groups), grid.bins + 1)))


def values_of(response: Response) -> Floats:
    """Every value of an answer, whichever its group and time.

    Raises:
        ContractBroken: it is not what the vendor documents.
    """
    return _values(chain.from_iterable(_decoded(response).points))


def _decoded(response: Response) -> Answer:
    return decode_json(response, Answer, keys=lambda answer: answer.keys)


def _values(points: Iterable[Point]) -> Floats:
    return np.array(list(chain.from_iterable(map(dict.values, points))), dtype=np.float64)


def _ints(numbers: Iterable[int]) -> Ints:
    return np.fromiter(numbers, dtype=np.int64)


def _check_question(answer: Answer, group_by: str) -> None:
    said = answer.groupBy
    if isinstance(said, str) and said.upper() != group_by:
        raise ContractBroken(f"the answer is grouped by {clean(said, 40) or 'nothing'}")


def _check_names(names: Collection[str], group_by: str) -> None:
    check_ids(names, "a group named")
    if names and (UNGROUPED in names if group_by else set(names) != {UNGROUPED}):
        raise ContractBroken(f"the answer is not grouped by {group_by or 'nothing'}")


def _bins(times: Sequence[str], grid: Grid) -> Ints:
    """Each point's bin. One more, right after the last, is an end that was taken as inclusive."""
    places = _places(grid)
    try:
        return _ints(map(places.__getitem__, times))
    except KeyError:
        bins = _ints(places[time] if time in places else grid.place(time) for time in times)
    if bins.min() < 0 or bins.max() > grid.bins:
        raise ContractBroken("a point outside of the time that was asked for")
    return bins


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
