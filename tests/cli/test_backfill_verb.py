"""`sources backfill`: a span is read once more, by the daemon that runs or by one of its own."""

import re
import signal
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Cli, Ended, Filled
from tests.cli.test_live_verbs import called, cdn, configured, read_until, started
from tests.databases import NOON
from tests.store.building import Store
from watcher.errors import AuthenticationFailed, RejectedByClock
from watcher.model.ports import ErrandKind, Tick
from watcher.model.sample import Poll, Sight
from watcher.model.time import HOUR, MINUTE, rfc3339
from watcher.runtime.clock import SystemClock
from watcher.store.database import Database
from watcher.store.errands import SqlErrands
from watcher.store.journal import SqlJournal


async def backfilled(config: Path, *words: str) -> Ended:
    """In a process of its own: it minds signals."""
    async with started("sources", "backfill", "cdnvideo", "-c", config, *words) as process:
        out, err = await process.communicate()
        return Ended(process.returncode or 0, out.decode(), err.decode())


async def test_without_a_daemon_it_is_the_daemon_until_all_is_read(tmp_path: Path) -> None:
    async with cdn() as source:
        config = configured(
            tmp_path, source | {"backfill": "10m", "fine_backfill": "10m", "metrics": ["edge_status_5xx"]}
        )
        ended = await backfilled(config, "--since", "3h")
        again = await backfilled(config, "--since", "20m", "--json")
        now = SystemClock().now()
        span = ("--since", rfc3339(now - 3 * HOUR), "--until", rfc3339(now - 2 * HOUR), "--json")
        twice = [await backfilled(config, *span) for _ in range(2)]
    async with await Database.open(f"sqlite:///{tmp_path / 'watcher.db'}", clock=SystemClock()) as database:
        cursors = await SqlJournal(database).cursors()

    assert ended.code == 0
    assert "what is older than 2 h judges nothing any more" in ended.out
    assert "test_account/resources" in ended.out
    assert re.search(r"test_account/resources: 100 %, read to", ended.err)
    assert (again.code, again.json["outcome"]) == (0, "done")
    assert {one["position"] == one["until"] for one in again.json["streams"]} == {True}
    assert twice[0].json == twice[1].json
    assert twice[1].json["streams"]
    backfills = [cursor for (_, stream), cursor in cursors.items() if stream.endswith(".backfill")]
    assert {cursor.position == cursor.until for cursor in backfills} == {True}


async def test_a_running_daemon_reads_it_beside_what_is_new(tmp_path: Path) -> None:
    async with cdn() as source:
        config = configured(tmp_path, source | {"backfill": "10m", "fine_backfill": "10m"})
        async with started("run", "-c", config) as daemon:
            await read_until(daemon.stderr, "engine_rebuilt")
            ended = await backfilled(config, "--since", "1h")
            daemon.send_signal(signal.SIGTERM)
            log = await read_until(daemon.stderr, "stopped")
            assert await daemon.wait() == 0

    assert ended.code == 0
    assert "judges nothing" not in ended.out
    assert log.count("backfill_ends") == 2


async def test_a_daemon_that_does_not_take_it_up_is_named(tmp_path: Path) -> None:
    """It runs another configuration with the same database."""
    async with cdn() as source:
        running = configured(tmp_path, {"name": "edge", "vendor": "tls", "targets": ["127.0.0.1:9"]})
        async with started("run", "-c", running) as daemon:
            await read_until(daemon.stderr, "engine_rebuilt")
            config = configured(tmp_path, source)
            async with started("sources", "backfill", "cdnvideo", "-c", config, "--since", "1h") as waiting:
                said = await read_until(waiting.stderr, "taken it up")
                waiting.send_signal(signal.SIGINT)
                assert await waiting.wait() == 130
            daemon.send_signal(signal.SIGTERM)
            assert await daemon.wait() == 0

    assert "a daemon with another configuration never does" in said


def test_what_makes_no_sense_is_refused(tmp_path: Path, cli: Cli) -> None:
    config = configured(tmp_path, {"name": "edge", "vendor": "tls", "targets": ["127.0.0.1:9"]})
    nobody = cli("sources", "backfill", "edg", "--since", "1h", "-c", config)
    nothing = cli("sources", "backfill", "edge", "--since", "1h", "--until", "2h", "-c", config)

    assert (nobody.code, nobody.complaints) == (1, ["no source `edg`; did you mean `edge`?"])
    assert nothing.code == 2
    assert "--since is not before" in nothing.complaints[0]


def test_sources_are_listed_with_the_settle_their_bins_suggest(filled: Filled, cli: Cli) -> None:
    async def measured(store: Store) -> None:
        for stream, settle in (("a/resources", 7 * MINUTE), ("a/totals", 4 * MINUTE), ("streams", None)):
            sight = Sight("cdnv", "cdnvideo", stream, NOON, up=True, suggested_settle=settle)
            await store.book.commit(Tick(at=NOON, polls=[Poll(sight)]))

    config = filled(measured)
    (listed,) = cli("sources", "list", "--json", "-c", config).json["sources"]

    assert (listed["settle"], listed["suggested_settle"]) == ("3m", "7m")
    assert listed["streams"] == {"a/resources": "7m", "a/totals": "4m"}
    assert "cdnv cdnvideo 1m 3m 7m 6h" in " ".join(cli("sources", "list", "-c", config).out.split())


@pytest.mark.parametrize(("next_try", "said"), [(0, "when told"), (10, "in 9 min")])
def test_a_stream_that_is_down_says_when_it_is_asked_again(
    next_try: int, said: str, filled: Filled, cli: Cli
) -> None:
    async def rejected(store: Store) -> None:
        again = SystemClock().now() + next_try * MINUTE - 5_000 if next_try else 0
        sight = Sight(
            "cdnv",
            "cdnvideo",
            "a",
            SystemClock().now(),
            up=False,
            family="auth",
            message="no",
            next_try=again,
        )
        done = Sight("cdnv", "cdnvideo", "a.backfill", SystemClock().now(), up=True, message="read again")
        await store.book.commit(Tick(at=NOON, polls=[Poll(sight), Poll(done)]))

    config = filled(rejected)
    ended, answer = cli("status", "-c", config), cli("status", "--json", "-c", config)

    assert said in ended.out
    assert "a.backfill" not in ended.out
    assert (answer.json["streams"][0]["next_try"] is None) is (next_try == 0)


@pytest.mark.parametrize("refusal", [AuthenticationFailed, RejectedByClock])
async def test_a_test_that_succeeds_lets_rejected_credentials_in_again(
    refusal: type[AuthenticationFailed], tmp_path: Path, cli: Cli
) -> None:
    async with cdn() as source:
        config = configured(tmp_path, source)
        url = f"sqlite:///{tmp_path / 'watcher.db'}"
        await called(cli, "db", "upgrade", "-c", config)
        async with await Database.open(url, clock=SystemClock()) as database:
            store = await Store.on(database)
            sight = Sight("cdnvideo", "cdnvideo", "streams", NOON, up=False, family=refusal.family)
            await store.book.commit(Tick(at=NOON, polls=[Poll(sight)]))
            ended = await called(cli, "sources", "test", "-c", config)
            waiting = await SqlErrands(database).waiting()

    assert ended.code == 0
    assert [(errand.source, errand.kind) for errand in waiting] == [("cdnvideo", ErrandKind.RENEW)]


async def test_a_test_that_reaches_nobody_lets_no_rejected_credentials_in(tmp_path: Path, cli: Cli) -> None:
    async with cdn() as source:
        config = configured(tmp_path, source)
    url = f"sqlite:///{tmp_path / 'watcher.db'}"
    await called(cli, "db", "upgrade", "-c", config)
    async with await Database.open(url, clock=SystemClock()) as database:
        store = await Store.on(database)
        sight = Sight("cdnvideo", "cdnvideo", "streams", NOON, up=False, family="auth")
        await store.book.commit(Tick(at=NOON, polls=[Poll(sight)]))
        ended = await called(cli, "sources", "test", "-c", config)
        waiting = await SqlErrands(database).waiting()

    assert ended.code == 1
    assert waiting == []


async def test_what_would_mend_a_source_is_said(tmp_path: Path, cli: Cli) -> None:
    async with cdn() as source:
        config = configured(tmp_path, source | {"password": "wrong-password"})
        ended = await called(cli, "sources", "test", "-c", config)
        answer = await called(cli, "sources", "test", "--json", "-c", config)

    assert "cdnvideo: put the credentials right" in ended.out
    assert orjson.dumps(answer.json).count(b"put the credentials right") == len(answer.json["streams"])
