"""`init`, `check`, `schema`, `sources list`, and what a wrong configuration looks like from a shell."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

Written = Callable[[str], Path]
SECRETS = ("CDNV_USER", "CDNV_PASSWORD", "MAIL_PASSWORD")

WRONG = """\
database: sqlite:///watcher.yaml/watcher.db
sources:
  - {name: cdnv, vendor: cdnvideo, username: {env: NOT_SET_1}, password: {env: NOT_SET_2}}
  - {name: cdnv, vendor: tls, targets: [www.example.com:443], evry: 5m}
  - {name: edge, vendor: tls, targets: [www.example.com:443], every: 300}
  - {name: lsw, vendor: leasweb, api_key: {env: NOT_SET_1}}
rules:
  override: {http_5xx_spik: {severity: info}}
receivers:
  - {name: mail, urls: ["nonsense://x"]}
routes:
  - {match: {}, to: [male]}
"""
COMPLAINTS = [
    "1:11: database: ",
    "3:46: username: environment variable NOT_SET_1 is not set; set it before watcher starts",
    "3:74: password: environment variable NOT_SET_2 is not set; set it before watcher starts",
    "4:12: source `cdnv` stands twice; the first is in line 3",
    "4:63: unknown key `evry`; did you mean `every`?",
    "5:70: every: 300 has no unit; write 300s, 300m or 300h",
    "6:25: unknown vendor `leasweb`; did you mean `leaseweb`?",
    "8:14: unknown rule `http_5xx_spik`; did you mean `http_5xx_spike`?",
    "10:25: urls[0]: apprise knows no receiver of the kind nonsense://",
    "12:22: unknown receiver `male`; did you mean `mail`?",
]


@pytest.fixture
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, f"value-of-{name}")


@pytest.mark.parametrize("verb", ["check", "run", "sources test"])
def test_every_mistake_is_told_at_once_in_its_line(verb: str, written: Written, cli: Cli) -> None:
    path = written(WRONG)

    ended = cli(*verb.split(), "-c", path)

    assert (ended.code, ended.out) == (2, "")
    assert len(ended.complaints) == len(COMPLAINTS)
    for told, expected in zip(ended.complaints, COMPLAINTS, strict=True):
        assert told.startswith(f"{path}:{expected}")


def test_problems_come_as_json_too(written: Written, cli: Cli) -> None:
    ended = cli("check", "--json", "-c", written(WRONG))

    assert ended.code == 2
    assert ended.json["ok"] is False
    assert [problem["line"] for problem in ended.json["problems"]] == [1, 3, 3, 4, 4, 5, 6, 8, 10, 12]


def test_broken_yaml_is_told_with_its_place(written: Written, cli: Cli) -> None:
    path = written("sources:\n  - {name: cdnv\nreceivers: []\n")

    ended = cli("check", "-c", path)

    assert ended.code == 2
    assert len(ended.complaints) == 1
    assert ended.complaints[0].startswith(f"{path}:3:")


def test_a_database_that_turns_out_unusable_is_told_in_one_line(
    tmp_path: Path, written: Written, cli: Cli
) -> None:
    (tmp_path / "watcher.db").write_bytes(b"this is no database" * 1_000)
    path = written("database: sqlite:///watcher.db\n")

    ended = cli("run", "--for", "1s", "-c", path)

    assert (ended.code, ended.out) == (2, "")
    assert [line for line in ended.complaints if "event=" not in line] == [ended.complaints[-1]]
    assert f"database {tmp_path}/watcher.db" in ended.complaints[-1]


@pytest.mark.usefixtures("_secrets")
def test_init_writes_what_check_accepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.chdir(tmp_path)

    started = cli("init")

    assert started.code == 0
    assert started.out.startswith("wrote watcher.yaml and watcher.schema.json. Next:\n")
    steps = [line.partition("watcher ")[2] for line in started.out.splitlines()[3:]]
    assert steps == ["check", "notify test oncall", "sources test", "run"]
    text = (tmp_path / "watcher.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=watcher.schema.json\n")
    checked = cli("check")
    assert (checked.code, checked.err) == (0, "")
    assert "warning" not in checked.out
    assert "value-of" not in checked.out
    assert (tmp_path / "watcher.schema.json").read_text() == cli("schema").out


def test_init_never_overwrites(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("precious")

    ended = cli("init", "-c", path)

    assert (ended.code, path.read_text()) == (2, "precious")
    assert ended.complaints == [f"{path}: there is such a file already; remove it, or name another with -c"]


def test_init_in_a_place_that_is_no_folder_is_wrong_use(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "file").write_text("")

    ended = cli("init", "-c", tmp_path / "file" / "watcher.yaml")

    assert (ended.code, len(ended.complaints)) == (2, 1)


def test_check_says_what_is_set_up_and_what_is_probably_not_meant(written: Written, cli: Cli) -> None:
    path = written(
        "sources:\n"
        "  - {name: cdnv, vendor: cdnvideo, username: me, password: hunter2-hunter2}\n"
        "receivers: [{name: hook, urls: ['json://127.0.0.1:9/']}]\n"
        "http: {listen: 127.0.0.1:8080}\n"
    )

    ended = cli("check", "-c", path)

    assert ended.code == 0
    assert "sources    cdnv (cdnvideo)\n" in ended.out
    assert "http_5xx_spike" in ended.out
    assert "note: `http` is accepted, and nothing serves it yet\n" in ended.out
    assert f"warning: {path}:2:" in ended.out
    assert "hunter2" not in ended.out + ended.err
    answer = cli("check", "--json", "-c", path).json
    assert answer["sources"] == [{"name": "cdnv", "vendor": "cdnvideo"}]
    assert (answer["ok"], answer["not_served"], len(answer["warnings"])) == (True, ["http"], 1)


def test_sources_are_listed_without_their_secrets(written: Written, cli: Cli) -> None:
    path = written("sources: [{name: cdnv, vendor: cdnvideo, token: {env: NOT_SET}, every: 30s}]\n")

    ended = cli("sources", "list", "-c", path)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.split() == [
        *("SOURCE", "VENDOR", "EVERY", "SETTLE", "SUGGESTED", "BACKFILL"),
        *("cdnv", "cdnvideo", "30s", "3m", "6h"),
    ]
    (listed,) = cli("sources", "list", "--json", "-c", path).json["sources"]
    assert listed == {
        "name": "cdnv",
        "vendor": "cdnvideo",
        "every": "30s",
        "settle": "3m",
        "backfill": "6h",
        "suggested_settle": None,
        "streams": {},
    }


def test_the_schema_knows_every_section(cli: Cli) -> None:
    schema = cli("schema").json

    assert {"database", "sources", "rules", "receivers", "routes", "http"} <= set(schema["properties"])
