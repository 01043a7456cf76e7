"""Alibaba Cloud CDN's collector: what it asks, and what it makes of answers and failures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio
import numpy as np
import pytest
import structlog

from tests.conftest import LoopClock
from tests.vendors.alibaba_server import ACS3, AT, RPC, Build, Server, answer, entry, info, read, said, value
from watcher.collect.collector import Access
from watcher.collect.http import Response
from watcher.collect.middlewares import source_http
from watcher.collect.vendors.alibaba_cdn.api import batches
from watcher.collect.vendors.alibaba_cdn.collector import AlibabaCdn
from watcher.collect.vendors.alibaba_cdn.parse import STATUSES
from watcher.collect.vendors.alibaba_cdn.settings import AlibabaCdnSettings
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
from watcher.model.inventory import Item, ItemKind, Known
from watcher.model.time import MINUTE, SECOND

pytestmark = pytest.mark.looptime

XML = b"<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>B0F0-1</RequestId><Code>%s</Code></Error>"


async def test_a_call_is_written_as_the_page_says(build: Build) -> None:
    server = Server(o=[])
    await read(build("alibaba_cdn", server, origins=["o"], **RPC))
    await read(build("alibaba_cdn", server, origins=["o"], **ACS3))

    classic, new = server.requests
    assert (classic.method, classic.url, classic.body) == ("POST", "http://ali.test:8080/", None)
    query = dict(classic.query)
    assert {name: query[name] for name in ("Action", "Version", "Format", "Sources", "Timestamp")} == {
        "Action": "DescribeDomainsBySource",
        "Version": "2018-05-10",
        "Format": "JSON",
        "Sources": "o",
        "Timestamp": "2026-11-22T03:00:00Z",
    }
    assert new.query == (("Sources", "o"),)
    assert new.headers["x-acs-action"] == "DescribeDomainsBySource"
    assert new.headers["x-acs-version"] == "2018-05-10"


async def test_there_is_one_stream_of_states(build: Build) -> None:
    (stream,) = await build("alibaba_cdn", Server(), origins=["o"], **RPC).streams()

    assert (stream.name, stream.width, stream.every) == ("domains", 0, 2 * MINUTE)


async def test_a_reading_says_where_it_is_from(build: Build) -> None:
    batch = await read(build("alibaba_cdn", Server(o=[info("a")]), origins=["o"], **RPC))

    assert (batch.source, batch.vendor, batch.stream, batch.width) == ("src", "alibaba_cdn", "domains", 0)
    assert (batch.starts.tolist(), batch.settled_until) == ([AT], AT)
    assert batch.fetched_at > AT
    assert batch.complete


async def test_twenty_origins_are_asked_for_in_one_call(build: Build) -> None:
    origins = [f"o{place:02}" for place in range(45)]
    server = Server(**{origin: [info(f"{origin}.test")] for origin in origins})
    batch = await read(build("alibaba_cdn", server, origins=origins, **RPC))

    assert server.sources() == [origins[:20], origins[20:40], origins[40:]]
    assert value(batch, "origin_domains", of=("origin", "o44")) == 1
    assert len(batch.entities) == 90


def test_a_call_does_not_outgrow_what_a_url_holds() -> None:
    long = [f"{'源' * 60}{place}.example" for place in range(20)]

    assert [origin for batch in batches(long) for origin in batch] == long
    assert max(len(batch) for batch in batches(long)) == 7
    assert list(batches([])) == []


async def test_one_call_that_fails_fails_the_reading(build: Build) -> None:
    origins = [f"o{place:02}" for place in range(21)]
    server = Server()
    server.replies = [answer(), *[said("InternalError", status=500)] * 3]

    with pytest.raises(VendorFailed):
        await read(build("alibaba_cdn", server, origins=origins, **RPC))


@pytest.mark.parametrize(
    ("code", "status", "family"),
    [
        ("InvalidAccessKeyId.NotFound", 404, AuthenticationFailed),
        ("InvalidAccessKeyId.Inactive", 400, AuthenticationFailed),
        ("InvalidSecurityToken.Expired", 400, AuthenticationFailed),
        ("MissingSecurityToken", 400, AuthenticationFailed),
        ("Forbidden.RAM", 403, PermissionMissing),
        ("Forbidden", 403, PermissionMissing),
        ("InvalidTimeStamp.Expired", 400, ClockSkewed),
        ("IllegalTimestamp", 400, ClockSkewed),
        ("SignatureNonceUsed", 400, RequestRefused),
        ("MissingParameter", 400, RequestRefused),
        ("InvalidAction.NotFound", 404, RequestRefused),
        ("NoSuchVersion", 400, RequestRefused),
        ("Whatever.New", 400, RequestRefused),
        ("Whatever.New", 403, PermissionMissing),
    ],
)
@pytest.mark.parametrize("form", ["json", "xml"])
async def test_a_refusal_is_not_repeated_and_says_why(
    build: Build, code: str, status: int, family: type[CollectError], form: str
) -> None:
    server = Server()
    xml = Response(status, {"content-type": "text/xml"}, XML % code.encode())
    server.replies = [xml if form == "xml" else said(code, "Some\n\x1b[31m words.", status)]

    with pytest.raises(family) as caught:
        await read(build("alibaba_cdn", server, origins=["o"], **ACS3))

    asked = "B0F0-1" if form == "xml" else "B0F074E5-A1AC-4B32-8EA2-6F450410D1E0"
    words = "" if form == "xml" else ": Some [31m words."
    assert str(caught.value) == f"{code}{words} (HTTP {status}, request {asked})"
    assert caught.value.status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "family"),
    [
        (said("Throttling"), QuotaExceeded),
        (said("Throttling.User", "Request was denied due to user flow control."), QuotaExceeded),
        (said("Throttling.Api"), QuotaExceeded),
        (said("FlowControlError"), QuotaExceeded),
        (said("ServiceBusy", status=503), QuotaExceeded),
        (said("InternalError", status=500), VendorFailed),
        (said("ServiceUnavailable", status=503), VendorFailed),
        (said("ServiceUnavailable", status=200), VendorFailed),
        (Response(502, {}, b"<html>"), VendorFailed),
        (Response(503, {}, b""), VendorFailed),
        (Response(429, {}, b"[]"), QuotaExceeded),
        (NetworkFailed("reset"), NetworkFailed),
    ],
)
async def test_what_may_pass_is_asked_again(
    build: Build, reply: Response | CollectError, family: type[CollectError]
) -> None:
    server = Server(o=[info("a")])
    collector = build("alibaba_cdn", server, origins=["o"], **RPC)
    server.replies = [reply]
    assert (await read(collector)).size

    server.replies = [reply] * 3
    with pytest.raises(family):
        await read(collector)


async def test_throttling_waits_as_long_as_it_is_told_to(build: Build) -> None:
    server = Server(o=[])
    server.replies = [replace(said("Throttling.User"), headers={"retry-after": "40"})]
    before = anyio.current_time()
    await read(build("alibaba_cdn", server, origins=["o"], **RPC))

    assert 40 <= anyio.current_time() - before < 42


@pytest.mark.parametrize(
    "reply",
    [
        said("", status=200),
        said("Unheard", status=200),
        Response(200, {"content-type": "text/html"}, b"<html>maintenance"),
        Response(200, {"content-type": "text/xml"}, b"<DescribeDomainsBySourceResponse/>"),
        answer(entry("somebody-elses")),
    ],
)
async def test_another_answer_than_the_documented_is_a_broken_contract(build: Build, reply: Response) -> None:
    server = Server()
    server.replies = [reply]

    with pytest.raises(ContractBroken):
        await read(build("alibaba_cdn", server, origins=["o"], **RPC))


async def test_a_batch_of_which_no_source_is_used_is_empty(build: Build) -> None:
    origins = [f"o{place:02}" for place in range(21)]
    server = Server(o20=[info("a")])
    server.replies = [said("InvalidSources.NotFound", "The specified source does not exist.")]

    batch = await read(build("alibaba_cdn", server, origins=origins, **RPC))

    counts = [value(batch, "origin_domains", of=("origin", origin)) for origin in origins]
    assert counts == [0] * 20 + [1]
    assert batch.complete
    assert batch.remark == ""


async def test_a_malformed_origin_is_found_and_the_others_go_on(build: Build) -> None:
    origins = [f"o{place:02}" for place in range(20)]
    server = Server(**{origin: [info(f"{origin}.test")] for origin in origins})
    server.malformed = {"o03", "o17"}
    collector = build("alibaba_cdn", server, origins=origins, **RPC)

    with structlog.testing.capture_logs() as logs:
        batch = await read(collector)
        asked = len(server.requests)
        again = await read(collector)

    assert batch.remark == again.remark == "origins that the vendor calls malformed: o03, o17"
    counts = [value(batch, "origin_domains", of=("origin", origin)) for origin in origins]
    assert np.nansum(counts) == 18
    assert np.isnan([counts[3], counts[17]]).all()
    assert len(server.requests) == asked + 1
    assert {(log["event"], log["origin"]) for log in logs} == {
        ("origin_refused", "o03"),
        ("origin_refused", "o17"),
    }


async def test_only_domains_that_a_malformed_origin_fed_are_not_taken_for_gone(clock: LoopClock) -> None:
    """What it fed stands in the inventory, also after a restart."""
    server = Server(good=[info("stays")])
    server.malformed = {"bad"}

    def known(name: str, origins: str, source: str = "src", gone_at: int | None = None) -> Known:
        facts = {"origins": origins, "status": "online"}
        return Known(source, "alibaba_cdn", Item(ItemKind.DOMAIN, name, facts), gone_at=gone_at)

    inventory = [
        known("stays", "bad,good"),
        known("held", "bad"),
        known("held-too", "bad,good"),
        known("gone", "good"),
        known("long-gone", "bad", gone_at=1),
        known("elsewhere", "bad", source="other"),
        Known("src", "alibaba_cdn", Item(ItemKind.ORIGIN, "bad")),
    ]
    read_settings = AlibabaCdnSettings.model_validate({"name": "src", "origins": ["good", "bad"], **ACS3})
    http = source_http(server, source="src", limit=128, timeout=30 * SECOND, clock=clock)
    access = Access(http, clock.now, learned=lambda _secret: None, inventory=lambda: inventory)

    batch = await read(AlibabaCdn(read_settings, access))

    origins, domains = batch.listings
    assert batch.complete
    assert domains.complete
    assert {item.id for item in domains.items} == {"stays", "held", "held-too"}
    assert {item.id for item in origins.items} == {"good", "bad"}
    assert value(batch, "domain_status", ("status", "online"), of=("resource", "stays")) == 1
    assert np.isnan(value(batch, "domain_status", ("status", "online"), of=("resource", "held")))


async def test_a_search_that_was_cut_short_repeats_no_refused_call(build: Build) -> None:
    origins = [f"o{place:02}" for place in range(20)]
    server = Server(**{origin: [] for origin in origins})
    server.malformed = {"o03"}
    malformed = said("InvalidSources.Malformed")
    server.replies = [malformed, malformed, *[NetworkFailed("reset")] * 3]
    collector = build("alibaba_cdn", server, origins=origins, **RPC)
    with pytest.raises(NetworkFailed):
        await read(collector)
    refused = server.sources()[:2]

    batch = await read(collector)

    assert batch.remark == "origins that the vendor calls malformed: o03"
    assert all(server.sources().count(sources) == 1 for sources in refused)


async def test_a_malformed_origin_is_asked_for_again_after_an_hour(build: Build) -> None:
    server = Server(good=[info("a")], bad=[info("b")])
    server.malformed = {"bad"}
    collector = build("alibaba_cdn", server, origins=["good", "bad"], **RPC)
    await read(collector)
    await anyio.sleep(3_601)
    server.malformed.clear()

    with structlog.testing.capture_logs() as logs:
        batch = await read(collector)

    assert batch.complete
    assert value(batch, "origin_domains", of=("origin", "bad")) == 1
    assert [(log["event"], log["origin"]) for log in logs] == [("origin_accepted", "bad")]


async def test_origins_that_are_all_malformed_are_an_error_and_not_asked_for_in_a_loop(build: Build) -> None:
    server = Server()
    server.malformed = {"a", "b"}
    collector = build("alibaba_cdn", server, origins=["a", "b"], **RPC)

    for _ in range(3):
        with pytest.raises(RequestRefused, match="every origin malformed: a, b"):
            await read(collector)
    assert len(server.requests) == 3


async def test_an_undocumented_status_stays_in_the_set_once_it_was_seen(build: Build) -> None:
    server = Server(o=[info("a", "frozen")])
    collector = build("alibaba_cdn", server, origins=["o"], **RPC)

    with structlog.testing.capture_logs() as logs:
        frozen = await read(collector)
        server.feeds["o"] = [info("a")]
        thawed = await read(collector)

    assert value(frozen, "domain_status", ("status", "frozen"), of=("resource", "a")) == 1
    assert value(thawed, "domain_status", ("status", "frozen"), of=("resource", "a")) == 0
    assert [(log["event"], log["status"]) for log in logs] == [("undocumented_status", "frozen")]


async def test_statuses_without_end_are_kept_apart_up_to_some(build: Build) -> None:
    """Each is a column over every domain: kept all, an odd answer would be hundreds of megabytes."""
    server = Server(o=[info(f"d{place:03}", f"s{place}") for place in range(100)])
    collector = build("alibaba_cdn", server, origins=["o"], **RPC)
    with structlog.testing.capture_logs() as logs:
        batch = await read(collector)
        again = await read(collector)

    assert len(batch.metrics) == len(again.metrics) == len(STATUSES) + 32 + 1 + 2
    assert value(batch, "domain_status", ("status", "s31"), of=("resource", "d031")) == 1
    assert value(batch, "domain_status", ("status", "another"), of=("resource", "d099")) == 1
    assert len(logs) == 33


async def test_a_signature_refused_while_clocks_differ_names_the_clock(build: Build) -> None:
    server = Server()
    reply = replace(said("SignatureDoesNotMatch"), headers={"date": "Sun, 22 Nov 2026 03:20:00 GMT"})
    server.replies = [reply]

    with pytest.raises(AuthenticationFailed, match="19 min 59 s behind") as caught:
        await read(build("alibaba_cdn", server, origins=["o"], **RPC))

    assert caught.value.family == "clock"


def bodies() -> Sequence[Mapping[str, Any]]:
    return [{"Code": ["x"]}, {"Code": None, "Message": 5}, {"RequestId": "<b>" * 40}]


@pytest.mark.parametrize("body", bodies())
async def test_an_error_in_another_form_is_judged_by_its_status(
    build: Build, body: Mapping[str, Any]
) -> None:
    server = Server()
    server.replies = [Response(403, {}, json.dumps(body).encode())]

    with pytest.raises(PermissionMissing, match=r"^HTTP 403$"):
        await read(build("alibaba_cdn", server, origins=["o"], **RPC))
