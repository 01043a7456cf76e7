"""`incidents ack`, `note`, `assign`, `snooze`, `resolve`: applied here, or left for the daemon that runs."""

import asyncio
import csv
import gzip
import signal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from tests.cli.conftest import CONFIG, Cli, Ended, Filled, two_incidents
from tests.cli.test_live_verbs import called, cdn, configured, read_until, started
from tests.e2e.town import polled
from tests.store.building import Store
from watcher.app import acts
from watcher.app import book as app_book
from watcher.document.secrets import SecretUrl
from watcher.model.act import ActState
from watcher.model.ports import IncidentQuery
from watcher.simulate.webhook_catcher import WebhookCatcher, webhook_catcher


async def unowned(store: Store) -> None:
    """The same two incidents, and no daemon: each command applies what it asks for itself."""
    await two_incidents(store)
    await store.lease.release()


def ids(cli: Cli, config: Path) -> list[str]:
    """Of video, which stands, and of shop, which is over."""
    return [one["id"] for one in cli("incidents", "list", "--json", "-c", config).json["incidents"]]


def shown(cli: Cli, config: Path, incident: str) -> dict[str, Any]:
    answer: dict[str, Any] = cli("incidents", "show", incident, "--json", "-c", config).json
    return answer


def test_without_a_daemon_the_command_applies_what_it_asks(filled: Filled, cli: Cli) -> None:
    config = filled(unowned)
    video, _ = ids(cli, config)

    ended = cli("incidents", "ack", video, "--as", "ada", "-m", "on it", "-c", config)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"{video}  acknowledged by ada until ")
    found = shown(cli, config, video)
    assert (found["status"], found["acknowledged_by"]) == ("acknowledged", "ada")
    assert found["time_to_acknowledge_seconds"] > 0
    last = found["timeline"][-1]
    assert (last["kind"], last["who"]) == ("acknowledged", "ada")
    assert last["text"].endswith(": on it")
    assert [act["state"] for act in found["acts"]] == ["applied"]


def test_who_it_is_is_the_login_unless_another_is_named(
    filled: Filled, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    config = filled(unowned)
    video, _ = ids(cli, config)

    cli("incidents", "assign", video, "grace", "-c", config)

    assert shown(cli, config, video)["timeline"][-1]["who"] == "grace"
    mine = cli("incidents", "list", "--mine", "--json", "-c", config).json["incidents"]
    assert [one["id"] for one in mine] == [video]
    assert cli("incidents", "list", "--assignee", "ada", "--json", "-c", config).json == {"incidents": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("note {} deployed -m why", "no incident has the id deployed"),
        ("ack", "which incident? name one by its id; `watcher incidents list` shows them"),
        ("note {}", "say which incident and what the note says, as `watcher incidents note ID TEXT`"),
        ("assign {}", "say which incident and whose it is, as `watcher incidents assign ID NAME`"),
        ("snooze {}", "how long? write --for 2h, --until TIME, or --end to end the snooze"),
        ("snooze {} --end --for 2h", "how long? write --for 2h, --until TIME, or --end to end the snooze"),
        ("snooze {} --until 2020-01-01", "2020-01-01 00:00Z has passed; write a time to come"),
        ("ack {} --for 2h --until 3h", "--for and --until say the same; write one of them"),
        ("ack zzz", "no incident has the id zzz"),
        ("list --mine --assignee bob", "--mine and --assignee name two people; write one of them"),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_done(
    words: str, said: str, filled: Filled, cli: Cli
) -> None:
    config = filled(unowned)
    video, _ = ids(cli, config)

    ended = cli("incidents", *words.format(video).split(), "-c", config)

    assert ended.out == ""
    assert ended.complaints == [said]
    assert ended.code == (1 if "no incident" in said else 2)
    assert shown(cli, config, video)["acts"] == []


def test_a_text_that_is_too_long_is_refused(filled: Filled, cli: Cli) -> None:
    config = filled(unowned)
    video, _ = ids(cli, config)
    ended = cli("incidents", "note", video, "x" * 4_001, "-c", config)

    assert ended.code == 2
    assert ended.complaints == ["the text has 4001 characters; 4000 are the most"]


def test_an_id_that_names_several_is_answered_with_which(filled: Filled, cli: Cli) -> None:
    config = filled(unowned)
    video, shop = ids(cli, config)

    ended = cli("incidents", "resolve", video, "0", "-c", config)

    assert (ended.code, ended.out) == (1, "")
    assert "several incidents begin with 0" in ended.complaints[0]
    assert [video in line or shop in line for line in ended.complaints[1:]] == [True, True]
    assert shown(cli, config, video)["status"] == "open"


def test_several_are_acted_on_at_once_and_one_that_is_over_is_refused_by_itself(
    filled: Filled, cli: Cli
) -> None:
    config = filled(unowned)
    video, shop = ids(cli, config)

    ended = cli("incidents", "resolve", video, shop, "-m", "switched off", "-c", config)

    assert ended.code == 1
    assert ended.complaints == [f"{shop}: it is over: it has recovered"]
    assert ended.out.startswith(f"{video}  resolved as of ")
    after = shown(cli, config, video)
    assert (after["status"], after["resolution"]) == ("resolved", "manual")
    assert after["timeline"][-1]["text"].endswith(": switched off")
    assert [row["telling"] for row in after["deliveries"]] == ["opened", "resolved"]


def test_the_same_incident_named_twice_is_acted_on_once(filled: Filled, cli: Cli) -> None:
    config = filled(unowned)
    video, _ = ids(cli, config)
    answer = cli("incidents", "note", video, video.upper(), "once", "--json", "-c", config).json

    assert [act["text"] for act in answer["acts"]] == ["once"]
    assert [one["id"] for one in answer["incidents"]] == [video]


def test_each_verb_answers_in_words_and_in_json(filled: Filled, cli: Cli) -> None:
    config = filled(unowned)
    video, _ = ids(cli, config)

    def do(*words: str) -> str:
        ended = cli("incidents", *words, "-c", config)
        assert (ended.code, ended.err) == (0, "")
        return ended.out.removeprefix(video).strip()

    assert do("note", video, "the cause is the origin") == "noted"
    assert do("assign", video, "--to", "bob") == "assigned to bob"
    assert do("assign", video, "--nobody") == "assigned to nobody"
    assert do("ack", video, "--for", "2h").startswith("acknowledged by ")
    assert do("unack", video) == "open again"
    assert do("snooze", video, "--for", "2h").startswith("snoozed until ")
    assert "open, snoozed" in cli("incidents", "list", "-c", config).out
    assert do("snooze", video, "--end") == "snoozed no longer"
    answer = cli("incidents", "resolve", video, "--json", "-c", config).json
    assert answer["acts"][0]["effective_at"] == answer["incidents"][0]["resolved_at"]
    page = cli("incidents", "show", video, "-c", config).out
    assert page.index("note ") < page.index("assigned ") < page.index("resolved by hand")


def test_beside_a_daemon_that_does_not_come_to_it_the_act_is_left_for_it(
    filled: Filled, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon of these incidents is this process, which runs none."""
    monkeypatch.setattr(acts, "PROMPT", 0.2)
    config = filled(two_incidents)
    video, _ = ids(cli, config)

    ended = cli("incidents", "ack", video, "-c", config)

    assert ended.code == 0
    assert "written down; watcher pid" in ended.out
    found = shown(cli, config, video)
    assert (found["status"], [act["state"] for act in found["acts"]]) == ("open", ["asked"])
    assert "asked, not applied yet" in cli("incidents", "show", video, "-c", config).out


def test_acts_need_no_more_of_the_configuration_than_the_database(filled: Filled, cli: Cli) -> None:
    config = filled(unowned)
    video, _ = ids(cli, config)
    config.write_text("database: sqlite:///watcher.db\nsources: [{name: x, vendor: nope}]\n")
    assert cli("incidents", "ack", video, "-c", config).code == 0

    config.write_text(f"{CONFIG}unacknowledge_after: soon\n")
    ended = cli("incidents", "ack", video, "-c", config)
    assert ended.code == 2
    assert "watcher.yaml:3:22: " in ended.complaints[0]


def test_an_acknowledgement_holds_as_long_as_the_configuration_says(filled: Filled, cli: Cli) -> None:
    config = filled(unowned)
    video, _ = ids(cli, config)
    config.write_text(f"{CONFIG}unacknowledge_after: 0s\n")
    ended = cli("incidents", "ack", video, "--as", "ada", "-c", config)

    assert ended.out == f"{video}  acknowledged by ada\n"
    assert shown(cli, config, video)["acknowledged_until"] is None


# --- figures and export


def test_figures_say_how_many_and_which_rules_nobody_attends_to(filled: Filled, cli: Cli) -> None:
    config = filled(unowned)
    answer = cli("incidents", "stats", "--json", "-c", config).json

    assert (answer["incidents"], answer["standing"]) == (2, 1)
    assert answer["severities"] == {"info": 0, "warning": 1, "critical": 1}
    assert [(one["rule"], one["unattended"]) for one in answer["rules"]] == [
        ("http_5xx_spike", 1),
        ("hit_ratio_drop", 0),
    ]
    assert answer["time_to_resolve_seconds"]["mean"] == 11 * 60
    page = cli("incidents", "stats", "--since", "2026-09-21T15:00Z", "-c", config)
    assert (page.code, page.out.splitlines()[0]) == (0, "1 incidents: 1 critical; 1 not over")
    assert cli("incidents", "stats", "--rule", "nope", "-c", config).out == "no incidents\n"


def test_the_book_is_exported_an_incident_a_line(filled: Filled, cli: Cli, tmp_path: Path) -> None:
    config = filled(unowned)
    lines = [orjson.loads(line) for line in cli("incidents", "export", "-c", config).out.splitlines()]
    assert [line["rule"] for line in lines] == ["http_5xx_spike", "hit_ratio_drop"]
    assert [entry["kind"] for entry in lines[0]["timeline"]] == ["opened", "resolved"]

    out = tmp_path / "book.csv.gz"
    ended = cli("incidents", "export", "--out", out, "--status", "resolved", "-c", config)
    assert (ended.code, ended.out) == (0, "")
    with gzip.open(out, "rt", newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["rule"], row["duration_seconds"], row["flapping"]) == ("http_5xx_spike", "720.0", "false")
    assert orjson.loads(row["labels"])["resource"] == "shop"
    nowhere = cli("incidents", "export", "--out", tmp_path / "no" / "x.csv", "-c", config)
    assert (nowhere.code, len(nowhere.complaints)) == (2, 1)


# --- beside a daemon of its own process


async def the_first(config: Path) -> str:
    """An incident that stands now that all has been read."""
    url = SecretUrl(f"sqlite:///{config.parent / 'watcher.db'}")
    with anyio.fail_after(60):
        while True:
            async with app_book.history(url) as history:
                sights = await history.sights()
                found = await history.incidents(IncidentQuery())
            standing = [one.id for one in found if not one.over]
            if standing and len(sights) >= SIGHTS and all(sight.caught_up for sight in sights):
                return standing[0]
            await anyio.sleep(0.2)


SIGHTS = 3
"""Streams of the simulated CDNvideo, at least."""


async def told(catcher: WebhookCatcher, title: str, incident: str) -> None:
    """Wait until a message with such a title tells of the incident."""
    await polled(
        lambda: any(
            str(hook.body["title"]).startswith(title) and incident in str(hook.body) for hook in catcher.hooks
        ),
        seconds=20,
    )


@pytest.mark.timeout(120)
async def test_a_running_daemon_takes_acts_up_within_seconds_and_tells_the_end(
    tmp_path: Path, cli: Cli
) -> None:
    async with cdn() as source, webhook_catcher() as catcher:
        config = configured(tmp_path, source | {"backfill": "2h"}, hook=catcher.apprise_url)
        async with started("run", "-c", config) as daemon:
            await read_until(daemon.stderr, "engine_rebuilt")
            incident = await the_first(config)
            began = anyio.current_time()
            ended = await called(cli, "incidents", "ack", incident, "--as", "ada", "--json", "-c", config)
            took = anyio.current_time() - began
            resolved = await called(cli, "incidents", "resolve", incident, "-c", config)
            await told(catcher, "Resolved", incident)
            daemon.send_signal(signal.SIGTERM)
            await read_until(daemon.stderr, "stopped")
            assert await daemon.wait() == 0
        found = await called(cli, "incidents", "show", incident, "--json", "-c", config)

    assert [act["state"] for act in ended.json["acts"]] == ["applied"]
    assert took < acts.PROMPT
    assert resolved.code == 0
    assert (found.json["status"], found.json["resolution"]) == ("resolved", "manual")
    assert found.json["opened_at"] <= found.json["resolved_at"] <= found.json["acts"][1]["applied_at"]
    assert [act["state"] for act in found.json["acts"]] == ["applied", "applied"]


KILLS = 3


@pytest.mark.timeout(180)
async def test_a_daemon_that_is_killed_between_act_and_tick_loses_and_doubles_none(
    tmp_path: Path, cli: Cli
) -> None:
    """Killed at any moment while commands write beside it, and started again: each act once, in order."""
    async with cdn() as source:
        config = configured(tmp_path, source | {"backfill": "2h"})
        async with started("run", "-c", config) as daemon:
            await read_until(daemon.stderr, "engine_rebuilt")
            incident = await the_first(config)
        asked: list[Ended] = []

        async def ask(number: int) -> None:
            asked.append(await called(cli, "incidents", "note", incident, f"note {number}", "-c", config))

        for number in range(KILLS):
            async with started("run", "-c", config) as daemon:
                await read_until(daemon.stderr, "engine_rebuilt")
                async with anyio.create_task_group() as group:
                    group.start_soon(partial(ask, number))
                    await anyio.sleep(0.4 * number)
                    daemon.kill()
                    await asyncio.wait_for(daemon.wait(), 10)
        found = (await called(cli, "incidents", "show", incident, "--json", "-c", config)).json

    assert [one.code for one in asked] == [0] * KILLS
    notes = [entry["text"] for entry in found["timeline"] if entry["kind"] == "note"]
    assert notes == [f"note {number}" for number in range(KILLS)]
    assert {act["state"] for act in found["acts"]} == {ActState.APPLIED.value}
