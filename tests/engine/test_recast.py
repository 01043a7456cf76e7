"""A selector's better choice comes late: what the other one judged is judged anew by it."""

from collections.abc import Sequence

import numpy as np
import pytest

from tests.engine.books import standing
from tests.engine.conftest import START, at
from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.engine import BoundRule, Engine
from watcher.model.labels import Matcher, Selector, label_set
from watcher.model.rule import Rule
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, MINUTE, Instant

EDGE, ORIGIN = (("cdn_requests", label_set({"tier": tier})) for tier in ("edge", "origin"))
MANY = 100
"""Rows of which running sums are kept, where a window has some hundred bins."""


def requests_at_the_edge_or_else_the_origin(params: ThresholdParams) -> BoundRule:
    edge, origin = (Selector("cdn_requests", (Matcher("tier", (tier,)),)) for tier in ("edge", "origin"))
    match = {"value": Selector(edge.metric, edge.matchers, origin)}
    return BoundRule(Rule("high", "threshold", match, ("resource",), params), Threshold(params))


def minute(number: int, origin: float, edge: float | None = None, *, rows: int = 1) -> SampleBatch:
    """Requests of the first of some resources; the edge is not said of at first."""
    said = {ORIGIN: origin} if edge is None else {EDGE: edge, ORIGIN: origin}
    values = np.zeros((1, len(said), rows))
    values[0, :, 0] = list(said.values())
    entities = tuple(label_set({"account": "a", "resource": f"r{row}"}) for row in range(rows))
    until = START + (number + 1) * MINUTE
    return SampleBatch(
        "cdn", "test", "s", MINUTE, until, until, entities, tuple(said), np.array([at(number)]), values
    )


def found(
    params: ThresholdParams, batches: Sequence[SampleBatch], *, at_once: bool = False
) -> list[tuple[str, Instant, Instant | None]]:
    """What stands in the end; evaluated after each batch, or once."""
    engine = Engine([requests_at_the_edge_or_else_the_origin(params)], 2 * HOUR)
    told = []
    for batch in batches:
        engine.ingest(batch)
        if not at_once or batch is batches[-1]:
            told += engine.evaluate(max(batch.fetched_at, batches[-1].fetched_at))
    return standing(told)


def test_it_does_not_matter_when_the_better_choice_is_first_said() -> None:
    final = [minute(number, 200) for number in range(20)]
    final += [minute(number, 200, 5 if number < 30 else 300) for number in range(20, 40)]
    early = [*final[:5], final[20], *final[5:20], *final[21:]]
    params = ThresholdParams(above=100)

    assert found(params, final) == [("r0", at(30), None)]
    assert found(params, early) == found(params, final, at_once=True) == found(params, final)


@pytest.mark.parametrize("rows", [1, MANY])
def test_windows_hold_nothing_of_the_other_choice(rows: int) -> None:
    final = [minute(number, 200, rows=rows) for number in range(10)]
    final += [minute(number, 200, 300, rows=rows) for number in range(10, 25)]
    params = ThresholdParams(above=2500, aggregate="sum", window="6h")

    assert found(params, final) == [("r0", at(18), None)] == found(params, final, at_once=True)
