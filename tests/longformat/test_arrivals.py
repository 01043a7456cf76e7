"""Rows as arrivals: what came together, in which order, and how far it moved the watermark."""

from collections.abc import Sequence
from math import inf, isnan, nan

import numpy as np

from watcher.longformat.arrivals import arrivals, sources
from watcher.longformat.columns import Samples, Series
from watcher.model.sample import WITHDRAWN, Arrival, SampleBatch
from watcher.model.time import MINUTE

Row = tuple[Series, int, int, float]
"""Series, minute of the bin, minute of the arrival, value."""


def series(resource: str, metric: str = "cdn_requests", source: str = "cdnv") -> Series:
    return Series(source, "cdnvideo", (metric, ()), (("resource", resource),))


SHOP, VIDEO = series("shop"), series("video")


def samples(rows: Sequence[Row], width: int = MINUTE) -> Samples:
    table = list(dict.fromkeys(row[0] for row in rows))
    return Samples(
        table,
        np.array([table.index(row[0]) for row in rows], np.int32),
        np.array([row[1] * MINUTE for row in rows], np.int64),
        np.full(len(rows), width, np.int64),
        np.array([row[2] * MINUTE for row in rows], np.int64),
        np.array([row[3] for row in rows], np.float64),
    )


def told(batch: SampleBatch) -> dict[tuple[str, int], float]:
    """By resource and minute: what a batch says."""
    grid = {
        (dict(entity)["resource"], int(start) // MINUTE): float(batch.values[b, 0, e])
        for b, start in enumerate(batch.starts)
        for e, entity in enumerate(batch.entities)
    }
    return {cell: value for cell, value in grid.items() if not isnan(value)}


def alone(arrival: Arrival) -> SampleBatch:
    (batch,) = arrival.batches
    return batch


def test_rows_of_one_source_and_arrival_are_one_batch_in_order_of_arrival() -> None:
    rows = [(SHOP, 1, 9, 2.0), (SHOP, 0, 5, 1.0), (VIDEO, 0, 5, 7.0)]

    found = [(arrival.at // MINUTE, told(alone(arrival))) for arrival in arrivals(samples(rows), "cdnv")]

    assert found == [(5, {("shop", 0): 1.0, ("video", 0): 7.0}), (9, {("shop", 1): 2.0})]


def test_a_later_row_replaces_an_earlier_one() -> None:
    (arrival,) = arrivals(samples([(SHOP, 0, 5, 1.0), (VIDEO, 0, 5, 3.0), (SHOP, 0, 5, 2.0)]), "cdnv")

    assert told(alone(arrival)) == {("shop", 0): 2.0, ("video", 0): 3.0}


def test_an_empty_value_withdraws_and_what_a_row_does_not_name_stands() -> None:
    rows = [(SHOP, 0, 5, 1.0), (VIDEO, 0, 5, 1.0), (SHOP, 0, 6, nan)]

    *_, last = arrivals(samples(rows), "cdnv")

    assert [alone(arrival).partial for arrival in arrivals(samples(rows), "cdnv")] == [False, True]
    assert told(alone(last)) == {("shop", 0): WITHDRAWN}


def test_an_infinite_value_is_no_withdrawal() -> None:
    (arrival,) = arrivals(samples([(SHOP, 0, 5, -inf)]), "cdnv")

    assert told(alone(arrival)) == {("shop", 0): inf}


def test_the_watermark_is_the_newest_bin_end_seen() -> None:
    rows = [(SHOP, 0, 5, 1.0), (SHOP, 7, 8, 1.0), (VIDEO, 3, 9, 1.0)]

    found = [alone(arrival).settled_until // MINUTE for arrival in arrivals(samples(rows), "cdnv")]

    assert found == [1, 8, 8]


def test_with_settle_a_bin_is_settled_when_it_is_that_old() -> None:
    rows = [(SHOP, minute, minute + 1, float(minute)) for minute in range(4)]

    found = [
        alone(arrival).settled_until // MINUTE
        for arrival in arrivals(samples(rows), "cdnv", settle=2 * MINUTE)
    ]

    assert found == [-1, 0, 1, 2]


def test_what_is_read_again_and_says_nothing_new_is_left_out() -> None:
    rows = [(SHOP, 0, 5, 1.0), (SHOP, 0, 6, 1.0), (SHOP, 1, 6, 2.0), (SHOP, 0, 7, 4.0), (SHOP, 0, 8, 1.0)]

    found = [told(alone(arrival)) for arrival in arrivals(samples(rows), "cdnv")]

    assert found == [{("shop", 0): 1.0}, {("shop", 1): 2.0}, {("shop", 0): 4.0}, {("shop", 0): 1.0}]


def test_what_came_before_its_bin_was_over_is_said_again() -> None:
    """It may have been refused then."""
    rows = [(SHOP, 9, 5, 1.0), (SHOP, 9, 12, 1.0)]

    assert [told(alone(arrival)) for arrival in arrivals(samples(rows), "cdnv")] == [{("shop", 9): 1.0}] * 2


def test_a_stream_is_a_source_and_a_width_and_own_sight_is_apart() -> None:
    up = Series("cdnv", "cdnvideo", ("watcher_up", ()), (("stream", "statistics"),))
    minutes, hours = samples([(SHOP, 0, 60, 1.0), (up, 59, 60, 1.0)]), samples([(VIDEO, 0, 60, 1.0)])
    both = Samples(
        [*minutes.series, *hours.series],
        np.concatenate([minutes.of, hours.of + 2]).astype(np.int32),
        np.concatenate([minutes.times, hours.times]),
        np.concatenate([minutes.widths, hours.widths * 60]),
        np.concatenate([minutes.fetched, hours.fetched]),
        np.concatenate([minutes.values, hours.values]),
    )

    (arrival,) = arrivals(both, "cdnv")

    assert [(batch.stream, batch.width // MINUTE) for batch in arrival.batches] == [
        ("statistics", 1),
        ("statistics.sight", 1),
        ("statistics", 60),
    ]


def test_tables_grow_as_series_come_and_stay_as_they_are_otherwise() -> None:
    rows = [(SHOP, 0, 1, 1.0), (SHOP, 1, 2, 1.0), (VIDEO, 2, 3, 1.0)]

    one, two, three = (alone(arrival) for arrival in arrivals(samples(rows), "cdnv"))

    assert one.entities is two.entities
    assert [len(batch.entities) for batch in (one, two, three)] == [1, 1, 2]


def test_sources_are_apart() -> None:
    both = samples([(SHOP, 0, 1, 1.0), (series("shop", source="other"), 0, 1, 2.0)])

    assert sources(both) == ["cdnv", "other"]
    assert [told(alone(arrival)) for arrival in arrivals(both, "other")] == [{("shop", 0): 2.0}]


def test_readings_of_an_instant_are_said_as_a_whole() -> None:
    rows = [(SHOP, 0, 5, 1.0), (VIDEO, 0, 6, 0.0), (SHOP, 0, 7, nan)]

    found = [alone(arrival) for arrival in arrivals(samples(rows, width=0), "cdnv")]

    assert [batch.partial for batch in found] == [False] * 3
    assert [told(batch) for batch in found] == [
        {("shop", 0): 1.0},
        {("shop", 0): 1.0, ("video", 0): 0.0},
        {("video", 0): 0.0},
    ]
