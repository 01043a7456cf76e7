"""The collector of SwiftFederation against the simulated vendor, over real sockets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.simulate.asking import NOON, Client, simulated
from tests.simulate.swiftfederation_asking import BLOG, EMPTY, SHOP
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
    RequestRefused,
)
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, floor, parse_rfc3339
from watcher.simulate.faults import Fault, Html, Nonsense, Refusal, Revoked, Skewed, Truncated
from watcher.simulate.moment import Moment
from watcher.simulate.swiftfederation.faults import Forgotten
from watcher.simulate.swiftfederation.server import Swiftfederation

WINDOW = Window(NOON - HOUR, NOON)


def collector(client: Client, *, root: bool = False, **changed: object) -> Collector:
    """As the daemon builds it from the announced source."""
    announced = client.simulation.announced["swiftfederation"]
    source = {**announced.source, "base_url": announced.root_url if root else announced.base_url, **changed}
    found = vendor("swiftfederation")
    assert found is not None
    exchange = aiohttp_exchange(client.session, timeout=5 * SECOND)
    http = source_http(exchange, source="sfd", limit=1000, timeout=5 * SECOND, clock=client.clock)
    return found.build(
        found.settings.model_validate(source), Access(http, client.clock.now, learned=lambda _: None)
    )


async def read(reader: Collector, stream: str = "origin", window: Window = WINDOW) -> SampleBatch:
    spec = next(spec for spec in await reader.streams() if spec.name == stream)
    return await reader.collect(spec, window)


def resources(batch: SampleBatch) -> list[str]:
    return [dict(entity)["resource"] for entity in batch.entities]


def statuses(client: Client) -> list[int]:
    return [exchange.status for exchange in client.simulation.server(Swiftfederation).wire.log]


@pytest.mark.parametrize("version", ["sfd_hmac_v2", "sfd_hmac_v1"])
@pytest.mark.parametrize("fzone", ["", "SG"])
@pytest.mark.parametrize("root", [True, False])
async def test_signatures_are_taken(version: str, fzone: str, root: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async with simulated() as client:
        auth = {**client.simulation.announced["swiftfederation"].source["auth"], "kind": version}
        batch = await read(collector(client, root=root, auth=auth, fzone=fzone))

        assert batch.size
        assert statuses(client) == [200]


async def test_every_count_arrives_where_the_world_has_it() -> None:
    async with simulated() as client:
        batch = await read(collector(client))
        traffic = client.simulation.server(Swiftfederation)._traffic
        passed = traffic.bins(WINDOW.start, WINDOW.end, width=5 * MINUTE).passed
        of = [traffic.resources[name] for name in ("shop", "blog")]

        assert resources(batch) == [SHOP, BLOG, EMPTY]
        assert np.array_equal(batch.values[:, 0, :2], passed.sum(axis=0)[:, of])
        assert np.isnan(batch.values[:, :, 2]).all()
        for code, counts in zip(traffic.codes, passed, strict=True):
            key = ("cdn_status_responses", (("status", str(code)), ("tier", "origin")))
            if key in batch.metrics:
                assert np.array_equal(batch.values[:, batch.metrics.index(key), :2], counts[:, of])
            else:
                assert not counts.any()
        assert np.array_equal(batch.values[:, 1:7].sum(axis=1), batch.values[:, 0], equal_nan=True)


async def test_a_quiet_domain_is_zero_where_the_vendor_says_so() -> None:
    async with simulated(sections={"swiftfederation": {"quiet": "empty"}}) as client:
        batch = await read(collector(client, domains=[EMPTY]))

        assert (batch.values == 0).all()


async def test_long_windows_are_read_in_one_call() -> None:
    async with simulated(resources=[{"id": "blog", "requests_per_minute": 5}]) as client:
        reader = collector(client, backfill="60d")
        fine = await read(reader, window=Window(NOON - DAY, NOON))
        midnight = parse_rfc3339("2026-11-20T00:00:00Z")
        past = await read(reader, "origin-1d", Window(midnight - 30 * DAY, midnight))

        assert (len(fine.starts), len(past.starts)) == (288, 30)
        assert not np.isnan(past.values).any()
        assert statuses(client) == [200, 200]


async def test_unknown_names_among_many_are_isolated_told_and_left_alone() -> None:
    hosts = [{"id": f"n{number}", "requests_per_minute": 2} for number in range(120)]
    unknown = ["old.example.com", "older.example.com"]
    section = {"unknown_domains": unknown}
    async with simulated(resources=hosts, sections={"swiftfederation": section}) as client:
        reader = collector(client)
        batch = await read(reader)
        first = statuses(client)
        states = await read(reader, "domains", Window(NOON, NOON))
        await read(reader)

        assert len(resources(batch)) == 120
        assert set(first) == {200, 404}
        assert len(first) <= 3 + 2 * 2 * 6
        assert statuses(client)[len(first) :] == [200] * 4
        assert states.remark == f"2 of 122 domains not known to the vendor: {', '.join(unknown)}"
        assert np.isnan(states.values[0, 1]).sum() == 2


FAILURES: list[tuple[Fault, type[CollectError], str]] = [
    (Refusal(kind="refusal", status=400), RequestRefused, "HTTP 400 Request.BadRequest: Bad request. (trace"),
    (Refusal(kind="refusal", status=403), PermissionMissing, "HTTP 403 Permission.Forbidden"),
    (Refusal(kind="refusal", status=400, code="AccessKeyId.Invalid"), AuthenticationFailed, "AccessKeyId"),
    (Revoked(kind="revoked"), AuthenticationFailed, "HTTP 401 AccessCredential.Invalid"),
    (Forgotten(kind="forgotten"), RequestRefused, "3 of 3 domains not known to the vendor"),
    (Html(kind="html"), ContractBroken, "malformed"),
    (Truncated(kind="truncated"), ContractBroken, "truncated"),
    (Nonsense(kind="nonsense"), ContractBroken, "Expected `array`"),
    (Skewed(kind="skewed", by=Moment(offset=2 * HOUR)), ClockSkewed, "HTTP 400 Signature.Expired"),
    (Skewed(kind="skewed", by=Moment(offset=10 * MINUTE * -1)), ClockSkewed, "ahead of the vendor's"),
]


@pytest.mark.parametrize(
    ("fault", "family", "words"), FAILURES, ids=lambda value: getattr(value, "kind", None)
)
async def test_each_failure_has_its_family(fault: Fault, family: type[CollectError], words: str) -> None:
    async with simulated() as client:
        client.simulation.server(Swiftfederation).faults.turn(fault)

        with pytest.raises(family) as caught:
            await read(collector(client))

        assert words in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"access_key_id": "AKOTHER"},
        {"access_key_secret": "wrong"},
        {"kind": "sfd_hmac_v1", "access_key_secret": "x"},
    ],
)
async def test_wrong_keys_are_rejected_credentials(wrong: Mapping[str, str]) -> None:
    async with simulated() as client:
        auth: Any = {**client.simulation.announced["swiftfederation"].source["auth"], **wrong}

        with pytest.raises(AuthenticationFailed, match="HTTP 401"):
            await read(collector(client, auth=auth))


async def test_a_failing_backend_is_asked_again_with_another_nonce() -> None:
    knob = {"status": 400, "code": "GetOriginHttpCodes.OperationFailed", "retry_after": "0s", "every": 2}
    section = {"refuse_replays": True, "faults": [{"kind": "refusal", **knob}]}
    async with simulated(sections={"swiftfederation": section}) as client:
        reader = collector(client)
        for _ in range(3):
            assert (await read(reader)).size

        assert statuses(client) == [200, 400, 200, 400, 200]


async def poll(client: Client, reader: Collector) -> tuple[SampleBatch, SampleBatch]:
    """A minute later: the newest settled bins, some of them again, and the names."""
    client.clock.at += MINUTE
    end = floor(client.clock.at - 10 * MINUTE, 5 * MINUTE)
    counts = await read(reader, window=Window(end - 20 * MINUTE, end))
    return counts, await read(reader, "domains", Window(client.clock.at, client.clock.at))


async def test_hours_of_polling_break_no_rule_of_the_vendor() -> None:
    """Late bins, a burst, a name that goes and comes back: nothing is refused but the name, and rarely."""
    troubles: list[dict[str, Any]] = [
        {"kind": "domain_gone", "resource": "blog", "start": "+5m", "lasts": "30m"},
        {"kind": "5xx_burst", "resource": "shop", "start": "+10m", "lasts": "10m", "share": 0.3},
    ]
    section = {"settle_lag": "8m", "hidden": "1m", "refuse_replays": True}
    async with simulated(troubles=troubles, sections={"swiftfederation": section}) as client:
        reader, last = collector(client), dict[int, float]()
        for _ in range(150):
            counts, _states = await poll(client, reader)
            last.update(zip(counts.starts.tolist(), counts.values[:, 0, 0].tolist(), strict=True))
        counts, states = await poll(client, reader)

        refused = [status for status in statuses(client) if status != 200]
        assert set(refused) == {404}
        assert len(refused) <= 6
        assert (states.remark, resources(counts)) == ("", [SHOP, BLOG, EMPTY])
        traffic = client.simulation.server(Swiftfederation)._traffic
        for start, count in last.items():
            final = traffic.window(start, start + 5 * MINUTE).passed[:, traffic.resources["shop"]].sum()
            assert count == final
