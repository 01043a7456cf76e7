"""kill -9 of the daemon while people act on its incidents from processes of their own: every act once."""

import random
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from tests.databases import Server
from tests.e2e.town import (
    assert_each_was_told,
    catching,
    polled,
    settled,
    shell,
    stop,
    town,
    until,
    watching,
)
from watcher.app.failpoints import VARIABLE, Point

ROUNDS: Final = 4
"""Kills; beside each a note, a silence and an assignment are asked for, at the last one an end by hand."""
POINTS: Final = (Point.BEFORE_COMMIT, Point.AFTER_COMMIT)


async def act(config: Path, incident: str, number: int) -> None:
    """What one round asks for, all at once; after the end by hand nothing else would be taken."""
    name = f"round {number}"
    asked = [
        ("silences", "add", "resource=none", "--for", "2h", "--reason", name),
        ("incidents", "note", incident, name),
    ]
    if number < ROUNDS - 1:
        asked.append(("incidents", "assign", incident, name))
    else:
        asked.append(("incidents", "resolve", incident, "-m", name))
    if number == 0:
        asked.append(("incidents", "ack", incident, "-m", name))
    async with anyio.create_task_group() as people:
        for words in asked:
            people.start_soon(shell, config, *words)


async def killed_beside(config: Path, incident: str, number: int, chance: random.Random) -> None:
    """A daemon that dies at a commit, of an act's tick or of another, while people act."""
    failpoint = f"{POINTS[number % 2]}:{chance.randint(2, 8)}"
    async with watching(config, {VARIABLE: failpoint}) as daemon, anyio.create_task_group() as people:
        await anyio.sleep(chance.uniform(0, 1))
        people.start_soon(act, config, incident, number)
        assert await daemon.wait() == -signal.SIGKILL


async def act_and_kill(folder: Path, *, seed: int, database: str = "") -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's moments
    async with town(folder) as place, catching() as catchers:
        config = place.configure("killed", catchers, database=database, probed="1s")
        async with watching(config) as daemon:
            await until(config, settled, seconds=150)
            daemon.kill()
            await daemon.wait()
        [incident] = (await shell(config, "incidents", "list", "--rule", "hit_ratio_drop"))["incidents"]
        for number in range(ROUNDS):
            await killed_beside(config, incident["id"], number, chance)
        async with watching(config) as daemon:
            await until(config, settled, seconds=150)
            await polled(lambda: ends(catchers.hook.hooks, incident["id"]) != set(), seconds=60)
            # Where nothing was left to do, it may not have begun to listen for signals yet.
            assert await stop(daemon) in {0, -signal.SIGTERM}

        await assert_done_once(config, incident["id"])
        await assert_each_was_told(config, catchers)
        assert len(ends(catchers.hook.hooks, incident["id"])) == 1


def ends(hooks: Sequence[Any], incident: str) -> set[str]:
    """Keys under which the end of an incident was posted."""
    return {one.body["key"] for one in hooks if one.body["kind"] == "resolved" and incident in str(one.body)}


async def assert_done_once(config: Path, incident: str) -> None:
    """The timeline has each act once, and the silences are as many as were asked for."""
    names = {f"round {number}" for number in range(ROUNDS)}
    shown = await shell(config, "incidents", "show", incident)
    done = Counter((entry["kind"], entry["text"]) for entry in shown["timeline"])
    sys.stdout.write(
        f"\n{ROUNDS} kills beside acts: {dict(Counter(kind for kind, _ in done))} in the timeline\n"
    )
    assert shown["resolution"] == "manual"
    assert {text: count for (kind, text), count in done.items() if kind == "note"} == dict.fromkeys(names, 1)
    kinds = Counter(entry["kind"] for entry in shown["timeline"])
    assert (kinds["assigned"], kinds["acknowledged"], kinds["resolved"]) == (ROUNDS - 1, 1, 1)
    silences = (await shell(config, "silences", "list"))["silences"]
    assert Counter(one["reason"] for one in silences) == dict.fromkeys(names, 1)


@pytest.mark.timeout(600)
async def test_acts_beside_a_daemon_that_is_killed_are_done_once_on_sqlite(tmp_path: Path) -> None:
    await act_and_kill(tmp_path, seed=3)


@pytest.mark.postgres
@pytest.mark.timeout(600)
async def test_acts_beside_a_daemon_that_is_killed_are_done_once_on_postgres(
    tmp_path: Path, postgres_server: Server
) -> None:
    await act_and_kill(tmp_path, seed=4, database=postgres_server.named(await postgres_server.empty()))
