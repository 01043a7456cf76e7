"""`incidents list`, `incidents show` and `db upgrade`, on a database that a daemon has filled."""

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.conftest import CONFIG, Cli, Filled, two_incidents
from tests.databases import NOON
from tests.store.building import Store, key, opened, owed
from watcher.cli.main import main
from watcher.model.inventory import Difference, Item, ItemKind, Known
from watcher.model.time import MINUTE
from watcher.store.inventory import write_inventory
from watcher.store.tables import SCHEMA


def resources(incidents: Sequence[dict[str, Any]]) -> list[str]:
    return [incident["labels"]["resource"] for incident in incidents]


def test_incidents_are_listed_newest_first_without_any_secret_being_set(filled: Filled, cli: Cli) -> None:
    ended = cli("incidents", "list", "-c", filled(two_incidents))

    assert (ended.code, ended.err) == (0, "")
    heads, video, shop = ended.out.splitlines()
    assert heads.split() == ["ID", "OPENED", "LASTED", "SEVERITY", "STATUS", "RULE", "SUMMARY"]
    assert "critical  open" in video
    assert "12 min  " in shop
    assert "resolved  http_5xx_spike  resource shop: 5xx 12.4 %" in shop


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ["video", "shop"]),
        ("--status open", ["video"]),
        ("--status open --status resolved", ["video", "shop"]),
        ("--severity warning", ["shop"]),
        ("--rule hit_ratio_drop", ["video"]),
        ("--label resource=shop --label source=cdnv", ["shop"]),
        ("--label resource=shop --label source=other", []),
        ("--since 2026-09-21T14:30:00Z", ["video"]),
        ("--until 2026-09-21T14:30:00Z", ["shop"]),
        ("--limit 1", ["video"]),
        ("--since 1h", ["video"]),
    ],
)
def test_filters_choose(words: str, expected: list[str], filled: Filled, cli: Cli) -> None:
    ended = cli("incidents", "list", "--json", *words.split(), "-c", filled(two_incidents))

    assert (ended.code, ended.err) == (0, "")
    assert resources(ended.json["incidents"]) == expected


def test_a_list_of_nothing_is_an_answer(filled: Filled, cli: Cli) -> None:
    ended = cli("incidents", "list", "--rule", "certificate_expiry", "-c", filled(two_incidents))

    assert (ended.code, ended.out, ended.err) == (0, "no incidents\n", "")


def test_a_rule_that_nobody_configured_is_doubted_aside(filled: Filled, cli: Cli) -> None:
    ended = cli("incidents", "list", "--json", "--rule", "http_5xx_spik", "-c", filled(two_incidents))

    assert (ended.code, ended.json) == (0, {"incidents": []})
    assert ended.complaints == ["no rule `http_5xx_spik` is configured; did you mean `http_5xx_spike`?"]


def test_a_rule_is_not_doubted_where_the_configuration_cannot_say(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)
    config.write_text("database: sqlite:///watcher.db\nsources: [{name: cdnv, vendor: no_such_vendor}]\n")

    ended = cli("incidents", "list", "--rule", "nope", "-c", config)

    assert (ended.code, ended.err) == (0, "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("columns", "heads"),
    [
        (60, ["ID", "SUMMARY"]),
        (80, ["ID", "SEVERITY", "STATUS", "SUMMARY"]),
        (100, ["ID", "OPENED", "SEVERITY", "STATUS", "SUMMARY"]),
        (160, ["ID", "OPENED", "LASTED", "SEVERITY", "STATUS", "RULE", "SUMMARY"]),
    ],
)
def test_an_id_stays_whole_and_the_summary_gets_the_rest_of_a_terminal(
    columns: int,
    heads: list[str],
    filled: Filled,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    config, shown = filled(two_incidents), Terminal()

    with redirect_stdout(shown):
        assert main(["incidents", "list", "-c", str(config)]) == 0

    lines = re.sub(r"\x1b\[[\d;]*m", "", shown.getvalue()).splitlines()
    assert lines[0].split() == heads
    assert sum(bool(re.match(r"\w{26}  ", line)) for line in lines) == 2
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--label resource", "--label resource: write it as resource=shop"),
        ("--label =shop", "--label =shop: write it as resource=shop"),
    ],
)
def test_a_filter_that_means_nothing_is_wrong_use(words: str, told: str, cli: Cli) -> None:
    ended = cli("incidents", "list", *words.split())

    assert (ended.code, ended.out, ended.complaints) == (2, "", [told])


def test_one_incident_is_shown_with_its_story(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)
    listed = cli("incidents", "list", "--json", "-c", config).json["incidents"][1]

    shown = cli("incidents", "show", listed["id"], "-c", config)
    answer = cli("incidents", "show", listed["id"], "--json", "-c", config).json

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("resource shop: 5xx 12.4 %\n\n")
    assert "status       resolved (recovered)\n" in shown.out
    assert "example      url /a\n" in shown.out
    assert "mail/0: opened, " in shown.out
    assert answer.items() >= listed.items()
    assert [entry["kind"] for entry in answer["timeline"]] == ["opened", "resolved"]
    assert answer["deliveries"][0]["target"] == "mail/0"


def test_incidents_can_be_read_whatever_else_is_wrong_in_the_configuration(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)
    config.write_text("database: sqlite:///watcher.db\nsources: [{name: cdnv, vendor: no_such_vendor}]\n")

    assert cli("incidents", "list", "-c", config).code == 0
    assert cli("status", "-c", config).code == 2


def test_an_unknown_id_is_an_answer_of_no(filled: Filled, cli: Cli) -> None:
    ended = cli("incidents", "show", "zzz", "-c", filled(two_incidents))

    assert (ended.code, ended.out) == (1, "")
    assert ended.complaints == ["no incident has the id zzz"]


def test_a_database_that_is_not_there_says_what_makes_it(tmp_path: Path, cli: Cli) -> None:
    config = tmp_path / "watcher.yaml"
    config.write_text(CONFIG)

    for verb in ("status", "incidents list"):
        ended = cli(*verb.split(), "-c", config)
        assert (ended.code, ended.out, len(ended.complaints)) == (2, "", 1)
        assert "`watcher run` makes it" in ended.err
    assert not (tmp_path / "watcher.db").exists()


def test_db_upgrade_says_where_the_database_stands(tmp_path: Path, cli: Cli) -> None:
    config = tmp_path / "watcher.yaml"
    config.write_text(CONFIG)

    first, second = cli("db", "upgrade", "-c", config), cli("db", "upgrade", "-c", config)

    assert first.out == f"sqlite:///{tmp_path}/watcher.db: at {SCHEMA}, upgraded from nothing\n"
    assert second.out == f"sqlite:///{tmp_path}/watcher.db: at {SCHEMA}\n"
    assert cli("db", "upgrade", "--json", "-c", config).json == {
        "database": f"sqlite:///{tmp_path}/watcher.db",
        "schema": SCHEMA,
        "before": SCHEMA,
    }


def test_an_incident_of_an_origin_names_what_it_takes_with_it(filled: Filled, cli: Cli) -> None:
    items = [
        Item(ItemKind.ORIGIN_GROUP, "g1"),
        Item(ItemKind.DISTRIBUTION, "shop", {"origin_group": "g1", "name": "the shop"}),
        Item(ItemKind.DISTRIBUTION, "video", {"origin_group": "g1"}),
    ]

    async def fill(store: Store) -> None:
        differences = [Difference(tuple(Known("cdnv", "leaseweb", one) for one in items))]
        await store.database.write(lambda connection: write_inventory(connection, differences))
        await store.apply(opened(key("g1", rule="origin_group_empty")), opened(key("shop")))

    config = filled(fill)
    [group] = cli("incidents", "list", "--rule", "origin_group_empty", "--json", "-c", config).json[
        "incidents"
    ]
    shown = cli("incidents", "show", group["id"], "-c", config).out

    assert group["affects"] == [
        {"source": "cdnv", "resource": "shop", "name": "the shop", "hurt": True},
        {"source": "cdnv", "resource": "video", "name": "video", "hurt": False},
    ]
    assert cli("incidents", "show", group["id"], "--json", "-c", config).json["affects"] == group["affects"]
    exported = [orjson.loads(line) for line in cli("incidents", "export", "-c", config).out.splitlines()]
    assert [one["affects"] for one in exported if one["id"] == group["id"]] == [group["affects"]]
    assert "hurts        the shop" in shown
    assert "at risk      video" in shown


async def two_that_chat_does_not_take(store: Store) -> None:
    """The older one was tried and failed; the newer one waits behind it."""
    await store.apply(opened(), owed=[owed("chat/0")])
    rows = await store.outbox.claim("chat/0", at=NOON, lease=MINUTE, limit=9)
    await store.outbox.failed(rows, at=NOON, error="answered 502: busy", retry_at=NOON + MINUTE)
    await store.apply(opened(key("blog")), owed=[owed("chat/0")])


def test_a_message_that_waits_for_its_target_says_so_and_why(filled: Filled, cli: Cli) -> None:
    config = filled(two_that_chat_does_not_take)
    ids = [one["id"] for one in cli("incidents", "list", "--json", "-c", config).json["incidents"]]

    shown = [cli("incidents", "show", one, "-c", config).out for one in ids]
    status = cli("status", "-c", config).out

    assert all(re.search(r"waits: chat/0 fails since .*: answered 502: busy\n", one) for one in shown)
    assert re.search(r"\n +chat/0 fails since .*: answered 502: busy\n", status)
