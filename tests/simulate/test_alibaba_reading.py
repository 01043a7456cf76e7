"""Our collector of Alibaba Cloud CDN against our simulator of it, over real sockets."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import numpy as np
import pytest

from tests.simulate.alibaba_asking import RESOURCES
from tests.simulate.asking import Client, simulated
from watcher.collect.collector import Access, Collector, Window
from watcher.collect.middlewares import source_http
from watcher.collect.transport import aiohttp_exchange, client_session
from watcher.collect.vendors import vendor
from watcher.errors import (
    AuthenticationFailed,
    ClockSkewed,
    CollectError,
    ContractBroken,
    NetworkFailed,
    PermissionMissing,
    QuotaExceeded,
    RequestRefused,
    VendorFailed,
)
from watcher.model.inventory import ItemKind
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, SECOND, rfc3339
from watcher.simulate.alibaba.faults import BareDomains, Flat
from watcher.simulate.alibaba.server import Alibaba
from watcher.simulate.faults import Dropped, Fault, Html, Nonsense, Refusal, Revoked, Skewed, Slow, Truncated


class Reader:
    """The collector as the daemon has it, but for waits between attempts that would be real."""

    def __init__(self, client: Client, collector: Collector) -> None:
        self.client = client
        self.server = client.simulation.server(Alibaba)
        self._collector = collector

    async def read(self) -> SampleBatch:
        (stream,) = await self._collector.streams()
        at = self.client.clock.now()
        return await self._collector.collect(stream, Window(at, at))


@asynccontextmanager
async def reading(
    *,
    troubles: Sequence[Mapping[str, Any]] = (),
    section: Mapping[str, Any] | None = None,
    at_root: bool = False,
    **settings: object,
) -> AsyncIterator[Reader]:
    """By the source that the simulator announces, changed as the settings say."""
    sections = {"alibaba": section or {}}
    async with (
        simulated(sections=sections, resources=RESOURCES, troubles=troubles) as client,
        client_session() as session,
    ):
        found, at = vendor("alibaba_cdn"), client.simulation.announced["alibaba"]
        assert found is not None
        base = at.root_url if at_root else at.base_url
        read = found.settings.model_validate({**at.source, "base_url": base, "timeout": "1s", **settings})
        exchange = aiohttp_exchange(session, timeout=read.timeout)
        http = source_http(exchange, source="ali", limit=1000, timeout=read.timeout, clock=client.clock)
        yield Reader(client, found.build(read, Access(http, client.clock.now, learned=set[str]().add)))


def statuses(batch: SampleBatch) -> dict[str, str]:
    """The one status of each domain that has one."""
    found = {}
    for row, (name, labels) in enumerate(batch.metrics):
        for column in np.flatnonzero(batch.values[0, row] == 1) if name == "domain_status" else ():
            domain = dict(batch.entities[column])["resource"]
            assert domain not in found
            found[domain] = dict(labels)["status"]
    return found


def origins(batch: SampleBatch) -> dict[str, float]:
    row = batch.metrics.index(("origin_domains", ()))
    columns = [column for column, labels in enumerate(batch.entities) if labels[0][0] == "origin"]
    return {batch.entities[column][0][1]: float(batch.values[0, row, column]) for column in columns}


@pytest.mark.parametrize("kind", ["rpc", "acs3"])
@pytest.mark.parametrize("layout", ["nested", "flat"])
@pytest.mark.parametrize("token", ["", "sts/+= token~*"])
async def test_the_announced_source_reads_everything(kind: str, layout: str, token: str) -> None:
    async with reading(section={"kind": kind, "layout": layout, "security_token": token}) as reader:
        batch = await reader.read()

    assert statuses(batch) == dict.fromkeys(
        ["shop.example.com", "blog.example.com", "files.example.com"], "online"
    )
    assert origins(batch) == {"o1.example.net": 2, "192.0.2.7": 1}
    assert [len(listing.items) for listing in batch.listings] == [2, 3]
    assert batch.complete
    assert batch.remark == ""
    assert {exchange.status for exchange in reader.server.wire.log} == {200}


@pytest.mark.parametrize("kind", ["rpc", "acs3"])
async def test_it_reads_at_the_root_and_of_odd_addresses(kind: str) -> None:
    async with reading(section={"kind": kind, "orphans": ["源站.example"]}, at_root=True) as reader:
        batch = await reader.read()

    assert origins(batch) == {"o1.example.net": 2, "192.0.2.7": 1, "源站.example": 0}


@pytest.mark.parametrize("nothing_found", ["refusal", "empty"])
@pytest.mark.parametrize("unused", ["absent", "entry"])
async def test_orphans_count_0_in_each_form_of_saying_so(nothing_found: str, unused: str) -> None:
    section = {"nothing_found": nothing_found, "unused": unused}
    async with reading(section=section, origins=["a.example.net", "b.example.net"]) as reader:
        batch = await reader.read()

    assert origins(batch) == {"a.example.net": 0, "b.example.net": 0}
    assert batch.complete


async def test_what_befalls_domains_is_seen() -> None:
    troubles = [
        {"kind": "domain_offline", "resource": "shop", "start": "+10m", "status": "Frozen"},
        {"kind": "stuck_change", "resource": "blog", "start": "+10m"},
        {"kind": "domain_gone", "resource": "files", "start": "+10m"},
    ]
    async with reading(troubles=troubles) as reader:
        assert set(statuses(await reader.read()).values()) == {"online"}
        began = reader.client.clock.at + 10 * MINUTE
        reader.client.clock.at += 12 * MINUTE
        batch = await reader.read()

    assert statuses(batch) == {"shop.example.com": "frozen", "blog.example.com": "configuring"}
    assert origins(batch) == {"o1.example.net": 2, "192.0.2.7": 0}
    changed = batch.values[0, batch.metrics.index(("domain_changed_seconds", ())), :2]
    assert changed.tolist() == [began / SECOND] * 2
    (domains,) = (listing for listing in batch.listings if listing.kind is ItemKind.DOMAIN)
    facts = {item.id: item.facts for item in domains.items}
    assert facts["blog.example.com"] == {
        "status": "configuring",
        "cname": "blog.example.com.w.kunlun.example",
        "type": "video",
        "created": "2026-05-06T12:00:00Z",
        "updated": rfc3339(began),
        "origins": "o1.example.net",
    }
    assert {dict(exemplar.facts)["status"] for exemplar in batch.exemplars} == {"frozen", "configuring"}


async def test_a_domain_without_details_is_listed_and_not_judged() -> None:
    async with reading() as reader:
        reader.server.faults.turn(Flat(kind="flat"), BareDomains(kind="bare_domains", resources=("shop",)))
        batch = await reader.read()

    assert sorted(statuses(batch)) == ["blog.example.com", "files.example.com"]
    assert origins(batch)["o1.example.net"] == 2
    assert (("resource", "shop.example.com"),) in batch.entities


async def test_a_malformed_origin_is_named_and_the_rest_read() -> None:
    async with reading(origins=["o1.example.net", "-bad-", "192.0.2.7", "a..b"]) as reader:
        batch = await reader.read()

    assert batch.remark == "origins that the vendor calls malformed: -bad-, a..b"
    assert len(statuses(batch)) == 3
    assert batch.complete


async def test_many_origins_take_several_calls() -> None:
    asked = [f"o{place}.example.net" for place in range(45)]
    async with reading(origins=asked) as reader:
        batch = await reader.read()

    assert origins(batch) == {origin: 2 if origin == "o1.example.net" else 0 for origin in asked}
    sizes = [len(dict(exchange.query)["Sources"].split(",")) for exchange in reader.server.wire.log]
    assert sizes == [20, 20, 5]


@pytest.mark.parametrize(
    ("fault", "family", "words"),
    [
        (Revoked(kind="revoked"), AuthenticationFailed, "InvalidAccessKeyId.NotFound"),
        (Refusal(kind="refusal", status=403), PermissionMissing, "Forbidden.RAM"),
        (Refusal(kind="refusal", status=400, code="InvalidAction.NotFound"), RequestRefused, "Invalid"),
        (Skewed.model_validate({"kind": "skewed", "by": "+20m"}), ClockSkewed, "InvalidTimeStamp.Expired"),
        (Html(kind="html"), ContractBroken, "text/html"),
        (Nonsense(kind="nonsense"), ContractBroken, "DomainsList"),
        (Truncated(kind="truncated"), ContractBroken, "truncated"),
    ],
)
async def test_each_fault_has_its_family(fault: Fault, family: type[CollectError], words: str) -> None:
    async with reading() as reader:
        reader.server.faults.turn(fault)
        with pytest.raises(family, match=words):
            await reader.read()

    assert len(reader.server.wire.log) == 1


@pytest.mark.parametrize("kind", ["rpc", "acs3"])
async def test_a_wrong_secret_is_called_so_and_tried_once(kind: str) -> None:
    auth = {"kind": kind, "access_key_id": "LTAIDEMO00000000", "access_key_secret": "not-this-one"}
    async with reading(auth=auth) as reader:
        with pytest.raises(AuthenticationFailed) as caught:
            await reader.read()

    assert "the vendor signed the same text, so the access key secret is wrong" in str(caught.value)
    assert "LTAI" not in str(caught.value)
    assert len(reader.server.wire.log) == 1


@pytest.mark.parametrize(
    ("status", "code", "family"),
    [(400, "Throttling.User", QuotaExceeded), (503, "ServiceUnavailable", VendorFailed)],
)
async def test_what_may_pass_is_repeated_with_a_nonce_of_its_own(
    status: int, code: str, family: type[CollectError]
) -> None:
    refusal = {"kind": "refusal", "status": status, "code": code, "retry_after": "0s"}
    async with reading() as reader:
        reader.server.faults.turn(Refusal.model_validate(refusal))
        with pytest.raises(family, match=code):
            await reader.read()
        reader.server.faults.turn(Refusal.model_validate(refusal | {"every": 2}))
        assert (await reader.read()).size
        assert (await reader.read()).size

    assert [exchange.status for exchange in reader.server.wire.log] == [status] * 3 + [200, status, 200]


@pytest.mark.parametrize(
    "fault", [Slow.model_validate({"kind": "slow", "delay": "30s"}), Dropped(kind="dropped")]
)
async def test_no_answer_is_the_networks_failure(fault: Fault) -> None:
    async with reading() as reader:
        reader.server.faults.turn(fault)
        with pytest.raises(NetworkFailed), anyio.fail_after(3):  # too short for another attempt
            await reader.read()
