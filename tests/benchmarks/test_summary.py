"""A goal is reached or it is not, whichever way it looks; what could not be measured is not reached."""

from pathlib import Path

import pytest

from benchmarks.goals import FILE, Goal, tell, told
from benchmarks.proofs import peer_rules, peer_test


def test_more_is_better_where_the_goal_says_so() -> None:
    goal = Goal("a", "times faster", 100, 250, "times", at_least=True)

    assert (goal.is_reached, goal.ratio) == (True, 2.5)


def test_what_costs_twice_the_goal_is_half_of_it() -> None:
    goal = Goal("b", "a tick", 150, 300, "ms")

    assert (goal.is_reached, goal.ratio) == (False, 0.5)


def test_what_could_not_be_measured_is_not_reached_and_says_why() -> None:
    goal = Goal("a", "times faster", 100, None, "times", at_least=True, why="peer missing")

    assert not goal.is_reached
    assert "peer missing" in str(goal)


def test_goals_reach_the_summary_as_they_were_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE, str(tmp_path / "goals"))
    goals = [Goal("a", "one", 1, 2, "s"), Goal("b", "two", 1, None, "s", why="broken")]
    for goal in goals:
        tell(goal)

    assert told(tmp_path / "goals") == goals


def test_a_proof_for_the_peer_expects_at_the_sample_what_ours_expects_at_the_end_of_the_bin() -> None:
    case = {
        "given": {
            "cdn_hit_ratio{basis=bytes,account=m,provider=p,resource=gone}": "1x9",
            "cdn_hit_ratio{basis=bytes,account=m,provider=p,resource=here}": "1x99",
        },
        "expect": [
            {"at": "31m", "state": "firing", "labels": {"resource": "gone"}},
            {"at": "31m", "state": "inactive", "labels": {"resource": "here"}},
        ],
    }

    gone = {"account": "m", "provider": "p", "resource": "gone"}
    assert peer_test(case, "stale")["alert_rule_test"] == [
        {"eval_time": "30m", "alertname": "stale", "exp_alerts": [{"exp_labels": gone}]}
    ]


def test_a_window_of_the_peer_holds_as_many_samples_as_ours_holds_bins() -> None:
    assert "[299s]" in peer_rules("spike")
    assert "[5m]" not in peer_rules("spike")
