"""`level_rise`: gates and words; its habits and what becomes of a lasting change are in the rule's proof."""

import numpy as np
import pytest

from tests.engine.one_bin import OneBin
from watcher.engine.detector import BREACH, CLEAR, UNKNOWN, Levels, Slot, Usual
from watcher.engine.detectors.level_rise import LAG, LevelRise, LevelRiseParams
from watcher.model.time import MINUTE

SLOT = 10 * MINUTE
BEGIN = OneBin().start - OneBin().start % SLOT


def detector(**params: object) -> LevelRise:
    return LevelRise(LevelRiseParams.model_validate(params))


def usual_after(rise: LevelRise, slots: int, level: float = 0.2, *, noise: float = 0.02) -> Usual:
    """What is usual after so many slots of a level that strays a little."""
    memory = {name: np.full((size, 1), np.nan, np.float32) for name, size in rise.reach().memory.items()}
    rng = np.random.default_rng(1)
    for number in range(slots):
        mean = level * np.exp(rng.normal(0, noise))
        sums = {"value": np.array([mean * SLOT]), "requests": np.array([10_000.0])}
        rise.learn(memory, Slot(BEGIN + number * SLOT, SLOT, sums, np.array([float(SLOT)]), float(SLOT)))
    at = BEGIN + slots * SLOT
    none = np.zeros((0, 1))
    newest = Levels(SLOT, at - LAG, np.zeros(0, np.int64), dict.fromkeys(rise.roles, none), none, np.zeros(0))
    return rise.usual(rise.recall(memory, at), newest)


@pytest.mark.parametrize(
    ("value", "requests", "reading"),
    [
        (0.2, 1_000.0, CLEAR),
        (0.39, 1_000.0, CLEAR),
        (0.5, 1_000.0, BREACH),
        (0.5, np.nan, BREACH),
        (9.0, 20.0, UNKNOWN),
        (0.3, 20.0, CLEAR),
        (np.nan, 1_000.0, UNKNOWN),
    ],
)
def test_a_bin_is_judged_against_its_level(value: float, requests: float, reading: int) -> None:
    rise = detector()
    panel, usual = OneBin({"value": value, "requests": requests}), usual_after(rise, 200)

    assert rise.judge(panel, usual).reading.tolist() == [reading]
    assert all(gate.passed for gate in rise.gates(panel, usual, 0)) == (reading == BREACH)


def test_a_level_that_strays_much_needs_more_proof() -> None:
    rise = detector()
    panel, usual = OneBin({"value": 0.6}), usual_after(rise, 600, noise=0.3)

    gates = {gate.name: gate.passed for gate in rise.gates(panel, usual, 0)}

    assert not gates["evidence"]
    assert rise.judge(panel, usual).reading.tolist() == [CLEAR]


def test_without_history_there_is_nothing_to_say() -> None:
    rise = detector()
    panel, usual = OneBin({"value": 9.0}), usual_after(rise, 2)

    assert rise.judge(panel, usual).reading.tolist() == [UNKNOWN]
    assert [gate.passed for gate in rise.gates(panel, usual, 0)] == [True, False]


def test_the_words_name_both_levels_in_their_unit() -> None:
    rise = detector(unit="Mbit/s", rise=1)
    panel, usual = OneBin({"value": 950.0}), usual_after(rise, 200, level=300.0, noise=0.0)

    evidence = rise.explain(panel, rise.judge(panel, usual), 0, panel.start)

    assert evidence.text == "950 Mbit/s, usually 300 Mbit/s"
