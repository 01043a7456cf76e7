"""How times are written on the command line: as people write them, and never with a zone left open."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.fleet import BAD, BIN, MONDAY
from watcher.model.time import DAY, rfc3339

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
