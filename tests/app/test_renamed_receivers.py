"""Receivers that another configuration calls otherwise, or has no more, as a daemon starts with it."""

from collections.abc import MutableMapping
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.store.building import Store, opened, owed
from watcher.app.hand import hand
from watcher.config import Config, load_config
from watcher.store.database import Database


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


def told_by(folder: Path, *receivers: str) -> Config:
    path = folder / "watcher.yaml"
    path.write_text("receivers:\n" + "".join(f"  - {one}\n" for one in receivers))
    return load_config(path, secrets=False)


ADA = "{name: ada, webhook: {url: 'https://ada.example.com/x'}}"
ADA_RENAMED = ADA.replace("name: ada", "name: night")
BOB = "{name: bob, webhook: {url: 'https://bob.example.com/x'}}"


async def start(settings: Config, store: Store) -> list[MutableMapping[str, Any]]:
    """What a daemon with this configuration logs as its hand is put together."""
    async with AsyncExitStack() as stack:
        with capture_logs() as logs:
            await hand(settings, store.database, stack, clock=store.database.clock, rng=Random(1))  # noqa: S311
    return logs


async def test_who_was_renamed_is_owed_what_was_owed_before_and_who_is_gone_is_given_up(
    store: Store, tmp_path: Path
) -> None:
    await start(told_by(tmp_path, ADA, BOB), store)
    await store.apply(opened(), owed=[owed("ada/0"), owed("bob/0")])

    logs = await start(told_by(tmp_path, ADA_RENAMED), store)

    assert await store.history.backlog() == {"night/0": 1}
    assert [line["event"] for line in logs] == ["targets_renamed", "targets_gone"]
    [lost] = await store.history.given_up(since=0)
    assert (lost.target, lost.count, lost.detail) == ("bob/0", 1, "its target is no longer configured")
