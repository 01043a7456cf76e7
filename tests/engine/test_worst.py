"""What is no share of requests has a worst reading too, in the words of its detector."""

from dataclasses import replace

import pytest

from tests.engine.estates import Estate, above
from watcher.engine.detector import Detector
from watcher.engine.detectors.failed_calls import FailedCalls, FailedCallsParams
from watcher.engine.detectors.level_rise import LevelRise, LevelRiseParams
from watcher.engine.detectors.loss import Loss, LossParams
from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.detectors.traffic_anomaly import TrafficAnomaly, TrafficAnomalyParams
from watcher.engine.engine import BoundRule
from watcher.model.incident import Change, Evidence
from watcher.model.time import MINUTE

FOUR = {name: {"account": "acme"} for name in ("a", "b", "c", "d")}


def test_of_a_level_the_bin_furthest_from_its_limit_is_the_worst_and_nobody_is_counted() -> None:
    cdn = Estate({"shop": {}})
    cdn.run(range(3), lambda _: {})
    cdn.run(range(3, 12), lambda at: {"shop": {5: 40.0}.get(at, 9.0)} if at < 8 else {})
    [end] = [one for one in cdn.transitions if one.change is Change.RESOLVED]

    assert end.figures is not None
    assert end.figures.affected is None
    assert end.figures.peak is not None
    assert end.figures.peak.text == "40, above 5"
    assert end.figures.peak.end - end.figures.peak.start == MINUTE


def test_of_a_wider_incident_it_says_whose_it_is() -> None:
    cdn = Estate(FOUR)
    cdn.run(range(3, 12), lambda at: {"a": 9.0, "b": 9.0, "c": 8.0 + at, "d": 7.0} if at < 8 else {})
    [end] = [
        one
        for one in cdn.transitions
        if one.change is Change.RESOLVED and dict(one.key.labels).get("account") == "acme"
    ]

    assert end.figures is not None
    assert end.figures.peak is not None
    assert end.figures.peak.text == "15, above 5 (resource c)"


def test_a_rule_with_words_of_its_own_has_a_switch_and_no_worst_of_it() -> None:
    params = ThresholdParams(above=5, says="it is down")
    rule = replace(above().rule, params=params)
    cdn = Estate({"shop": {}}, BoundRule(rule, Threshold(params)))
    cdn.run(range(3, 12), lambda at: {"shop": 9.0} if at < 8 else {})
    [end] = [one for one in cdn.transitions if one.change is Change.RESOLVED]

    assert end.figures is None


FOUND = Evidence(0, 5 * MINUTE, 1_234.0, 600.0)


@pytest.mark.parametrize(
    ("detector", "text"),
    [
        (Threshold(ThresholdParams(above=600)), "1 234, above 600"),
        (LevelRise(LevelRiseParams()), "1 234 s, usually 600 s"),
        (Loss(LossParams()), "1 234 a minute, usually 600"),
        (FailedCalls(FailedCallsParams(mode="signature")), "1 234 calls in 5 min"),
        (TrafficAnomaly(TrafficAnomalyParams()), "1 230, usually 600"),
    ],
)
def test_each_detector_says_it_in_its_own_unit(detector: Detector, text: str) -> None:
    assert detector.worst(FOUND).text == text
