"""`watcher backtest`: what a shell sees of it."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.fleet import BAD, BIN, HEAD, MONDAY, rows
from watcher.model.time import MINUTE, parse_rfc3339, rfc3339

RULE = """\
rule: too_many
detector: threshold
match: {metric: cdn_responses, tier: edge, status_class: 5xx}
by: [resource]
with: {above: LIMIT}
severity: warning
summary: "{subject}: {text}"
"""


def rule(tmp_path: Path, name: str, limit: int) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "too_many.yaml").write_text(RULE.replace("LIMIT", str(limit)))
    return folder


def test_the_shipped_rules_find_what_is_wrong_and_nothing_else(samples: Path, cli: Cli) -> None:
    ended = cli("backtest", "--samples", samples, "--json")

    (incident,) = ended.json["incidents"]
    assert (ended.code, ended.err) == (0, "")
    assert incident["rule"] == "http_5xx_spike"
    assert incident["labels"] == {"source": "f", "vendor": "cdnvideo", "resource": "shop"}
    assert incident["status"] == "resolved"
    assert incident["opened_at"] == rfc3339(MONDAY + BAD.start * BIN)
    assert incident["resolved_at"] == rfc3339(MONDAY + BAD.stop * BIN)
    assert not incident["drill"]


def test_it_was_detected_when_what_decided_it_came(samples: Path, cli: Cli) -> None:
    (incident,) = cli("backtest", "--samples", samples, "--json").json["incidents"]

    age = parse_rfc3339(incident["detected_at"]) - parse_rfc3339(incident["opened_at"])
    assert age % BIN == 0
    assert BIN + 5 * MINUTE <= age <= 3 * BIN + 5 * MINUTE


def test_the_table_ends_with_totals(samples: Path, cli: Cli) -> None:
    lines = cli("backtest", "--samples", samples).out.splitlines()

    assert lines[0].split() == ["ID", "OPENED", "LASTED", "SEVERITY", "STATUS", "RULE", "SUMMARY"]
    assert lines[-2:] == ["1 incident: 1 critical", "     1  http_5xx_spike"]


def test_several_files_are_one_history(tmp_path: Path, samples: Path, cli: Cli) -> None:
    text = samples.read_text().splitlines(keepends=True)[1:]
    parts = [tmp_path / "b.csv", tmp_path / "a.csv"]
    for at, path in enumerate(parts):
        path.write_text(HEAD + "".join(text[at::2]))

    both = cli("backtest", "--samples", *parts, "--json").json
    one = cli("backtest", "--samples", samples, "--json").json

    assert both == one


def test_bins_that_come_late_open_it_with_its_true_start(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "late.csv"
    path.write_text(HEAD + "".join(rows(late=range(BAD.start, BAD.start + 2))))

    found = cli("backtest", "--samples", path, "--json").json["incidents"]

    standing = [one for one in found if one["status"] != "withdrawn"]
    assert [one["opened_at"] for one in standing] == [rfc3339(MONDAY + BAD.start * BIN)]


def test_a_time_bounds_what_is_told(samples: Path, cli: Cli) -> None:
    before = rfc3339(MONDAY + BAD.start * BIN)
    after = rfc3339(MONDAY + BAD.stop * BIN)

    assert cli("backtest", "--samples", samples, "--to", before, "--json").json == {"incidents": []}
    assert cli("backtest", "--samples", samples, "--from", after, "--json").json == {"incidents": []}
    assert len(cli("backtest", "--samples", samples, "--from", before, "--json").json["incidents"]) == 1


def test_rules_of_a_folder_judge_alone(tmp_path: Path, samples: Path, cli: Cli) -> None:
    found = cli("backtest", "--samples", samples, "--rules", rule(tmp_path, "mine", 200), "--json").json

    assert [one["rule"] for one in found["incidents"]] == ["too_many"]


def test_against_the_same_rules_nothing_differs(tmp_path: Path, samples: Path, cli: Cli) -> None:
    mine = rule(tmp_path, "mine", 200)

    ended = cli("backtest", "--samples", samples, "--rules", mine, "--against", mine)

    assert (ended.code, ended.out.splitlines()) == (0, ["0 gained", "0 lost", "0 moved"])


def test_against_other_rules_what_differs_is_an_answer_of_no(tmp_path: Path, samples: Path, cli: Cli) -> None:
    mine, theirs = rule(tmp_path, "mine", 200), rule(tmp_path, "theirs", 500)

    gained = cli("backtest", "--samples", samples, "--rules", mine, "--against", theirs, "--json")
    lost = cli("backtest", "--samples", samples, "--rules", theirs, "--against", mine)

    assert (gained.code, lost.code) == (1, 1)
    assert [len(gained.json[name]) for name in ("incidents", "gained", "lost", "moved")] == [1, 1, 0, 0]
    assert lost.out.splitlines()[:2] == ["0 gained", "1 lost"]


def test_a_configuration_gives_its_rules(tmp_path: Path, samples: Path, cli: Cli) -> None:
    config = tmp_path / "watcher.yaml"
    config.write_text("rules: {override: {http_5xx_spike: {enabled: false}}}\n")

    assert cli("backtest", "--samples", samples, "-c", config, "--json").json == {"incidents": []}


def test_a_configuration_beside_is_not_read(
    tmp_path: Path, samples: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "watcher.yaml").write_text("nonsense: true\n")
    monkeypatch.setenv("WATCHER_CONFIG", str(tmp_path / "watcher.yaml"))

    assert cli("backtest", "--samples", samples).code == 0


def test_what_is_wrong_in_a_file_is_wrong_use(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text(HEAD + "yesterday,300,cdn_requests,many,,f,cdnvideo,shop,edge,\n")

    ended = cli("backtest", "--samples", path)

    assert (ended.code, ended.out) == (2, "")
    assert ended.complaints == [
        f"{path}:2:1: 'yesterday' is no time; write 2026-11-22T03:00:00Z",
        f"{path}:2:28: 'many' is no number; write 12, 0.25 or nothing to withdraw the sample",
    ]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "no samples; name files with --samples, or with -c a configuration that has recorded some"),
        (("--samples", "nowhere.csv"), "nowhere.csv:1:1: cannot be read: No such file or directory"),
        (("--samples", "x", "--rules", "nowhere"), "nowhere: there are no rules; name a folder of *.yaml"),
        (("--samples", "x", "--from", "noon"), "Invalid value"),
        (("--samples", "x", "--settle", "soon"), "Invalid value"),
    ],
)
def test_wrong_use_is_told(words: tuple[str, ...], complaint: str, cli: Cli) -> None:
    ended = cli("backtest", *words)

    assert (ended.code, ended.out) == (2, "")
    assert complaint in ended.err


def test_samples_of_nothing_raise_nothing(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(HEAD)

    assert cli("backtest", "--samples", path, "--json").json == {"incidents": []}
    assert cli("backtest", "--samples", path).out == "no incidents\n"


def test_what_cannot_be_true_is_refused_and_counted_and_the_rest_is_judged(
    tmp_path: Path, samples: Path, cli: Cli
) -> None:
    path = tmp_path / "impossible.csv"
    bad = "2026-11-16T03:00:00Z,300,cdn_requests,-5,2026-11-16T04:00:00Z,f,cdnvideo,shop,edge,\n"
    path.write_text(samples.read_text() + bad)

    ended = cli("backtest", "--samples", path, "--json")

    line = len(path.read_text().splitlines())
    told = f"{path}:{line}:1: f: 1 refused: negative; the first is cdn_requests -5\n"
    assert (ended.code, ended.err) == (0, told)
    assert len(ended.json["incidents"]) == 1


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("2026-11-16T03:00:00Z,300,cdn_requests,inf,2026-11-16T04:00:00Z,f", "infinite; the first is cdn_re"),
        (
            "2026-11-16T03:00:00Z,300,cdn_hit_ratio,1.2,2026-11-16T04:00:00Z,f",
            "no_share; the first is cdn_hi",
        ),
        ("2026-11-16T03:00:00Z,300,cdn_requests,1,2026-11-16T02:00:00Z,f", "in_future; the first is cdn_re"),
        ("2026-11-16T03:00:00Z,300,cdn_hit_bytes,9,2026-11-16T04:00:00Z,f", None),
    ],
)
def test_what_is_refused_is_named_by_file_and_line(
    tmp_path: Path, cli: Cli, row: str, told: str | None
) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(HEAD + "".join(rows(bins=3)))
    second.write_text(HEAD + "\n\n" + row + ",cdnvideo,shop,edge,\n")

    ended = cli("backtest", "--samples", first, second)

    assert ended.code == 0
    complaints = [line for line in ended.complaints if "refused" in line]
    wanted = f"{second}:4:1: f: 1 refused: {told}"
    assert bool(complaints) == any(line.startswith(wanted) for line in complaints) == bool(told)


def test_a_rule_of_a_folder_may_extend_a_shipped_one(tmp_path: Path, samples: Path, cli: Cli) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "shop_5xx.yaml").write_text("rule: shop_5xx\nextends: http_5xx_spike\nseverity: warning\n")

    ended = cli("backtest", "--samples", samples, "--rules", folder, "--json")

    assert [one["rule"] for one in ended.json["incidents"]] == ["shop_5xx"]
    assert (ended.code, ended.err) == (0, "")


def test_a_misspelt_metric_is_no_quiet_night(tmp_path: Path, samples: Path, cli: Cli) -> None:
    path = tmp_path / "misspelt.csv"
    path.write_text(samples.read_text().replace("cdn_requests", "cdn_reqests"))

    ended = cli("backtest", "--samples", path)

    assert "no rule looks at `cdn_reqests`: did you mean `cdn_requests`?" in ended.err


def test_a_file_without_a_row_is_no_quiet_night(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(HEAD)

    assert "not a single sample" in cli("backtest", "--samples", path).err


def test_a_time_that_ends_before_it_begins_is_wrong_use(samples: Path, cli: Cli) -> None:
    ended = cli(
        "backtest",
        "--samples",
        samples,
        "--from",
        "2026-11-17T00:00:00Z",
        "--to",
        "2026-11-16T00:00:00Z",
    )

    assert (ended.code, ended.err.strip()) == (2, "--from is not before --to: no time is left between them")
