"""Several severities in one rule: rising at once, falling when the worse has been over for a while."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.books import rebuilt
from tests.engine.estates import Estate, above, book, incidents, told
from watcher.model.incident import Change, Transition
from watcher.model.rule import Mode, NofM, Severity
from watcher.model.time import MINUTE

NAN = float("nan")


def graded(*, keep: int = 0) -> Estate:
    return Estate({"shop": {}}, above(5, critical=50, keep=keep))


def feed(world: Estate, *values: float) -> list[Transition]:
    return world.run(range(len(values)), lambda at: {"shop": values[at]})


def changes(found: list[Transition]) -> list[tuple[Change, Severity]]:
    return [(one.change, one.severity) for one in found]


def test_it_opens_at_the_severity_of_the_bin_that_fired() -> None:
    assert changes(feed(graded(), 9)) == [(Change.OPENED, Severity.WARNING)]
    assert changes(feed(graded(), 90)) == [(Change.OPENED, Severity.CRITICAL)]


def test_it_rises_at_once_within_the_same_incident() -> None:
    world = graded(keep=5 * MINUTE)
    found = feed(world, 9, 9, 90)

    assert changes(found) == [(Change.OPENED, Severity.WARNING), (Change.ROSE, Severity.CRITICAL)]
    assert len(incidents(found)) == 1


def test_a_rise_is_told_with_its_own_evidence() -> None:
    rose = feed(graded(keep=5 * MINUTE), 9, 9, 90)[-1]

    assert rose.summary.startswith("resource shop: 90")
    assert rose.evidence.seen == 90


def test_it_falls_when_the_worse_has_been_over_for_keep_firing_for() -> None:
    found = feed(graded(keep=3 * MINUTE), 90, 9, 9, 9, 9)

    assert changes(found) == [(Change.OPENED, Severity.CRITICAL), (Change.FELL, Severity.WARNING)]
    assert found[-1].decided_at - found[0].opened_at == 4 * MINUTE
    assert found[-1].summary == ""


def test_a_fall_is_told_to_nobody() -> None:
    assert [change for _, change in told(feed(graded(keep=2 * MINUTE), 90, 9, 9, 9, 0, 0))] == [
        Change.OPENED,
        Change.RESOLVED,
    ]


def test_one_bad_bin_in_between_puts_the_fall_off() -> None:
    found = feed(graded(keep=3 * MINUTE), 90, 9, 9, 90, 9, 9)

    assert changes(found) == [(Change.OPENED, Severity.CRITICAL)]


def test_unknown_bins_do_not_count_towards_the_fall() -> None:
    found = feed(graded(keep=3 * MINUTE), 90, 9, NAN, NAN, NAN, 9)

    assert changes(found) == [(Change.OPENED, Severity.CRITICAL)]


def test_once_over_it_has_the_highest_severity_it_had() -> None:
    world = graded(keep=2 * MINUTE)
    feed(world, 9, 90, 9, 9, 9, 0, 0)
    (row,) = book(world.transitions)

    assert row.severity is Severity.CRITICAL
    assert row.resolved_at is not None


def test_a_correction_of_the_worst_bin_lowers_what_is_over() -> None:
    world = graded()
    feed(world, 9, 90, 9, 0)
    world.feed(world.batch(1, {"shop": 9}))
    (row,) = book(world.transitions)

    assert row.severity is Severity.WARNING


def test_a_restart_keeps_the_severity_and_its_timer() -> None:
    whole, before, after = (replace(graded(keep=6 * MINUTE), horizon=2 * MINUTE) for _ in range(3))
    values = [9, 90, 9, 9, 9, 9, 9, 9, 9, 9]
    batches = [before.batch(at, {"shop": value}) for at, value in enumerate(values)]
    for batch in batches:
        whole.feed(batch)
    for batch in batches[:6]:
        before.feed(batch)
    states = before.engine.snapshot()
    assert rebuilt(after.engine, batches[:6], incidents(before.transitions), states) == []
    for batch in batches[6:]:
        after.feed(batch)

    assert book(before.transitions + after.transitions) == book(whole.transitions)
    assert after.transitions[-1].change is Change.FELL


def test_a_rule_on_trial_marks_its_incidents() -> None:
    world = Estate({"shop": {}}, above(mode=Mode.SHADOW))
    (opened,) = feed(world, 9)

    assert opened.shadow
    assert incidents(world.transitions)[0].shadow


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 3.0, 9.0, 90.0, NAN]), min_size=8, max_size=30),
    seed=st.integers(0, 10_000),
    hold=st.integers(0, 2),
    keep=st.integers(0, 4),
    needs=st.sampled_from([None, NofM(1, 1), NofM(2, 3), NofM(3, 5)]),
    between=st.sampled_from([None, 2.0]),
)
def test_the_order_of_arrival_does_not_matter(
    values: list[float], seed: int, hold: int, keep: int, needs: NofM | None, between: float | None
) -> None:
    """Start, end and severity are functions of the final bins, whatever the rule says of time."""
    chance = random.Random(seed)  # noqa: S311 - a test's shuffle
    rule = above(5, hold=hold * MINUTE, keep=keep * MINUTE, needs=needs, clear_below=between, critical=50)
    ordered, shuffled = (Estate({"shop": {}, "video": {}}, rule) for _ in range(2))
    batches = [ordered.batch(at, {"shop": value}) for at, value in enumerate(values)]
    for batch in batches:
        ordered.feed(batch)
    wrong = [ordered.batch(at, {"shop": chance.choice(values)}) for at in range(len(values))]
    chance.shuffle(wrong)
    final = chance.sample(batches, len(batches))
    rest = wrong[: len(wrong) // 2] + final
    while rest:
        size = chance.randint(1, 5)
        now, rest = rest[:size], rest[size:]
        shuffled.feed(*now)

    assert book(shuffled.transitions) == book(ordered.transitions)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 0.0, 3.0, 9.0, 90.0, NAN]), min_size=8, max_size=60),
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    needs=st.sampled_from([None, NofM(2, 3)]),
)
def test_a_block_of_bins_leads_to_what_its_bins_lead_to_one_by_one(
    values: list[float], sizes: list[int], needs: NofM | None
) -> None:
    rule = above(5, hold=MINUTE, keep=2 * MINUTE, needs=needs, clear_below=2.0, critical=50)
    single, blocks = (Estate({"shop": {}, "video": {}}, rule) for _ in range(2))
    batches = [single.batch(at, {"shop": value}) for at, value in enumerate(values)]
    for batch in batches:
        single.feed(batch)
    at = 0
    while at < len(batches):
        size = sizes[at % len(sizes)]
        blocks.feed(*batches[at : at + size])
        at += size

    assert book(blocks.transitions) == book(single.transitions)
