"""`rules why-not`: the gates of threshold, expiry, state and absence, and which one stopped a breach."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from tests.engine.one_bin import OneBin
from watcher.engine.detector import BREACH, Detector, Gate
from watcher.engine.detectors.absence import Absence, AbsenceParams
from watcher.engine.detectors.expiry import Expiry, ExpiryParams
from watcher.engine.detectors.state import State, StateParams
from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.model.time import DAY, HOUR, MINUTE, SECOND

START = OneBin().start


def asked(
    detector: Detector, panel: OneBin, usual: Mapping[str, object] | None = None
) -> list[tuple[str, bool]]:
    """Names of the gates in order, and whether each was passed; each says what it asks."""
    found: Sequence[Gate] = detector.gates(panel, usual or {}, 0)  # type: ignore[arg-type]
    assert all(gate.text for gate in found)
    return [(gate.name, gate.passed) for gate in found]


def threshold(**params: object) -> Threshold:
    return Threshold(ThresholdParams.model_validate(params))


def test_threshold_asks_whether_it_is_known_enough_and_beyond_each_limit() -> None:
    spike = threshold(
        aggregate="share", window="5m", above=0.05, above_times=3, past="1h", lag="5m", min_count=100
    )
    totals = {
        ("value", 5 * MINUTE): 25.0,
        ("whole", 5 * MINUTE): 70.0,
        ("value", 65 * MINUTE): 125.0,
        ("whole", 65 * MINUTE): 6_070.0,
    }
    found = spike.gates(OneBin({"value": 5.0}, totals), {}, 0)

    assert asked(spike, OneBin({"value": 5.0}, totals)) == [
        ("known", True),
        ("min_count", False),
        ("above", True),
        ("above_times", True),
    ]
    assert [(gate.seen, gate.limit) for gate in found[1:3]] == [(70.0, 100.0), (25 / 70, 0.05)]


@pytest.mark.parametrize(
    ("values", "gates"),
    [
        ({}, [("known", False), ("above", False)]),
        ({"value": 4.0}, [("known", True), ("above", False)]),
        ({"value": 6.0}, [("known", True), ("above", True)]),
        ({"value": 6.0, "unless": 1.0}, [("known", True), ("unless", False), ("above", True)]),
    ],
)
def test_a_plain_limit_has_few_gates(values: Mapping[str, float], gates: list[tuple[str, bool]]) -> None:
    assert asked(threshold(above=5), OneBin(values)) == gates


def test_a_wide_bin_that_is_alone_is_stopped_by_that() -> None:
    down = threshold(below=1, alone="5m")

    assert ("alone", False) in asked(down, OneBin({"value": 0.0}, width=10 * MINUTE, age=10 * MINUTE))
    assert ("alone", False) not in asked(down, OneBin({"value": 0.0}, width=10 * MINUTE, age=20 * MINUTE))


def test_staleness_asks_for_silence_for_what_was_before_and_for_an_answer() -> None:
    stale = threshold(stale_after="15m", window="5m")
    knowns = {5 * MINUTE: 0, 20 * MINUTE: 3 * MINUTE, 15 * MINUTE: 0}

    assert asked(stale, OneBin(knowns=knowns)) == [("silent", True), ("before", True), ("answered", True)]
    assert asked(stale, OneBin(knowns={5 * MINUTE: MINUTE}))[0] == ("silent", False)


def test_expiry_asks_for_an_end_and_for_days() -> None:
    ends = (START + 10 * DAY) / SECOND
    (known, days) = Expiry(ExpiryParams(days=14)).gates(OneBin({"value": ends}, width=0), {}, 0)

    assert (known.passed, days.passed, days.seen, days.limit) == (True, True, 10.0, 14.0)
    assert asked(Expiry(ExpiryParams(days=7)), OneBin({"value": ends}, width=0))[1] == ("days", False)
    assert asked(Expiry(ExpiryParams(days=7)), OneBin(width=0))[0] == ("known", False)


@pytest.mark.parametrize(
    ("renewal", "gates"),
    [
        ({}, [("known", False), ("overdue", False)]),
        ({"renewal": 1.0}, [("known", True), ("overdue", False)]),
        ({"renewal": 0.0}, [("known", True), ("overdue", True)]),
    ],
)
def test_a_renewal_is_late_or_is_not(renewal: Mapping[str, float], gates: list[tuple[str, bool]]) -> None:
    late = Expiry(ExpiryParams(asks="overdue"))

    assert asked(late, OneBin({"value": START / SECOND, **renewal}, width=0)) == gates


WORDS = ("online", "configuring", "offline", "haunted")


def state(**params: object) -> State:
    lists = {"good": ["online"], "passing": ["configuring"], "bad": ["offline"]}
    return State(StateParams.model_validate({**lists, **params}))


def of(word: str | None, **panel: object) -> OneBin:
    values = {} if word is None else {"value": float(WORDS.index(word))}
    return OneBin(values, width=0, words=WORDS, **panel)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "gates"),
    [
        (None, [("known", False), ("bad", False)]),
        ("online", [("known", True), ("bad", False)]),
        ("offline", [("known", True), ("bad", True), ("news", True)]),
        ("haunted", [("known", True), ("bad", True), ("news", True)]),
    ],
)
def test_a_state_is_bad_or_not_known_here(word: str | None, gates: list[tuple[str, bool]]) -> None:
    assert asked(state(), of(word)) == gates


def test_a_state_in_none_of_the_lists_is_what_the_rule_says_of_it() -> None:
    assert asked(state(others="good"), of("haunted")) == [("known", True), ("bad", False)]
    found = [state(others=others).judge(of("haunted"), {}).severity for others in ("strange", "bad")]

    assert [None if one is None else one.tolist() for one in found] == [[1], [0]]


def test_what_has_been_bad_for_long_is_no_news() -> None:
    panel = of("offline")
    panel.values = {**panel.values, "since": (START - 30 * DAY) / SECOND}

    assert asked(state(), panel)[-1] == ("news", False)


def test_a_passing_state_is_stuck_after_a_time() -> None:
    stuck = state(stuck_after="2h")

    assert asked(stuck, of("configuring", age=HOUR)) == [("known", True), ("passing", True), ("stuck", False)]
    assert asked(stuck, of("configuring", age=2 * HOUR))[2] == ("stuck", True)
    assert asked(stuck, of("online", age=2 * HOUR))[1] == ("passing", False)


def test_a_state_has_changed_lately_or_not() -> None:
    changed = state(changed_within="1h")

    assert asked(changed, of("online", age=MINUTE, changed=True))[1:] == [("changed", True), ("lately", True)]
    assert asked(changed, of("online", age=HOUR, changed=True))[1:] == [("changed", True), ("lately", False)]
    assert asked(changed, of("online", age=MINUTE))[1:] == [("changed", False), ("lately", False)]


PASSED = ["answered", "absent", "history", "steady", "count"]


@pytest.mark.parametrize(
    ("usual", "bin_", "stopped_by"),
    [
        ({}, {}, None),
        ({}, {"answered": False}, "answered"),
        ({}, {"values": {"value": 0.0}}, "absent"),
        ({"past": HOUR, "share": np.nan, "rate": np.nan}, {}, "history"),
        ({"share": 0.5}, {}, "steady"),
        ({"rate": 10 / MINUTE}, {}, "count"),
        ({"rate": np.nan}, {}, "count"),
    ],
)
def test_absence_asks_for_an_answer_without_data_and_whether_data_are_missed(
    usual: Mapping[str, float], bin_: Mapping[str, object], stopped_by: str | None
) -> None:
    steady = {"past": 5 * HOUR, "share": 0.99, "rate": 100 / MINUTE, **usual}
    columns = {name: np.array([float(figure)]) for name, figure in steady.items()}
    gates = asked(Absence(AbsenceParams()), OneBin(**bin_), columns)  # type: ignore[arg-type]
    reading = Absence(AbsenceParams()).judge(OneBin(**bin_), columns).reading.tolist()  # type: ignore[arg-type]

    assert next((name for name, passed in gates if not passed), None) == stopped_by
    assert stopped_by or [name for name, _ in gates] == PASSED
    assert (reading == [BREACH]) is (stopped_by is None)
