"""Where rules come from, and how they are changed."""

from pathlib import Path

import pytest

from watcher.document.load import load_yaml
from watcher.errors import ConfigurationError
from watcher.model.rule import NofM, Rule
from watcher.rulebook.packs import Overrides, builtin_folder, load_rules, pack_files, rule_files

CONTRACT = frozenset(
    {
        "http_5xx_spike",
        "origin_5xx_spike",
        "http_status_burst",
        "http_4xx_surge",
        "hit_ratio_drop",
        "traffic_loss",
        "latency_rise",
        "provider_failing",
        "certificate_expiry",
        "certificate_invalid",
        "api_failed_calls",
        "api_new_failure",
        "domain_not_serving",
        "domain_stuck",
        "origin_orphaned",
        "origin_group_empty",
        "job_failed",
        "job_stuck",
        "http_probe_failing",
        "collector_down",
        "data_stopped",
        "credentials_rejected",
        "contract_changed",
        "clock_skewed",
        "quota_nearly_spent",
    }
)
"""Design, section 8."""


def test_the_shipped_rules_of_this_version() -> None:
    assert {rule.id for rule in load_rules(pack_files())} >= CONTRACT


def test_the_table_of_rules_is_what_is_shipped() -> None:
    told = [
        tuple(cell.strip(" `") for cell in line.split("|")[1:4])
        for line in (builtin_folder() / "README.md").read_text().splitlines()
        if line.startswith("| `")
    ]

    shipped = [
        (rule.id, rule.detector, ", ".join(map(str, sorted(rule.severities) or [rule.severity])))
        for rule in load_rules(pack_files())
    ]
    assert sorted(told) == shipped


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


@pytest.mark.parametrize(
    ("patch", "problem"),
    [
        (
            "http_5xx_spike: {match: {part: {metric: cdn_responses}, whole: {metric: cdn_requestz}}}",
            "1:73: unknown metric `cdn_requestz`; did you mean `cdn_requests`?",
        ),
        (
            "certificate_expiry: {match: {metric: tls_certificate_not_after_seconds, tier: edge}}",
            "1:73: `tls_certificate_not_after_seconds` has no label `tier`",
        ),
        (
            "hit_ratio_drop: {by: [resouce]}",
            "1:23: `cdn_bytes` has no label `resouce`; did you mean `res",
        ),
        ('http_5xx_spike: {summary: "{nope}"}', "1:27: nothing fills {nope}"),
        (
            "collector_down: {match: {metric: cdn_requests}}",
            "1:1: collector_down: `cdn_requests` has no label",
        ),
    ],
)
def test_an_override_that_means_nothing_is_told_where_it_was_written(patch: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_rules(pack_files(), Overrides(load_yaml(patch, "watcher.yaml")))

    assert str(caught.value.problems[0]).startswith(f"watcher.yaml:{problem}")


def test_an_override_switches_a_rule_off_and_no_other() -> None:
    document = load_yaml("http_5xx_spike: {enabled: false}\ncollector_down: {enabled: true}", "watcher.yaml")

    before, after = (
        {rule.id for rule in load_rules(pack_files(), overrides)} for overrides in (None, Overrides(document))
    )

    assert before - after == {"http_5xx_spike"}


def test_a_rule_switched_off_in_its_own_file_is_switched_on_by_an_override(tmp_path: Path) -> None:
    rule = (builtin_folder() / "self" / "collector_down.yaml").read_text()
    (tmp_path / "collector_down.yaml").write_text(f"{rule}enabled: false\n")
    document = load_yaml("collector_down: {enabled: true}", "watcher.yaml")

    assert load_rules(rule_files(tmp_path)) == []
    assert [one.id for one in load_rules(rule_files(tmp_path), Overrides(document))] == ["collector_down"]


def test_a_mistake_beside_the_switch_is_told_all_the_same() -> None:
    document = load_yaml("collector_down: {enabled: false, with: {blow: 1}}", "watcher.yaml")

    with pytest.raises(ConfigurationError, match=r"watcher\.yaml:1:41: unknown key `blow`"):
        load_rules(pack_files(), Overrides(document))


def test_rules_are_found_under_both_suffixes(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml", "a.test.yaml", "b.test.yml", "notes.txt"):
        (tmp_path / name).write_text("")

    assert [path.name for path in rule_files(tmp_path)] == ["a.yaml", "b.yml"]


@pytest.mark.parametrize("patch", ["{rule: other}", "5", "[]"])
def test_an_override_is_fields_of_the_rule_and_not_its_id(patch: str) -> None:
    document = load_yaml(f"collector_down: {patch}", "watcher.yaml")

    with pytest.raises(ConfigurationError, match=r"watcher\.yaml:1:\d+: collector_down: expected fields"):
        load_rules(pack_files(), Overrides(document))


# --- extends

CHILD = "rule: mine\nextends: http_5xx_spike\nwith: {floor: 0.01}\nmode: shadow\n"


def mine(folder: Path, **files: str) -> dict[str, Rule]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return {rule.id: rule for rule in load_rules(pack_files(paths=[folder]))}


def test_a_rule_that_extends_another_is_that_one_but_for_what_is_written(tmp_path: Path) -> None:
    rules = mine(tmp_path, mine=CHILD)
    child, base = rules["mine"], rules["http_5xx_spike"]

    assert (child.extends, child.mode, child.match, child.hold) == (
        "http_5xx_spike",
        "shadow",
        base.match,
        base.hold,
    )
    assert child.params == base.params.model_copy(update={"floor": 0.01})
    assert (child.why, child.provenance.file) == (base.why, str(tmp_path / "mine.yaml"))


def test_chains_are_followed_and_overrides_of_what_is_extended_are_meant(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(CHILD)
    (tmp_path / "other.yaml").write_text("rule: other\nextends: mine\nfor: 3 of 5\nmode: live\n")
    overrides = Overrides(
        load_yaml("http_5xx_spike: {with: {factor: 7}, enabled: false}\nother: {with: {floor: 0.3}}")
    )
    rules = {rule.id: rule for rule in load_rules(pack_files(paths=[tmp_path]), overrides)}

    params = rules["other"].params
    assert (rules["other"].needs, rules["other"].hold) == (NofM(3, 5), 0)
    assert (getattr(params, "floor", 0), getattr(params, "factor", 0)) == (0.3, 7)
    assert ("http_5xx_spike" in rules, getattr(rules["mine"].params, "floor", 0)) == (False, 0.01)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a": "rule: a\nextends: a\n"}, "a.yaml:2:10: `a` extends itself: a > a; one of them"),
        (
            {"a": "rule: a\nextends: b\n", "b": "rule: b\nextends: a\n"},
            "b.yaml:2:10: `b` extends itself: a > b > a",
        ),
        (
            {"a": "rule: a\nextends: htp_5xx_spike\n"},
            "a.yaml:2:10: unknown rule `htp_5xx_spike`; did you mean `http_5xx",
        ),
        (
            {"a": "rule: a\nextends: http_5xx_spike\nwith: {flor: 1}\n"},
            "a.yaml:3:8: unknown key `flor`; did you mean",
        ),
        (
            {"a": "rule: a\nextends: http_5xx_spike\ndetector: threshold\n"},
            "match: expected a mapping",
        ),
    ],
)
def test_what_cannot_be_extended_is_told_in_its_place(
    tmp_path: Path, files: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        mine(tmp_path, **files)

    assert any(problem in str(one) for one in caught.value.problems), caught.value.problems
