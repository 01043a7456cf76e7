"""`threshold` over windows and against its own past: what a person writes for Prometheus, exactly."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from pydantic import ValidationError

from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import IncidentKey, Transition
from watcher.model.labels import Matcher, Selector, label_set
from watcher.model.rule import Rule
from watcher.model.sample import Exemplar, SampleBatch
from watcher.model.time import HOUR, MINUTE

NAN = float("nan")
START = 1_700_000_400_000 - 1_700_000_400_000 % HOUR
BAD = Matcher("status", regex="5..")
SHARE = {"value": Selector("cdn_status_responses", (BAD,)), "whole": Selector("cdn_status_responses")}
RATIO = {"value": Selector("cdn_hit_ratio")}
CODES = tuple(("cdn_status_responses", label_set({"status": code})) for code in ("200", "502", "503"))


def judged(match: Mapping[str, Selector], params: Mapping[str, object]) -> Engine:
    settings = ThresholdParams.model_validate(params)
    rule = Rule("r", "threshold", match, ("resource",), settings)
    return Engine([BoundRule(rule, Threshold(settings))])


def bins(
    *columns: Sequence[float],
    metrics: tuple[object, ...] = CODES,
    first: int = 0,
    exemplars: tuple[Exemplar, ...] = (),
) -> SampleBatch:
    """Consecutive minutes of one resource: a column of values for each metric."""
    steps = len(columns[0])
    end = START + (first + steps) * MINUTE
    return SampleBatch(
        source="cdn",
        vendor="test",
        stream="s",
        width=MINUTE,
        fetched_at=end,
        settled_until=end,
        entities=(label_set({"resource": "shop"}),),
        metrics=metrics,  # type: ignore[arg-type]
        starts=START + np.arange(first, first + steps, dtype=np.int64) * MINUTE,
        values=np.array(columns, np.float64).T[:, :, np.newaxis],
        exemplars=exemplars,
    )


def fed(engine: Engine, *batches: SampleBatch) -> list[Transition]:
    for one in batches:
        engine.ingest(one)
    return engine.evaluate(max(one.fetched_at for one in batches))


def state(engine: Engine) -> str:
    return engine.state(IncidentKey("r", label_set({"source": "cdn", "vendor": "test", "resource": "shop"})))


SPIKE = {
    "aggregate": "share",
    "window": "5m",
    "above": 0.05,
    "above_times": 3,
    "past": "1h",
    "lag": "5m",
    "min_count": 100,
}


@pytest.mark.parametrize(
    ("good", "bad", "was", "fires"),
    [
        (90.0, 5.0, 0.0, True),  # 10 % of 500
        (96.0, 2.0, 0.0, False),  # 4 %
        (90.0, 5.0, 3.0, False),  # 10 %, and 6 % in the hour before
        (90.0, 5.0, 1.6, True),  # 3.1 times as much
        (9.0, 5.0, 0.0, False),  # 53 % of 95
        (10.0, 5.0, 0.0, True),  # 50 % of exactly 100
    ],
)
def test_a_share_is_compared_with_a_limit_and_with_the_hour_before(
    good: float, bad: float, was: float, *, fires: bool
) -> None:
    engine = judged(SHARE, SPIKE)
    past = 65
    fed(engine, bins([100 - 2 * was] * past, [was] * past, [was] * past))
    fed(engine, bins([good] * 5, [bad] * 5, [bad] * 5, first=past))

    assert state(engine) == ("firing" if fires else "inactive")


def test_the_hour_before_ends_where_the_lag_begins() -> None:
    engine = judged(SHARE, SPIKE)
    # Errors of 5 to 10 minutes ago belong to the past that is compared with: 4 of 5 600 responses.
    fed(engine, bins([100.0] * 55, [0.0] * 55, [0.0] * 55))
    fed(engine, bins([96.0] * 5, [4.0] * 5, [0.0] * 5, first=55))
    found = [one for minute in range(60, 65) for one in fed(engine, bins([90.0], [5.0], [5.0], first=minute))]

    told = [(one.opened_at, one.evidence.words["usual"]) for one in found]
    assert told == [(START + 60 * MINUTE, "0.071 %")]


def test_a_breach_without_a_past_is_unknown() -> None:
    engine = judged(SHARE, SPIKE)
    found = fed(engine, bins([50.0] * 5, [25.0] * 5, [25.0] * 5))

    assert (found, state(engine)) == ([], "inactive")


def test_a_mean_well_below_that_of_a_day_is_told_with_both() -> None:
    engine = judged(
        RATIO, {"aggregate": "mean", "window": "5m", "below_by": 0.15, "past": "24h", "lag": "0s"}
    )
    fed(engine, bins([0.9] * 720, metrics=(("cdn_hit_ratio", ()),)))
    fed(engine, bins([0.9] * 720, metrics=(("cdn_hit_ratio", ()),), first=720))
    assert fed(engine, bins([0.78] * 20, metrics=(("cdn_hit_ratio", ()),), first=1440)) == []
    (opened,) = fed(engine, bins([0.6] * 5, metrics=(("cdn_hit_ratio", ()),), first=1460))

    # Four bins at 0.6 are what it takes: 0.636 is less than 0.75, as are 0.672 and 0.744 before.
    assert opened.opened_at == START + 1460 * MINUTE
    assert "in 1 d before" in opened.evidence.text


def test_what_was_there_and_is_no_more_is_stale_while_the_vendor_answers() -> None:
    engine = judged(RATIO, {"stale_after": "15m", "window": "5m"})
    ratio = (("cdn_hit_ratio", ()),)
    fed(engine, bins([0.9] * 30, metrics=ratio))
    (opened,) = [
        one for minute in range(30, 60) for one in fed(engine, bins([NAN], metrics=ratio, first=minute))
    ]
    (ended,) = fed(engine, bins([0.9], metrics=ratio, first=60))

    # A window of five silent minutes ends with minute 34, and a quarter of an hour before there were data.
    assert (opened.opened_at, opened.evidence.text) == (START + 34 * MINUTE, "no data for 5 min")
    assert (ended.recovery and ended.recovery.text) == "data are there"


@pytest.mark.parametrize(
    ("params", "breaches"),
    [
        ({"aggregate": "sum", "window": "3m", "above": 17}, True),
        ({"aggregate": "sum", "window": "3m", "above": 18}, False),
        ({"aggregate": "mean", "window": "3m", "above": 5.9}, True),
        ({"aggregate": "mean", "window": "3m", "above": 6}, False),
        ({"aggregate": "least", "window": "3m", "below": 2.5}, True),
        ({"aggregate": "least", "window": "3m", "below": 2}, False),
        ({"aggregate": "greatest", "window": "3m", "above": 9}, True),
        ({"aggregate": "greatest", "window": "3m", "above": 10}, False),
        ({"above": 5}, True),
        ({"above": 6}, False),
        ({"aggregate": "sum", "window": "3m", "above_times": 5.9, "past": "3m"}, True),
        ({"aggregate": "sum", "window": "3m", "above_times": 6, "past": "3m"}, False),
        ({"above_by": 4.9, "past": "3m", "lag": "3m"}, True),
        ({"above_by": 5, "past": "3m", "lag": "3m"}, False),
    ],
)
def test_each_aggregate_is_what_it_says(params: Mapping[str, object], *, breaches: bool) -> None:
    engine = judged({"value": Selector("cdn_requests")}, params)
    fed(engine, bins([1.0, 1.0, 1.0], metrics=(("cdn_requests", ()),)))
    fed(engine, bins([2.0, 10.0, 6.0], metrics=(("cdn_requests", ()),), first=3))

    assert state(engine) == ("firing" if breaches else "inactive")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "write a limit"),
        ({"above": 1, "below": 0}, "two rules"),
        ({"above": 1, "below_by": 1, "past": "1h"}, "two rules"),
        ({"above_times": 3}, "without past"),
        ({"above": 3, "past": "1h"}, "past without"),
        ({"above": 3, "window": "5m"}, "without aggregate"),
        ({"above_by": 3, "aggregate": "least", "past": "1h"}, "no earlier one"),
        ({"stale_after": "15m"}, "without window"),
        ({"stale_after": "15m", "window": "5m", "above": 1}, "another rule"),
    ],
)
def test_parameters_that_ask_nothing_or_two_things_are_refused(
    params: Mapping[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        ThresholdParams.model_validate(params)
