"""From YAML to a rule the engine takes."""

import pytest

from watcher.document.load import load_yaml
from watcher.engine.detectors.ratio_spike import RatioSpike, RatioSpikeParams
from watcher.engine.detectors.threshold import ThresholdParams
from watcher.errors import ConfigurationError
from watcher.model.labels import Matcher, Selector
from watcher.model.rule import Mode, NofM, Severity
from watcher.model.time import MINUTE
from watcher.rulebook.detectors import detector, known
from watcher.rulebook.loader import bind, load_rule

RULE = """\
rule: many_errors
detector: ratio_spike
match:
  part: {metric: cdn_responses, tier: edge, status_class: [4xx, 5xx]}
  whole: {metric: cdn_requests, tier: edge, source: ~cdn.*}
by: [resource]
with: {floor: 0.1, windows: [1m, 10m]}
for: 2m
severity: warning
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_rule(load_yaml(text, "r.yaml"))
    return [str(problem) for problem in caught.value.problems]


def test_a_rule_is_read_whole() -> None:
    rule = load_rule(load_yaml(RULE, "r.yaml"))

    assert (rule.id, rule.by, rule.hold, rule.severity) == (
        "many_errors",
        ("resource",),
        2 * MINUTE,
        Severity.WARNING,
    )
    assert rule.match["part"] == Selector(
        "cdn_responses", (Matcher("tier", ("edge",)), Matcher("status_class", ("4xx", "5xx")))
    )
    assert rule.match["whole"].matchers[1] == Matcher("source", regex="cdn.*")
    assert rule.params == RatioSpikeParams(floor=0.1, windows=("1m", "10m"))
    assert (rule.provenance.file, len(rule.provenance.digest)) == ("r.yaml", 64)


def test_a_bound_rule_has_its_detector_with_the_rule_s_parameters() -> None:
    bound = bind(load_rule(load_yaml(RULE)))

    assert isinstance(bound.detector, RatioSpike)
    assert bound.detector.params.floor == 0.1


def test_the_digest_follows_the_text_that_counts() -> None:
    digests = {
        load_rule(load_yaml(text)).provenance.digest
        for text in (RULE, "# a remark\n" + RULE, RULE.replace("0.1", "0.2"))
    }

    assert len(digests) == 2


@pytest.mark.parametrize(
    ("written", "instead", "found"),
    [
        ("floor", "flor", "r.yaml:7:8: unknown key `flor`; did you mean `floor`?"),
        ("floor: 0.1", "floor: 5", "r.yaml:7:15: floor: expected a number less than 1, got 5"),
        ("whole:", "hole:", "r.yaml:5:3: unknown role `hole`; did you mean `whole`?"),
        ("metric: cdn_requests, ", "", "r.yaml:5:10: whole: expected a selector"),
        ("source: ~cdn.*", "source: 5", "r.yaml:5:53: `source` takes a string, a list of strings, or ~regex"),
        (
            "source: ~cdn.*",
            "source: ~a(?=b)",
            "r.yaml:5:53: '~a(?=b)' is not a regular expression: look-around",
        ),
        (
            "severity: warning",
            "severity: warning\nenabled: no",
            "r.yaml:10:10: enabled: expected true or false",
        ),
        ("ratio_spike", "ratio_spik", "r.yaml:2:11: unknown detector `ratio_spik`; did you"),
        ("severity: warning", "severity: high", "r.yaml:9:11: severity: expected 'info', "),
        ("rule: many_errors\n", "", "r.yaml:1:1: `rule` is missing"),
        ("for: 2m", "fro: 2m", "r.yaml:8:1: unknown key `fro`; did you mean `for`?"),
        ("severity: warning", 'severity: warning\nsummary: "{seen:.2f}"', "r.yaml:10:10: summary: {seen} is"),
    ],
)
def test_each_mistake_is_told_in_its_place(written: str, instead: str, found: str) -> None:
    assert any(problem.startswith(found) for problem in problems(RULE.replace(written, instead, 1)))


def test_all_mistakes_of_a_rule_come_at_once() -> None:
    found = problems(
        "rule: A\ndetector: ratio_spike\nmatch: {part: {metric: a}}\nwith: {flor: 1}\nseverity: x\n"
    )

    assert [problem.partition(": ")[0] for problem in found] == [
        "r.yaml:1:7",
        "r.yaml:3:8",
        "r.yaml:4:8",
        "r.yaml:5:11",
    ]


def test_a_selector_may_name_what_stands_in_for_it() -> None:
    match = "match: {metric: watcher_up, else: {metric: cdn_requests, tier: edge}}"
    rule = load_rule(
        load_yaml(f"{{rule: a, detector: threshold, {match}, with: {{below: 1}}, severity: info}}")
    )

    instead = Selector("cdn_requests", (Matcher("tier", ("edge",)),))
    assert rule.match == {"value": Selector("watcher_up", (), instead)}


@pytest.mark.parametrize(
    ("instead", "found"),
    [
        ("else: 5", "r.yaml:5:36: else: expected a selector such as"),
        ("else: {tier: edge}", "r.yaml:5:36: else: expected a selector such as"),
        ("else: {metric: cdn_requests, tier: 5}", "r.yaml:5:65: `tier` takes a string"),
    ],
)
def test_a_mistake_in_what_stands_in_is_told_in_its_place(instead: str, found: str) -> None:
    text = RULE.replace("cdn_requests, tier: edge, source: ~cdn.*", f"cdn_bytes, {instead}")

    assert any(problem.startswith(found) for problem in problems(text))


def test_a_detector_with_one_role_takes_a_selector_alone_or_by_role() -> None:
    alone, by_role = (
        f"{{rule: a, detector: threshold, match: {match}, with: {{below: 1}}, severity: info}}"
        for match in ("{metric: watcher_up, stream: s}", "{value: {metric: watcher_up, stream: s}}")
    )

    assert load_rule(load_yaml(alone)).match == load_rule(load_yaml(by_role)).match


def test_the_shipped_detectors_are_found_by_name() -> None:
    assert {"ratio_spike", "level_drop", "expiry", "threshold"} <= set(known())
    assert detector("ratio_spike") is RatioSpike
    assert detector("nothing") is None


# --- what an incident needs, when it is clear, and how bad it is

GRADED = """\
rule: graded
detector: threshold
match: {metric: cdn_hit_ratio}
by: [resource]
with: {below: 0.5}
clear_when: {below: 0.6}
for: 3 of 5
severity: {warning: {}, critical: {below: 0.2}}
mode: shadow
"""


def test_a_rule_may_count_bins_clear_later_and_grade() -> None:
    rule = load_rule(load_yaml(GRADED))

    assert (rule.needs, rule.hold, rule.mode) == (NofM(3, 5), 0, Mode.SHADOW)
    assert rule.clear_when == ThresholdParams(below=0.6)
    assert rule.severity is Severity.WARNING
    assert rule.severities == {
        Severity.WARNING: ThresholdParams(below=0.5),
        Severity.CRITICAL: ThresholdParams(below=0.2),
    }


def test_a_rule_without_any_of_these_has_none_of_them() -> None:
    rule = load_rule(load_yaml(RULE))

    assert (rule.needs, rule.clear_when, rule.severities, rule.mode, rule.extends) == (
        None,
        None,
        {},
        "live",
        "",
    )


@pytest.mark.parametrize(
    ("written", "instead", "found"),
    [
        ("3 of 5", "5 of 3", "r.yaml:7:6: for: '5 of 3' cannot be; write N of M, with N up to M"),
        ("3 of 5", "0 of 3", "r.yaml:7:6: for: '0 of 3' cannot be"),
        (
            "3 of 5",
            "often",
            "r.yaml:7:6: for: 'often' is neither a duration such as 5m nor bins such as 3 of 5",
        ),
        ("3 of 5", "3", "r.yaml:7:6: for: 3 has no unit; write 3m, or bins as 3 of 5"),
        ("shadow", "dark", "r.yaml:9:7: mode: expected 'live' or 'shadow', got 'dark'"),
        ("below: 0.6", "blow: 0.6", "r.yaml:6:14: unknown key `blow`; did you mean `below`?"),
        ("{below: 0.6}", "0.6", "r.yaml:6:13: clear_when: expected"),
        ("below: 0.6", "above: 0.6", "r.yaml:6:1: clear_when: above and below look to different sides"),
        (
            "below: 0.6",
            "aggregate: mean, window: 5m",
            "r.yaml:6:1: clear_when: these parameters look at something",
        ),
        ("critical: {below: 0.2}", "critical: {blow: 1}", "r.yaml:8:36: unknown key `blow`"),
        (
            "critical: {below: 0.2}",
            "urgent: {below: 0.2}",
            "r.yaml:8:25: 'urgent' is not a severity; write info",
        ),
        ("{warning: {}, critical: {below: 0.2}}", "{}", "r.yaml:8:11: severity: expected one"),
        ("{warning: {}, critical: {below: 0.2}}", "grave", "r.yaml:8:11: severity: expected"),
    ],
)
def test_each_mistake_in_these_is_told_in_its_place(written: str, instead: str, found: str) -> None:
    told = problems(GRADED.replace(written, instead, 1))

    assert any(problem.startswith(found) for problem in told), told


def test_how_soon_trouble_is_the_same_incident_is_a_day_at_most() -> None:
    soon = "for: 2m\nreopen_within: {}"

    assert load_rule(load_yaml(RULE)).reopen_within == 0
    assert load_rule(load_yaml(RULE.replace("for: 2m", soon.format("30m")))).reopen_within == 30 * MINUTE
    [problem] = problems(RULE.replace("for: 2m", soon.format("2d")))
    assert problem.startswith("r.yaml:9:16: reopen_within: 2d is too long to be the same trouble; write 1d")
