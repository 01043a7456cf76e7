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
