"""How bad an incident was at its worst, and how many requests it hurt: by the final bins alone."""

import json
from collections.abc import Sequence

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.engine.books import rebuilt
from tests.engine.estates import incidents
from tests.properties.engines import ALL, BAD, START, batch
from watcher.engine.detectors.ratio_spike import RatioSpike, RatioSpikeParams
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import Change, Figures, Transition
from watcher.model.rule import Rule
from watcher.model.sample import SampleBatch
from watcher.model.snapshot import EngineDump
from watcher.model.time import MINUTE, Duration

QUIET = 60


def rules(*, keep: Duration = MINUTE, reopen: Duration = 0) -> list[BoundRule]:
    params = RatioSpikeParams()
    match = {"part": BAD, "whole": ALL}
    rule = Rule("spike", "ratio_spike", match, ("resource",), params, 0, keep, reopen_within=reopen)
    return [BoundRule(rule, RatioSpike(params))]


def minutes(bad: Sequence[float], *, names: Sequence[str] = ("shop",)) -> list[SampleBatch]:
    """Of 100 requests a minute so many fail, after a quiet hour."""
    counts = [0.0] * QUIET + list(bad)
    rows = np.repeat(np.array(counts)[:, None], len(names), axis=1)
    return [batch(START + at * MINUTE, row[None], names=names) for at, row in enumerate(rows)]


def told(engine: Engine, batches: Sequence[SampleBatch]) -> list[Transition]:
    found = []
    for one in batches:
        engine.ingest(one)
        found += engine.evaluate(one.fetched_at)
    return found


def last(found: Sequence[Transition]) -> Figures:
    """What the book holds in the end."""
    return [one.figures for one in found if one.figures is not None][-1]


def test_the_end_says_how_bad_it_was_at_its_worst_and_when_and_how_many_requests_it_hurt() -> None:
    [opened, ended] = told(Engine(rules()), minutes([30, 60, 45, 40, *[0] * 15]))
    worst = last([opened, ended])

    assert (opened.change, ended.change) == (Change.OPENED, Change.RESOLVED)
    assert worst.peak is not None
    assert (worst.peak.start, worst.peak.end) == (START + 61 * MINUTE, START + 62 * MINUTE)
    assert worst.peak.words["seen"] == "60.0 %"
    assert worst.peak.text == "60.0 %, usually 0.0 %"
    assert worst.affected == 30 + 60 + 45 + 40


def test_of_what_is_usual_nobody_is_hurt_more() -> None:
    usual = [batch(START + at * MINUTE, np.array([[10.0]]), names=("shop",)) for at in range(600)]
    trouble = [
        batch(START + (600 + at) * MINUTE, np.array([[row]]), names=("shop",))
        for at, row in enumerate([60.0] * 5 + [10.0] * 20)
    ]
    found = told(Engine(rules()), [*usual, *trouble])

    assert 5 * 45 <= (last(found).affected or 0) <= 5 * 52


def test_a_correction_changes_what_is_told_with_it() -> None:
    engine, batches = Engine(rules()), minutes([30, 60, 45, 40, *[0] * 15])
    told(engine, batches)
    found = told(
        engine, [batch(START + at * MINUTE, np.array([[20.0]]), names=("shop",)) for at in (61, 64, 65)]
    )

    assert found[-1].change is Change.MOVED
    assert last(found).affected == 30 + 20 + 45 + 40 + 20 + 20
    assert [one.words["seen"] for one in [last(found).peak] if one] == ["45.0 %"]


def test_numbers_that_change_no_reading_change_the_figures_alone() -> None:
    engine, batches = Engine(rules()), minutes([30, 60, 45, 40, *[0] * 15])
    told(engine, batches)
    [one] = told(engine, [batch(START + 61 * MINUTE, np.array([[70.0]]), names=("shop",))])
    again = told(engine, [batch(START + 61 * MINUTE, np.array([[70.0]]), names=("shop",))])

    assert (one.change, one.was, one.resolved_at) == (Change.MOVED, one.opened_at, START + 64 * MINUTE)
    assert last([one]).affected == 30 + 70 + 45 + 40
    assert again == []


def test_a_bin_that_comes_into_what_is_over_counts() -> None:
    counts = [30, 60, float("nan"), 40, *[0] * 15]
    engine = Engine(rules())
    told(engine, minutes(counts))
    found = told(engine, [batch(START + 62 * MINUTE, np.array([[50.0]]), names=("shop",))])

    assert last(found).affected == 30 + 60 + 50 + 40


def test_what_is_rebuilt_from_journal_and_book_knows_them() -> None:
    """Most of it lies behind the horizon by then, and is in no bin any more."""
    bad = [30, 60, *[40] * 40, *[0] * 15]
    batches = minutes(bad)
    whole = told(Engine(rules(), 10 * MINUTE), batches)
    cut = QUIET + 30
    before = Engine(rules(), 10 * MINUTE)
    head = told(before, batches[:cut])
    after = Engine(rules(), 10 * MINUTE)
    found = rebuilt(after, batches[:cut], incidents(head), before.snapshot())

    assert found == []
    assert last(told(after, batches[cut:])) == last(whole)
    assert last(whole).affected == 30 + 60 + 40 * 40


def test_a_rebuild_after_the_end_tells_nothing_anew() -> None:
    batches = minutes([30, 60, 45, 40, *[0] * 15])
    before = Engine(rules(), 30 * MINUTE)
    head = told(before, batches)
    after = Engine(rules(), 30 * MINUTE)

    assert rebuilt(after, batches, incidents(head), before.snapshot()) == []
    corrected = told(after, [batch(START + 61 * MINUTE, np.array([[70.0]]), names=("shop",))])
    assert last(corrected).affected == 30 + 70 + 45 + 40


def test_what_cannot_be_counted_so_has_no_figures() -> None:
    found = told(Engine(rules()), minutes([0] * 5))

    assert found == []


def test_many_endings_at_once_are_each_told_with_their_own() -> None:
    names = [f"r{number}" for number in range(500)]
    found = told(Engine(rules()), minutes([50] * 10 + [0] * 15, names=names))

    ends = [one for one in found if one.change is Change.RESOLVED]
    alone = [one.figures for one in ends if dict(one.key.labels).get("resource")]

    assert len(alone) == len(names)
    assert {one.affected for one in alone if one} == {500.0}


BURSTS = st.lists(st.sampled_from([0.0, 0.0, 30.0, 60.0, float("nan")]), min_size=10, max_size=90)


def in_the_end(found: Sequence[Transition]) -> dict[int, Figures | None]:
    """By start, what was said last of what was not taken back."""
    held: dict[int, Figures | None] = {}
    for one in found:
        held.pop(one.was, None)
        if one.change not in {Change.WITHDRAWN, Change.MERGED}:
            held[one.opened_at] = one.figures
    return held


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(bad=BURSTS, reopen=st.sampled_from([0, 10 * MINUTE]))
def test_they_do_not_depend_on_what_is_summed_up_already(bad: list[float], reopen: Duration) -> None:
    """Minute by minute most of it lies behind the horizon before the end; at once nothing does."""
    counts = np.array([0.0] * QUIET + bad + [0.0] * 30)[:, None]
    by_minute = told(Engine(rules(reopen=reopen), 30 * MINUTE), minutes([*bad, *[0.0] * 30]))
    at_once = told(Engine(rules(reopen=reopen), 30 * MINUTE), [batch(START, counts, names=("shop",))])

    assert in_the_end(by_minute) == in_the_end(at_once)


@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(bad=BURSTS, cut=st.integers(5, 80))
def test_no_dump_changes_them(bad: list[float], cut: int) -> None:
    batches = minutes([*bad, *[0.0] * 30])
    cut = min(QUIET + cut, len(batches) - 1)
    whole = told(Engine(rules(), 10 * MINUTE), batches)
    before = Engine(rules(), 10 * MINUTE)
    head = told(before, batches[:cut])
    dump, after = before.dump(), Engine(rules(), 10 * MINUTE)
    after.load(EngineDump(json.loads(json.dumps(dump.meta)), dict(dump.arrays), dump.rules), {"cdn": "test"})

    assert head + told(after, batches[cut:]) == whole
