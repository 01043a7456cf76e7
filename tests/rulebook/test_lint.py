"""Lint: each check finds its own mistake, in its place, and nothing in the shipped rules."""

from pathlib import Path

import pytest

from watcher.rulebook.lint import CHECKS, Level, lint, lint_file
from watcher.rulebook.loader import ORDER
from watcher.rulebook.packs import builtin_folder

RULE = """\
rule: late
detector: threshold
match: {metric: watcher_data_delay_seconds}
by: [stream]
with: {above: 60}
for: 5m
keep_firing_for: 0s
severity: warning
summary: "{subject}: {text}"
why: w
false_alarms: f
runbook: r
"""
PROOF = """\
rule: late
cases:
  - case: a
    given: {"watcher_data_delay_seconds{stream=a}": "5x9 90x9 5x9"}
    expect: [{incidents: [{opened_at: 10m, resolved_at: 20m}]}]
  - case: b
    given: {"watcher_data_delay_seconds{stream=a}": "5x9"}
    expect: [{incidents: []}]
"""


def findings(folder: Path, rule: str = RULE, proof: str | None = PROOF, name: str = "late") -> list[str]:
    path = folder / f"{name}.yaml"
    path.write_text(rule)
    if proof is not None:
        (folder / f"{name}.test.yaml").write_text(proof)
    return [str(finding).removeprefix(f"{folder}/{name}") for finding in lint_file(path)]


def test_the_shipped_rules_are_without_a_finding() -> None:
    assert lint([builtin_folder()]) == []


def test_a_good_rule_is_without_a_finding(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("written", "instead", "finding"),
    [
        (
            "rule: late",
            "rule: later",
            ".yaml:1:7: rule `later` stands in late.yaml; name the file later.yaml",
        ),
        ("runbook: r\n", "", ".yaml:1:1: `runbook` is missing; a rule has every field [field_order]"),
        ("delay_seconds", "delay", ".yaml:3:17: unknown metric `watcher_data_delay`; did you mean"),
        ("_seconds}", "_seconds, steam: a}", ".yaml:3:45: `watcher_data_delay_seconds` has no label `steam`"),
        ("[stream]", "[stream, tier]", ".yaml:4:14: `watcher_data_delay_seconds` has no label `tier`"),
        ("by: [stream]", "by: [stream, resource, account]", ".yaml:4:24: `account` beside `resource`"),
        ("for: 5m", "for: 1m", ".yaml:6:6: `for` is 1m: one bad bin fires; two bins"),
        ("{subject}", "{subjekt}", ".yaml:9:10: nothing fills {subjekt}; did you"),
    ],
)
def test_each_mistake_is_found_in_its_place(tmp_path: Path, written: str, instead: str, finding: str) -> None:
    found = findings(tmp_path, RULE.replace(written, instead))

    assert any(one.startswith(finding) for one in found)


@pytest.mark.parametrize(
    ("instead", "finding"),
    [
        ("{metric: watcher_dn}", ".yaml:3:60: unknown metric `watcher_dn`"),
        ("{metric: watcher_up, tier: edge}", ".yaml:3:72: `watcher_up` has no label `tier`"),
        ("{metric: cdn_requests}", ".yaml:4:6: `cdn_requests` has no label `stream`"),
        ("{metric: cdn_requests}", ".yaml:3:51: else: `tier` is open"),
    ],
)
def test_what_stands_in_for_a_selector_is_linted_too(tmp_path: Path, instead: str, finding: str) -> None:
    found = findings(tmp_path, RULE.replace("_seconds}", f"_seconds, else: {instead}}}"))

    assert any(one.startswith(finding) for one in found), found


def test_a_rule_may_be_one_that_is_switched_on_by_need(tmp_path: Path) -> None:
    assert findings(tmp_path, RULE.replace("by:", "enabled: false\nby:")) == []


def test_fields_out_of_order_are_told_once(tmp_path: Path) -> None:
    lines = RULE.splitlines()
    lines[0], lines[1] = lines[1], lines[0]

    (finding,) = findings(tmp_path, "\n".join(lines))

    assert finding.startswith(".yaml:1:1: `rule` comes before `detector`")


def test_the_order_of_fields_is_told_where_rules_are_explained() -> None:
    text = " ".join((builtin_folder() / "README.md").read_text().split())

    assert f"The order of all of them: {', '.join(f'`{name}`' for name in ORDER)}." in text


def test_edge_and_origin_are_never_judged_together(tmp_path: Path) -> None:
    rule = RULE.replace("watcher_data_delay_seconds", "cdn_requests").replace("[stream]", "[resource]")

    assert any("[tier_fixed]" in finding for finding in findings(tmp_path, rule))
    assert findings(tmp_path, rule.replace("cdn_requests}", "cdn_requests, tier: edge}")) == []


def test_a_limit_on_a_share_lies_within_zero_and_one(tmp_path: Path) -> None:
    rule = RULE.replace("watcher_data_delay_seconds", "cdn_hit_ratio").replace("[stream]", "[resource]")

    (finding,) = findings(tmp_path, rule)

    assert finding.startswith(".yaml:5:15: above: 60 is outside 0 to 1")


def test_a_rule_stands_with_its_proof(tmp_path: Path) -> None:
    (missing,) = findings(tmp_path, proof=None)
    weak = findings(tmp_path, proof=PROOF.partition("  - case: b")[0].replace(", resolved_at: 20m", ""))
    (broken,) = findings(tmp_path, proof="rule: late\n")

    assert missing.startswith(".yaml:1:1: late.test.yaml is missing")
    assert [finding.partition("; ")[0] for finding in weak] == [
        ".test.yaml:3:3: no case shows it recovering (resolved_at)",
        ".test.yaml:3:3: no case shows it staying quiet (incidents: [])",
    ]
    assert "`cases` is missing" in broken


def test_a_rule_in_yml_stands_with_its_proof_in_yml(tmp_path: Path) -> None:
    (tmp_path / "late.yml").write_text(RULE)
    (missing,) = lint([tmp_path])
    (tmp_path / "late.test.yml").write_text(PROOF)

    assert "late.test.yml is missing" in str(missing)
    assert lint([tmp_path]) == []


def test_what_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    assert findings(tmp_path, "rule: [", name="x")[0].startswith(".yaml:1:8: broken YAML")


def test_a_short_hold_is_information_only(tmp_path: Path) -> None:
    path = tmp_path / "late.yaml"
    findings(tmp_path, RULE.replace("for: 5m", "for: 1m"))

    assert [finding.level for finding in lint_file(path)] == [Level.INFO]


def test_every_check_says_why_it_is_made() -> None:
    assert all(check.__doc__ for check in CHECKS)


def test_a_rule_that_only_informs_may_fire_on_one_bin(tmp_path: Path) -> None:
    rule = RULE.replace("for: 5m", "for: 0s").replace("severity: warning", "severity: info")

    assert not any("one bad bin" in finding for finding in findings(tmp_path, rule))


def test_a_role_that_speaks_for_many_needs_not_every_label_of_the_groups(tmp_path: Path) -> None:
    match = """match:
  part: {metric: cdn_status_responses, tier: edge}
  whole: {metric: cdn_requests, tier: edge}"""
    rule = RULE.replace("detector: threshold", "detector: ratio_spike").replace(
        "with: {above: 60}", "with: {}"
    )
    rule = rule.replace("match: {metric: watcher_data_delay_seconds}", match)

    assert not any("has no label" in one for one in findings(tmp_path, rule.replace("[stream]", "[status]")))
    assert any("has no label" in one for one in findings(tmp_path, rule.replace("[stream]", "[check]")))


# --- what can never be

SPIKE = """\
rule: late
detector: threshold
match:
  value: {metric: cdn_responses, tier: edge, status_class: 5xx}
  whole: {metric: cdn_requests, tier: edge}
by: [resource]
with: {aggregate: share, window: 5m, above: 0.05, min_count: 100}
for: 5m
keep_firing_for: 0s
severity: warning
summary: "{subject}: {text}"
why: w
false_alarms: f
runbook: r
"""


def impossible(folder: Path, rule: str) -> list[str]:
    """Findings but those on the proof, which is of another rule."""
    return [one for one in findings(folder, rule) if ".test.yaml" not in one]


def test_a_rule_that_can_be_is_without_a_finding(tmp_path: Path) -> None:
    assert impossible(tmp_path, SPIKE) == []


@pytest.mark.parametrize(
    ("written", "instead", "finding"),
    [
        (
            "tier: edge, status",
            "tier: egde, status",
            ".yaml:4:40: no `cdn_responses` has tier=egde; did you mean `edge`?",
        ),
        ("5xx", "5XX", ".yaml:4:60: no `cdn_responses` has status_class=5XX; known: 1xx, 2xx"),
        ("5xx", '"~5.."', None),
        ("5xx", '"~6.."', ".yaml:4:60: no `cdn_responses` has status_class=~6..; known: 1xx"),
        (
            "edge, status_class: 5xx",
            'edge, resource: ""',
            ".yaml:4:56: `resource` is in `by`, and here it must be absent",
        ),
        (
            "above: 0.05",
            "above: 5",
            ".yaml:7:45: above: 5 is outside 0 to 1, where the metric lies; shares are",
        ),
        ("above: 0.05", "above: 1", ".yaml:7:45: above: 1 is never passed: nothing is beyond it"),
        ("above: 0.05", "below: 0", ".yaml:7:45: below: 0 is never passed"),
        (
            "metric: cdn_requests",
            "metric: cdn_bytes",
            ".yaml:4:19: responses are no share of bytes; take a metric",
        ),
        (
            "aggregate: share, window: 5m, above: 0.05",
            "above: 5",
            None,
        ),
        ("for: 5m", "for: 1 of 3", ".yaml:8:6: `for` is 1 of 3: one bad bin fires"),
        ("for: 5m", "for: 3 of 5", None),
        (
            "severity: warning",
            "severity: {warning: {}, critical: {above: 0.02}}",
            ".yaml:10:25: warning is never seen: where it breaches, critical does too; make the limits",
        ),
        ("severity: warning", "severity: {warning: {}, critical: {}}", ".yaml:10:25: warning is never seen"),
        ("severity: warning", "severity: {warning: {}, critical: {above: 0.2}}", None),
        (
            "severity: warning",
            "severity: {warning: {}}",
            ".yaml:10:11: one severity alone needs no parameters",
        ),
        (
            "severity: warning",
            "severity: {warning: {}, critical: {above: 20}}",
            ".yaml:10:43: above: 20 is outside 0 to 1",
        ),
        ("for: 5m", "clear_when: {above: 0.01}\nfor: 5m", None),
        (
            "for: 5m",
            "clear_when: {above: 0.1}\nfor: 5m",
            ".yaml:8:21: above: passed later than the 0.05 of `with`, so that it changes",
        ),
        ("for: 5m", "clear_when: {}\nfor: 5m", ".yaml:8:1: clear_when: the same as `with`"),
    ],
)
def test_what_can_never_be_is_found_in_its_place(
    tmp_path: Path, written: str, instead: str, finding: str | None
) -> None:
    found = impossible(tmp_path, SPIKE.replace(written, instead, 1))

    assert found == [] if finding is None else any(one.startswith(finding) for one in found), found


@pytest.mark.parametrize(
    ("match", "params", "finding"),
    [
        (
            "cdn_request_duration_seconds, tier: edge, size: a",
            "above: 2000",
            "above: 2 000 seconds; `cdn_request",
        ),
        ("cdn_request_duration_seconds, tier: edge, size: a", "above: 2", None),
        ("watcher_data_delay_seconds", "above: 7200", None),
        ("cdn_requests, tier: edge", "above: 2, min_count: 5", "min_count without `whole`: nothing tells"),
        (
            "http_probe_up",
            "below: 1, aggregate: mean, window: 5m",
            "window: `http_probe_up` is a state, which has",
        ),
        ("http_probe_up", "stale_after: 15m, window: 5m", "stale_after: `http_probe_up` is a state"),
        ("http_probe_up", "below: 1", None),
        ("api_calls, outcome: broken", "above: 5", "no `api_calls` has outcome=broken"),
        (
            "cdn_status_responses, tier: edge, status: 50x",
            "above: 5",
            "no `cdn_status_responses` has status=50x; codes",
        ),
        ("cdn_status_responses, tier: edge, status: ~5.*", "above: 5", None),
        (
            "watcher_failed, family: netwrk",
            "above: 0",
            "no `watcher_failed` has family=netwrk; did you mean `network`",
        ),
    ],
)
def test_limits_fit_the_metric(tmp_path: Path, match: str, params: str, finding: str | None) -> None:
    rule = RULE.replace("watcher_data_delay_seconds", match).replace("above: 60", params)
    found = impossible(tmp_path, rule.replace("by: [stream]", "by: []"))

    assert found == [] if finding is None else any(finding in one for one in found), found


def test_a_rule_that_extends_another_is_linted_as_it_stands_and_writes_what_differs(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(RULE.replace("rule: late", "rule: base"))

    assert findings(tmp_path, "rule: late\nextends: base\nwith: {above: 80}\n") == []
    (nothing,) = findings(tmp_path, "rule: late\nextends: base\n")
    (wrong,) = findings(tmp_path, "rule: late\nextends: base\nwith: {below: 0.5}\n")
    (order,) = findings(tmp_path, "rule: late\nwith: {above: 80}\nextends: base\n")

    assert nothing.startswith(".yaml:2:1: it changes nothing of `base`; write what differs [differs]")
    assert "look to different sides" in wrong
    assert order.startswith(".yaml:2:1: `extends` comes before `with`")


def test_a_rule_may_extend_a_shipped_one(tmp_path: Path) -> None:
    text = "rule: late\nextends: http_5xx_spike\nwith: {floor: 0.01}\nmode: shadow\n"

    assert [one for one in findings(tmp_path, text) if ".test.yaml" not in one] == []


# --- all at once


def test_what_cannot_be_read_hides_nothing_else(tmp_path: Path) -> None:
    rule = SPIKE.replace("for: 5m", "for: 5").replace("edge, status_class: 5xx", "egde, status_class: 5xx")
    rule = rule.replace("{subject}", "{subjekt}").replace("above: 0.05", "above: 5")

    found = impossible(tmp_path, rule)

    assert [one.partition(": ")[0] for one in found] == [
        ".yaml:4:40",
        ".yaml:7:45",
        ".yaml:8:6",
        ".yaml:11:10",
    ]
    assert "5 has no unit" in found[2]


@pytest.mark.parametrize(
    ("written", "instead", "lines"),
    [
        ("severity: warning", "severity: bad", [10, 11]),
        ("severity: warning\n", "", [1, 1, 10]),
        ("above: 0.05", "above: 0.05, abov: 1", [7, 11]),
        ("above: 0.05", "abov: 0.05", [7]),
        ("by: [resource]", "by: 5", [6]),
        ("detector: threshold", "detector: thresh", [2, 11]),
        ("detector: threshold\n", "", [1, 1, 10]),
        ("rule: ", "rule: No ", [1, 11]),
        ("status_class: 5xx", "status_class: {a: b}", [4, 11]),
        ("metric: cdn_requests", "metrik: cdn_requests", [5, 11]),
    ],
    ids=[
        *("severity", "no severity", "a parameter", "no limit", "groups", "detector", "no detector"),
        *("id", "a matcher", "a selector"),
    ],
)
def test_what_is_left_of_a_rule_is_checked_as_far_as_it_means_something(
    tmp_path: Path, written: str, instead: str, lines: list[int]
) -> None:
    rule = SPIKE.replace("{subject}", "{subjekt}").replace(written, instead)

    assert [int(one.split(":")[1]) for one in impossible(tmp_path, rule)] == lines


def test_what_judges_so_much_at_once_needs_bins_that_go_into_it(tmp_path: Path) -> None:
    rule = RULE.replace("detector: threshold", "detector: traffic_anomaly").replace("above: 60", "bin: 5m")

    def wide(width: str) -> list[str]:
        proof = PROOF.replace("cases:", f"width: {width}\ncases:")
        return [one for one in findings(tmp_path, rule, proof) if "[bins_fit]" in one]

    assert wide("60s") == wide("5m") == []
    (finding,) = wide("2m")
    assert finding.startswith(".yaml:5:13: bin: 5m does not hold bins of 2m; those of late.test.yaml:2 would")
    assert finding.endswith("never be judged; write 2m [bins_fit]")
    assert len(wide("10m")) == 1
