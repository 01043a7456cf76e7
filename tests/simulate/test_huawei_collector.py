"""The collector against the simulated Huawei, over real sockets: what is planted is read, nothing else."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.simulate.asking import NOON, Client, StandingClock, simulated
from watcher.collect.collector import Access, Collector, Window
from watcher.collect.middlewares import source_http
from watcher.collect.transport import aiohttp_exchange, client_session
from watcher.collect.vendors import vendor
from watcher.errors import (
    AuthenticationFailed,
    ClockSkewed,
    CollectError,
    ContractBroken,
    PermissionMissing,
)
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Instant
from watcher.simulate.calls import Call
from watcher.simulate.huawei.server import Huawei

START = NOON - 10 * MINUTE
TROUBLE = {
    "kind": "failing_api_calls",
    "start": "-12m",
    "lasts": "4m",
    "share": 0.9,
    "url": "/v1/{project_id}/sdg/doc/watermark/embed",
    "status": "400",
    "reason": "Invalid parameter: document 4711",
}


@dataclass(frozen=True, slots=True)
class Both:
    """The two ends of one line."""

    client: Client
    collector: Collector

    @property
    def server(self) -> Huawei:
        server = self.client.simulation.server(Huawei)
        assert isinstance(server, Huawei)
        return server

    @property
    def clock(self) -> StandingClock:
        return self.client.clock

    @property
    def limits(self) -> list[str]:
        """Of the calls for records so far."""
        return [dict(one.query)["limit"] for one in self.server.wire.log if one.call == "records"]

    def truth(self, start: Instant) -> list[Call]:
        return list(self.server.feed._calls.between(start, start + MINUTE))

    async def read(self, start: Instant = START) -> SampleBatch:
        [stream] = await self.collector.streams()
        return await self.collector.collect(stream, Window(start, start + MINUTE))


@asynccontextmanager
async def line(
    *,
    huawei: Mapping[str, Any] | None = None,
    troubles: list[Mapping[str, Any]] | None = None,
    **settings: object,
) -> AsyncIterator[Both]:
    """A collector as the daemon builds it, with the announced source."""
    async with (
        simulated(sections={"huawei": huawei or {}}, troubles=troubles or []) as client,
        client_session() as session,
    ):
        exchange = aiohttp_exchange(session, timeout=5 * SECOND)
        http = source_http(exchange, source="dsc", limit=500, timeout=5 * SECOND, clock=client.clock)
        found = vendor("huawei_dsc")
        assert found is not None
        source = {**client.simulation.announced["huawei"].source, **settings}
        read = found.settings.model_validate(source)
        yield Both(client, found.build(read, Access(http, client.clock.now, learned=lambda _: None)))


def totals(batch: SampleBatch) -> tuple[float, float]:
    """Succeeded, failed."""
    found = dict(zip(batch.metrics, batch.values[0, :, 0].tolist(), strict=True))
    return found["api_calls", (("outcome", "succeeded"),)], found["api_calls", (("outcome", "failed"),)]


def signatures(batch: SampleBatch) -> dict[tuple[str, ...], float]:
    """Failed calls by url, method, status, reason."""
    pairs = zip(batch.metrics, batch.values[0, :, 0].tolist(), strict=True)
    names = ("url", "method", "status", "reason")
    return {
        tuple(dict(labels).get(name, "") for name in names): value
        for (metric, labels), value in pairs
        if metric == "api_failed_calls"
    }


def expected(calls: list[Call]) -> tuple[float, float]:
    failed = sum(call.failed for call in calls)
    return len(calls) - failed, failed


@pytest.mark.parametrize("end", ["absent", "null", "empty", "same", "no_records"])
@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_planted_failures_are_read_to_the_call(end: str, order: str) -> None:
    async with line(huawei={"end": end, "order": order, "page": 4}, troubles=[TROUBLE]) as both:
        for ago in range(14, 6, -1):
            start = NOON - ago * MINUTE
            batch = await both.read(start)
            assert totals(batch) == expected(both.truth(start))
            kind = (
                "/v1/{project_id}/sdg/doc/watermark/embed",
                "POST",
                "400",
                "Invalid parameter: document {n}",
            )
            assert signatures(batch).get(kind, 0) == totals(batch)[1]
            assert batch.remark == ""
        after = await both.read(NOON - 6 * MINUTE)

    assert signatures(after)
    assert sum(signatures(after).values()) == 0


async def test_both_bounds_of_a_minute_give_the_same_counts() -> None:
    async with line(huawei={"bounds": "half_open"}) as half, line() as closed:
        starts = [NOON - ago * MINUTE for ago in range(40, 8, -1)]
        assert [totals(await half.read(at)) for at in starts] == [
            totals(await closed.read(at)) for at in starts
        ]


@pytest.mark.parametrize("logs_reads", [True, False])
async def test_an_hour_of_polling_counts_none_of_its_own_calls(*, logs_reads: bool) -> None:
    async with line(huawei={"logs_reads": logs_reads, "settle_lag": "4m"}, troubles=[TROUBLE]) as both:
        [stream] = await both.collector.streams()
        said: dict[Instant, tuple[float, float]] = {}
        newest = START
        both.clock.at += 30 * SECOND
        for _ in range(60):
            newest = (both.clock.at - stream.settle) // MINUTE * MINUTE - MINUTE
            for start in range(newest - stream.overlap, newest + 1, MINUTE):
                said[start] = totals(await both.read(start))
                both.clock.at += SECOND
            both.clock.at += 54 * SECOND

        final = {start: counts for start, counts in said.items() if start <= newest - 2 * MINUTE}
        assert final == {start: expected(both.truth(start)) for start in final}
        assert {one.status for one in both.server.wire.log} == {200}
        assert both.limits.count("2000") < 120


async def test_records_that_come_in_while_pages_are_read_are_counted_by_the_next_reading() -> None:
    faults = [{"kind": "inserts"}]
    async with line(huawei={"page": 3, "faults": faults}, troubles=[TROUBLE]) as both:
        first = await both.read()
        both.server.faults.turn()
        again = await both.read()

    succeeded, failed = expected(both.truth(START))
    assert first.remark == again.remark == ""
    assert totals(first) == (succeeded, failed)
    assert totals(again)[0] > succeeded
    assert totals(again)[1] == failed == sum(signatures(again).values())


async def test_counters_that_disagree_with_the_records_win_and_are_flagged() -> None:
    async with line(huawei={"faults": [{"kind": "miscounted", "by": 1}]}, troubles=[TROUBLE]) as both:
        batch = await both.read()

    succeeded, failed = expected(both.truth(START))
    assert totals(batch) == (succeeded - 1, failed + 1)
    assert batch.remark == f"{failed + 1} failed calls in the counters, {failed} in the records"


async def test_codes_that_are_none_are_failures_all_the_same() -> None:
    async with line(huawei={"faults": [{"kind": "odd_codes", "code": "N/A"}]}, troubles=[TROUBLE]) as both:
        batch = await both.read()

    assert totals(batch) == expected(both.truth(START))
    assert {status for _, _, status, _ in signatures(batch)} == {"N/A"}


async def test_nobody_is_named_unless_that_is_asked_for() -> None:
    async with line(troubles=[TROUBLE]) as quiet, line(troubles=[TROUBLE], show_users=True) as open_:
        hidden, shown = await quiet.read(), await open_.read()

    assert all("user" not in exemplar.facts for exemplar in hidden.exemplars)
    assert {exemplar.facts["user"] for exemplar in shown.exemplars} <= {"build", "nightly"}
    assert 0 < len(hidden.exemplars) <= 20


def iam(client_url: str, password: str = "demo-password") -> dict[str, Any]:
    user = {"kind": "iam", "username": "demo", "password": password, "domain": "demo-account"}
    return {"auth": {**user, "iam_url": client_url}}


@asynccontextmanager
async def logged_in(password: str = "demo-password", **huawei: object) -> AsyncIterator[Both]:
    async with line(huawei=huawei) as both, client_session() as session:
        announced = both.client.simulation.announced["huawei"]
        found = vendor("huawei_dsc")
        assert found is not None
        read = found.settings.model_validate({**announced.source, **iam(announced.base_url, password)})
        exchange = aiohttp_exchange(session, timeout=5 * SECOND)
        http = source_http(exchange, source="dsc", limit=500, timeout=5 * SECOND, clock=both.clock)
        yield Both(both.client, found.build(read, Access(http, both.clock.now, learned=lambda _: None)))


def logins(both: Both) -> int:
    return sum(one.call == "token" for one in both.server.wire.log)


async def test_tokens_are_kept_renewed_in_time_and_after_they_are_revoked() -> None:
    async with logged_in() as both:
        await both.read()
        both.clock.at += 21 * HOUR
        await both.read(both.clock.at - 10 * MINUTE)
        assert logins(both) == 1

        both.clock.at += HOUR
        await both.read(both.clock.at - 10 * MINUTE)
        assert logins(both) == 2

        both.server.gate.revoke()
        await both.read(both.clock.at - 10 * MINUTE)
        assert logins(both) == 3
        assert [one.status for one in both.server.wire.log if one.call == "records"].count(401) == 1


async def test_a_wrong_password_is_sent_once() -> None:
    async with logged_in("nope") as both:
        with pytest.raises(AuthenticationFailed, match="The username or password is wrong"):
            await both.read()

        assert len(both.server.wire.log) == 1


async def test_a_wrong_key_is_sent_once() -> None:
    auth = {"kind": "aksk", "access_key": "DEMOACCESSKEY0000000", "secret_key": "wrong"}
    async with line(auth=auth) as both:
        with pytest.raises(AuthenticationFailed, match="verify aksk signature fail"):
            await both.read()

        assert len(both.server.wire.log) == 1


async def test_a_temporary_key_is_accepted() -> None:
    async with line(huawei={"security_token": "temporary"}) as both:
        assert totals(await both.read()) == expected(both.truth(START))


@pytest.mark.parametrize("by", ["+20m", "-20m"])
async def test_a_clock_that_is_off_is_named(by: str) -> None:
    async with line(huawei={"faults": [{"kind": "skewed", "by": by}]}) as both:
        with pytest.raises(ClockSkewed):
            await both.read()

        assert len(both.server.wire.log) == 1


@pytest.mark.parametrize("status", [403, 404])
async def test_another_project_is_a_matter_of_permission(status: int) -> None:
    async with line(huawei={"foreign_project": status}, project_id="f" * 32) as both:
        with pytest.raises(PermissionMissing):
            await both.read()


@pytest.mark.parametrize(
    ("fault", "family"),
    [
        ({"kind": "html"}, ContractBroken),
        ({"kind": "nonsense"}, ContractBroken),
        ({"kind": "truncated"}, ContractBroken),
        ({"kind": "refusal", "status": 403, "code": "DSC.00000403"}, PermissionMissing),
        ({"kind": "refusal", "status": 401, "every": 1}, AuthenticationFailed),
    ],
)
async def test_what_is_no_answer_has_its_family(fault: Mapping[str, Any], family: type[CollectError]) -> None:
    async with line(huawei={"faults": [fault]}) as both:
        with pytest.raises(family):
            await both.read()

        assert len(both.server.wire.log) == 1


@pytest.mark.parametrize("fault", [{"kind": "refusal", "status": 500}, {"kind": "dropped"}])
async def test_what_may_pass_is_asked_again(fault: Mapping[str, Any]) -> None:
    async with line(huawei={"faults": [{**fault, "every": 2}]}) as both:
        assert totals(await both.read()) == expected(both.truth(START))
        assert len(both.server.wire.log) == 3


async def test_an_hour_at_the_feeds_edge_of_memory_is_empty_and_no_error() -> None:
    async with line() as both:
        assert totals(await both.read(NOON - 2 * DAY)) == (0, 0)
