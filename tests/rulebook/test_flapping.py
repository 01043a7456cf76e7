"""`flapping` as a rule says it, what follows where it says nothing, and what makes no sense."""

from pathlib import Path

import pytest

from tests.rulebook.test_lint import RULE, findings
from watcher.document.load import load_yaml
from watcher.errors import ConfigurationError
from watcher.model.rule import Flapping
from watcher.model.time import DAY, HOUR, MINUTE
from watcher.rulebook.loader import load_rule


def rule(*fields: str) -> str:
    return RULE.replace(
        "keep_firing_for: 0s\n", "keep_firing_for: 0s\n" + "".join(f"{one}\n" for one in fields)
    )


@pytest.mark.parametrize(
    ("fields", "flapping"),
    [
        ([], None),
        (["reopen_within: 30m"], Flapping(3, 2 * HOUR)),
        (["reopen_within: 30m", "flapping: {returns: 5}"], Flapping(5, 3 * HOUR)),
        (["reopen_within: 30m", "flapping: {within: 45m}"], Flapping(3, 45 * MINUTE)),
        (["reopen_within: 30m", "flapping: {returns: 2, within: 1h}"], Flapping(2, HOUR)),
        (["reopen_within: 12h"], Flapping(3, DAY)),
        (["reopen_within: 30m", "flapping: false"], None),
        (["flapping: false"], None),
    ],
)
def test_what_it_does_not_say_follows_from_how_soon_it_comes_back(
    fields: list[str], flapping: Flapping | None
) -> None:
    assert load_rule(load_yaml(rule(*fields))).flapping == flapping


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("flapping: {returns: 1}", "returns: expected a number of at least 2, got 1"),
        ("flapping: {returns: 40}", "returns: expected a number of at most 32, got 40"),
        ("flapping: {returns: often}", "returns: expected a whole number, got 'often'"),
        ("flapping: {within: 5}", "within: 5 has no unit; write 5s, 5m or 5h"),
        ("flapping: {within: 0s}", "within: 0s is no time to flap in; write 1d or less, and more than 0s"),
        ("flapping: {within: 2d}", "within: 2d is no time to flap in; write 1d or less, and more than 0s"),
        ("flapping: {whithin: 2d}", "unknown key `whithin`; did you mean `within`?"),
        ("flapping: true", "flapping: a rule with `reopen_within` flaps unless it says false"),
    ],
)
def test_what_cannot_be_is_said_in_its_place(field: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_rule(load_yaml(rule("reopen_within: 30m", field)))

    (found,) = caught.value.problems
    assert (found.line, problem in str(found)) == (9, True), found


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        (
            ["flapping: {returns: 4}"],
            "8:1: `flapping` where nothing ever comes back; add reopen_within: 30m, or leave it out",
        ),
        (
            ["reopen_within: 30m", "flapping: {returns: 4, within: 15m}"],
            "9:1: 4 returns never fit into 15m: `for` and `keep_firing_for` take longer; write more than 18m",
        ),
    ],
)
def test_what_never_flaps_is_a_finding(tmp_path: Path, fields: list[str], finding: str) -> None:
    assert findings(tmp_path, rule(*fields)) == [f".yaml:{finding} [flaps_ever]"]


def test_what_ends_too_late_to_come_back_is_a_finding(tmp_path: Path) -> None:
    text = rule("reopen_within: 30m").replace("keep_firing_for: 0s", "keep_firing_for: 30m")

    finding = "nothing comes back within 30m: until then it goes on; write more than `keep_firing_for`, 30m"
    assert findings(tmp_path, text)[0] == f".yaml:8:16: {finding} [reopens_ever]"


def test_a_rule_that_flaps_is_without_a_finding(tmp_path: Path) -> None:
    assert findings(tmp_path, rule("reopen_within: 30m", "flapping: {returns: 4, within: 1h}")) == []
