"""Hops 1 to 3 of every vendor: values parsed to batches, and small polls, per CPU-second.

Each vendor's own collector is asked, over a function in place of the network, for answers of the size a large
account gets. A value is a number that the vendor tells of a series, else a field of a record.
Small polls are those of CDNvideo accounts with one resource, catching up through pollers, all middlewares and
the bus. `json.loads` of the same bytes stands beside them: what reading them costs any program that
uses the standard library, before it looks at them.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

import anyio
import looptime

from watcher.collect.bus import Bus
from watcher.collect.collector import Access, Collector, Window
from watcher.collect.http import Handler, Middleware, Request, Response, chain
from watcher.collect.line import Line
from watcher.collect.middlewares import judge, source_http
from watcher.collect.source import SourceReader
from watcher.collect.vendors import vendor
from watcher.collect.vendors.cdnvideo.settings import EVALUATED
from watcher.model.time import HOUR, MINUTE, SECOND, Instant, rfc3339
from watcher.runtime.clock import SystemClock

NOW: Final[Instant] = 1_795_316_400_000
RUNS: Final = 9
POLL_SOURCES: Final = 20
POLL_SECONDS: Final = 5


class VirtualClock:
    """Wall-clock time that passes as the loop's does."""

    def now(self) -> Instant:
        """Since `NOW`, on the loop's time."""
        return NOW + round(anyio.current_time() * SECOND)


@dataclass(frozen=True)
class Large:
    """One vendor at its largest: settings, which stream and window to ask, the answers, and their values."""

    name: str
    settings: dict[str, Any]
    stream: str
    window: Window
    answers: Callable[[Request], bytes]
    values: int


def main() -> None:
    """Measure and print."""
    say = sys.stdout.write
    say(f"{'answers':<42}{'values':>9}{'MB':>7}{'M values/CPU-s [min..max]':>28}{'json.loads alone':>19}\n")
    for large in (cdnvideo(), swiftfederation(), leaseweb(), huawei(), alibaba()):
        rates, loads, size = on_virtual_time(partial(measured, large))
        shown = f"{statistics.median(rates):.2f} [{min(rates):.2f}..{max(rates):.2f}]"
        alone = f"{statistics.median(loads):.2f}"
        say(f"{large.name:<42}{large.values:>9,}{size / 1e6:>7.1f}{shown:>28}{alone:>19}\n")
    polls, seconds = anyio.run(small_polls)
    say(f"small polls of {POLL_SOURCES} sources: {polls / seconds:,.0f} a CPU-second\n")


def on_virtual_time(work: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - whatever the work gives
    """Run on a loop on which waiting takes no time."""
    loop = looptime.new_event_loop(start=0)
    try:
        return loop.run_until_complete(work())
    finally:
        loop.close()


async def measured(large: Large) -> tuple[list[float], list[float], int]:
    """Millions of values a CPU-second, of ours and of `json.loads`, run by run; bytes of the answers."""
    bodies: list[bytes] = []
    exchange, rates, loads = answering(large.answers, bodies), list[float](), list[float]()
    for _ in range(1 + RUNS):
        collector = built(large.name.partition(":")[0], large.settings, exchange)
        stream = next(spec for spec in await collector.streams() if spec.name == large.stream)
        bodies.clear()
        began = time.process_time()
        batch = await collector.collect(stream, large.window)
        rates.append(large.values / (time.process_time() - began) / 1e6)
        assert batch.size
        began = time.process_time()
        for body in bodies:
            json.loads(body)
        loads.append(large.values / (time.process_time() - began) / 1e6)
    return rates[1:], loads[1:], sum(map(len, bodies))


def built(name: str, settings: dict[str, Any], exchange: Handler) -> Collector:
    """A vendor's collector, without the limit that would make it wait."""
    known = vendor(name)
    assert known is not None

    def http(own: Sequence[Middleware]) -> Handler:
        return chain([*own, judge("bench", VirtualClock())], exchange)

    read = known.settings.model_validate({"name": "bench", "vendor": name, **settings})
    return known.build(read, Access(http, VirtualClock().now, learned=lambda _secret: None))


def answering(answers: Callable[[Request], bytes], bodies: list[bytes]) -> Handler:
    """A server that knows its answers already."""
    kept: dict[tuple[object, ...], bytes] = {}

    async def exchange(request: Request) -> Response:
        key = (
            request.url,
            tuple(one for one in request.query if "ign" not in one[0] and "once" not in one[0]),
            request.body,
        )
        body = kept.get(key) or kept.setdefault(key, answers(request))
        bodies.append(body)
        return Response(200, {"content-type": "application/json"}, body)

    return exchange


def asked(request: Request) -> dict[str, str]:
    """What a request asks for, wherever it says so."""
    texts = (request.url.partition("?")[2], (request.body or b"").decode())
    return dict(request.query) | dict(pair for text in texts for pair in parse_qsl(text))


def cdnvideo() -> Large:
    """One window of 10 000 resources."""
    window, count = Window(NOW - HOUR, NOW - HOUR + MINUTE), 10_000
    rows = [
        dict.fromkeys(EVALUATED, number % 977)
        | {"edge_requests_total": 5_000, "edge_hit_ratio": 0.9317, "edge_status_2xx": 4_900}
        | {"resource": f"{number:06d}", "resource_name": f"r{number}", "cname": f"r{number}.example.com"}
        for number in range(count)
    ]
    body = json.dumps({"account": "bench", "data": rows}).encode()
    settings = {"token": "t", "accounts": ["bench"]}
    return Large(
        "cdnvideo: 10 000 resources",
        settings,
        "bench/resources",
        window,
        lambda _: body,
        count * len(EVALUATED),
    )


def swiftfederation() -> Large:
    """A day of 5-minute bins of 50 domains, eight codes each."""
    day, codes = 24 * HOUR, (200, 206, 301, 304, 403, 404, 502, 530)
    window = Window(NOW - NOW % day - day, NOW - NOW % day)
    names = [f"d{number}.example.com" for number in range(50)]
    starts = range(window.start, window.end, 5 * MINUTE)
    rows = [
        {
            "serviceName": name,
            "httpCodes": [
                {"timestamp": rfc3339(start), "httpCodeValues": {str(code): code + place for code in codes}}
                for place, start in enumerate(starts)
            ],
        }
        for name in names
    ]
    body = json.dumps(rows).encode()
    settings = {"auth": {"kind": "none"}, "domains": names}
    return Large(
        "swiftfederation: 50 domains x 288 bins",
        settings,
        "origin",
        window,
        lambda _: body,
        50 * 288 * len(codes),
    )


def leaseweb() -> Large:
    """A day of 5-minute bins of 100 distributions, seven metrics."""
    day, metrics = 24 * HOUR, 7
    window = Window(NOW - NOW % day - day, NOW - NOW % day)

    def answer(request: Request) -> bytes:
        query = asked(request)
        starts = range(window.start, window.end, 5 * MINUTE)
        value = 31.5 if query["metric"].startswith(("STATUS", "CACHE")) else 8_000.0
        series = [{f"dist-{number}": [{rfc3339(start): value} for start in starts]} for number in range(100)]
        return json.dumps({"groupBy": query.get("groupBy"), "granularity": "5MIN", "series": series}).encode()

    settings = {"api_key": "k"}
    return Large(
        "leaseweb: 100 distributions x 288 bins",
        settings,
        "distributions",
        window,
        answer,
        100 * 288 * metrics,
    )


def huawei() -> Large:
    """A failing minute of 50 000 calls, read in pages of 2 000."""
    window, rng = Window(NOW - HOUR, NOW - HOUR + MINUTE), random.Random(7)  # noqa: S311 - for answers
    project, count, page = "0123456789abcdef0123456789abcdef", 50_000, 2_000

    def record(number: int) -> dict[str, object]:
        failed = number % 5 == 0
        return {
            "user_name": "li.si",
            "user_id": "5f1d7a84a9d8412c8c3a2c5b9f0e1d2c",
            "domain_name": "acme",
            "domain_id": "d78cbac186b744899480f25bd0221111",
            "request_method": "POST",
            "request_url": f"/v1/{project}/sdg/database/mask-tasks/{number % 97}/run",
            "response_code": "403" if failed else "200",
            "fail_reason": "li.si may not run this task" if failed else "",
            "timestamp": window.start + rng.randrange(MINUTE),
        }

    records = [record(number) for number in range(count)]

    def answer(request: Request) -> bytes:
        query = asked(request)
        first = int(query.get("marker") or 0)
        some = records[first : first + int(query.get("limit", page))]
        last = first + len(some)
        failed = count // 5
        totals = {"total": count, "succeed": count - failed, "failed": failed}
        more = {"next_marker": str(last)} if last < count else {}
        return json.dumps(totals | {"openapi_called_records": some} | more).encode()

    auth = {"kind": "token", "token": "t"}
    settings = {"base_url": "https://dsc.test", "project_id": project, "auth": auth}
    return Large("huawei_dsc: 50 000 calls in pages of 2 000", settings, "calls", window, answer, count * 9)


def alibaba() -> Large:
    """Twenty origins with 500 domains each."""
    window, origins = Window(NOW, NOW), [f"o{number}.example.com" for number in range(20)]

    def data(origin: str) -> dict[str, object]:
        names = [f"d{number}.{origin}" for number in range(500)]
        infos = [
            {
                "DomainName": name,
                "DomainCname": f"{name}.w.kunlun.com",
                "CdnType": "web",
                "Status": "online",
                "CreateTime": "2024-02-01T09:00:00Z",
                "UpdateTime": "2026-11-20T10:00:00Z",
            }
            for name in names
        ]
        return {"Source": origin, "Domains": {"domainNames": names}, "DomainInfos": {"domainInfo": infos}}

    def answer(request: Request) -> bytes:
        query = asked(request)
        sources = query["Sources"].split(",")
        listed = {"DomainsData": [data(origin) for origin in sources]}
        return json.dumps({"Sources": query["Sources"], "RequestId": "r", "DomainsList": listed}).encode()

    auth = {"kind": "acs3", "access_key_id": "LTAIEXAMPLE", "access_key_secret": "example-secret"}
    settings = {"auth": auth, "origins": origins}
    return Large("alibaba_cdn: 20 origins x 500 domains", settings, "domains", window, answer, 20 * 500 * 7)


async def small_polls() -> tuple[int, float]:
    """Polls answered, and the CPU-seconds they took."""
    answered = 0

    async def exchange(_request: Request) -> Response:
        nonlocal answered
        answered += 1
        rows = [{"resource": "1", "edge_requests_total": 812, "edge_status_2xx": 800, "edge_status_5xx": 2}]
        return Response(200, {"content-type": "application/json"}, json.dumps({"data": rows}).encode())

    began = time.process_time()
    with Bus() as bus:
        async with anyio.create_task_group() as group:
            for number in range(POLL_SOURCES):
                group.start_soon(_polled, f"s{number}", exchange, bus)
            group.start_soon(_drained, bus)
            await anyio.sleep(POLL_SECONDS)
            group.cancel_scope.cancel()
    return answered, time.process_time() - began


async def _polled(name: str, exchange: Handler, bus: Bus) -> None:
    clock, known = SystemClock(), vendor("cdnvideo")
    assert known is not None
    accounts = [f"a{number}" for number in range(10)]
    metrics = ["edge_requests_total", "edge_status_2xx", "edge_status_5xx"]
    backlog = {"backfill": "12h", "fine_backfill": "12h"}
    given = {"name": name, "token": "t", "accounts": accounts, "metrics": metrics, **backlog}
    settings = known.settings.model_validate(given)
    http = source_http(exchange, source=name, limit=1e6, timeout=30 * SECOND, clock=clock)
    collector = known.build(settings, Access(http, clock.now, learned=lambda _secret: None))
    with bus.producer() as producer:
        line = Line(
            source=name,
            vendor="cdnvideo",
            collector=collector,
            clock=clock,
            rng=random.Random(1),  # noqa: S311 - spreads polls
            send=producer.send,
        )
        await SourceReader(line, {}).run()


async def _drained(bus: Bus) -> None:
    while await bus.take(64):
        pass


if __name__ == "__main__":
    main()
