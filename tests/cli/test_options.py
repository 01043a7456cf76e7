"""How times are written on the command line: as people write them, and never with a zone left open."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Filled, two_incidents
from tests.cli.fleet import BAD, BIN, MONDAY
from watcher.model.time import DAY, parse_rfc3339, rfc3339
from watcher.runtime.clock import SystemClock

FIRED = MONDAY + BAD.start * BIN


def told(cli: Cli, samples: Path, *words: str) -> int:
    """How many incidents a backtest with these words tells."""
    return len(cli("backtest", "--samples", samples, *words, "--json").json["incidents"])


def test_a_date_is_the_beginning_of_its_day(samples: Path, cli: Cli) -> None:
    day = rfc3339(FIRED)[:10]
    after = rfc3339(FIRED + DAY)[:10]

    assert (told(cli, samples, "--from", day), told(cli, samples, "--from", after)) == (1, 0)
    assert (told(cli, samples, "--to", day), told(cli, samples, "--to", after)) == (0, 1)


@pytest.mark.parametrize("form", ["{day}T{time}Z", "{day} {time}Z", "{day}T{time}+00:00", "{day}T{time}:00Z"])
def test_a_time_needs_no_seconds(form: str, samples: Path, cli: Cli) -> None:
    at = rfc3339(FIRED + 3 * BIN)
    text = form.format(day=at[:10], time=at[11:16])

    ended = cli(
        "rules", "why-not", "http_5xx_spike", "--labels", "resource=shop", "--at", text, "--samples", samples
    )

    assert (ended.code, ended.err) == (1, "")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("noon", "'noon' is no time; write 6h for six hours ago, 2026-11-22, or 2026-11-22T03:00Z"),
        ("2026-02-30", "'2026-02-30' is no time; write 6h"),
        ("2026-11-22 03:00", "'2026-11-22 03:00' says no zone; write 2026-11-22T03:00Z where UTC is meant"),
    ],
)
def test_what_names_no_instant_is_wrong_use(text: str, complaint: str, samples: Path, cli: Cli) -> None:
    ended = cli("backtest", "--samples", samples, "--from", text)

    assert (ended.code, ended.out) == (2, "")
    assert complaint in ended.err


def test_a_time_of_day_is_the_next_such_in_utc_and_is_told_back_with_its_date(
    filled: Filled, cli: Cli
) -> None:
    words = ("silences", "add", "rule=x", "--reason", "works", "-c", filled(two_incidents), "--json")

    before = SystemClock().now()
    ends, zoned = (
        parse_rfc3339(cli(*words, "--until", text).json["silence"]["ends_at"]) for text in ("03:00", "03:00Z")
    )

    assert rfc3339(ends)[11:16] == rfc3339(zoned)[11:16] == "03:00"
    assert before < ends <= SystemClock().now() + DAY


def test_a_time_to_come_is_asked_for_in_its_own_words(filled: Filled, cli: Cli) -> None:
    ended = cli("incidents", "snooze", "01x", "--until", "tonight", "-c", filled(two_incidents))

    assert (ended.code, ended.out) == (2, "")
    assert "'tonight' is no time; write 2h for in two hours, 03:00 for the next such time in UTC" in ended.err
    assert "ago" not in ended.err
