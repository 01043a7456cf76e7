"""`status`: whether the daemon lives, what it sees, what is open and what is still to be told."""

import re

import pytest

from tests.cli.conftest import Cli, Fill, Filled, two_incidents
from tests.databases import NOON, HandClock
from tests.store.building import Store, key, opened, owed, poll
from watcher.model.ports import Tick
from watcher.model.sample import Poll, Sight
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration
from watcher.runtime.clock import SystemClock
from watcher.store.address import SqliteFile
from watcher.store.database import Database
from watcher.store.lease import Lease

# Real time goes on while a database is filled and the command starts.
SEVEN_MINUTES_AGO = r" [78] min( \d+ s)? ago"
SINCE_THEN = r"(5\d s|1 min( \d+ s)?)"


def seen(up: bool, source: str = "cdnv") -> Poll:  # noqa: FBT001 - it reads well
    return poll(source=source, up=up, position=SystemClock().now() - 7 * MINUTE)


def waiting() -> Poll:
    return Poll(
        Sight("cdnv", "cdnvideo", "total", at=NOON, up=False, message="not asked yet", caught_up=False)
    )


async def healthy(store: Store) -> None:
    await two_incidents(store)
    await store.book.commit(Tick(at=NOON, polls=[seen(up=True)]))


async def stopped(store: Store) -> None:
    """A daemon that saw all well and was told to stop."""
    await healthy(store)
    await store.lease.release()


async def silent(store: Store, holder: str, ago: Duration = 50 * SECOND) -> None:
    """One that saw all well, and has not renewed its lease for so long."""
    await stopped(store)
    clock = HandClock(SystemClock().now() - ago)
    address = store.database.address
    assert isinstance(address, SqliteFile)
    async with await Database.open(f"sqlite:///{address.path}", clock=clock) as earlier:
        await Lease(earlier, holder=holder).acquire()


async def killed(store: Store) -> None:
    """One that was killed: no process of that pid began when it did."""
    await silent(store, f"{store.lease.holder.rpartition(':')[0]}:1", ago=HOUR)


async def stuck(store: Store) -> None:
    """One that cannot write, or hangs: its process is there."""
    await silent(store, store.lease.holder)


async def elsewhere(store: Store) -> None:
    """One of another machine, of whose processes nothing can be known."""
    await silent(store, "web2:4711:1")


def test_it_says_what_is_seen_what_is_open_and_what_is_to_be_told(filled: Filled, cli: Cli) -> None:
    ended = cli("status", "-c", filled(healthy))

    assert (ended.code, ended.err) == (0, "")
    daemon, incidents, messages, *_ = ended.out.splitlines()
    assert daemon.startswith("daemon     running for ")
    assert incidents == "incidents  1 open"
    assert messages.startswith("messages   ")
    assert "(mail/0 " in messages
    assert "cdnv    traffic  up " in ended.out
    assert re.search(SEVEN_MINUTES_AGO, ended.out)
    assert "resource shop" in ended.out


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (stopped, r"daemon     not running\n"),
        (killed, r"daemon     not running; pid \d+ was last seen "),
        (stuck, rf"daemon     not heard from for {SINCE_THEN}; pid \d+ is alive: see its log "),
        (elsewhere, rf"daemon     not heard from for {SINCE_THEN}; look for pid 4711 on host web2\n"),
    ],
)
def test_without_a_daemon_that_is_heard_from_the_answer_is_no_and_nothing_is_up(
    end: Fill, told: str, filled: Filled, cli: Cli
) -> None:
    ended = cli("status", "-c", filled(end))

    assert (ended.code, ended.err) == (1, "")
    assert re.search(told, ended.out)
    assert "cdnv    traffic  unseen " in ended.out
    assert re.search(SEVEN_MINUTES_AGO, ended.out)
    assert " up " not in ended.out


@pytest.mark.parametrize(
    ("end", "process"), [(stopped, None), (killed, False), (stuck, True), (elsewhere, None)]
)
def test_json_says_so_in_the_same_shape_however_it_ended(
    end: Fill, process: object, filled: Filled, cli: Cli
) -> None:
    answer = cli("status", "--json", "-c", filled(end))

    assert answer.code == 1
    assert answer.json["daemon"].keys() == {"alive", "holder", "since", "seen", "process_alive"}
    assert answer.json["daemon"]["alive"] is False
    assert answer.json["daemon"]["process_alive"] is process
    assert answer.json["streams"][0].items() >= {"state": "unseen", "up": None}.items()


def test_a_source_that_is_down_is_an_answer_of_no(filled: Filled, cli: Cli) -> None:
    async def fill(store: Store) -> None:
        await store.book.commit(Tick(at=NOON, polls=[seen(up=False)]))

    config = filled(fill)
    ended = cli("status", "-c", config)
    answer = cli("status", "--json", "-c", config)

    assert (ended.code, ended.err) == (1, "")
    assert "down (network)" in ended.out
    assert answer.code == 1
    assert answer.json["daemon"]["alive"] is True
    down = {"source": "cdnv", "state": "down", "up": False, "family": "network"}
    assert answer.json["streams"][0].items() >= down.items()


def test_a_stream_that_waits_for_its_turn_is_neither_up_nor_down(filled: Filled, cli: Cli) -> None:
    async def fill(store: Store) -> None:
        await store.book.commit(Tick(at=NOON, polls=[waiting()]))

    config = filled(fill)
    ended = cli("status", "-c", config)
    answer = cli("status", "--json", "-c", config)

    assert (ended.code, answer.code) == (0, 0)
    assert ended.out.splitlines()[-1].split() == ["cdnv", "total", "waiting", "0", "s", "not", "asked", "yet"]
    assert answer.json["streams"][0].items() >= {"state": "waiting", "up": None, "family": ""}.items()


def test_a_source_that_is_no_longer_configured_is_nobodys_concern(filled: Filled, cli: Cli) -> None:
    async def fill(store: Store) -> None:
        await store.book.commit(Tick(at=NOON, polls=[seen(up=False, source="former")]))

    ended = cli("status", "-c", filled(fill))

    assert ended.code == 0
    assert "no source has been asked yet" in ended.out


async def with_a_target_that_is_gone(store: Store) -> None:
    """What was owed to it was given up; what was given up the day before is old by now."""
    await healthy(store)
    now = SystemClock().now()
    await store.outbox.retire([], at=now - 2 * DAY)
    await store.apply(opened(key("news")), owed=[owed("post/0")])
    await store.outbox.retire([], at=now)


def test_what_was_given_up_within_a_day_is_told_by_target_with_the_reason(filled: Filled, cli: Cli) -> None:
    config = filled(with_a_target_that_is_gone)

    shown, answer = cli("status", "-c", config), cli("status", "-c", config, "--json").json

    assert re.search(r"given up   1 to post/0, last .*Z: its target is no longer configured\n", shown.out)
    assert [(one["target"], one["count"], one["detail"]) for one in answer["given_up"]] == [
        ("post/0", 1, "its target is no longer configured")
    ]
