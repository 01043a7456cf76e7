"""What one person hears by real mail, and what not: inhibited, silenced, and of a receiver that is dead."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.town import configured, polled, shell, stop, watching
from watcher.runtime.clock import SystemClock
from watcher.simulate.mail_catcher import MailCatcher, mail_catcher
from watcher.simulate.scenario import load_scenario
from watcher.simulate.serve import Simulation, serve
from watcher.simulate.webhook_catcher import webhook_catcher

SCENARIO: Final = """
seed: 20261122
resources:
  - {id: mirror, vendors: [leaseweb], requests_per_minute: 1200, origin_group: mirrors}
  - {id: shop, vendors: [leaseweb], requests_per_minute: 3000}
origin_groups:
  - {id: mirrors, members: {m1.example.net: active, m2.example.net: active}}
troubles:
  - {kind: origin_group_empty, group: mirrors, start: -45m}
  - {kind: 5xx_burst, resource: mirror, start: -45m, share: 0.3}
  - {kind: hit_ratio_collapse, resource: shop, start: -45m, to: 0.3}
leaseweb: {settle_lag: 1m}
"""
"""A group of origins is empty, and what is served from it fails; the shop has a trouble of its own."""


def configure(folder: Path, simulation: Simulation, mail: MailCatcher, dead: str) -> Path:
    source = simulation.announcement()["leaseweb"]["source"]
    pace = {"every": "1s", "settle": "4m", "backfill": "6h", "limit": 400}
    receivers = [{"name": "mail", "urls": [mail.apprise_url]}, {"name": "dead", "webhook": {"url": dead}}]
    # As it is shipped it waits for two more minutes: what lasts that long is no matter of this test.
    rules = {"override": {"delivery_failing": {"for": "0s"}}}
    return configured(folder / "watcher.yaml", [source | pace], receivers=receivers, rules=rules)


def about(mail: MailCatcher, incident: str) -> Sequence[str]:
    """Subjects of mails that tell of an incident."""
    return [one.subject for one in mail.mails if incident in one.body()]


async def the_one(config: Path, rule: str) -> dict[str, Any]:
    """The incident of a rule, with its deliveries."""
    [listed] = (await shell(config, "incidents", "list", "--rule", rule))["incidents"]
    shown: dict[str, Any] = await shell(config, "incidents", "show", listed["id"])
    return shown


def reasons(shown: dict[str, Any], target: str) -> set[str]:
    return {row["reason"] for row in shown["deliveries"] if row["target"] == target}


@pytest.mark.timeout(300)
async def test_mail_tells_of_the_origin_not_of_its_domains_and_of_the_receiver_that_takes_nothing(
    tmp_path: Path,
) -> None:
    planted = tmp_path / "scenario.yaml"
    planted.write_text(SCENARIO)
    async with (
        serve(load_scenario(planted), clock=SystemClock()) as simulation,
        mail_catcher() as mail,
        webhook_catcher() as dead,
    ):
        dead.status = 410
        config = configure(tmp_path, simulation, mail, dead.url)
        await shell(config, "db", "upgrade")
        silence = await shell(
            config, "silences", "add", "rule=hit_ratio_drop", "--for", "2h", "--reason", "a purge"
        )
        async with watching(config) as daemon:
            await polled(lambda: any("takes no messages" in one.subject for one in mail.mails), seconds=200)
            group, errors = (
                await the_one(config, "origin_group_empty"),
                await the_one(config, "http_5xx_spike"),
            )
            drop, failing = await the_one(config, "hit_ratio_drop"), await the_one(config, "delivery_failing")
            assert await stop(daemon) == 0

        assert len(about(mail, group["id"])) == 1
        assert about(mail, errors["id"]) == about(mail, drop["id"]) == []
        assert reasons(errors, "mail/0") == {f"inhibited by origin_group_empty {group['id']}"}
        assert reasons(drop, "mail/0") == {f"silenced by {silence['silence']['id']}: a purge"}
        assert len(about(mail, failing["id"])) == 1
        assert failing["labels"]["target"].startswith("dead/")
        assert {row["target"] for row in failing["deliveries"]} == {"mail/0"}
        assert {row["state"] for row in group["deliveries"] if row["target"] != "mail/0"} == {"dead"}
