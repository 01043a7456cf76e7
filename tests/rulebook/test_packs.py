"""Where rules come from, and how they are changed."""

from pathlib import Path

import pytest

from watcher.document.load import load_yaml
from watcher.errors import ConfigurationError
from watcher.rulebook.packs import Overrides, builtin_folder, load_rules, pack_files, rule_files


def test_the_shipped_rules_of_this_version() -> None:
    assert {rule.id for rule in load_rules(pack_files())} >= {
        "http_5xx_spike",
        "hit_ratio_drop",
        "certificate_expiry",
        "certificate_invalid",
        "collector_down",
    }


def test_every_shipped_rule_says_why_and_what_to_do() -> None:
    for rule in load_rules(pack_files()):
        assert all((rule.why, rule.false_alarms, rule.runbook)), rule.id


def test_tests_are_not_rules() -> None:
    assert not any(path.name.endswith(".test.yaml") for path in rule_files(builtin_folder()))


def test_an_id_that_stands_twice_points_at_both(tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text((builtin_folder() / "self" / "collector_down.yaml").read_text())

    with pytest.raises(ConfigurationError) as caught:
        load_rules(pack_files(paths=[tmp_path]))

    (problem,) = caught.value.problems
    assert problem.file == str(copy)
    assert "collector_down.yaml" in problem.hint


def test_a_wrong_override_is_told_where_it_was_written() -> None:
    document = load_yaml("http_5xx_spike:\n  with: {floor: 7}\n", "watcher.yaml")

    with pytest.raises(ConfigurationError, match=r"watcher\.yaml:2:17: floor: expected a number less than 1"):
        load_rules(pack_files(), Overrides(document))


def test_an_override_replaces_match_whole() -> None:
    document = load_yaml("collector_down: {match: {metric: watcher_up, source: main}}", "watcher.yaml")

    rules = {rule.id: rule for rule in load_rules(pack_files(), Overrides(document))}

    assert [matcher.label for matcher in rules["collector_down"].match["value"].matchers] == ["source"]


@pytest.mark.parametrize("patch", ["{rule: other}", "5", "[]"])
def test_an_override_is_fields_of_the_rule_and_not_its_id(patch: str) -> None:
    document = load_yaml(f"collector_down: {patch}", "watcher.yaml")

    with pytest.raises(ConfigurationError, match=r"watcher\.yaml:1:\d+: collector_down: expected fields"):
        load_rules(pack_files(), Overrides(document))
