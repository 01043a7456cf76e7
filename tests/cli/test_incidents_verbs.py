"""`incidents list`, `incidents show` and `status`, on a database that a daemon has filled."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.databases import NOON
from tests.store.building import Store, key, opened, owed, poll, resolved
from watcher.model.ports import Tick
from watcher.model.rule import Severity
from watcher.model.sample import Poll
from watcher.model.time import HOUR, MINUTE
from watcher.runtime.clock import SystemClock
from watcher.store.database import Database
from watcher.store.migrate import upgrade

CONFIG = """\
database: sqlite:///watcher.db
sources: [{name: cdnv, vendor: cdnvideo, username: {env: NOT_SET_1}, password: {env: NOT_SET_2}}]
"""

Fill = Callable[[Store], Coroutine[Any, Any, None]]


@pytest.fixture
def filled(tmp_path: Path) -> Callable[[Fill], Path]:
    """A configuration whose database holds what a function put there."""
    path = tmp_path / "watcher.yaml"
    path.write_text(CONFIG)

    async def work(fill: Fill) -> None:
        url = f"sqlite:///{tmp_path / 'watcher.db'}"
        async with await Database.open(url, clock=SystemClock()) as database:
            await upgrade(database)
            store = await Store.on(database)
            await fill(store)
            await store.lease.release()

    def run(fill: Fill) -> Path:
        asyncio.run(work(fill))
        return path

    return run


async def two_incidents(store: Store) -> None:
    """One on shop that is over, and an hour later a critical one on video that is not."""
    shop = opened(key("shop"))
    video = opened(key("video", rule="hit_ratio_drop"), at=NOON + HOUR, severity=Severity.CRITICAL)
    await store.apply(shop, owed=[owed("mail/0")])
    await store.apply(resolved(shop, end=NOON + 12 * MINUTE))
    await store.apply(video, owed=[owed("mail/0")])


def resources(incidents: Sequence[dict[str, Any]]) -> list[str]:
    return [incident["labels"]["resource"] for incident in incidents]


def seen(up: bool, source: str = "cdnv") -> Poll:  # noqa: FBT001 - it reads well
    return poll(source=source, up=up, position=SystemClock().now())


def test_incidents_are_listed_newest_first_without_any_secret_being_set(
    filled: Callable[[Fill], Path], cli: Cli
) -> None:
    ended = cli("incidents", "list", "-c", filled(two_incidents))

    assert (ended.code, ended.err) == (0, "")
    heads, video, shop = ended.out.splitlines()
    assert heads.split() == ["OPENED", "LASTED", "SEVERITY", "STATUS", "RULE", "SUMMARY", "ID"]
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
def test_filters_choose(words: str, expected: list[str], filled: Callable[[Fill], Path], cli: Cli) -> None:
    ended = cli("incidents", "list", "--json", *words.split(), "-c", filled(two_incidents))

    assert (ended.code, ended.err) == (0, "")
    assert resources(ended.json["incidents"]) == expected


def test_a_list_of_nothing_is_an_answer(filled: Callable[[Fill], Path], cli: Cli) -> None:
    ended = cli("incidents", "list", "--rule", "no_such_rule", "-c", filled(two_incidents))

    assert (ended.code, ended.out) == (0, "no incidents\n")


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


def test_one_incident_is_shown_with_its_story(filled: Callable[[Fill], Path], cli: Cli) -> None:
    config = filled(two_incidents)
    listed = cli("incidents", "list", "--json", "-c", config).json["incidents"][1]

    shown = cli("incidents", "show", listed["id"], "-c", config)
    answer = cli("incidents", "show", listed["id"], "--json", "-c", config).json

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("resource shop: 5xx 12.4 %\n\n")
    assert "status     resolved (recovered)\n" in shown.out
    assert "example    url /a\n" in shown.out
    assert "mail/0: opened, " in shown.out
    assert answer.items() >= listed.items()
    assert [entry["kind"] for entry in answer["timeline"]] == ["opened", "resolved"]
    assert answer["deliveries"][0]["target"] == "mail/0"


def test_incidents_can_be_read_whatever_else_is_wrong_in_the_configuration(
    filled: Callable[[Fill], Path], cli: Cli
) -> None:
    config = filled(two_incidents)
    config.write_text("database: sqlite:///watcher.db\nsources: [{name: cdnv, vendor: no_such_vendor}]\n")

    assert cli("incidents", "list", "-c", config).code == 0
    assert cli("status", "-c", config).code == 2


def test_an_unknown_id_is_an_answer_of_no(filled: Callable[[Fill], Path], cli: Cli) -> None:
    ended = cli("incidents", "show", "zzz", "-c", filled(two_incidents))

    assert (ended.code, ended.out) == (1, "")
    assert ended.complaints == ["no incident has the id zzz, or several begin with it"]


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

    assert first.out == f"sqlite:///{tmp_path}/watcher.db: at 0001, upgraded from nothing\n"
    assert second.out == f"sqlite:///{tmp_path}/watcher.db: at 0001\n"


def test_status_says_what_is_seen_what_is_open_and_what_is_to_be_told(
    filled: Callable[[Fill], Path], cli: Cli
) -> None:
    async def fill(store: Store) -> None:
        await two_incidents(store)
        await store.book.commit(Tick(at=NOON, polls=[seen(up=True)]))

    ended = cli("status", "-c", filled(fill))

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("daemon     not running\nincidents  1 open\nmessages   ")
    assert "(mail/0 " in ended.out
    assert "cdnv    traffic  up " in ended.out
    assert "resource shop" in ended.out


def test_a_source_that_is_down_is_an_answer_of_no(filled: Callable[[Fill], Path], cli: Cli) -> None:
    async def fill(store: Store) -> None:
        await store.book.commit(Tick(at=NOON, polls=[seen(up=False)]))

    config = filled(fill)
    ended = cli("status", "-c", config)
    answer = cli("status", "--json", "-c", config)

    assert (ended.code, ended.err) == (1, "")
    assert "down (network)" in ended.out
    assert answer.code == 1
    assert answer.json["streams"][0].items() >= {"source": "cdnv", "up": False, "family": "network"}.items()


def test_a_source_that_is_no_longer_configured_is_nobodys_concern(
    filled: Callable[[Fill], Path], cli: Cli
) -> None:
    async def fill(store: Store) -> None:
        await store.book.commit(Tick(at=NOON, polls=[seen(up=False, source="former")]))

    ended = cli("status", "-c", filled(fill))

    assert ended.code == 0
    assert "no source has been asked yet" in ended.out
