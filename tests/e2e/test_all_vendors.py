"""Five vendors, certificates and a probed site at once: what was planted is found, and nothing else."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.e2e.town import configured
from watcher.app import daemon
from watcher.app.settings import load
from watcher.config import Config
from watcher.model.incident import Incident, Status
from watcher.model.ports import Committed, Tick
from watcher.model.time import MINUTE, SECOND, format_duration
from watcher.runtime.clock import SystemClock
from watcher.simulate.moment import Moment
from watcher.simulate.scenario import ALL_VENDORS, Scenario, load_scenario
from watcher.simulate.serve import Simulation, serve
from watcher.simulate.sites import Site
from watcher.simulate.troubles import DomainOffline

PACE: Mapping[str, Any] = {"every": "1s", "settle": "90s", "limit": 400}
OWN_PACE: Mapping[str, Mapping[str, Any]] = {
    "swiftfederation": {"settle": "4m"},
    "leaseweb": {"settle": "4m", "backfill": "6h"},
    "huawei_dsc": {"backfill": "4h"},
    "alibaba_cdn": {"limit": 20},
}
LINGER = 3
"""Seconds after everything was found in which nothing else may be."""
FOUND_IN = 35

About = tuple[str, str]
"""Source and rule."""


@dataclass
class Watch:
    """What one daemon has found so far; `done` once it is all that was planted and everything is read."""

    planted: Counter[About]
    over: Counter[About]
    also: frozenset[About]
    """What may be told beside: another rule that sees the same."""
    blind: bool = False
    """Whether some stream will never catch up."""
    incidents: dict[str, Incident] = field(default_factory=dict)
    behind: dict[tuple[str, str], bool] = field(default_factory=dict)
    done: anyio.Event = field(default_factory=anyio.Event)

    def listen(self, tick: Tick, committed: Sequence[Committed]) -> None:
        for poll in tick.polls:
            self.behind[poll.sight.source, poll.sight.stream] = not poll.sight.caught_up
        for change in committed:
            self.incidents[change.incident.id] = change.incident
        read = self.blind or not any(self.behind.values())
        if read and self.found() >= self.planted and self.ended() >= self.over:
            self.done.set()

    def found(self) -> Counter[About]:
        return self._counted(self._standing())

    def ended(self) -> Counter[About]:
        return self._counted(one for one in self._standing() if one.resolved_at is not None)

    def _counted(self, incidents: Iterable[Incident]) -> Counter[About]:
        return Counter(key for key in map(about, incidents) if key in self.planted or key not in self.also)

    def summaries(self) -> list[str]:
        return sorted(
            f"{about(incident)} {incident.status} {incident.summary}" for incident in self._standing()
        )

    def _standing(self) -> Iterator[Incident]:
        return (one for one in self.incidents.values() if one.status is not Status.WITHDRAWN)


def about(incident: Incident) -> About:
    return dict(incident.key.labels)["source"], incident.key.rule


def story() -> Scenario:
    """The shipped one, with a domain that comes back and a site that recovers while the daemon watches."""
    shipped, now = load_scenario(ALL_VENDORS), SystemClock().now()
    until = {
        "start": Moment(at=now - 20 * MINUTE),
        "lasts": format_duration(20 * MINUTE + 12 * SECOND),
    }
    back = DomainOffline.model_validate(until | {"kind": "domain_offline", "resource": "maps"})
    site = Site.model_validate({"name": "front", "failing": [until]})
    return shipped.model_copy(update={"troubles": (*shipped.troubles, back), "sites": (site,)})


def expectation(simulation: Simulation) -> Watch:
    """By source and rule: what has begun by now, and what is over or soon will be."""
    now = SystemClock().now()
    there = [one for one in simulation.planted() if one.rule is not None and one.start <= now]
    soon = now + MINUTE // 2
    names = {one.vendor: simulation.announcement()[one.vendor]["source"]["name"] for one in there}
    return Watch(
        Counter((names[one.vendor], str(one.rule)) for one in there),
        Counter((names[one.vendor], str(one.rule)) for one in there if one.end <= soon),
        frozenset((names[one.vendor], rule) for one in there for rule in one.also),
    )


async def watched(config: Config, watch: Watch, stop: anyio.Event) -> None:
    """Run a daemon until it has found everything, and a little longer."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: daemon.run(config, stop=stop, listen=watch.listen))
        with anyio.move_on_after(FOUND_IN):
            await watch.done.wait()
            await anyio.sleep(LINGER)
        stop.set()


def sources(simulation: Simulation) -> Iterator[Mapping[str, Any]]:
    for served in simulation.announcement().values():
        yield served["source"] | PACE | OWN_PACE.get(served["source"]["vendor"], {})


@pytest.mark.timeout(120)
async def test_what_is_planted_at_five_vendors_is_found_under_its_rule_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with serve(story(), clock=SystemClock()) as simulation:
        watch, stop = expectation(simulation), anyio.Event()
        rules = {"override": {"http_probe_failing": {"for": "3s"}}}
        config = load(configured(tmp_path / "watcher.yaml", list(sources(simulation)), rules=rules))
        await watched(config, watch, stop)

        assert watch.found() == watch.planted, watch.summaries()
        assert watch.ended() == watch.over, watch.summaries()
        refused = [
            (name, call.method, call.path, call.status)
            for name, server in simulation.servers.items()
            for call in server.wire.log
            if call.status >= 400 and not call.faults
        ]
        assert refused == []


BAD_DAYS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "alibaba": ({"kind": "html"}, "contract_changed"),
    "huawei": ({"kind": "refusal", "status": 401, "code": "APIG.0301"}, "credentials_rejected"),
    "leaseweb": ({"kind": "refusal", "status": 503}, "collector_down"),
    "swiftfederation": ({"kind": "skewed", "by": "+3h"}, "clock_skewed"),
}
"""What is wrong with each vendor, and the rule that says so; CDNvideo has a good day."""
SOON: Mapping[str, Any] = {
    "override": {rule: {"for": "2s"} for _, rule in BAD_DAYS.values()},
}


def bad_days() -> Scenario:
    """The resources of the shipped scenario without any trouble, at vendors that have some of their own."""
    shipped = load_scenario(ALL_VENDORS)
    sections = {
        vendor: shipped.section(vendor).model_validate({"faults": [fault]})
        for vendor, (fault, _) in BAD_DAYS.items()
    }
    return shipped.model_copy(update={"troubles": (), "tls": (), "sites": (), **sections})


@pytest.mark.timeout(120)
async def test_a_bad_day_of_a_vendor_is_told_as_that_and_never_as_one_of_its_sites(tmp_path: Path) -> None:
    planted = Counter((vendor, rule) for vendor, (_, rule) in BAD_DAYS.items())
    watch, stop = Watch(planted, Counter(), frozenset(), blind=True), anyio.Event()
    async with serve(bad_days(), clock=SystemClock()) as simulation:
        config = load(configured(tmp_path / "watcher.yaml", list(sources(simulation)), rules=SOON))
        await watched(config, watch, stop)

    assert watch.found() == planted, watch.summaries()
