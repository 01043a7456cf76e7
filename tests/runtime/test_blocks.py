"""Arrivals joined into blocks: only what gives the same verdicts, and what was known when."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from watcher.model.sample import Arrival, Exemplar, SampleBatch
from watcher.model.time import MINUTE
from watcher.runtime.blocks import Block, Joiner

ENTITIES = ((("resource", "shop"),),)


def batch(
    *minutes: int,
    settled: int | None = None,
    stream: str = "statistics",
    metric: str = "cdn_requests",
    width: int = MINUTE,
    **more: object,
) -> SampleBatch:
    """Bins at these minutes."""
    until = max(minutes, default=0) + 1 if settled is None else settled
    return SampleBatch(
        source="cdnv",
        vendor="cdnvideo",
        stream=stream,
        width=width,
        fetched_at=0,
        settled_until=until * MINUTE,
        entities=ENTITIES,
        metrics=((metric, ()),),
        starts=np.array(minutes, np.int64) * MINUTE,
        values=np.array(minutes, np.float64).reshape(-1, 1, 1),
        **more,  # type: ignore[arg-type]
    )


def joined(
    arrivals: Iterable[tuple[int, Sequence[SampleBatch]]], joiner: Joiner | None = None
) -> list[Block]:
    joiner = joiner or Joiner()
    blocks: list[Block] = []
    for minute, batches in arrivals:
        blocks += joiner.take(Arrival(minute * MINUTE, tuple(batches)))
    return [*blocks, *joiner.rest()]


def minutes(block: Block) -> list[list[int]]:
    return [(one.starts // MINUTE).tolist() for one in block.batches]


def test_bins_that_follow_each_other_are_one_batch_of_one_block() -> None:
    (block,) = joined((at + 5, [batch(at)]) for at in range(4))

    assert minutes(block) == [[0, 1, 2, 3]]
    assert block.batches[0].values.ravel().tolist() == [0, 1, 2, 3]
    assert block.batches[0].settled_until == 4 * MINUTE
    assert block.at == 8 * MINUTE


def test_each_bin_is_decided_when_what_settled_it_came() -> None:
    (block,) = joined([(5, [batch(0, 1)]), (7, [batch(2, settled=2)]), (9, [batch(3, settled=4)])])

    decided = [block.decided_at("statistics", MINUTE, end * MINUTE) // MINUTE for end in range(1, 6)]
    assert decided == [5, 5, 9, 9, 9]


def test_a_bin_that_comes_again_after_it_settled_is_judged_alone() -> None:
    blocks = joined([(5, [batch(0)]), (6, [batch(1)]), (7, [batch(0)]), (8, [batch(2)]), (9, [batch(3)])])

    assert [minutes(block) for block in blocks] == [[[0, 1]], [[0]], [[2, 3]]]


def test_a_bin_that_comes_again_before_it_settled_is_no_restatement() -> None:
    (block,) = joined([(5, [batch(0, 1, settled=1)]), (6, [batch(1, 2, settled=2)])])

    assert minutes(block) == [[0, 1], [1, 2]]


def test_streams_are_joined_side_by_side() -> None:
    hours = {"stream": "hours", "width": 60 * MINUTE}
    (block,) = joined(
        [(5, [batch(0)]), (6, [batch(1), batch(0, settled=60, **hours)]), (7, [batch(2)])]  # type: ignore[arg-type]
    )

    assert minutes(block) == [[0, 1, 2], [0]]


def test_own_sight_and_states_keep_their_place() -> None:
    (block,) = joined(
        (
            at,
            [
                batch(at),
                batch(at, stream="statistics.sight", metric="watcher_up"),
                batch(at, stream="s", width=0, settled=at),
            ],
        )
        for at in range(2)
    )

    assert minutes(block) == [[0, 1], [0], [0], [1], [1]]


def test_other_tables_begin_another_batch() -> None:
    (block,) = joined(
        [(5, [batch(0)]), (6, [batch(1, metric="cdn_bytes")]), (7, [batch(2, metric="cdn_bytes")])]
    )

    assert minutes(block) == [[0], [1, 2]]


def test_names_and_exemplars_are_kept() -> None:
    one, two = (Exemplar(0, at * MINUTE, {"url": f"/{at}"}) for at in range(2))

    (block,) = joined(
        [
            (5, [batch(0, names={"shop": "Shop"}, exemplars=(one,))]),
            (6, [batch(1, names={"shop": "The shop"}, exemplars=(two,))]),
        ]
    )

    (only,) = block.batches
    assert (only.names, only.exemplars) == ({"shop": "The shop"}, (one, two))


def test_a_block_is_bounded_in_time() -> None:
    blocks = joined(((at, [batch(at)]) for at in range(10)), Joiner(most_time=4 * MINUTE))

    assert [minutes(block) for block in blocks] == [[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9]]]


def test_an_answer_without_bins_settles_what_waited() -> None:
    (block,) = joined([(5, [batch(0, settled=0)]), (9, [batch(settled=1)])])

    assert block.decided_at("statistics", MINUTE, MINUTE) == 9 * MINUTE


TWO = ((("resource", "shop"),), (("resource", "video"),))


def part(minute: int, entity: int, *, settled: int, partial: bool = True) -> SampleBatch:
    """One bin of one of two entities."""
    values = np.full((1, 1, 2), np.nan)
    values[0, 0, entity] = minute
    whole = batch(minute, settled=settled)
    return replace(whole, entities=TWO, values=values, partial=partial)


def test_what_entities_say_apart_is_one_bin_known_when_each_came() -> None:
    (block,) = joined(
        [
            (5, [part(0, 0, settled=1, partial=False)]),
            (6, [part(0, 1, settled=1)]),
            (7, [part(1, 0, settled=2, partial=False)]),
            (8, [part(1, 1, settled=2)]),
        ]
    )

    assert minutes(block) == [[0, 1]]
    assert block.batches[0].values.tolist() == [[[0, 0]], [[1, 1]]]
    decided = [
        block.decided_at("statistics", MINUTE, 2 * MINUTE, (("resource", name), ("source", "cdnv"))) // MINUTE
        for name in ("shop", "video")
    ]
    assert decided == [7, 8]


def test_an_entity_whose_bins_come_out_of_order_is_judged_alone() -> None:
    blocks = joined(
        [
            (5, [part(0, 0, settled=1, partial=False)]),
            (6, [part(2, 0, settled=3, partial=False)]),
            (7, [part(1, 0, settled=3)]),
        ]
    )

    assert [minutes(block) for block in blocks] == [[[0, 2]], [[1]]]


def test_an_entity_that_is_far_behind_is_judged_alone() -> None:
    blocks = joined(
        [
            (5, [part(0, 0, settled=1, partial=False)]),
            (30, [part(25, 0, settled=26, partial=False)]),
            (31, [part(3, 1, settled=26)]),
        ]
    )

    assert [minutes(block) for block in blocks] == [[[0, 25]], [[3]]]
