"""The collector of Leaseweb against the simulated vendor, over real sockets."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from tests.simulate.asking import NOON, Client
from tests.simulate.leaseweb_asking import BLOG, SHOP, leaseweb
from watcher.collect.collector import Access, Collector, Window
from watcher.collect.middlewares import source_http
from watcher.collect.transport import aiohttp_exchange
from watcher.collect.vendors import vendor
from watcher.errors import (
    AuthenticationFailed,
    ClockSkewed,
    CollectError,
    ContractBroken,
    PermissionMissing,
    QuotaExceeded,
    RequestRefused,
)
from watcher.model.inventory import ItemKind
from watcher.model.sample import Floats, SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, SECOND
from watcher.simulate.faults import (
    Dropped,
    Fault,
    Html,
    Nonsense,
    Refusal,
    Revoked,
    Skewed,
    Truncated,
)
from watcher.simulate.leaseweb.catalogue import certificate_id, group_id
from watcher.simulate.leaseweb.faults import Denied, MissingPoints, Unauthorized, Ungrouped
from watcher.simulate.leaseweb.server import Leaseweb
from watcher.simulate.moment import Moment

WINDOW = Window(NOON - HOUR, NOON)


@asynccontextmanager
async def world(
    *troubles: Mapping[str, Any], settings: Mapping[str, Any] | None = None
) -> AsyncIterator[Client]:
    async with leaseweb(list(troubles), **(settings or {})) as asking:
        yield asking.client


def collector(client: Client, *, root: bool = False, **changed: object) -> Collector:
    """As the daemon builds it from the announced source."""
    announced = client.simulation.announced["leaseweb"]
    source = {**announced.source, "base_url": announced.root_url if root else announced.base_url, **changed}
    found = vendor("leaseweb")
    assert found is not None
    exchange = aiohttp_exchange(client.session, timeout=5 * SECOND)
    http = source_http(exchange, source="lsw", limit=1000, timeout=5 * SECOND, clock=client.clock)
    return found.build(
        found.settings.model_validate(source), Access(http, client.clock.now, learned=lambda _: None)
    )


async def read(reader: Collector, stream: str = "distributions", window: Window | None = None) -> SampleBatch:
    spec = next(spec for spec in await reader.streams() if spec.name == stream)
    return await reader.collect(spec, window or (WINDOW if spec.width else Window(NOON, NOON)))


def values(batch: SampleBatch, metric: str, **labels: str) -> Floats:
    """By `[bin, entity]`."""
    return batch.values[:, batch.metrics.index((metric, tuple(sorted(labels.items())))), :]


def server(client: Client) -> Leaseweb:
    return client.simulation.server(Leaseweb)


def statuses(client: Client) -> set[int]:
    return {exchange.status for exchange in server(client).wire.log}


@pytest.mark.parametrize(
    ("at", "scope", "layout"),
    [("root", "customer", "by_call"), ("base", "reseller", "one_object"), ("base", "customer", "one_name")],
)
async def test_every_count_arrives_where_the_world_has_it(at: str, scope: str, layout: str) -> None:
    burst = {"kind": "5xx_burst", "resource": "shop", "start": "-40m", "lasts": "20m", "share": 0.2}
    async with world(burst, settings={"layout": layout, "hit_ratio": "percent"}) as client:
        batch = await read(collector(client, root=at == "root", scope=scope))

        traffic = client.simulation.scene.traffic
        counts = traffic.bins(WINDOW.start, WINDOW.end, width=5 * MINUTE)
        columns = [traffic.resources[name] for name in _named(batch)]
        answers = counts.answers[:, :, columns]
        families = np.array(traffic.codes) // 100
        assert np.array_equal(values(batch, "cdn_requests", tier="edge"), answers.sum(axis=0))
        for family in (2, 4, 5):
            of_class = answers[families == family].sum(axis=0)
            assert np.array_equal(
                values(batch, "cdn_responses", tier="edge", status_class=f"{family}xx"), of_class
            )
        rest = answers[~np.isin(families, (2, 4, 5))].sum(axis=0)
        assert np.array_equal(values(batch, "cdn_responses", tier="edge", status_class="other"), rest)
        total = (counts.hit_bytes + counts.miss_bytes)[:, columns]
        assert np.array_equal(values(batch, "cdn_bytes", tier="edge"), total)
        ratio = np.divide(
            counts.hit_bytes[:, columns], total, out=np.full(total.shape, np.nan), where=total > 0
        )
        assert values(batch, "cdn_hit_ratio", basis="unknown") == pytest.approx(ratio, nan_ok=True)
        assert statuses(client) == {200}


def _named(batch: SampleBatch) -> list[str]:
    known = {SHOP: "shop", BLOG: "blog"}
    return [known.get(dict(entity)["resource"], "empty") for entity in batch.entities]


async def test_one_provider_that_fails_is_seen_apart() -> None:
    failing = {"kind": "provider_failing", "provider": "gcore", "start": "-2h", "share": 0.5}
    async with world(failing) as client:
        batch = await read(collector(client), "providers")
        shares = values(batch, "cdn_responses", tier="edge", status_class="5xx") / values(
            batch, "cdn_requests", tier="edge"
        )

        assert [dict(entity) for entity in batch.entities] == [{"provider": "edgio"}, {"provider": "gcore"}]
        assert (shares[:, 0] < 0.05).all()
        assert (shares[:, 1] > 0.3).all()


async def test_a_reading_costs_seven_calls_however_many_distributions_and_bins() -> None:
    async with world() as client:
        await read(collector(client, hit_ratio_scale="ratio"), window=Window(NOON - DAY, NOON))

        assert len(server(client).wire.log) == 7


@pytest.mark.parametrize("at", ["start", "end"])
async def test_labels_are_starts_or_ends(at: str) -> None:
    async with world(settings={"labels": at}) as client:
        batch = await read(collector(client, labels=at))
        traffic = client.simulation.scene.traffic
        counts = traffic.bins(WINDOW.start, WINDOW.end, width=5 * MINUTE)

        assert sorted(values(batch, "cdn_requests", tier="edge").sum(axis=0)) == sorted(
            counts.requests.sum(axis=0)
        )
        assert len(batch.starts) == 12


async def test_hours_are_read_for_a_long_past() -> None:
    async with world() as client:
        window = Window(NOON - 2 * DAY, NOON - DAY)
        batch = await read(collector(client, backfill="7d"), "distributions-1h", window)

        assert (batch.width, len(batch.starts)) == (HOUR, 24)
        assert not np.isnan(values(batch, "cdn_requests", tier="edge")).any()


async def test_a_quiet_distribution_may_say_nothing() -> None:
    async with world(settings={"quiet": "absent"}) as client:
        batch = await read(collector(client))
        quiet = _named(batch).index("empty")

        assert np.isnan(batch.values[:, :, quiet]).all()
        assert len(batch.starts) == 12


async def test_a_share_that_is_missing_leaves_the_count_unknown() -> None:
    async with world() as client:
        server(client).faults.turn(MissingPoints(kind="missing_points", metric="STATUS_5XX", last=3))
        batch = await read(collector(client))

        for name in ("5xx", "other"):
            known = ~np.isnan(values(batch, "cdn_responses", tier="edge", status_class=name))
            assert known[:-3].all()
            assert not known[-3:].any()
        assert not np.isnan(values(batch, "cdn_requests", tier="edge")).any()


async def test_late_bins_count_up_and_are_corrected_when_they_are_read_again() -> None:
    async with world(settings={"settle_lag": "20m"}) as client:
        reader = collector(client)
        window = Window(NOON - 10 * MINUTE, NOON)
        early = values(await read(reader, window=window), "cdn_requests", tier="edge").sum()
        client.clock.at += 30 * MINUTE
        final = values(await read(reader, window=window), "cdn_requests", tier="edge").sum()

        assert 0 < early < final


async def test_certificates_are_those_of_the_world() -> None:
    near = {"kind": "certificate_near_expiry", "resource": "shop", "days_left": 5}
    off = {"kind": "domain_offline", "resource": "empty", "start": "-1h"}
    async with world(near, off) as client:
        batch = await read(collector(client), "certificates")

        ends = values(batch, "tls_certificate_not_after_seconds")[0]
        by_id = {
            dict(entity)["certificate"]: (dict(entity), float(end))
            for entity, end in zip(batch.entities, ends, strict=True)
        }
        entity, end = by_id[certificate_id("shop")]
        assert entity == {"certificate": certificate_id("shop"), "domain": "shop.example.com"}
        assert end * SECOND == NOON + 5 * DAY
        assert by_id[certificate_id("empty")][0]["unused"] == "true"
        assert certificate_id("blog") not in by_id
        assert batch.complete
        assert batch.remark == ""


async def test_distributions_domains_origins_and_groups_are_those_of_the_world() -> None:
    troubles = (
        {"kind": "domain_offline", "resource": "shop", "start": "-10m"},
        {"kind": "origin_group_empty", "group": "blogs", "start": "-10m"},
    )
    async with world(*troubles) as client:
        reader = collector(client, page_size=2)
        distributions, origins = await read(reader, "domains"), await read(reader, "origins")

        disabled = values(distributions, "domain_status", status="disabled")[0]
        assert dict(zip(_named(distributions), disabled, strict=True)) == {"shop": 1, "blog": 0, "empty": 0}
        changed = values(distributions, "domain_changed_seconds")[0][_named(distributions).index("shop")]
        assert changed * SECOND == NOON - 10 * MINUTE
        items = {(item.kind, item.id): item.facts for one in distributions.listings for item in one.items}
        assert items[ItemKind.DOMAIN, "shop.example.com"]["certificate"] == certificate_id("shop")
        assert items[ItemKind.DOMAIN, "blog.example.com"]["tls"] == "no"
        assert items[ItemKind.DISTRIBUTION, BLOG]["origin_group"] == group_id("blogs")

        active = values(origins, "origin_group_members", status="active")[0]
        group = origins.entities.index((("resource", group_id("blogs")),))
        assert active[group] == 0
        assert origins.complete
        assert distributions.complete
        assert distributions.names[SHOP] == "Web shop"


async def test_one_that_is_deleted_is_gone() -> None:
    async with world({"kind": "domain_gone", "resource": "blog", "start": "+10m"}) as client:
        reader = collector(client)
        assert len((await read(reader, "domains")).entities) == 3

        client.clock.at += 10 * MINUTE
        batch = await read(reader, "domains")
        assert BLOG not in {dict(entity)["resource"] for entity in batch.entities}
        assert batch.complete


@pytest.mark.parametrize("shows_in", ["status", "url_status"])
async def test_jobs_that_get_stuck_or_fail_are_told_apart(shows_in: str) -> None:
    troubles = (
        {"kind": "stuck_job", "resource": "shop", "start": "-5h"},
        {"kind": "failed_job", "resource": "shop", "start": "-3d", "status": "REJECTED"},
    )
    async with world(*troubles, settings={"failure_shows_in": shows_in}) as client:
        client.clock.at += 5 * MINUTE
        batch = await read(collector(client), "actions")

        totals = {
            dict(labels)["status"]: float(values(batch, name, **dict(labels)).sum())
            for name, labels in batch.metrics
            if name == "job_status"
        }
        assert (totals["pending"], totals["rejected"]) == (1, 1)
        stuck = np.flatnonzero(values(batch, "job_status", status="pending")[0])
        assert values(batch, "job_changed_seconds")[0][stuck] * SECOND == NOON - 5 * HOUR


@pytest.mark.parametrize("says", ["nothing", "own_length"])
async def test_lists_are_whole_whatever_their_metadata_says(says: str) -> None:
    fault = {"kind": "wrong_metadata", "says": says}
    async with world(settings={"faults": [fault], "largest_page": 2}) as client:
        batch = await read(collector(client, page_size=2), "domains")

        assert len(batch.entities) == 3
        assert batch.complete


@pytest.mark.parametrize(
    ("fault", "family"),
    [
        (Revoked(kind="revoked"), AuthenticationFailed),
        (Unauthorized(kind="unauthorized"), AuthenticationFailed),
        (Denied(kind="denied"), PermissionMissing),
        (Refusal(kind="refusal", status=403), PermissionMissing),
        (Refusal(kind="refusal", status=400), RequestRefused),
        (Refusal.model_validate({"kind": "refusal", "status": 429, "retry_after": "0s"}), QuotaExceeded),
        (Html(kind="html"), ContractBroken),
        (Nonsense(kind="nonsense"), ContractBroken),
        (Truncated(kind="truncated"), ContractBroken),
        (Ungrouped(kind="ungrouped"), ContractBroken),
        (Skewed(kind="skewed", by=Moment(offset=-10 * MINUTE)), ClockSkewed),
    ],
    ids=lambda given: given.kind if isinstance(given, Fault) else "",
)
async def test_failures_have_their_family(fault: Fault, family: type[CollectError]) -> None:
    async with world() as client:
        server(client).faults.turn(fault)

        with pytest.raises(CollectError) as caught:
            await read(collector(client))

        assert caught.value.family == family.family
        assert "demo-leaseweb-key" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        Refusal.model_validate({"kind": "refusal", "status": 503, "retry_after": "0s"}),
        Dropped(kind="dropped"),
    ],
    ids=lambda fault: fault.kind,
)
async def test_a_failure_that_passes_is_nobodys_business(fault: Fault) -> None:
    async with world() as client:
        reader = collector(client)
        server(client).faults.turn(fault.model_copy(update={"every": 3}))

        assert (await read(reader, "actions")).entities
        assert (await read(reader)).size
