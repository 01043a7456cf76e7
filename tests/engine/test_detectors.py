"""What single detectors need of the engine: answered bins, roles that speak for many, parts of evidence."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tests.engine.conftest import START, World, at
from watcher.engine.detectors.absence import Absence, AbsenceParams
from watcher.engine.detectors.failed_calls import FailedCalls, FailedCallsParams
from watcher.engine.detectors.loss import Loss, LossParams
from watcher.engine.detectors.ratio_spike import RatioSpike, RatioSpikeParams
from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import Change, Resolution, Transition
from watcher.model.labels import Matcher, Selector, label_set
from watcher.model.rule import Rule
from watcher.model.sample import Exemplar, SampleBatch
from watcher.model.time import DAY, MINUTE

NAN = float("nan")
Make = Callable[..., Any]
Columns = Mapping[tuple[str, str], float]
"""Values by metric and labels, written `status=502` or `tier=edge,resource=shop`."""


def batch(
    minute: int, columns: Mapping[str, float], *, width: int = MINUTE, exemplars: tuple[Exemplar, ...] = ()
) -> SampleBatch:
    """One bin of one entity without labels: all labels are those of the metric, as `cdn_requests{a=b}`."""
    metrics = []
    for name in columns:
        metric, _, labels = name.partition("{")
        pairs = [pair.split("=") for pair in labels.rstrip("}").split(",") if pair]
        metrics.append((metric, label_set([(key, value) for key, value in pairs])))
    start = START + minute * MINUTE
    return SampleBatch(
        source="cdn",
        vendor="test",
        stream="resources",
        width=width,
        fetched_at=start + width,
        settled_until=start + width,
        entities=((),),
        metrics=tuple(metrics),
        starts=np.array([start], np.int64),
        values=np.array([*columns.values()], np.float64).reshape(1, -1, 1),
        exemplars=exemplars,
    )


def run(engine: Engine, *batches: SampleBatch) -> list[Transition]:
    """Ingest and evaluate one after the other."""
    found = []
    for one in batches:
        engine.ingest(one)
        found += engine.evaluate(one.fetched_at)
    return found


# --- absence


def absence() -> BoundRule:
    params = AbsenceParams.model_validate({"min_history": "1h"})
    value = Selector("cdn_requests", (Matcher("resource", regex=".+"),))
    rule = Rule("absence", "absence", {"value": value}, (), params, hold=30 * MINUTE)
    return BoundRule(rule, Absence(params))


@pytest.fixture
def there() -> World:
    """Two resources that have had data for four hours."""
    cdn = World([absence()])
    cdn.run(range(240), (100, 0), (5, 0))
    return cdn


def test_data_that_stop_while_the_vendor_answers_are_absent(there: World) -> None:
    (opened,) = there.run(range(240, 271), (NAN, NAN), (NAN, NAN))

    assert (opened.change, opened.opened_at) == (Change.OPENED, at(240))
    assert opened.evidence.text == "no data for 30 min, usually there 100 % of the time"


def test_one_resource_with_data_known_zero_included_is_presence(there: World) -> None:
    assert there.run(range(240, 300), (NAN, NAN), (0, 0)) == []


def test_bins_that_were_never_answered_are_not_absent(there: World) -> None:
    there.run(range(240, 260), (NAN, NAN), (NAN, NAN))
    assert there.run(range(280, 289), (NAN, NAN), (NAN, NAN)) == []
    (opened,) = there.run(range(289, 290), (NAN, NAN), (NAN, NAN))

    assert opened.opened_at == at(240)


def test_bins_that_were_never_answered_resolve_nothing(there: World) -> None:
    there.run(range(240, 275), (NAN, NAN), (NAN, NAN))
    assert there.feed(there.batch(320, (NAN, NAN), (NAN, NAN))) == []
    (ended,) = there.feed(there.batch(321, (100, 0), (5, 0)))

    assert (ended.change, ended.resolved_at) == (Change.RESOLVED, at(321))


def test_an_answer_that_comes_late_and_says_nothing_is_an_answer(there: World) -> None:
    there.feed(there.batch(280, (NAN, NAN), (NAN, NAN)))
    assert there.transitions == []
    there.feed(*(there.batch(minute, (NAN, NAN), (NAN, NAN)) for minute in range(240, 280)))

    assert [(t.change, t.opened_at) for t in there.transitions] == [(Change.OPENED, at(240))]


# --- roles


def test_a_series_without_a_label_of_the_groups_speaks_for_all_that_agree_in_the_others() -> None:
    params = RatioSpikeParams(min_history="1m")
    match = {"part": Selector("cdn_status_responses"), "whole": Selector("cdn_requests")}
    rule = Rule("burst", "ratio_spike", match, ("resource", "status"), params)
    engine = Engine([BoundRule(rule, RatioSpike(params))])
    columns = {
        "cdn_requests{resource=a}": 1000.0,
        "cdn_requests{resource=b}": 10.0,
        "cdn_status_responses{resource=a,status=502}": 400.0,
        "cdn_status_responses{resource=a,status=404}": 1.0,
        "cdn_status_responses{resource=b,status=502}": 0.0,
    }
    (opened,) = run(engine, batch(0, columns))

    assert dict(opened.key.labels) == {"source": "cdn", "vendor": "test", "resource": "a", "status": "502"}
    assert opened.evidence.requests == 1000


@pytest.mark.parametrize(
    ("params", "fires"),
    [
        ({"above": 5}, True),
        ({"above": 5, "of": "least"}, False),
        ({"below": 5}, True),
        ({"below": 5, "of": "greatest"}, False),
    ],
)
def test_the_worst_of_several_series_speaks_unless_the_rule_says_otherwise(
    params: dict[str, object], *, fires: bool
) -> None:
    settings = ThresholdParams.model_validate(params)
    rule = Rule("t", "threshold", {"value": Selector("http_probe_duration_seconds")}, ("target",), settings)
    engine = Engine([BoundRule(rule, Threshold(settings))])
    values = {
        "http_probe_duration_seconds{target=a,address=1}": 1.0,
        "http_probe_duration_seconds{target=a,address=2}": 9.0,
        "http_probe_duration_seconds{target=a,address=3}": NAN,
    }

    assert bool(run(engine, batch(0, values, width=0))) is fires


def test_an_unknown_count_makes_a_sum_unknown() -> None:
    settings = ThresholdParams(above=5)
    rule = Rule("t", "threshold", {"value": Selector("api_calls")}, (), settings)
    engine = Engine([BoundRule(rule, Threshold(settings))])

    assert (
        run(engine, batch(0, {"api_calls{outcome=failed}": 9.0, "api_calls{outcome=succeeded}": NAN})) == []
    )
    assert run(engine, batch(1, {"api_calls{outcome=failed}": 3.0, "api_calls{outcome=succeeded}": 3.0}))


@pytest.mark.parametrize("minutes", [1, 10, 15])
def test_one_failed_poll_is_no_outage_however_rare_polls_are(minutes: int) -> None:
    settings = ThresholdParams.model_validate({"below": 1, "alone": "5m"})
    rule = Rule("t", "threshold", {"value": Selector("watcher_up")}, (), settings, hold=6 * MINUTE)
    engine = Engine([BoundRule(rule, Threshold(settings))])
    ups = [1.0, 0.0, 1.0, 1.0, *[0.0] * 7, 1.0]
    found = run(
        engine,
        *(batch(at * minutes, {"watcher_up": up}, width=minutes * MINUTE) for at, up in enumerate(ups)),
    )

    assert [t.change for t in found] == [Change.OPENED, Change.RESOLVED]
    assert at(4 * minutes) <= found[0].opened_at <= at(5 * minutes)


# --- shares of counts


def spike(**params: object) -> BoundRule:
    settings = RatioSpikeParams.model_validate(params)
    match = {"part": Selector("cdn_responses"), "whole": Selector("cdn_requests")}
    rule = Rule("spike", "ratio_spike", match, ("resource",), settings, hold=2 * MINUTE)
    return BoundRule(rule, RatioSpike(settings))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_errors_that_are_chronic_and_stray_are_no_incident_on_busy_or_quiet_resources(seed: int) -> None:
    random, width = np.random.default_rng(seed), 5 * MINUTE
    level, usual = np.exp(random.uniform(1, 8, 40)), np.exp(random.uniform(-7, -3.2, 40))
    stray, engine, found = np.zeros(40), Engine([spike()]), []
    for minute in range(0, 26 * 60, 5):
        night = 0.05 + 0.95 * np.cos(np.pi * minute / 1440) ** 2
        stray = 0.95 * stray + random.normal(0, 0.06, 40)
        requests = random.poisson(5 * level * night)
        values = np.array([requests, random.binomial(requests, usual * np.exp(stray))], np.float64)
        start = START + minute * MINUTE
        found += run(
            engine,
            SampleBatch(
                source="cdn",
                vendor="test",
                stream="resources",
                width=width,
                fetched_at=start + width,
                settled_until=start + width,
                entities=tuple(label_set({"resource": str(n)}) for n in range(40)),
                metrics=(("cdn_requests", ()), ("cdn_responses", ())),
                starts=np.array([start], np.int64),
                values=values.reshape(1, 2, 40),
            ),
        )

    assert found == []


def test_a_bin_of_a_day_has_no_past_to_be_judged_by() -> None:
    days = (
        batch(day * 1440, {"cdn_requests": 9000.0, "cdn_responses": bad}, width=DAY)
        for day, bad in enumerate([10.0, 10.0, 3000.0, 10.0, 3000.0, 3000.0, 10.0])
    )

    assert run(Engine([spike()]), *days) == []


# --- failed calls


def failed_calls(by: tuple[str, ...] = (), **params: object) -> BoundRule:
    settings = FailedCallsParams.model_validate({"min_history": "1h", **params})
    rate = {
        "part": Selector("api_calls", (Matcher("outcome", ("failed",)),)),
        "whole": Selector("api_calls"),
        "signatures": Selector("api_failed_calls"),
    }
    signature = {"part": Selector("api_failed_calls"), "whole": Selector("api_calls")}
    match = rate if settings.mode == "rate" else signature
    return BoundRule(Rule("calls", "failed_calls", match, by, settings), FailedCalls(settings))


SIGNATURE = ("url", "method", "status", "reason")


def calls(minute: int, succeeded: float, signatures: Mapping[str, float], **options: Any) -> SampleBatch:  # noqa: ANN401
    """Calls of one minute; a signature is `GET /a 500`."""
    columns = {
        "api_calls{outcome=succeeded}": succeeded,
        "api_calls{outcome=failed}": float(sum(signatures.values())),
    }
    for signature, count in signatures.items():
        method, url, status = signature.split()
        columns[f"api_failed_calls{{url={url},method={method},status={status}}}"] = float(count)
    return batch(minute, columns, **options)


def test_the_evidence_of_failed_calls_names_the_most_frequent_signatures() -> None:
    engine = Engine([failed_calls()])
    record = Exemplar(0, at(120), {"url": "/a", "request": "r1"})
    run(engine, *(calls(minute, 50, {}) for minute in range(120)))
    (opened,) = run(engine, calls(120, 20, {"GET /a 500": 9, "PUT /b 403": 21}, exemplars=(record,)))

    assert opened.evidence.text == "60.0 % of 50 calls, usually 0.0 %; mostly PUT /b 403 (70 %)"
    assert opened.evidence.parts == (
        {"method": "PUT", "status": "403", "url": "/b", "count": "21", "share": "70 %"},
        {"method": "GET", "status": "500", "url": "/a", "count": "9", "share": "30 %"},
    )
    assert [one["request"] for one in opened.evidence.exemplars] == ["r1"]


def test_a_signature_that_an_answered_bin_lacks_did_not_occur() -> None:
    engine = Engine([failed_calls(SIGNATURE, mode="signature")])
    seen = {"GET /a 500": 1}
    run(engine, *(calls(minute, 50, seen) for minute in range(180)))
    (opened,) = run(engine, calls(180, 50, {**seen, "PUT /b 403": 3}))
    (ended,) = run(engine, calls(181, 50, seen))

    assert dict(opened.key.labels)["url"] == "/b"
    assert (ended.resolution, ended.resolved_at) == (Resolution.RECOVERED, at(181))


def test_a_new_signature_is_still_open_where_the_vendor_does_not_answer() -> None:
    engine = Engine([failed_calls(SIGNATURE, mode="signature")])
    run(engine, *(calls(minute, 50, {"GET /a 500": 1}) for minute in range(180)))
    run(engine, calls(180, 50, {"PUT /b 403": 3}))

    assert run(engine, calls(240, NAN, {})) != []  # answered, without it
    engine = Engine([failed_calls(SIGNATURE, mode="signature")])
    run(engine, *(calls(minute, 50, {"GET /a 500": 1}) for minute in range(180)))
    run(engine, calls(180, 50, {"PUT /b 403": 3}))
    gap = calls(200, 50, {"PUT /b 403": 2})  # nothing was answered in between
    assert run(engine, gap) == []


def test_exemplars_of_another_signature_are_no_evidence_of_this_one() -> None:
    engine = Engine([failed_calls(SIGNATURE, mode="signature")])
    records = tuple(
        Exemplar(0, at(180), {"url": url, "method": "GET", "status": "500"}) for url in ("/a", "/b")
    )
    run(engine, *(calls(minute, 50, {}) for minute in range(180)))
    found = run(engine, calls(180, 50, {"GET /a 500": 1, "GET /b 500": 1}, exemplars=records))

    shown = {dict(t.key.labels)["url"]: [one["url"] for one in t.evidence.exemplars] for t in found}
    assert shown == {"/a": ["/a"], "/b": ["/b"]}


# --- loss


def test_what_is_lost_does_not_become_usual_and_its_return_is_seen() -> None:
    params = LossParams()
    rule = Rule("loss", "loss", {"value": Selector("cdn_requests")}, ("resource",), params, hold=10 * MINUTE)
    cdn = World([BoundRule(rule, Loss(params))])
    cdn.run(range(360), (1000, 0))
    cdn.run(range(360, 900), (0, 0))
    assert [t.change for t in cdn.transitions] == [Change.OPENED]
    cdn.run(range(900, 905), (1000, 0))

    assert [(t.change, t.resolved_at) for t in cdn.transitions[1:]] == [(Change.RESOLVED, at(900))]
