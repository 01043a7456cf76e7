"""`watcher rules why` and `rules why-not`: which gate stopped it, in words and as JSON."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Filled, two_incidents
from tests.cli.fleet import BAD, BIN, HEAD, MONDAY, row, rows
from watcher.model.time import DAY, MINUTE, parse_rfc3339, rfc3339

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


ACCOUNT = HEAD.replace("resource", "account,resource")


@pytest.fixture
def outage(tmp_path: Path) -> Path:
    """Four resources of one account fail together in an hour of the second day."""
    path = tmp_path / "outage.csv"
    lines = [
        row(metric, value, start, start + BIN, f"acme,{name},edge,{status}")
        for at in range(DAY // BIN + 130)
        for start in (MONDAY + at * BIN,)
        for name in ("r1", "r2", "r3", "r4")
        for bad in (300 if at in BAD else 2,)
        for metric, status, value in (
            ("cdn_requests", "", 1_000),
            ("cdn_responses", "2xx", 1_000 - bad),
            ("cdn_responses", "5xx", bad),
        )
    ]
    path.write_text(ACCOUNT + "".join(lines))
    return path


def test_a_wider_incident_lists_what_it_explains_and_why_each_of_them_fired(outage: Path, cli: Cli) -> None:
    found = cli("backtest", "--samples", outage, "--json").json["incidents"]
    [wider] = [one for one in found if "resource" not in one["labels"]]

    told = cli("rules", "why", wider["id"], "--samples", outage)
    answer = cli("rules", "why", wider["id"], "--samples", outage, "--json").json

    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert lines[0] == "http_5xx_spike  account=acme,source=f,vendor=cdnvideo"
    assert "it explains 4 incidents, which failed together" in lines
    assert all(f"resource=r{n}" in told.out for n in range(1, 5))
    assert (answer["fired"], answer["explains"], answer["incident"]["id"]) == (True, 4, wider["id"])
    assert [one["incident"]["parent_id"] for one in answer["leaves"]] == [wider["id"]] * 4
    assert all(one["gates"] and all(gate["passed"] for gate in one["gates"]) for one in answer["leaves"])
    assert {one["bin"]["reading"] for one in answer["leaves"]} <= {"breach", "breach at once"}


def test_a_bin_that_nothing_is_known_of_says_what_the_vendor_left_out(tmp_path: Path, cli: Cli) -> None:
    path, gap = tmp_path / "gap.csv", rfc3339(MONDAY + 400 * BIN)
    lost = [line for line in rows() if not (line.startswith(gap) and ",cdn_requests," in line)]
    path.write_text(HEAD + "".join(lost))

    ended = cli(
        "rules", "why-not", "http_5xx_spike", "--labels", "resource=shop", "--at", gap, "--samples", path
    )

    told = "stopped by `known`, as the bin cannot be judged: the vendor said nothing of cdn_requests"
    assert ended.out.splitlines()[1].endswith(told)


def test_labels_that_no_group_has_are_an_answer_that_says_which_groups_there_are(
    samples: Path, cli: Cli
) -> None:
    words = ("rules", "why-not", "http_5xx_spike", "--at", BEFORE, "--samples", samples)

    told = cli(*words, "--labels", "resource=nope")
    answer = cli(*words, "--labels", "resource=nope", "--json").json

    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[:2] == ["the rule judges no group with resource=nope", "it judges:"]
    assert "  resource=shop,source=f,vendor=cdnvideo" in told.out.splitlines()
    assert (answer["fired"], answer["stopped_by"]["name"]) == (False, "group")
    assert sorted(group["resource"] for group in answer["groups"]) == ["shop", "video"]


def test_labels_of_several_groups_are_wrong_use_and_the_groups_are_named(samples: Path, cli: Cli) -> None:
    ended = cli(
        "rules", "why-not", "http_5xx_spike", "--at", BEFORE, "--samples", samples, "--labels", "source=f"
    )

    assert (ended.code, ended.out) == (2, "")
    assert ended.complaints == [
        "--labels: 2 groups have these; name one of them:",
        "  resource=shop,source=f,vendor=cdnvideo",
        "  resource=video,source=f,vendor=cdnvideo",
    ]


def test_an_id_that_several_incidents_begin_with_names_them(cli: Cli, filled: Filled) -> None:
    config = filled(two_incidents)
    ids = sorted(one["id"] for one in cli("incidents", "list", "-c", config, "--json").json["incidents"])
    shared = ids[0][:2]

    ended = cli("rules", "why", shared, "-c", config)

    assert (ended.code, ended.out) == (1, "")
    assert ended.complaints[0] == f"several incidents begin with {shared}; write more of it:"
    assert sorted(line.split()[0] for line in ended.complaints[1:]) == ids
    assert all("http_5xx_spike" in line or "hit_ratio_drop" in line for line in ended.complaints[1:])


def test_a_time_without_samples_was_never_judged(samples: Path, cli: Cli) -> None:
    ended = cli(
        "rules", "why-not", "http_5xx_spike", "--labels", "resource=shop", "--at", "2026-12-24T00:00:00Z",
        "--samples", samples, "--json",
    )  # fmt: skip

    assert (ended.code, ended.json["stopped_by"]["name"]) == (0, "bin")


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("why", "01nope"), 1, "no incident has the id 01nope"),
        (
            ("why-not", "http_5xx_spice", "--labels", "a=b", "--at", BEFORE),
            2,
            "no rule `http_5xx_spice` is in force; ",
        ),
        (
            ("why-not", "http_5xx_spike", "--labels", "shop", "--at", BEFORE),
            2,
            "--labels shop: write them as",
        ),
        (
            ("why-not", "http_5xx_spike", "--labels", "resorce=shop", "--at", BEFORE),
            2,
            "--labels: no group of `http_5xx_spike` has a label `resorce`; did you mean `resource`?",
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


def at_once(folder: Path) -> Path:
    """The same samples, the second day of which came in one batch at its end."""
    lines = [HEAD, *rows()]
    for at, line in enumerate(lines[1:], 1):
        cells = line.split(",")
        if parse_rfc3339(cells[0]) >= MONDAY + DAY:
            lines[at] = ",".join([*cells[:4], rfc3339(MONDAY + 2 * DAY), *cells[5:]])
    path = folder / "batch.csv"
    path.write_text("".join(lines))
    return path


def test_bins_that_came_in_one_batch_show_the_state_that_each_had(
    tmp_path: Path, samples: Path, cli: Cli
) -> None:
    words = ("rules", "why-not", "http_5xx_spike", "--labels", "resource=shop", "--at", WITHIN, "--json")

    came, late = (cli(*words, "--samples", path).json for path in (samples, at_once(tmp_path)))

    assert [one["state"] for one in came["bins"]].count("inactive") == 2
    assert [one["state"] for one in late["bins"]] == [one["state"] for one in came["bins"]]
    assert late["state"] == "firing"


def test_an_incident_that_had_to_last_for_hours_is_explained_up_to_the_bin_that_fired(
    tmp_path: Path, cli: Cli
) -> None:
    """Of what is bad for four hours and fires after three, each bin from the first on is listed."""
    path, config = tmp_path / "long.csv", tmp_path / "watcher.yaml"
    bad = range(BAD.start, BAD.start + 48)
    path.write_text(HEAD + "".join(spiked(bad)))
    config.write_text("rules: {override: {http_5xx_spike: {for: 3h}}}\n")
    words = ("--samples", path, "-c", config)
    (incident,) = cli("backtest", *words, "--json").json["incidents"]

    answer = cli("rules", "why", incident["id"], *words, "--json").json
    told = cli("rules", "why", incident["id"], *words).out

    assert (answer["fired"], answer["stopped_by"], answer["state"]) == (True, None, "firing")
    states = [one["state"] for one in answer["bins"]]
    assert states.count("pending") >= 34
    assert answer["bins"][states.index("pending")]["start"] <= incident["opened_at"]
    assert "STOPPED  " not in told
    assert "  passed   for " in told


def test_a_bin_that_has_yet_to_last_is_called_pending(tmp_path: Path, samples: Path, cli: Cli) -> None:
    config = tmp_path / "watcher.yaml"
    config.write_text("rules: {override: {http_5xx_spike: {for: 3h}}}\n")

    told = cli(
        "rules", "why-not", "http_5xx_spike", "--labels", "resource=shop", "--at", WITHIN,
        "--samples", samples, "-c", config,
    ).out  # fmt: skip

    assert "did not fire at 2026-11-17 09:36Z: pending, stopped by `for`" in told
    assert "  pending  for " in told


def spiked(bad: range) -> Iterator[str]:
    """A third of shop's answers fail in these bins."""
    for at in range(2 * DAY // BIN):
        start = MONDAY + at * BIN
        failed = 300 if at in bad else 1 + at % 3
        for status, value in (("2xx", 1000 - failed), ("4xx", 10), ("5xx", failed)):
            yield row("cdn_responses", value, start, start + 2 * BIN, f"shop,edge,{status}")
        yield row("cdn_requests", 1010, start, start + 2 * BIN, "shop,edge,")
