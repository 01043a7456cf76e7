"""`rules list`, `rules lint`, `rules test`."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from watcher.rulebook.packs import builtin_folder, load_rules, pack_files

SHIPPED = [rule.id for rule in load_rules(pack_files())]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def copied(
    tmp_path: Path, name: str = "certificates/certificate_expiry", old: str = "", new: str = ""
) -> Path:
    """A shipped rule and its proof in a folder of one's own, with something changed in the proof."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for suffix in (".yaml", ".test.yaml"):
        text = (builtin_folder() / f"{name}{suffix}").read_text(encoding="utf-8")
        target = folder / f"{Path(name).name}{suffix}"
        target.write_text(text.replace(old, new) if suffix == ".test.yaml" else text, encoding="utf-8")
    return folder


def test_without_a_configuration_the_shipped_rules_are_listed(cli: Cli) -> None:
    ended = cli("rules", "list")
    answer = cli("rules", "list", "--json").json["rules"]

    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[0] for line in ended.out.splitlines()[1:]] == SHIPPED
    assert [rule["rule"] for rule in answer] == SHIPPED
    (spike,) = (rule for rule in answer if rule["rule"] == "http_5xx_spike")
    assert (spike["by"], spike["detector"], spike["mode"]) == (["resource"], "ratio_spike", "live")


def test_a_configuration_says_which_rules_judge_and_how(tmp_path: Path, cli: Cli) -> None:
    config = tmp_path / "watcher.yaml"
    config.write_text("rules: {override: {http_5xx_spike: {severity: info, with: {floor: 0.5}}}}\n")

    rules = cli("rules", "list", "--json").json["rules"]

    (spike,) = (rule for rule in rules if rule["rule"] == "http_5xx_spike")
    assert (spike["severity"], spike["with"]["floor"]) == ("info", 0.5)


def test_a_rule_that_is_shipped_switched_off_judges_once_it_is_switched_on(tmp_path: Path, cli: Cli) -> None:
    config = tmp_path / "watcher.yaml"
    config.write_text("rules: {override: {traffic_anomaly: {enabled: true, mode: shadow}}}\n")

    rules = cli("rules", "list", "--json").json["rules"]

    assert "traffic_anomaly" not in SHIPPED
    (anomaly,) = (rule for rule in rules if rule["rule"] == "traffic_anomaly")
    assert (anomaly["mode"], anomaly["severities"]["warning"]["habit"]) == ("shadow", 1.8)


@pytest.mark.timeout(240)  # every proof there is, run one after the other
def test_the_shipped_rules_are_well_written_and_proven(cli: Cli) -> None:
    linted, proven = cli("rules", "lint"), cli("rules", "test", "--json")

    assert (linted.code, linted.out) == (0, f"{len(SHIPPED)} rules, no complaints\n")
    assert proven.code == 0
    assert all(case["passed"] for case in proven.json["cases"])


def test_a_proof_that_fails_is_an_answer_of_no(tmp_path: Path, cli: Cli) -> None:
    folder = copied(tmp_path, old="opened_at: 25h", new="opened_at: 26h")

    ended = cli("rules", "test", folder)

    assert (ended.code, ended.err) == (1, "")
    assert "FAILED  mine/certificate_expiry.test.yaml: a certificate with fourteen days left" in ended.out
    assert "expected 1d2h, got 1d1h" in ended.out
    assert re.search(r"^\d+ cases, 1 failed\n\Z", ended.out, re.MULTILINE)


def test_a_proof_that_cannot_be_read_is_wrong_use(tmp_path: Path, cli: Cli) -> None:
    folder = copied(tmp_path, old="expect:", new="expects:")

    ended = cli("rules", "test", folder)

    assert (ended.code, ended.out) == (2, "")
    assert all(line.startswith(f"{folder}/certificate_expiry.test.yaml:") for line in ended.complaints)


def test_a_finding_is_an_answer_of_no(tmp_path: Path, cli: Cli) -> None:
    folder = copied(tmp_path)
    (folder / "certificate_expiry.test.yaml").unlink()

    ended = cli("rules", "lint", folder)

    assert (ended.code, ended.err) == (1, "")
    assert "certificate_expiry.test.yaml is missing" in ended.out
    assert cli("rules", "lint", "--json", folder).json["findings"][0]["check"] == "proven"


@pytest.mark.parametrize("verb", ["lint", "test"])
def test_a_path_that_is_not_there_is_wrong_use(verb: str, cli: Cli) -> None:
    ended = cli("rules", verb, "nope", "neither")

    assert ended.code == 2
    assert ended.complaints == [
        "nope: there is no such file or folder",
        "neither: there is no such file or folder",
    ]


def test_a_folder_without_proofs_is_wrong_use(tmp_path: Path, cli: Cli) -> None:
    assert cli("rules", "test", tmp_path).complaints == [f"no *.test.yaml in {tmp_path}"]


def test_the_list_shows_trials_what_they_extend_and_all_severities(tmp_path: Path, cli: Cli) -> None:
    rule = "rule: mine\nextends: http_5xx_spike\nfor: 3 of 5\nmode: shadow\n"
    rule += "severity: {info: {}, warning: {floor: 0.1}}\n"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.yaml").write_text(rule)
    config = tmp_path / "watcher.yaml"
    config.write_text("rules: {paths: [mine]}\n")

    (line,) = (line for line in cli("rules", "list").out.splitlines() if line.startswith("mine "))
    (mine,) = (one for one in cli("rules", "list", "--json").json["rules"] if one["rule"] == "mine")

    assert line.split()[1:7] == ["info,warning", "ratio_spike", "resource", "3", "of", "5"]
    assert line.split()[7:9] == ["shadow", "http_5xx_spike"]
    assert (mine["mode"], mine["extends"], mine["for"]) == ("shadow", "http_5xx_spike", "3 of 5")
    assert [*mine["severities"]] == ["info", "warning"]


def test_a_lint_says_how_much_it_found(tmp_path: Path, cli: Cli) -> None:
    folder = copied(tmp_path)
    path = folder / "certificate_expiry.yaml"
    path.write_text(path.read_text().replace("critical: {days: 3}", "critical: {days: 30}"))

    ended = cli("rules", "lint", folder)

    assert ended.code == 1
    assert "warning is never seen: where it breaches, critical does too" in ended.out
    assert ended.out.endswith("1 rule: errors 1, remarks 0\n")
