"""The whole path, for real: a daemon of its own process, from the vendors' sockets to a message."""

import re
from pathlib import Path

import pytest

from tests.e2e.town import (
    assert_each_was_told,
    catching,
    found,
    glance,
    polled,
    settled,
    stop,
    town,
    until,
    watching,
)
from watcher.model.time import MINUTE
from watcher.simulate.cdnvideo.server import Cdnvideo

pytestmark = pytest.mark.timeout(120)


async def test_the_daemon_finds_what_is_wrong_and_nothing_else_and_tells_it_once(tmp_path: Path) -> None:
    async with town(tmp_path) as place, catching() as catchers:
        config = place.configure("whole", catchers)
        async with watching(config) as daemon:
            await until(config, settled, seconds=60)
            assert await stop(daemon) == 0

        anchor = place.simulation.scene.anchor
        incidents = dict(await found(config))
        opened, *rest = incidents.pop(("hit_ratio_drop", "video"))
        # A level is judged over ten minutes, so a fall opens within these.
        assert opened is not None
        assert (0 <= opened - (anchor - 45 * MINUTE) <= 10 * MINUTE, *rest) == (True, None, "open")
        assert incidents == {
            ("http_5xx_spike", "shop"): (anchor - 50 * MINUTE, anchor - 38 * MINUTE, "resolved"),
            ("certificate_expiry", "www.example.com"): (None, None, "open"),
        }
        await assert_each_was_told(config, catchers)
        assert len(catchers.mail.mails) == len(catchers.hook.hooks) == 3
        over = next(mail for mail in catchers.mail.mails if mail.subject.startswith("Resolved"))
        assert "12 min" in over.subject
        assert re.search(r"Now: 0\.\d+ % of", over.body())
        assert "<html" in over.body("html")
        refused = [call for call in place.simulation.server(Cdnvideo).wire.log if call.status != 200]
        assert refused == []


async def test_a_stop_in_the_middle_of_a_backfill_changes_nothing(tmp_path: Path) -> None:
    async with town(tmp_path) as place, catching() as whole, catching() as broken:
        reference = place.configure("reference", whole)
        async with watching(reference) as daemon:
            await until(reference, settled, seconds=60)
            assert await stop(daemon) == 0

        config = place.configure("broken", broken, limit=20)
        log = place.simulation.server(Cdnvideo).wire.log
        for _ in range(3):
            async with watching(config) as daemon:
                before = len(log)
                await polled(lambda: len(log) >= before + 25, seconds=20)  # noqa: B023 - called at once
                _, _, behind = await glance(config)
                assert await stop(daemon) == 0
                assert behind
        async with watching(config) as daemon:
            await until(config, settled, seconds=60)
            assert await stop(daemon) == 0

        assert await found(config) == await found(reference)
        await assert_each_was_told(config, broken)
