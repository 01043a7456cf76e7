"""Backtests: the same whether arrivals are judged one by one or in blocks."""

import random
from collections.abc import Sequence

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watcher.engine.engine import BoundRule
from watcher.longformat.arrivals import arrivals
from watcher.longformat.columns import Samples, Series
from watcher.model.incident import Incident, Status
from watcher.model.labels import LabelSet
from watcher.model.sample import Instants
from watcher.model.time import MINUTE, Duration, parse_rfc3339
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, pack_files
from watcher.runtime.backtest import Backtest
from watcher.runtime.blocks import MOST_TIME

MONDAY = parse_rfc3339("2026-11-16T00:00:00Z")
BIN = 5 * MINUTE
BINS = 60
RESOURCES = ("shop", "video")
RULES: list[BoundRule] = [bind(rule) for rule in load_rules(pack_files()) if rule.id == "http_5xx_spike"]

Times = dict[tuple[int, str], int]
"""By bin and resource: bins of five minutes."""


def table() -> list[Series]:
    found = []
    for resource in RESOURCES:
        entity: LabelSet = (("resource", resource),)
        for status in ("2xx", "4xx", "5xx"):
            labels = (("status_class", status), ("tier", "edge"))
            found.append(Series("f", "cdnvideo", ("cdn_responses", labels), entity))
        found.append(Series("f", "cdnvideo", ("cdn_requests", (("tier", "edge"),)), entity))
    return found


SERIES = table()


def samples(bad: range, late: Times, wrong: Times, spread: random.Random | None = None) -> Samples:
    """Some hours: `bad` bins have errors, `late` ones come later, `wrong` ones are corrected later.

    With a `spread` every resource's bin comes some minutes after it ended.
    """
    rows: list[tuple[int, int, int, float]] = []
    for at in range(BINS):
        for place, resource in enumerate(RESOURCES):
            came = at + 1 + late.get((at, resource), 0)
            errors = 300 if at in bad and resource == "shop" else at % 3
            if (at, resource) in wrong:
                rows += said(at, place, came, errors=200)
                came += wrong[at, resource]
            rows += said(at, place, came, errors=errors)
    of, starts, came_at, values = (np.array(column) for column in zip(*rows, strict=True))
    return Samples(
        SERIES,
        of.astype(np.int32),
        MONDAY + starts.astype(np.int64) * BIN,
        np.full(len(rows), BIN, np.int64),
        MONDAY + came_at.astype(np.int64) * BIN + apart(rows, spread),
        values.astype(np.float64),
    )


def apart(rows: list[tuple[int, int, int, float]], spread: random.Random | None) -> Instants | int:
    """By how much the rows of one resource and arrival come later."""
    if spread is None:
        return 0
    delays = {(of // 4, came): spread.randrange(9 * MINUTE) for of, _, came, _ in rows}
    return np.array([delays[of // 4, came] for of, _, came, _ in rows], np.int64)


def said(at: int, place: int, came: int, *, errors: int) -> list[tuple[int, int, int, float]]:
    values = (1000 - errors - 9, 9, errors, 1000)
    return [(4 * place + series, at, came, value) for series, value in enumerate(values)]


def told(given_: Samples, at_once: Duration) -> list[tuple[object, ...]]:
    test = Backtest(RULES, at_once=at_once)
    test.play(arrivals(given_, "f"))
    return [shown(one) for one in test.incidents()]


def shown(one: Incident) -> tuple[object, ...]:
    return (
        one.key,
        one.opened_at,
        one.resolved_at,
        one.detected_at,
        one.severity,
        one.status,
        one.resolution,
        one.summary,
        one.evidence,
    )


delays = st.dictionaries(
    st.tuples(st.integers(0, BINS - 1), st.sampled_from(RESOURCES)), st.integers(1, 15), max_size=12
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=st.integers(15, 55), length=st.integers(0, 12), late=delays, wrong=delays)
def test_blocks_give_what_one_by_one_gives(first: int, length: int, late: Times, wrong: Times) -> None:
    given_ = samples(range(first, first + length), late, wrong)

    assert told(given_, MOST_TIME) == told(given_, 0)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=st.integers(15, 55), length=st.integers(1, 12), spread=st.randoms(use_true_random=False))
def test_resources_that_come_apart_are_judged_at_once_with_the_same_outcome(
    first: int, length: int, spread: random.Random
) -> None:
    given_ = samples(range(first, first + length), {}, {}, spread)

    assert told(given_, MOST_TIME) == told(given_, 0)


def test_what_comes_of_a_bin_that_an_earlier_block_settled_is_decided_when_it_comes() -> None:
    given_ = samples(range(44, 45), {}, {}, random.Random(25))  # noqa: S311 - a repeatable spread

    assert told(given_, MOST_TIME) == told(given_, 0)


def test_incidents_are_told_in_their_order_with_those_withdrawn() -> None:
    test = Backtest(RULES)
    test.play(arrivals(samples(range(20, 30), {}, dict.fromkeys(shop(45, 52), 4)), "f"))

    found: Sequence[Incident] = test.incidents()

    assert [one.opened_at for one in found] == sorted(one.opened_at for one in found)
    assert {one.status for one in found} == {Status.RESOLVED, Status.WITHDRAWN}
    assert len({one.id for one in found}) == len(found)
    later = [one for one in found if one.opened_at >= MONDAY + 40 * BIN]
    assert later == [*test.incidents(MONDAY + 40 * BIN)]


def shop(first: int, last: int) -> list[tuple[int, str]]:
    return [(at, "shop") for at in range(first, last)]
