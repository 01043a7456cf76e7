"""Layers read what the series of a role say, however these lie: against the plainest reading there is."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from watcher.engine.casting import Part
from watcher.engine.detector import Several
from watcher.engine.grid import Grid
from watcher.engine.layers import layers, read
from watcher.model.labels import Selector
from watcher.model.sample import Floats, SampleBatch
from watcher.model.time import MINUTE, Instant

NOON: Instant = 1_795_305_600_000
METRICS = tuple((f"m{at}", ()) for at in range(4))
Cell = tuple[int, int]


def grid(values: Floats) -> Grid:
    found = Grid("minutes", MINUTE, [Selector(name) for name, _ in METRICS])
    starts = np.array([NOON + at * MINUTE for at in range(len(values))], np.int64)
    entities = tuple((("resource", str(at)),) for at in range(values.shape[2]))
    end = int(starts[-1]) + MINUTE
    found.take(SampleBatch("s", "v", "minutes", MINUTE, end, end, entities, METRICS, starts, values))
    return found


def plainly(values: Floats, of_row: Sequence[Sequence[Cell]], several: Several) -> Floats:
    found = np.full((len(values), len(of_row)), np.nan)
    for row, cells in enumerate(of_row):
        if cells:
            own = np.array([values[:, metric, entity] for metric, entity in cells])
            found[:, row] = own.sum(axis=0) if several is Several.SUM else _extreme(own, several)
    return found


def _extreme(own: Floats, several: Several) -> Floats:
    ufunc = np.fmin if several is Several.LEAST else np.fmax
    extreme: Floats = ufunc.reduce(own, axis=0)
    return extreme


@st.composite
def cases(draw: st.DrawFn) -> tuple[Floats, list[list[Cell]], Several, list[int]]:
    entities, rows = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    numbers = st.one_of(st.just(np.nan), st.integers(0, 1000).map(float))
    values = draw(st.lists(numbers, min_size=3 * 4 * entities, max_size=3 * 4 * entities))
    cell = st.tuples(st.integers(0, 3), st.integers(0, entities - 1))
    of_row = draw(st.lists(st.lists(cell, unique=True, min_size=1, max_size=5), min_size=rows, max_size=rows))
    spare = draw(st.integers(0, 1))
    some = draw(st.lists(st.integers(0, rows - 1 + spare), min_size=1, max_size=4, unique=True))
    several = draw(st.sampled_from(list(Several)))
    return np.array(values).reshape(3, 4, entities), [*of_row, *[[]] * spare], several, some


@given(cases())
def test_layers_say_what_their_series_say(case: tuple[Floats, list[list[Cell]], Several, list[int]]) -> None:
    values, of_row, several, some = case
    part = Part(several)
    part.add([(metric, entity, row) for row, cells in enumerate(of_row) for metric, entity in cells], ())
    held = grid(values)
    first = held.number(NOON)

    found = layers(part, part.group, len(of_row))

    if found is not None:
        expected = plainly(values, of_row, several)
        np.testing.assert_array_equal(read(found, several, held, (first, first + 3), None), expected)
        rows = np.array(some, np.intp)
        np.testing.assert_array_equal(read(found, several, held, (first, first + 3), rows), expected[:, some])


def test_many_series_of_one_group_are_no_layers() -> None:
    part = Part(Several.SUM)
    part.add([(0, entity, 0) for entity in range(100)] + [(0, 0, row) for row in range(1, 50)], ())

    assert layers(part, part.group, 50) is None
