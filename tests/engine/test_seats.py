"""Several addresses of one name: what one said last stands while others speak."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.books import incidents, rebuilt
from tests.engine.probes import NAN, Probes, minute, probe_rules
from watcher.model.incident import Resolution, Transition
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE

Row = tuple[float | None, float | None]
"""What two addresses say; None is not listed."""


def book(transitions: list[Transition]) -> list[tuple[str, int, int | None, Resolution | None]]:
    """What the book holds in the end."""
    held = [(i.key.rule, i.opened_at, i.resolved_at, i.resolution) for i in incidents(transitions)]
    return sorted(held, key=lambda row: row[:2])


def test_a_bad_address_that_falls_silent_has_not_recovered() -> None:
    web = Probes()
    web.feed(web.probe(0, {"a": 0, "b": 1}))
    for at in range(1, 60):
        web.feed(web.probe(at, {"a": NAN, "b": 1}))

    assert web.of("up") == ["opened"]
    assert web.state("up") == "firing"


def test_it_has_once_it_answers_well() -> None:
    web = Probes()
    web.feed(web.probe(0, {"a": 0, "b": 1}))
    web.feed(web.probe(1, {"a": NAN, "b": 1}))
    (resolved,) = web.feed(web.probe(2, {"a": 1, "b": 1}))

    assert (resolved.resolution, resolved.resolved_at) == (Resolution.RECOVERED, minute(2))


def test_an_address_that_never_answered_holds_nothing_back() -> None:
    web = Probes()
    for at in range(3):
        web.feed(web.probe(at, {"a": 0.0 if at == 1 else 1.0, "never": NAN}))

    assert web.of("up") == ["opened", "resolved"]


def test_a_good_address_that_falls_silent_holds_nothing_back() -> None:
    web = Probes()
    web.feed(web.probe(0, {"a": 1, "b": 1}))
    web.feed(web.probe(1, {"a": NAN, "b": 0}))
    web.feed(web.probe(2, {"a": NAN, "b": 1}))

    assert web.of("up") == ["opened", "resolved"]


def test_a_bad_address_that_a_complete_listing_lacks_counts_no_more() -> None:
    web = Probes()
    web.feed(web.probe(0, {"a": 0, "b": 1}))
    (resolved,) = web.feed(web.probe(1, {"b": 1}))

    assert resolved.resolved_at == minute(1)


def test_one_that_an_incomplete_listing_lacks_is_silent_for_a_day_at_most() -> None:
    web = Probes()
    web.feed(web.probe(0, {"a": 0, "b": 1}))
    for hour in range(1, 25):
        web.feed(web.probe(60 * hour, {"b": 1}, complete=False))
    assert web.of("up") == ["opened"]
    web.feed(web.probe(60 * 25, {"b": 1}, complete=False))

    assert web.of("up") == ["opened", "resolved"]


def test_where_one_good_address_is_enough_a_silent_one_leaves_it_open() -> None:
    web = Probes(probe_rules(of="greatest"))
    web.feed(web.probe(0, {"a": 1, "b": 0}))
    web.feed(web.probe(1, {"a": NAN, "b": 0}))
    assert web.of("up") == []
    web.feed(web.probe(2, {"a": 0, "b": 0}))

    assert web.of("up") == ["opened"]


def test_the_certificate_of_a_silent_address_goes_on_to_expire() -> None:
    web = Probes()
    web.feed(web.probe(0, {"a": 1, "b": 1}, days={"a": 14.5, "b": 90}))
    for hour in range(1, 14):
        web.feed(web.probe(60 * hour, {"a": NAN, "b": 1}, days={"b": 90}))

    assert book(web.transitions) == [("ends", minute(60 * 13), None, None)]


def test_blindness_is_no_part_of_for() -> None:
    web = Probes(probe_rules(hold=20 * MINUTE))
    for at in (0, 5):
        web.feed(web.probe(at, {"a": 0}))
    for at in range(6, 25):
        web.feed(web.silence(at))
    for at in (25, 30, 35):
        assert web.feed(web.probe(at, {"a": 0})) == []
    (opened,) = web.feed(web.probe(40, {"a": 0}))

    assert opened.opened_at == minute(0)


def test_an_address_of_the_past_leaves_no_certificate_behind() -> None:
    web = Probes()
    web.feed(web.probe(0, {"a": 1}, days={"a": 3}))
    web.feed(web.probe(1, {"b": 1}, days={"b": 90}))

    assert web.of("ends") == ["opened", "resolved"]


# --- properties

_SAYS = st.sampled_from([1.0, 0.0, NAN, None])
_STORY = st.lists(st.tuples(_SAYS, _SAYS), min_size=3, max_size=11)


def story(web: Probes, rows: list[Row]) -> list[SampleBatch]:
    """A probe each ten minutes: 0 is down with a certificate that ends soon. None at all is silence."""
    made = []
    for number, row in enumerate(rows):
        up = {name: says for name, says in zip(("a", "b"), row, strict=True) if says is not None}
        days = {name: 90 * says + 14.2 for name, says in up.items()}
        made.append(web.probe(10 * number, up, days=days) if up else web.silence(10 * number))
    return made


@settings(max_examples=60, deadline=None)
@given(rows=_STORY, seed=st.integers(0, 10_000))
def test_the_order_of_arrival_does_not_matter(rows: list[Row], seed: int) -> None:
    ordered, shuffled = Probes(), Probes()
    rows = [(1.0, None) if row == (None, None) else row for row in rows]
    batches = story(ordered, rows)
    for batch in batches:
        ordered.feed(batch)
    random.Random(seed).shuffle(batches)  # noqa: S311 - a test's shuffle
    for batch in batches:
        shuffled.feed(batch)

    assert book(shuffled.transitions) == book(ordered.transitions)


@settings(max_examples=60, deadline=None)
@given(rows=_STORY, blind=st.integers(30, 60), cut=st.integers(0, 59))
def test_a_restart_while_blind_changes_nothing(rows: list[Row], blind: int, cut: int) -> None:
    """From a journal that holds no more than the engine says it needs."""
    whole, now = Probes(), Probes()
    batches = story(whole, rows)
    batches += [whole.silence(10 * (len(rows) + number)) for number in range(blind)]
    batches += story(whole, [*[(None, None)] * (len(rows) + blind), (1.0, NAN)])[-1:]
    for batch in batches:
        whole.feed(batch)
    journal: list[SampleBatch] = []
    for number, batch in enumerate(batches):
        if number == len(rows) + cut % blind:
            after = Probes()
            told = rebuilt(after.engine, journal, incidents(now.transitions), now.engine.snapshot(), ("web",))
            assert told == []
            after.transitions, now = now.transitions, after
        now.feed(batch)
        needed = now.engine.needed_from()
        journal = [
            kept
            for kept in [*journal, batch]
            if int(kept.starts[-1]) + kept.width >= needed.get((kept.source, kept.stream), 0)
        ]

    assert book(now.transitions) == book(whole.transitions)


@pytest.mark.parametrize("down", [4, 48])
def test_a_certificate_seen_once_expires_across_restarts_while_its_probe_is_down(down: int) -> None:
    now = Probes()
    journal = [now.probe(0, {"a": 1}, days={"a": 15})]
    now.feed(*journal)
    for number in range(1, 24 * 12 + down * 12):
        journal.append(now.silence(5 * number))
        now.feed(journal[-1])
        needed = now.engine.needed_from()
        journal = [
            kept for kept in journal if kept.settled_until >= needed.get((kept.source, kept.stream), 0)
        ]
        if number % 60 == 0:
            after = Probes()
            rebuilt(after.engine, journal, incidents(now.transitions), now.engine.snapshot(), ("web",))
            after.transitions, now = now.transitions, after

    assert book(now.transitions) == [("ends", minute(24 * 60 + 5), None, None)]
