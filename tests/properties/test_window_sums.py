"""Sums over windows against a model that adds the bins up one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.engine.casting import Casting
from watcher.engine.columns import Cast, Column
from watcher.engine.detector import Role
from watcher.engine.grid import Grid
from watcher.engine.totals import Afresh, Totals
from watcher.model.labels import Selector, label_set
from watcher.model.rule import Rule
from watcher.model.sample import Floats, SampleBatch
from watcher.model.time import MINUTE, Instant

from tests.properties.engines import START, TideParams  # isort: skip

ROLES = {"value": Role(weighed_by="weight"), "weight": Role(), "extra": Role(optional=True)}
METRICS = (("cdn_hit_ratio", ()), ("cdn_requests", ()), ("cdn_bytes", ()))


def taken(grid: Grid, values: Floats, first: int) -> None:
    """Bins of three metrics: `[bins, metrics, entities]`."""
    start = START + first * MINUTE
    until: Instant = start + len(values) * MINUTE
    names = [label_set({"resource": str(number)}) for number in range(values.shape[2])]
    grid.take(
        SampleBatch("cdn", "test", "s", MINUTE, until, until, tuple(names), METRICS,
                    np.arange(start, until, MINUTE, dtype=np.int64), values)
    )  # fmt: skip


def naive(values: Floats, role: int, at: int, bins: int) -> Floats:
    """The bins of one window, added up."""
    rows = values.shape[2]
    total, counted = np.zeros(rows), np.zeros(rows, np.bool_)
    for number in range(max(0, at - bins + 1), at + 1):
        ratio, weight, extra = values[number]
        known = ~(np.isnan(ratio) | np.isnan(weight))
        added = (ratio * weight, weight, extra)[role]
        total[known] += added[known]
        counted |= known
    return np.where(counted, total, np.nan)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    bins=st.sampled_from([1, 2, 7, 30]),
    steps=st.lists(st.integers(1, 9), min_size=1, max_size=9),
    longest=st.sampled_from([0, 7, 60]),
)
def test_running_sums_are_those_of_the_bins(seed: int, bins: int, steps: list[int], longest: int) -> None:
    """Whatever the longest window is said to be: what is read for it serves the others too."""
    rng = np.random.default_rng(seed)
    length = sum(steps)
    values = np.stack([rng.random((length, 4)), *rng.integers(0, 1000, (2, length, 4)).astype(float)], axis=1)
    values[rng.random(values.shape) < 0.1] = np.nan
    grid, totals = Grid("s", MINUTE, [Selector(name) for name, _ in METRICS]), Totals(longest * MINUTE)
    match = dict(zip(ROLES, (Selector(name) for name, _ in METRICS), strict=True))
    casting = Casting(Rule("r", "d", match, ("resource",), TideParams()), ROLES, {"source": "cdn"})
    first = 0
    for step in steps:
        taken(grid, values[first : first + step], first)
        casting.update(grid)
        rows = np.arange(len(casting.groups))
        columns = {name: Column(part, rows, len(rows)) for name, part in casting.parts.items()}
        cast = Cast(grid, ROLES, columns, list(casting.groups))
        low = grid.number(START + first * MINUTE)
        for place, role in enumerate(ROLES):
            found = totals.total(cast, role, bins * MINUTE, first=low, last=low + step)
            few = cast.narrowed(np.array([2, 0]))
            some = Afresh(length * MINUTE).total(few, role, bins * MINUTE, first=low, last=low + step)
            wanted = np.stack([naive(values, place, at, bins) for at in range(first, first + step)])
            np.testing.assert_allclose(found, wanted, rtol=0, atol=bins * 2.0**-11)
            np.testing.assert_array_equal(some, found[:, [2, 0]])
            again = totals.total(cast, role, (bins + 3) * MINUTE, first=low, last=low + step)
            wanted = np.stack([naive(values, place, at, bins + 3) for at in range(first, first + step)])
            np.testing.assert_allclose(again, wanted, rtol=0, atol=(bins + 3) * 2.0**-11)
        totals.done()
        first += step


@given(value=st.floats(1e9, 1e18), bins=st.sampled_from([2, 30, 1440]))
def test_no_window_overflows(value: float, bins: int) -> None:
    """What is beyond 50 terabits a second counts as that: a sum is too small then, but never negative."""
    grid = Grid("s", MINUTE, [Selector(name) for name, _ in METRICS])
    taken(grid, np.full((bins, 3, 1), value), 0)
    match = {"value": Selector("cdn_bytes")}
    casting = Casting(
        Rule("r", "d", match, ("resource",), TideParams()), {"value": Role()}, {"source": "cdn"}
    )
    casting.update(grid)
    cast = Cast(grid, {"value": Role()}, {"value": Column(casting.parts["value"], np.arange(1), 1)}, [()])
    last = grid.number(START) + bins
    found = Afresh(bins * MINUTE).total(cast, "value", bins * MINUTE, first=last - 1, last=last)

    assert found >= bins * min(value, 4e14) * 0.999
