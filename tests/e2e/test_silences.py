"""Silences from the shell beside a daemon of its own process: what receivers hear, and what they do not."""

from pathlib import Path

import anyio
import pytest

from tests.e2e.town import Catchers, catching, polled, shell, stop, town, until, watching
from watcher.model.incident import Incident

pytestmark = pytest.mark.timeout(150)


def titles(catchers: Catchers, rule: str) -> list[str]:
    """Of what the webhook was sent about incidents of a rule, oldest first."""
    every = [hook.body["title"] for hook in catchers.hook.hooks]
    return [title for title in every if f"{rule}:" in title or f"{rule} (drill):" in title]


def caught_up(incidents: list[Incident], _owed: int, behind: int) -> bool:
    return len(incidents) >= 3 and behind == 0


async def test_what_is_silenced_is_judged_and_recorded_and_told_to_nobody(tmp_path: Path) -> None:
    async with town(tmp_path) as place, catching() as catchers:
        route = {"match": {}, "to": ["hook"], "repeat": "1s"}
        config = place.configure("silent", catchers, routes=[route])
        await shell(config, "db", "upgrade")
        said = await shell(
            config, "silences", "add", "rule=hit_ratio_drop", "--for", "2h", "--reason", "dull"
        )
        silence = said["silence"]["id"]
        async with watching(config) as daemon:
            await until(config, lambda *book: caught_up(list(book[0]), *book[1:]), seconds=60)
            await polled(lambda: bool(titles(catchers, "certificate_expiry")), seconds=30)
            await _assert_only_the_end_is_told(config, catchers)
            assert await stop(daemon) == 0

        assert not titles(catchers, "hit_ratio_drop")
        [drop] = (await shell(config, "incidents", "list", "--rule", "hit_ratio_drop"))["incidents"]
        deliveries = (await shell(config, "incidents", "show", drop["id"]))["deliveries"]
        assert {row["reason"] for row in deliveries} == {f"silenced by {silence}: dull"}
        assert {row["state"] for row in deliveries} == {"due"}


async def _assert_only_the_end_is_told(config: Path, catchers: Catchers) -> None:
    """One drill is silenced when its opening has been told, and another one opens meanwhile."""
    drill = ("drill", "latency_rise", "--label", "resource=shop")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shell, config, *drill, "--lasts", "12s")
        await polled(lambda: bool(titles(catchers, "latency_rise")), seconds=30)
        await shell(config, "silences", "add", "rule=latency_rise", "--for", "2h", "--reason", "known")
        heard = len(titles(catchers, "latency_rise"))
    later = titles(catchers, "latency_rise")[heard:]
    assert later[-1].startswith("Resolved")
    assert len(later) <= 2, "beside the end no more than what was under way is told"

    before = len(titles(catchers, "latency_rise"))
    answer = await shell(config, *drill, "--lasts", "1s", code=1)
    assert {row["reason"].partition(" by ")[0] for row in answer["deliveries"]} <= {
        "silenced",
        "over while silenced",
        "superseded",
    }
    assert len(titles(catchers, "latency_rise")) == before
