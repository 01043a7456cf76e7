"""`watcher silences`: what nobody is told of for a time, beside a running daemon or without one."""

from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, Cli, Filled, two_incidents
from tests.store.building import Store, key, opened, owed, resolved
from watcher.model.time import DAY, HOUR, MINUTE, parse_rfc3339
from watcher.runtime.clock import SystemClock

WINDOWS = """
maintenance:
  - {match: {source: lsw}, from: 2020-01-01T00:00Z, to: 2020-01-02T00:00Z, reason: the move}
  - name: deploys
    match: {resource: ~shop.*}
    weekly: {days: sun, from: '02:00', to: '04:00', zone: Europe/Berlin}
    reason: weekly deploys
"""


def added(cli: Cli, config: Path, *words: str) -> dict[str, object]:
    ended = cli("silences", "add", *words, "--as", "ada", "--json", "-c", config)
    assert (ended.code, ended.err) == (0, "")
    found: dict[str, object] = ended.json["silence"]
    return found


def listed(cli: Cli, config: Path, *words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = cli("silences", "list", *words, "--json", "-c", config).json["silences"]
    return found


def test_a_silence_is_written_down_and_says_what_it_hides_now(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)

    ended = cli(
        "silences", "add", "resource=video", "--for", "2h", "--reason", "the origin moves", "-c", config
    )

    assert (ended.code, ended.err) == (0, "")
    assert "resource=video" in ended.out
    assert "hides 1 of the incidents that are open" in ended.out
    [one] = listed(cli, config)
    assert one["matchers"] == {"resource": "video"}
    assert (one["reason"], one["active"], one["configured"]) == ("the origin moves", True, False)
    took = parse_rfc3339(str(one["ends_at"])) - parse_rfc3339(str(one["starts_at"]))
    assert took == 2 * HOUR


def test_matchers_are_those_of_routes(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)

    one = added(
        cli, config, "rule=~hit_.*", "severity=info", "severity=warning", "--for", "1h", "--reason", "x"
    )

    assert one["matchers"] == {"rule": "~hit_.*", "severity": ["info", "warning"]}


def test_an_incident_is_silenced_as_its_message_says(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)
    [video, _] = [one["id"] for one in cli("incidents", "list", "--json", "-c", config).json["incidents"]]

    one = added(cli, config, "--incident", video, "--for", "2h")

    assert one["matchers"] == {
        "rule": "hit_ratio_drop",
        "resource": "video",
        "source": "cdnv",
        "vendor": "cdnvideo",
    }
    unknown = cli("silences", "add", "--incident", "zzz", "--for", "2h", "-c", config)
    assert (unknown.code, unknown.complaints) == (1, ["no incident has the id zzz"])


def test_one_that_comes_back_shows_its_next_times_and_needs_no_end(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)

    one = added(
        cli, config, "resource=shop", "--every", "mon-fri 22:00-06:00 Europe/Berlin", "--reason", "nights"
    )

    assert one["recurrence"] == {
        "days": ["mon", "tue", "wed", "thu", "fri"],
        "from": "22:00",
        "to": "06:00",
        "zone": "Europe/Berlin",
    }
    assert one["ends_at"] is None
    occurrences = one["occurrences"]
    assert isinstance(occurrences, list)
    assert len(occurrences) == 3
    table = cli("silences", "list", "-c", config).out
    assert "mon-fri 22:00-06:00 Europe/Berlin: " in table


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--for", "1h", "--reason", "x"], "what does it hide? write matchers, as resource=shop, or --inc"),
        (["resource=a", "--reason", "x"], "how long? write --for 2h or --until TIME"),
        (["resource=a", "--for", "1h"], 'why? write --reason "the origin moves"'),
        (["resource", "--for", "1h", "--reason", "x"], "resource: write it as resource=shop"),
        (["resource=~(", "--for", "1h", "--reason", "x"], "'~(' is not a regular expression"),
        (["a=~b", "a=c", "--for", "1h", "--reason", "x"], "a=~b: with other values, write one expression"),
        (
            ["a=b", "--for", "1h", "--until", "2h", "--reason", "x"],
            "--for and --until say the same; write one of them",
        ),
        (["a=b", "--from", "3h", "--until", "2h", "--reason", "x"], "it would end at"),
        (["a=b", "--every", "nights", "--reason", "x"], "--every 'nights': write it as"),
        (["a=b", "--every", "22:00-06:00 Europe/Berlino", "--reason", "x"], "--every '22:00-06:00 Europe"),
        (["a=b", "--every", "mo 22:00-06:00", "--reason", "x"], "'mo' is no day of the week"),
        (["a=b", "--every", "mon 25:00-06:00", "--reason", "x"], "'25:00' is no time of day"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(
    filled: Filled, cli: Cli, words: list[str], said: str
) -> None:
    config = filled(two_incidents)

    ended = cli("silences", "add", *words, "-c", config)

    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert not listed(cli, config)


def test_a_silence_that_could_never_hold_is_refused(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)

    ended = cli(
        "silences", "add", "a=b", "--from", "2030-01-07T10:00Z", "--until", "2030-01-07T11:00Z",
        "--every", "22:00-06:00", "--reason", "x", "-c", config,
    )  # fmt: skip

    assert ended.code == 2
    assert "it would never hold" in ended.err


def test_one_that_is_ended_is_listed_with_all_alone(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)
    one = added(cli, config, "resource=video", "--for", "2h", "--reason", "moves")

    ended = cli("silences", "end", str(one["id"])[:6], "--as", "bob", "--json", "-c", config)

    assert (ended.code, ended.err) == (0, "")
    assert (ended.json["silence"]["ended_by"], ended.json["was_over"]) == ("bob", False)
    assert not listed(cli, config)
    [shown] = listed(cli, config, "--all")
    assert (shown["id"], shown["over"]) == (one["id"], True)
    again = cli("silences", "end", one["id"], "-c", config)
    assert (again.code, "was over already" in again.out) == (0, True)


def test_an_id_that_is_none_or_several_ends_nothing(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)
    for _ in range(2):
        added(cli, config, "resource=video", "--for", "2h", "--reason", "moves")

    assert cli("silences", "end", "s-zz", "-c", config).complaints == ["no silence is s-zz"]
    several = cli("silences", "end", "s-", "-c", config)
    assert (several.code, several.complaints[0]) == (1, "several silences begin with s-; write more of it:")
    assert len(listed(cli, config)) == 2


def test_a_preview_counts_and_lists_what_it_would_hide(filled: Filled, cli: Cli) -> None:
    async def fill(store: Store) -> None:
        now = SystemClock().now() // MINUTE * MINUTE
        yesterday = opened(key("shop"), at=now - DAY)
        await store.apply(yesterday, resolved(yesterday, end=now - DAY + 9 * MINUTE), owed=[owed("mail/0")])
        old = key("shop", rule="latency_rise")
        await store.apply(opened(old, at=now - 10 * DAY), opened(key("video"), at=now - HOUR))
        await store.apply(opened(key("shop", rule="hit_ratio_drop"), at=now - HOUR))

    config = filled(fill)

    found = cli("silences", "preview", "resource=shop", "--json", "-c", config).json

    assert len(found["last_seven_days"]) == 2
    assert [one["labels"]["resource"] for one in found["open"]] == ["shop", "shop"]
    shown = cli("silences", "preview", "resource=shop", "-c", config)
    assert shown.out.startswith("2 open now")
    assert "2 in the last seven days" in shown.out
    assert not listed(cli, config)


def test_windows_of_the_configuration_are_listed_as_such(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)
    config.write_text(CONFIG + WINDOWS)

    [one] = listed(cli, config)
    [past, _] = listed(cli, config, "--all")

    assert (one["id"], one["author"], one["configured"]) == ("deploys", "configuration", True)
    assert one["occurrences"]
    assert (past["id"], past["over"]) == ("maintenance[0]", True)
    ended = cli("silences", "end", "deploys", "-c", config)
    assert (ended.code, "take it out of `maintenance`" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("{match: {}, reason: x}", "when is it? write `from` and `to`, or `weekly`"),
        ("{match: {}, reason: x, from: 2026-01-01T10:00, to: 2027-01-01T10:00Z}", "write it with its zone"),
        (
            "{match: {}, reason: x, from: 2027-01-01T10:00Z, to: 2026-01-01T10:00Z}",
            "`to` is not after `from`",
        ),
        ("{match: {a: ~(}, reason: x, from: 2026-01-01T10:00Z, to: 2026-01-02T10:00Z}", "regular expression"),
        ("{match: {}, from: 2026-01-01T10:00Z, to: 2026-01-02T10:00Z}", "reason"),
    ],
)
def test_a_window_that_is_wrong_is_named_with_its_place(
    filled: Filled, cli: Cli, window: str, said: str
) -> None:
    config = filled(two_incidents)
    config.write_text(f"{CONFIG}maintenance:\n  - {window}\n")

    for verb in (["check"], ["silences", "list"]):
        ended = cli(*verb, "-c", config)

        assert ended.code == 2
        assert said in ended.err
        assert f"{config.name}:4:" in ended.err
