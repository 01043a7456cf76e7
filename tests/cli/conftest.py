"""The command line called in the process, as a shell would."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pytest
import structlog

from tests.cli.fleet import samples
from tests.databases import NOON
from tests.store.building import Store, key, opened, owed, resolved
from watcher.cli import logs
from watcher.cli.main import main
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE
from watcher.runtime.clock import SystemClock
from watcher.store.database import Database
from watcher.store.migrate import upgrade

__all__ = ["samples"]

CONFIG = """\
database: sqlite:///watcher.db
sources: [{name: cdnv, vendor: cdnvideo, username: {env: NOT_SET_1}, password: {env: NOT_SET_2}}]
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a shell sees of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - as JSON is
        return orjson.loads(self.out)

    @property
    def complaints(self) -> list[str]:
        return self.err.splitlines()


Cli: TypeAlias = Callable[..., Ended]
Fill: TypeAlias = Callable[[Store], Coroutine[Any, Any, None]]
Filled: TypeAlias = Callable[[Fill], Path]


async def two_incidents(store: Store) -> None:
    """One on shop that is over, and an hour later a critical one on video that is not."""
    shop = opened(key("shop"))
    video = opened(key("video", rule="hit_ratio_drop"), at=NOON + HOUR, severity=Severity.CRITICAL)
    await store.apply(shop, owed=[owed("mail/0")])
    await store.apply(resolved(shop, end=NOON + 12 * MINUTE))
    await store.apply(video, owed=[owed("mail/0")])


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*words: object) -> Ended:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Ended(code, *capsys.readouterr())

    return call


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("WATCHER_") or name in {"NO_COLOR", "FORCE_COLOR", "NOTIFY_SOCKET"}:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    apart = {name: logging.getLogger(name).propagate for name in logs.KEPT_APART}
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, propagates in apart.items():
        logging.getLogger(name).propagate = propagates


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """A configuration of this text."""

    def write(text: str) -> Path:
        path = tmp_path / "watcher.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    """A configuration whose database holds what a function put there, and whose daemon is this process."""
    path = tmp_path / "watcher.yaml"
    path.write_text(CONFIG)

    async def work(fill: Fill) -> None:
        url = f"sqlite:///{tmp_path / 'watcher.db'}"
        async with await Database.open(url, clock=SystemClock()) as database:
            await upgrade(database)
            await fill(await Store.on(database))

    def run(fill: Fill) -> Path:
        asyncio.run(work(fill))
        return path

    return run
