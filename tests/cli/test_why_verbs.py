"""`watcher rules why` and `rules why-not`: which gate stopped it, in words and as JSON."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.fleet import BAD, BIN, MONDAY
from watcher.model.time import MINUTE, rfc3339

BEFORE = rfc3339(MONDAY + (BAD.start - 3) * BIN + MINUTE)
WITHIN = rfc3339(MONDAY + (BAD.start + 3) * BIN + MINUTE)


def test_what_stayed_quiet_says_which_gate_stopped_it(samples: Path, cli: Cli) -> None:
    ended = cli(
        "rules", "why-not", "http_5xx_spike", "--labels", "resource=shop", "--at", BEFORE,
        "--samples", samples, "--json",
    )  # fmt: skip

    answer = ended.json
    assert (ended.code, ended.err) == (0, "")
    assert (answer["fired"], answer["incident"], answer["state"]) == (False, None, "inactive")
    stopped = [gate for gate in answer["gates"] if not gate["passed"]]
    assert answer["stopped_by"] == stopped[0]
    assert answer["labels"] == {"resource": "shop", "source": "f", "vendor": "cdnvideo"}
    decisive = next(one for one in answer["bins"] if one["start"] <= BEFORE < one["end"])
    assert decisive["reading"] == "clear"
    assert decisive["values"]
    assert decisive["stopped_by"] == stopped[0]["name"]


def test_in_words_it_shows_the_bins_around_and_every_gate(samples: Path, cli: Cli) -> None:
    ended = cli(
        "rules", "why-not", "http_5xx_spike", "--labels", "resource=shop,source=f", "--at", BEFORE,
        "--samples", samples,
    )  # fmt: skip

    lines = ended.out.splitlines()
    assert lines[0] == "http_5xx_spike  resource=shop,source=f,vendor=cdnvideo"
    assert lines[1].startswith("did not fire at 2026-11-17 09:06Z: stopped by `")
    assert any(line.startswith("  STOPPED  ") for line in lines)
    assert sum(line.startswith("> 2026-11-17 09:05Z") for line in lines) == 1


def test_what_fired_is_an_answer_of_no(samples: Path, cli: Cli) -> None:
    ended = cli(
        "rules", "why-not", "http_5xx_spike", "--labels", "resource=shop", "--at", WITHIN,
        "--samples", samples, "--json",
    )  # fmt: skip

    assert ended.code == 1
    assert ended.json["fired"]
    assert ended.json["incident"]["rule"] == "http_5xx_spike"
    assert all(gate["passed"] for gate in ended.json["gates"])


def test_an_incident_of_a_backtest_says_why(samples: Path, cli: Cli) -> None:
    (incident,) = cli("backtest", "--samples", samples, "--json").json["incidents"]

    answer = cli("rules", "why", incident["id"], "--samples", samples, "--json").json
    told = cli("rules", "why", incident["id"][:20], "--samples", samples).out

    assert answer["incident"]["id"] == incident["id"]
    assert answer["fired"]
    assert answer["gates"]
    assert all(gate["passed"] for gate in answer["gates"])
    assert {one["state"] for one in answer["bins"]} >= {"firing"}
    assert incident["summary"] in told


def test_other_groups_are_named(samples: Path, cli: Cli) -> None:
    words = ("rules", "why-not", "http_5xx_spike", "--at", BEFORE, "--samples", samples)

    several = cli(*words, "--labels", "source=f", "--json")
    none = cli(*words, "--labels", "resource=nope")

    assert (several.code, none.code) == (0, 0)
    assert sorted(group["resource"] for group in several.json["groups"]) == ["shop", "video"]
    assert "  resource=shop,source=f,vendor=cdnvideo" in none.out.splitlines()


def test_a_time_without_samples_was_never_judged(samples: Path, cli: Cli) -> None:
    ended = cli(
        "rules", "why-not", "http_5xx_spike", "--labels", "resource=shop", "--at", "2026-12-24T00:00:00Z",
        "--samples", samples, "--json",
    )  # fmt: skip

    assert (ended.code, ended.json["stopped_by"]["name"]) == (0, "bin")


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("why", "01nope"), 1, "no incident has the id 01nope, or several begin with it"),
        (
            ("why-not", "http_5xx_spice", "--labels", "a=b", "--at", BEFORE),
            1,
            "no rule `http_5xx_spice` is in force; ",
        ),
        (
            ("why-not", "http_5xx_spike", "--labels", "shop", "--at", BEFORE),
            2,
            "--labels shop: write them as",
        ),
        (("why-not", "http_5xx_spike", "--labels", "a=b", "--at", "noon"), 2, "Invalid value"),
        (("why-not", "http_5xx_spike", "--labels", "a=b"), 2, "--at"),
    ],
)
def test_wrong_words_are_told(
    words: tuple[str, ...], code: int, complaint: str, samples: Path, cli: Cli
) -> None:
    ended = cli("rules", *words, "--samples", samples)

    assert (ended.code, ended.out) == (code, "")
    assert complaint in ended.err


def test_without_samples_the_recorded_history_of_a_configuration_is_asked(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    ended = cli("rules", "why-not", "http_5xx_spike", "--labels", "resource=shop", "--at", BEFORE)

    assert (ended.code, ended.out) == (2, "")
    assert "watcher.yaml: there is no such file" in ended.err
