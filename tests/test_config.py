"""The configuration: accepted as the design shows it, and every mistake told at once in its place."""

import json
from pathlib import Path

import pytest
import trustme

from watcher.collect.vendors import known
from watcher.config import Config, json_schema, load_config, load_database, load_patience
from watcher.errors import ConfigurationError
from watcher.model.labels import Selector
from watcher.model.time import DAY, HOUR, MINUTE

DESIGN = """\
database: sqlite:///var/watcher.db          # or postgresql://user@host/db
samples: {retention: 30d}

sources:
  - {name: cdnv, vendor: cdnvideo, base_url: https://api.cdnvideo.ru, username: {env: CDNV_USER}, password: {env: CDNV_PASSWORD},
     accounts: [test_account]}              # or token: {env: ...} in place of username and password
  - {name: edge, vendor: tls, targets: [www.example.com:443, {address: 127.0.0.1:8443, server_name: www.example.com}], discover: true}

rules:
  packs: [builtin]                          # the shipped rules/
  paths: [my-rules]
  override: {http_5xx_spike: {with: {floor: 0.02}}}

receivers:
  - {name: oncall, urls: [{env: SLACK_URL}]}
  - {name: mail,   urls: ["mailto://user:{env:MAIL_PASSWORD}@example.com"]}

routes:                                     # first match wins, `continue: true` goes on
  - {match: {severity: critical}, to: [oncall, mail], repeat: 1h}
  - {match: {}, to: [mail], repeat: 24h, group_wait: 0s}

http: {listen: 127.0.0.1:8080, tokens: [{name: ops, token: {env: WATCHER_TOKEN}, role: operator}]}
"""  # noqa: E501 - as design.md prints it
LATE = (
    "{rule: late, detector: threshold, match: {metric: watcher_data_delay_seconds}, by: [stream],"
    " with: {above: 900}, severity: info}"
)
SECRETS = {
    "CDNV_USER": "someone",
    "CDNV_PASSWORD": "pass-word-1",
    "SLACK_URL": "slack://a/b/c",
    "MAIL_PASSWORD": "pass/word-2",
    "WATCHER_TOKEN": "pass-word-3",
}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "my-rules").mkdir(exist_ok=True)
    (tmp_path / "my-rules" / "late.yml").write_text(LATE)
    path = tmp_path / "watcher.yaml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str, *, secrets: bool = False) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_config(written(tmp_path, text), secrets=secrets)
    return [str(problem).removeprefix(f"{tmp_path}/watcher.yaml:") for problem in caught.value.problems]


def loaded(tmp_path: Path, text: str) -> Config:
    return load_config(written(tmp_path, text))


@pytest.mark.usefixtures("secrets")
def test_the_design_s_configuration_is_accepted(tmp_path: Path) -> None:
    config = loaded(tmp_path, DESIGN)

    assert [source.name for source in config.sources] == ["cdnv", "edge"]
    assert [receiver.name for receiver in config.receivers] == ["oncall", "mail"]
    assert config.samples.retention == 30 * DAY
    assert config.http is not None
    assert config.http.tokens[0].token.reveal() == "pass-word-3"
    assert config.warnings == ()


@pytest.mark.usefixtures("secrets")
def test_relative_paths_start_at_the_file_s_folder(tmp_path: Path) -> None:
    config = loaded(tmp_path, DESIGN)

    assert config.database.reveal() == f"sqlite:///{tmp_path}/var/watcher.db"


def test_a_source_s_files_and_proxy_are_read_like_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_PW", "a/b")
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    (source,) = loaded(
        tmp_path,
        "sources: [{name: t, vendor: tls, targets: [a], ca_file: ca.pem, proxy: 'http://u:{env:PROXY_PW}@p'}]",
    ).sources

    assert source.ca_file == tmp_path / "ca.pem"
    assert source.proxy is not None
    assert source.proxy.reveal() == "http://u:a%2Fb@p"


@pytest.mark.usefixtures("secrets")
def test_every_secret_is_known_to_the_redactor(tmp_path: Path) -> None:
    values = loaded(tmp_path, DESIGN).secret_values()

    assert {*SECRETS.values(), "pass%2Fword-2"} - set(values) == {"someone"}  # a name is no secret


@pytest.mark.usefixtures("secrets")
def test_nothing_in_the_configuration_prints_a_secret(tmp_path: Path) -> None:
    config = loaded(tmp_path, DESIGN.replace("{env: CDNV_PASSWORD}", "hunter2"))

    assert "hunter2" not in repr(config)
    assert [str(warning).rpartition("yaml:")[2] for warning in config.warnings] == [
        "5:109: password: a secret stands in the file; write {env: NAME} or {file: path}"
    ]


def test_every_missing_secret_is_told_at_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)

    found = problems(tmp_path, DESIGN, secrets=True)

    assert [line.partition(" ")[0] for line in found] == [
        "5:84:",
        "5:111:",
        "15:27:",
        "16:27:",
        "27:59:",
    ] or [name for name in SECRETS if not any(name in line for line in found)] == []
    assert len(found) == 5


def test_what_is_over_is_kept_for_a_while_and_nothing_of_it_for_longer(tmp_path: Path) -> None:
    found = problems(tmp_path, "retention: {incidents: 30d, deliveries: 1d, timeline: 31d}\nsources: []\n")

    assert found == [
        "1:41: deliveries: 1d is less than 7d, and what is just over may come back",
        "1:55: timeline: 31d is longer than incidents: 30d, with which they go",
    ]


def test_how_often_the_engine_and_its_samples_are_kept_has_bounds(tmp_path: Path) -> None:
    found = problems(tmp_path, "samples: {snapshot_every: 10ms, journal: 0s, chunk: 2d}\nsources: []\n")

    assert found == [
        "1:27: snapshot_every: 10ms is not between 1s and 1d",
        "1:53: chunk: 2d is not between 1s and 1d",
    ]


def test_all_kinds_of_mistakes_come_at_once_in_file_order(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = """\
database: sqlite:///file/watcher.db
smaples: {retention: 30d}
sources:
  - {name: a, vendor: tls, targets: [www.example.com], every: 30}
  - {name: b, vendor: leasweb, api_key: x}
  - {name: a, vendor: cdnvidoe}
  - {name: c}
rules:
  paths: [nowhere]
  override:
    http_5xx_spik: {with: {floor: 0.02}}
    hit_ratio_drop: {with: {dorp: 0.2}}
receivers:
  - {name: mail, urls: ["mailto://u@example.com"]}
  - {name: mail, urls: []}
routes:
  - {match: {severity: "~("}, to: [mial]}
http: {listen: 8080}
"""
    found = problems(tmp_path, text)

    assert [line.partition(": ")[0] for line in found] == [
        "1:11",
        "2:1",
        "4:63",
        "5:23",
        "6:12",
        "6:23",
        "7:5",
        "9:11",
        "11:5",
        "12:29",
        "15:12",
        "15:24",
        "17:13",
        "17:36",
        "18:16",
    ]
    told = "\n".join(found)
    for words in (
        f"{tmp_path}/file is not a folder",
        "unknown key `smaples`; did you mean `samples`?",
        "every: 30 has no unit; write 30s, 30m or 30h",
        "unknown vendor `leasweb`; did you mean `leaseweb`?",
        "source `a` stands twice; the first is in line 4",
        "unknown vendor `cdnvidoe`; did you mean `cdnvideo`?",
        "`vendor` is missing; known:",
        "nowhere is not there",
        "unknown rule `http_5xx_spik`; did you mean `http_5xx_spike`?",
        "unknown key `dorp`; did you mean `drop`?",
        "receiver `mail` stands twice; the first is in line 14",
        "urls: expected a list of at least 1",
        "'~(' is not a regular expression",
        "unknown receiver `mial`; did you mean `mail`?",
        "listen: expected a string, got 8080",
    ):
        assert words in told


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("mysql://u@h/d", "not a database watcher knows"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "lost at exit"),
        ("sqlite:///my-rules", "it is a folder"),
        ("watcher.db", "expected a URL"),
    ],
)
def test_a_database_that_cannot_be_is_a_problem_of_its_line(
    tmp_path: Path, database: str, words: str
) -> None:
    (found,) = problems(tmp_path, f"database: '{database}'\n")

    assert found.startswith("1:11: database: ")
    assert words in found


def test_who_only_reads_needs_no_database_that_can_be_written(tmp_path: Path) -> None:
    """A copy of the book on a read-only mount can be looked at; root may write anything else."""
    (tmp_path / "file").touch()
    path = written(tmp_path, "database: sqlite:///file/watcher.db")

    with pytest.raises(ConfigurationError, match=r"cannot be written: .*file is not a folder"):
        load_config(path)
    assert load_config(path, writes=False).database == load_database(path)


def test_an_override_changes_a_shipped_rule_key_by_key(tmp_path: Path) -> None:
    plain, changed = (
        {rule.id: rule for rule in loaded(tmp_path, text).rules}["http_5xx_spike"]
        for text in (
            "{}",
            "rules: {override: {http_5xx_spike: {with: {floor: 0.05}, for: 10m, severity: info}}}",
        )
    )

    assert changed.params.model_dump() == plain.params.model_dump() | {"floor": 0.05}
    assert (str(changed.severity), changed.hold) == ("info", 600_000)
    assert changed.match == plain.match
    assert changed.provenance.digest != plain.provenance.digest


def test_rules_of_one_s_own_are_added(tmp_path: Path) -> None:
    path = written(tmp_path, "rules: {paths: [my-rules]}")
    (tmp_path / "my-rules" / "mine.yaml").write_text(LATE.replace("late", "mine"))

    rules = {rule.id: rule for rule in load_config(path).rules}

    assert {"mine", "late", "http_5xx_spike"} <= set(rules)
    assert rules["mine"].match == {"value": Selector("watcher_data_delay_seconds")}


def test_a_broken_rule_of_one_s_own_is_told_in_its_own_file(tmp_path: Path) -> None:
    path = written(tmp_path, "rules: {paths: [my-rules]}")
    (tmp_path / "my-rules" / "mine.yaml").write_text("rule: mine\ndetector: treshold\n")

    with pytest.raises(ConfigurationError) as caught:
        load_config(path)

    assert "mine.yaml:2:11: unknown detector `treshold`; did you mean `threshold`?" in str(caught.value)


def test_a_path_without_a_rule_is_a_problem_of_its_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("")

    (found,) = problems(tmp_path, "rules:\n  paths:\n    - my-rules\n    - empty\n")

    assert found == f"4:7: {tmp_path}/empty holds no rule; a rule is a file *.yaml or *.yml"


def test_a_rule_switched_off_does_not_judge(tmp_path: Path) -> None:
    config = loaded(tmp_path, "rules: {override: {http_5xx_spike: {enabled: false}}}")

    assert "http_5xx_spike" not in [rule.id for rule in config.rules]
    assert "hit_ratio_drop" in [rule.id for rule in config.rules]


def test_packs_can_be_left_out(tmp_path: Path) -> None:
    assert loaded(tmp_path, "rules: {packs: []}").rules == ()


def test_an_empty_configuration_is_one_with_warnings(tmp_path: Path) -> None:
    config = loaded(tmp_path, "{}")

    assert [warning.what for warning in config.warnings] == [
        "no receivers: nobody is told",
        "no sources: nothing is watched",
    ]


def test_a_receiver_no_route_leads_to_is_warned_of(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        "receivers: [{name: a, urls: ['json://h/x']}, {name: b, urls: ['json://h/y']}]\nroutes: [{to: [a]}]",
    )

    assert "no route leads to receiver `b`" in [warning.what for warning in config.warnings]


@pytest.mark.usefixtures("secrets")
def test_the_app_says_what_is_wrong_with_a_receiver_s_url(tmp_path: Path) -> None:
    def check(url: str) -> str | None:
        return "no such service" if url.startswith("mailto://user:pass%2Fword-2@") else None

    with pytest.raises(ConfigurationError) as caught:
        load_config(written(tmp_path, DESIGN), url_check=check)

    (problem,) = caught.value.problems
    assert (problem.line, problem.what) == (16, "urls[0]: no such service")


def test_the_database_can_be_learned_from_a_file_that_is_wrong_elsewhere(tmp_path: Path) -> None:
    path = written(tmp_path, "database: sqlite:///a.db\nsources: [{vendor: nonsense}]")

    assert load_database(path).reveal() == f"sqlite:///{tmp_path}/a.db"


def test_a_password_with_signs_of_a_path_is_told_of_and_shown_nowhere(tmp_path: Path) -> None:
    config = loaded(tmp_path, "database: postgresql://watcher:pa/ssw0rd@h/db")

    assert "pa/ssw0rd" in config.secret_values()
    assert "ssw0rd" not in f"{config.database}{config!r}"
    assert "database: a secret stands in the file" in [warning.what for warning in config.warnings]


def test_a_postgres_password_stays_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPW", "a@b")
    config = loaded(tmp_path, "database: 'postgresql://u:{env:PGPW}@h/d'")

    assert config.database.reveal() == "postgresql://u:a%40b@h/d"
    assert str(config.database) == "postgresql://u:{env:PGPW}@h/d"


def test_the_schema_tells_sources_apart_by_vendor() -> None:
    schema = json_schema()
    items = schema["properties"]["sources"]["items"]["oneOf"]
    vendors = {
        schema["$defs"][item["$ref"].rpartition("/")[2]]["properties"]["vendor"]["const"] for item in items
    }

    assert vendors == set(known())
    assert json.loads(json.dumps(schema)) == schema
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("text", "expected"), [("sources: []", 12 * HOUR), ("unacknowledge_after: 30m", 30 * MINUTE)]
)
def test_an_acknowledgement_holds_for_half_a_day_unless_said_otherwise(
    tmp_path: Path, text: str, expected: int
) -> None:
    assert loaded(tmp_path, text).unacknowledge_after == expected
    assert load_patience(written(tmp_path, text)) == expected
