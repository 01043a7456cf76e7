"""Rule tests run on a real engine and say precisely what came otherwise."""

from pathlib import Path

import pytest

from watcher.errors import ConfigurationError
from watcher.rulebook.harness import CaseResult, run_file

pytest_plugins = ["pytester"]

RULE = """\
rule: slow
detector: threshold
match: {metric: watcher_data_delay_seconds}
by: [stream]
with: {above: 60}
for: 2m
severity: info
summary: "stream {stream}: late by {seen} s"
"""
PROOF = """\
rule: slow
cases:
  - case: a delay is told of and ends
    given: {"watcher_data_delay_seconds{stream=a}": "5x9 90x3 5x9"}
    expect:
      - {at: 11m, state: pending}
      - {at: 12m, state: firing}
      - incidents:
          - {labels: {stream: a}, opened_at: 10m, resolved_at: 14m, summary: "stream a: late by 90 s"}
"""


def proof(tmp_path: Path, text: str = PROOF, rule: str = RULE) -> Path:
    (tmp_path / "slow.yaml").write_text(rule)
    path = tmp_path / "slow.test.yaml"
    path.write_text(text)
    return path


def run(tmp_path: Path, expect: str, given: str = "5x9 90x3 5x9") -> list[str]:
    """The words of what came otherwise, for one case that expects this."""
    head = (
        f"rule: slow\ncases:\n- case: x\n  given: {{'watcher_data_delay_seconds{{stream=a}}': '{given}'}}\n"
    )
    (result,) = run_file(proof(tmp_path, f"{head}  expect:\n  - {expect}\n"))
    return [problem.what for problem in result.problems]


def test_a_case_that_holds_passes(tmp_path: Path) -> None:
    path = proof(tmp_path)

    assert run_file(path) == [CaseResult(path, "a delay is told of and ends", 3, [])]


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ("{at: 12m, state: inactive}", "expected inactive at 12m, but stream=a is firing"),
        ("{at: 1h, state: firing}", "expected firing at 1h, but stream=a is inactive"),
        ("{at: 1m, state: firing, labels: {stream: b}}", "no group has the labels {'stream': 'b'}"),
        (
            "{incidents: []}",
            "expected 0 incidents, got 1: stream=a from 10m to 14m, 'stream a: late by 90 s'",
        ),
        ("{incidents: [{}, {}]}", "expected 2 incidents, got 1"),
        ("{incidents: [{opened_at: 11m}]}", "opened_at: expected 11m, got 10m"),
        ("{incidents: [{resolved_at: null}]}", "resolved_at: expected not yet, got 14m"),
        ("{incidents: [{severity: critical}]}", "severity: expected 'critical', got 'info'"),
        ("{incidents: [{labels: {stream: b}}]}", "labels: expected {'stream': 'b'}, got {'source': 'test'"),
    ],
)
def test_what_came_otherwise_is_said_in_words(tmp_path: Path, expect: str, words: str) -> None:
    (what,) = run(tmp_path, expect)

    assert what.startswith(words)


@pytest.mark.parametrize(
    ("expect", "stops"),
    [
        (
            "{at: 5m, state: firing}",
            ["expected firing at 5m, but stream=a is inactive; stopped by `above`: 5 is not above 60"],
        ),
        (
            "{at: 11m, state: firing}",
            ["expected firing at 11m, but stream=a is pending; stopped by `for`: it has to last 2 min"],
        ),
        (
            "{incidents: [{opened_at: 10m}, {opened_at: 16m, labels: {stream: a}}]}",
            [
                "expected 2 incidents, got 1",
                "stream=a at 16m: stopped by `above`: 5 is not",
            ],
        ),
        ("{incidents: [{opened_at: 9m}]}", ["opened_at: expected 9m", "stream=a at 9m: stopped by `above`"]),
        ("{at: 12m, state: inactive}", ["expected inactive at 12m, but stream=a is firing"]),
    ],
)
def test_what_stayed_quiet_says_which_gate_stopped_it(tmp_path: Path, expect: str, stops: list[str]) -> None:
    found = run(tmp_path, expect)

    assert len(found) == len(stops)
    assert all(what.startswith(words) for what, words in zip(found, stops, strict=True)), found
    assert all(("(5 against 60)" in what) == ("`above`" in what) for what in found)


def test_a_difference_points_at_the_expectation(tmp_path: Path) -> None:
    (result,) = run_file(proof(tmp_path, PROOF.replace("at: 12m, state: firing", "at: 12m, state: inactive")))

    (problem,) = result.problems
    assert (result.passed, problem.line, problem.column) == (False, 7, 9)


def test_only_what_is_written_is_compared(tmp_path: Path) -> None:
    assert run(tmp_path, "{incidents: [{}]}") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PROOF.replace("rule: slow", "rule: fast", 1), "this tests `fast`, and the rule beside it is `slow`"),
        (PROOF.replace("5x9 90x3", "5y9 90x3"), "'5y9' is not in the notation"),
        (PROOF.replace("{stream=a}", "{stream}", 1), "'stream' is not a label"),
        (PROOF.replace("at: 12m, ", ""), "`state` alone; write {at: 5m, state: firing}, or"),
        (PROOF.replace(", state: pending", ""), "`at` alone; write {at: 5m, state: firing}, or"),
        (PROOF.replace("at: 12m", "incidents: []"), "`incidents` beside `state`; make it two expectations"),
        (
            PROOF.replace("state: firing", "incidents: []"),
            "`incidents` beside `at`; make it two expectations",
        ),
        (
            PROOF.replace("{at: 12m, state: firing}", "{}"),
            "it says nothing; write {at: 5m, state: firing}, or",
        ),
        (
            PROOF.replace("{at: 12m, state: firing}", "{incidents: [], labels: {stream: a}}"),
            "`incidents` beside `labels`",
        ),
        (PROOF.replace("5x9 90x3 5x9", " "), "no values; write _ for a value that is missing"),
        (
            PROOF.replace("state: firing", "state: on"),
            "expected 'inactive', 'pending', 'firing' or 'recovering'",
        ),
        (PROOF + PROOF.partition("cases:\n")[2], "two cases have this name"),
    ],
)
def test_a_test_that_cannot_be_read_says_why(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        run_file(proof(tmp_path, text))

    assert words in str(caught.value)


@pytest.mark.parametrize("given", ["watcher_data_dealy_seconds{stream=a}", "watcher_up{stream=a}"])
def test_a_case_that_gives_the_rule_nothing_to_judge_proves_nothing(tmp_path: Path, given: str) -> None:
    text = (
        PROOF.partition("    given")[0]
        + f"    given: {{'{given}': '5x9'}}\n    expect: [{{incidents: []}}]\n"
    )

    (result,) = run_file(proof(tmp_path, text))

    (problem,) = result.problems
    assert (problem.line, problem.what) == (
        4,
        "nothing given plays `value`: watcher_data_delay_seconds by stream",
    )
    assert "_x60" in problem.hint


def test_every_part_of_a_rule_must_be_given_even_where_it_is_missing(tmp_path: Path) -> None:
    rule = RULE.replace("threshold", "ratio_spike").replace(
        "match: {metric: watcher_data_delay_seconds}",
        "match:\n  part: {metric: watcher_up, stream: a}\n"
        "  whole: {metric: cdn_requests, else: {metric: cdn_bytes}}",
    )
    rule = rule.replace("with: {above: 60}", "with: {floor: 0.1}").replace("[stream]", "[]")
    head = "rule: slow\nwidth: 60s\ncases:\n- case: x\n  expect: [{incidents: []}]\n  given: "

    def problems(given: str) -> list[str]:
        (result,) = run_file(proof(tmp_path, head + given, rule))
        return [problem.what for problem in result.problems]

    assert problems('{"watcher_up{stream=b}": "1x9", "cdn_bytes": "_x9"}') == [
        "nothing given plays `part`: watcher_up{stream=a}"
    ]
    assert problems('{"watcher_up{stream=a}": "1x9"}') == [
        "nothing given plays `whole`: cdn_requests, else cdn_bytes"
    ]
    assert problems('{"watcher_up{stream=a}": "1x9", "cdn_bytes": "_x9"}') == []


def test_a_misspelt_label_gives_the_rule_nothing_to_judge(tmp_path: Path) -> None:
    rule = RULE.replace("watcher_data_delay_seconds", "cdn_requests, tier: edge").replace(
        "stream", "resource"
    )
    head = PROOF.partition("    given")[0]
    given = "    given: {'cdn_requests{tier=edge,resouce=shop}': '90x9'}\n    expect: [{incidents: []}]\n"

    (result,) = run_file(proof(tmp_path, head + given, rule))

    (problem,) = result.problems
    assert problem.what == "nothing given plays `value`: cdn_requests{tier=edge} by resource"


def test_pytest_runs_each_case_as_a_test_and_leaves_other_yaml_alone(pytester: pytest.Pytester) -> None:
    (pytester.path / "other.test.yaml").write_text("a: 1")
    proof(pytester.path, PROOF + PROOF.partition("cases:\n")[2].replace("a delay", "b").replace("10m", "9m"))

    outcome = pytester.runpytest_subprocess(
        "-p", "no:randomly", "-o", "asyncio_default_fixture_loop_scope=function"
    )

    outcome.assert_outcomes(passed=1, failed=1)
    outcome.stdout.fnmatch_lines(["*slow.test.yaml:15:*: opened_at: expected 9m, got 10m*"])


# --- severities, corrections, listings, examples

GRADED = RULE.replace("severity: info", "severity: {info: {}, critical: {above: 100}}").replace(
    "for: 2m", "for: 2 of 3"
)


def told(tmp_path: Path, case: str, rule: str = RULE) -> list[str]:
    """What came otherwise, for one case written out."""
    (result,) = run_file(proof(tmp_path, f"rule: slow\ncases:\n- case: x\n{case}", rule))
    return [problem.what for problem in result.problems]


def test_a_severity_is_expected_at_a_time_and_in_the_end(tmp_path: Path) -> None:
    case = """\
  given: {"watcher_data_delay_seconds{stream=a}": "5x9 90x3 200x3 5x9"}
  expect:
  - {at: 14m, state: firing, severity: info}
  - {at: 16m, state: firing, severity: critical}
  - incidents: [{severity: critical}]
"""

    assert told(tmp_path, case, GRADED) == []
    assert told(
        tmp_path,
        case.replace("16m, state: firing, severity: critical", "16m, state: firing, severity: info"),
        GRADED,
    ) == ["expected info at 16m, but stream=a is critical"]


CORRECTED = """\
  given: {"watcher_data_delay_seconds{stream=a}": "5x9 90x9 5x9"}
  corrected: [{at: 25m, given: {"watcher_data_delay_seconds{stream=a}": "5x12 90x6 5x9"}}]
  expect:
  - {at: 15m, state: firing}
  - incidents: [{opened_at: 13m, resolved_at: 20m}]
"""


def test_what_comes_corrected_is_judged_again(tmp_path: Path) -> None:
    assert told(tmp_path, CORRECTED) == []
    assert (
        told(
            tmp_path,
            CORRECTED.replace("5x12 90x6 5x9", "5x29").replace("{opened_at: 13m, resolved_at: 20m}", ""),
        )
        == []
    )


def test_what_comes_late_was_missing_before(tmp_path: Path) -> None:
    late = CORRECTED.replace('"5x9 90x9 5x9"', '"5x9 _x9 5x9"').replace("state: firing", "state: inactive")

    assert told(tmp_path, late) == []


def test_a_correction_after_the_last_bin_comes_too(tmp_path: Path) -> None:
    assert told(tmp_path, CORRECTED.replace("at: 25m", "at: 90m")) == []


def test_what_a_listing_lacks_is_gone_and_what_it_does_not_say_is_unknown(tmp_path: Path) -> None:
    rule = RULE.replace("watcher_data_delay_seconds", "http_probe_duration_seconds").replace(
        "stream", "target"
    )
    case = """\
  given:
    "http_probe_duration_seconds{target=a}": "90x9 stalex5"
    "http_probe_duration_seconds{target=b}": "90x9 _x5"
  expect:
  - {at: 15m, state: inactive, labels: {target: a}}
  - {at: 15m, state: firing, labels: {target: b}}
  - incidents:
    - {labels: {target: a}, resolved_at: 10m, resolution: gone}
    - {labels: {target: b}, resolved_at: null}
"""
    text = f"rule: slow\nwidth: 0s\ncases:\n- case: x\n{case}"
    (result,) = run_file(proof(tmp_path, text, rule))

    assert [problem.what for problem in result.problems] == []


def test_examples_become_the_reason_in_the_text(tmp_path: Path) -> None:
    case = """\
  given: {"watcher_data_delay_seconds{stream=a}": "5x9 90x3 5x9"}
  examples: [{series: "watcher_data_delay_seconds{stream=a}", at: 11m, facts: {reason: the queue is full}}]
  expect: [{incidents: [{text: "90, above 60: the queue is full"}]}]
"""

    assert told(tmp_path, case) == []


def test_days_of_bins_are_judged_in_few_pieces_as_they_are_one_by_one(tmp_path: Path) -> None:
    case = """\
  given: {"watcher_data_delay_seconds{stream=a}": "5x1440 90x3 5x1440 90x3 5x100"}
  expect: [{incidents: [{opened_at: 1441m, resolved_at: 1445m}, {opened_at: 2886m, resolved_at: 2890m}]}]
"""
    asked = "".join(
        f"  - {{at: {minute}m, state: inactive}}\n" for minute in range(1, 2_880, 97) if minute != 1444
    )

    assert told(tmp_path, case) == []
    assert (
        told(tmp_path, case.replace("expect: [", f"expect:\n{asked}  - ").rstrip().removesuffix("]") + "\n")
        == []
    )


def test_a_rule_that_extends_another_is_proven_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(RULE.replace("rule: slow", "rule: base"))

    (result,) = run_file(proof(tmp_path, PROOF, "rule: slow\nextends: base\nwith: {above: 80}\n"))

    assert result.passed, result.problems


def test_a_wider_incident_and_what_it_explains_are_expected_together(tmp_path: Path) -> None:
    rule = RULE.replace("watcher_data_delay_seconds", "cdn_requests, tier: edge").replace(
        "stream", "resource"
    )
    series = "".join(
        f"    'cdn_requests{{tier=edge,resource={name},account=one}}': '5x9 90x5 5x9'\n" for name in "abc"
    )
    leaves = "".join(f"    - {{labels: {{resource: {name}}}, wider: {{account: one}}}}\n" for name in "abc")
    wider = "    - {labels: {account: one}, wider: null, opened_at: 10m, resolved_at: 16m}\n"
    case = f"  given:\n{series}  expect:\n  - incidents:\n{wider}{leaves}"

    assert told(tmp_path, case, rule) == []
    assert told(tmp_path, case.replace("wider: null", "wider: {account: one}"), rule) != []


def test_a_wrong_wider_incident_is_said_in_words(tmp_path: Path) -> None:
    (what,) = run(tmp_path, "{incidents: [{wider: {account: one}}]}")

    assert what.startswith("wider: expected {'account': 'one'}, got none")
