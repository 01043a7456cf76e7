"""What goes on beside the courier: which parts must get on, and alerts that are told again."""

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from watcher.app.hand import ENGINE, STORE, beating, progress_of, resending
from watcher.config import Config, load_config
from watcher.errors import DeliveryFailed, StoreUnavailable
from watcher.model.incident import Incident
from watcher.model.time import MINUTE, SECOND, Duration

pytestmark = pytest.mark.looptime

SOURCES = """\
sources:
  - {name: cdnv, vendor: cdnvideo, token: {env: T}, every: 1m}
  - {name: edge, vendor: tls, targets: ["127.0.0.1:443"], every: 30m}
"""
RECEIVERS = "receivers: [{name: hook, urls: ['json://127.0.0.1']}]\n"


def config(folder: Path, text: str = SOURCES) -> Config:
    path = folder / "watcher.yaml"
    path.write_text(text)
    return load_config(path, secrets=False)


async def test_each_part_has_the_time_that_its_pace_allows(tmp_path: Path) -> None:
    progress = progress_of(config(tmp_path, SOURCES + RECEIVERS))
    silent: list[list[str]] = []

    for seconds in (29, 2, 268, 2, 60, 5_160):  # 29 s, 31 s, 299 s, 301 s, 361 s, 5 521 s
        await anyio.sleep(seconds)
        silent.append([*progress.stalled()])

    first = ["collector cdnv", "engine", "store", "courier"]
    assert silent == [
        [],
        ["store"],
        ["store"],
        ["collector cdnv", "store", "courier"],
        first,
        ["collector cdnv", "collector edge", "engine", "store", "courier"],
    ]


async def test_without_sources_nothing_is_expected_of_collectors_and_engine(tmp_path: Path) -> None:
    progress = progress_of(config(tmp_path, "sources: []\n" + RECEIVERS))

    await anyio.sleep(80_000)

    assert [*progress.stalled()] == ["store", "courier"]


async def test_without_receivers_nothing_is_expected_of_a_courier(tmp_path: Path) -> None:
    progress = progress_of(config(tmp_path))

    await anyio.sleep(80_000)

    assert "courier" not in progress.stalled()


async def test_the_store_gets_on_when_the_lease_was_renewed_and_not_when_it_was_tried(tmp_path: Path) -> None:
    progress, down = progress_of(config(tmp_path)), True

    async def renew() -> None:
        if down:
            raise StoreUnavailable("database is locked")

    await anyio.sleep(31)
    with pytest.raises(StoreUnavailable):
        await beating(progress, renew)()
    before = [*progress.stalled()]
    down = False
    await beating(progress, renew)()

    assert (before, [*progress.stalled()]) == ([STORE], [])
    assert ENGINE not in before


class Manager:
    """An Alertmanager that is away for a while."""

    def __init__(self) -> None:
        self.told = 0
        self.error: Exception | None = None

    @property
    def resend_every(self) -> Duration:
        return MINUTE

    async def resend(self, _facts: object) -> int:
        self.told += 1
        if self.error is not None:
            raise self.error
        return 1


async def test_alerts_are_told_again_every_minute_and_a_failure_is_said_once() -> None:
    manager = Manager()

    def facts(_incident: Incident) -> Mapping[str, object]:
        return {}

    with capture_logs() as logs:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(resending, "am/0", manager, facts)
            await anyio.sleep(150)
            manager.error = DeliveryFailed("no connection")
            await anyio.sleep(150)
            manager.error = StoreUnavailable("database is locked")
            await anyio.sleep(60)
            manager.error = None
            await anyio.sleep(60)
            tasks.cancel_scope.cancel()

    assert manager.told == 7 * MINUTE // (60 * SECOND)
    assert [(line["event"], line["target"]) for line in logs] == [("resend_failed", "am/0")]
