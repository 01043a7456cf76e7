"""HTTP probes against real servers."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest
import structlog
import trustme
from aiohttp import web

from tests.vendors.http_servers import AT, Answering, Asking, read, reason, web_server
from tests.vendors.tls_servers import issued, serving
from watcher.errors import NetworkFailed

UP = {"up": 1.0, "status": 200.0}
WWW = "www.example.com"


def answering(text: str = "all is well", status: int = 200, **headers: str) -> Answering:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(text=text, status=status, headers=headers)

    return answer


def recorded(requests: list[tuple[str, str, dict[str, str]]], answer: Answering) -> Answering:
    """Method, path and headers of each request."""

    async def record(request: web.BaseRequest) -> web.StreamResponse:
        requests.append((request.method, request.path_qs, dict(request.headers)))
        return await answer(request)

    return record


async def test_a_good_answer() -> None:
    async with web_server(answering()) as port:
        url = f"http://127.0.0.1:{port}/health"
        batch = await Asking({"url": url}).read()

    assert read(batch) == UP
    assert 0 < float(batch.values[0, 1, 0]) < 5
    assert batch.entities == ((("target", url),),)
    assert (batch.width, batch.starts.tolist(), batch.complete, batch.remark) == (0, [AT], True, "")
    assert batch.exemplars == ()


@pytest.mark.parametrize(
    ("expected", "status", "up"),
    [
        ("2xx", 204, 1),
        (200, 204, 0),
        ([200, 503], 503, 1),
        ("200-204", 203, 1),
        ("200-204", 205, 0),
        (["2xx", 301], 301, 1),
        ("2xx", 500, 0),
    ],
)
async def test_the_expected_status(expected: object, status: int, up: float) -> None:
    async with web_server(answering("", status)) as port:
        batch = await Asking({"url": f"http://127.0.0.1:{port}/", "expect_status": expected}).read()

    assert read(batch) == {"up": up, "status": status}


async def test_an_unexpected_status_is_a_reading_with_a_reason() -> None:
    async with web_server(answering("", 503)) as port:
        url = f"http://127.0.0.1:{port}/"
        batch = await Asking({"url": url, "expect_status": [200, 204]}).read()

    (exemplar,) = batch.exemplars
    assert exemplar.facts == {
        "url": url,
        "method": "GET",
        "status": "503",
        "reason": "HTTP 503; expected 200 or 204",
    }
    assert batch.remark == f"1 of 1 probes failed: {url}: HTTP 503; expected 200 or 204"


@pytest.mark.parametrize(
    ("expected", "why"),
    [
        ("is well", ""),
        ("~w.ll$", ""),
        ("~(l+)+ is", ""),
        ("is ill", "the body lacks 'is ill'"),
        ("~^is", "the body does not match ~^is"),
    ],
)
async def test_the_expected_body(expected: str, why: str) -> None:
    async with web_server(answering()) as port:
        batch = await Asking({"url": f"http://127.0.0.1:{port}/", "expect_body": expected}).read()

    assert read(batch) == {"up": float(not why), "status": 200}
    assert reason(batch) == why


async def test_a_body_is_looked_at_up_to_a_mebibyte_and_no_more_is_read() -> None:
    sent = 0

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)
            sent += 65_536

    async with web_server(endless) as port:
        batch = await Asking({"url": f"http://127.0.0.1:{port}/", "expect_body": "y"}).read()

    assert reason(batch) == "the body lacks 'y'"
    assert sent < 64 * 1024 * 1024


async def test_bytes_that_are_no_text_are_looked_at_too() -> None:
    async def odd(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"\xff\xfe ok", headers={"Content-Type": "text/plain; charset=nonsense"})

    async with web_server(odd) as port:
        batch = await Asking({"url": f"http://127.0.0.1:{port}/", "expect_body": " ok"}).read()

    assert read(batch) == UP


# --- what does not answer


async def test_nobody_there_is_a_reading_and_no_failure_even_of_all() -> None:
    async with web_server(answering()) as port:
        pass
    batch = await Asking({"url": f"http://127.0.0.1:{port}/"}, {"url": "http://missing.example/"}).read()

    assert [read(batch, place) for place in (0, 1)] == [{"up": 0}, {"up": 0}]
    assert [reason(batch, place) for place in (0, 1)] == ["connection refused", "the name does not resolve"]
    assert batch.remark.startswith("2 of 2 probes failed: ")


async def test_silence_is_waited_for_as_long_as_the_target_says() -> None:
    async with serving(None) as mute, web_server(answering()) as port:
        slow, good = f"http://{mute}/", f"http://127.0.0.1:{port}/"
        batch = await Asking({"url": slow, "timeout": "1s"}, {"url": good}).read()

    assert [read(batch, place) for place in (0, 1)] == [{"up": 0}, UP]
    assert batch.remark == f"1 of 2 probes failed: {slow}: no answer within 1 s"


async def test_what_is_no_http_is_not_up() -> None:
    async def rude(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        writer.close()

    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        batch = await Asking({"url": f"http://127.0.0.1:{port}/"}).read()

    assert read(batch) == {"up": 0}


async def test_an_answer_that_breaks_off_is_not_up() -> None:
    async def broken(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"some")
        assert request.transport is not None
        request.transport.close()
        return response

    async with web_server(broken) as port:
        batch = await Asking({"url": f"http://127.0.0.1:{port}/"}).read()

    assert read(batch) == {"up": 0}
    assert reason(batch) == "the answer broke off"


async def test_failing_and_recovering_are_logged_once_each() -> None:
    states = iter([500, 500, 200, 200])

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=next(states))

    async with web_server(answer) as port:
        asking = Asking({"url": f"http://127.0.0.1:{port}/"})
        with structlog.testing.capture_logs() as logs:
            for _ in range(4):
                await asking.read()

    assert [log["event"] for log in logs] == ["probe_failed", "probe_recovered"]


async def test_what_has_no_turn_within_the_time_of_one_reading_is_unknown() -> None:
    """And where that is all, the poll has failed: we asked nobody."""
    async with serving(None) as mute:
        asking = Asking({"url": f"http://{mute}/"}, budget=300)
        with pytest.raises(NetworkFailed, match="not asked within 0 s"):
            await asking.read()


async def test_a_secret_that_went_is_no_fault_of_the_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROBE_KEY", "a-key")
    async with web_server(answering()) as port:
        good, odd = f"http://127.0.0.1:{port}/a", f"http://127.0.0.1:{port}/b"
        asking = Asking({"url": good}, {"url": odd, "headers": {"X-Key": {"env": "PROBE_KEY"}}})
        monkeypatch.delenv("PROBE_KEY")
        batch = await asking.read()

    assert [read(batch, place) for place in (0, 1)] == [UP, {}]
    assert "PROBE_KEY is not set" in batch.remark


# --- TLS


async def test_the_certificate_counts(ca: trustme.CA, ca_file: str, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    async with web_server(answering(), trust=issued(ca, WWW)) as port:
        target, dns = {"url": f"https://{WWW}:{port}/"}, {WWW: ["127.0.0.1"]}
        good = await Asking(target, dns=dns, ca_file=ca_file).read()
        untrusted = await Asking(target, dns=dns, ca_file=str(stranger)).read()
        other = await Asking(
            {"url": f"https://b.example:{port}/"}, dns={"b.example": ["127.0.0.1"]}, ca_file=ca_file
        ).read()

    assert read(good) == UP
    assert read(untrusted) == read(other) == {"up": 0}
    assert reason(untrusted).startswith("TLS: certificate not trusted, ")
    assert "b.example" in reason(other)


# --- what is sent


async def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_TOKEN", "s3cret")
    requests: list[tuple[str, str, dict[str, str]]] = []
    async with web_server(recorded(requests, answering())) as port:
        target = {
            "url": f"http://user:pass@127.0.0.1:{port}/a?token={{env:PROBE_TOKEN}}&b=1#part",
            "method": "HEAD",
            "headers": {"X-Key": {"env": "PROBE_TOKEN"}, "Accept": "text/plain"},
        }
        batch = await Asking(target).read()

    ((method, path, headers),) = requests
    assert (method, path) == ("HEAD", "/a?token=s3cret&b=1")
    assert (headers["X-Key"], headers["Accept"], headers["User-Agent"]) == ("s3cret", "text/plain", "watcher")
    assert headers["Authorization"] == "Basic dXNlcjpwYXNz"
    label = f"http://127.0.0.1:{port}/a?token={{env:PROBE_TOKEN}}&b=1"
    assert batch.entities == ((("target", label),),)
    assert "s3cret" not in repr(batch)
    assert "pass" not in repr(batch)


# --- redirects


async def test_a_redirect_is_an_answer_unless_it_is_to_be_followed() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/":
            return web.Response(status=302, headers={"Location": "/new?key=secret"})
        return web.Response(text=request.path)

    async with web_server(answer) as port:
        url = f"http://127.0.0.1:{port}/"
        stays = await Asking({"url": url}).read()
        follows = await Asking({"url": url, "follow_redirects": True, "expect_body": "/new"}).read()

    assert reason(stays) == "HTTP 302, leads to /new; expected 2xx"
    assert read(follows) == UP


async def test_redirects_are_followed_so_often_and_no_more() -> None:
    seen: list[tuple[str, str, dict[str, str]]] = []
    async with web_server(recorded(seen, answering("", 307, Location="/"))) as port:
        url = f"http://127.0.0.1:{port}/"
        batch = await Asking({"url": url, "follow_redirects": True, "max_redirects": 3}).read()

    assert reason(batch) == "more than 3 redirects"
    assert len(seen) == 4


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "mailto:a", "http://[::1/"])
async def test_a_redirect_to_nowhere(location: str) -> None:
    async with web_server(answering("", 302, Location=location)) as port:
        batch = await Asking({"url": f"http://127.0.0.1:{port}/", "follow_redirects": True}).read()

    assert reason(batch) == "HTTP 302 leads nowhere"


async def test_what_is_meant_for_one_host_is_not_sent_to_another() -> None:
    first: list[tuple[str, str, dict[str, str]]] = []
    second: list[tuple[str, str, dict[str, str]]] = []
    async with web_server(recorded(second, answering()), "127.0.0.2") as other:
        elsewhere = answering("", 302, Location=f"http://127.0.0.2:{other}/")

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            if request.path == "/":
                return web.Response(status=302, headers={"Location": "/here"})
            return await elsewhere(request)

        async with web_server(recorded(first, answer)) as port:
            target = {
                "url": f"http://user:pass@127.0.0.1:{port}/",
                "follow_redirects": True,
                "headers": {"X-Api-Key": "k"},
            }
            batch = await Asking(target).read()

    assert read(batch) == UP
    assert [("Authorization" in sent, "X-Api-Key" in sent) for _, _, sent in first] == [(True, True)] * 2
    assert [("Authorization" in sent, "X-Api-Key" in sent) for _, _, sent in second] == [(False, False)]


# --- each address by itself


async def on_one_port(stack: AsyncExitStack, *servers: tuple[Answering, str], trust: object = None) -> int:
    port = 0
    for answer, host in servers:
        port = await stack.enter_async_context(web_server(answer, host, port, trust))  # type: ignore[arg-type]
    return port


async def test_each_address_answers_for_itself(ca: trustme.CA, ca_file: str) -> None:
    """With the URL's name in the handshake, on the certificate and in the Host header."""
    seen: list[tuple[str, str, dict[str, str]]] = []
    dns = {WWW: ["127.0.0.1", "127.0.0.2", "::1"]}
    async with AsyncExitStack() as stack:
        servers = [(recorded(seen, answering()), "127.0.0.1"), (answering("", 500), "127.0.0.2")]
        port = await on_one_port(stack, *servers, trust=issued(ca, WWW))
        url = f"https://{WWW}:{port}/"
        target = {"url": url, "per_address": True, "provider": "cdn-a"}
        batch = await Asking(target, dns=dns, ca_file=ca_file).read()

    labels = [dict(entity) for entity in batch.entities]
    assert labels == [{"target": url, "address": address, "provider": "cdn-a"} for address in dns[WWW]]
    assert [read(batch, place) for place in range(3)] == [UP, {"up": 0, "status": 500}, {"up": 0}]
    assert seen[0][2]["Host"] == f"{WWW}:{port}"
    assert f"{url} at 127.0.0.2: HTTP 500; expected 2xx" in batch.remark


async def test_an_address_in_a_url_is_its_only_one() -> None:
    async with web_server(answering()) as port:
        batch = await Asking({"url": f"http://127.0.0.1:{port}/", "per_address": True}).read()

    assert [dict(entity)["address"] for entity in batch.entities] == ["127.0.0.1"]
    assert read(batch) == UP


async def test_a_name_without_an_address_is_not_up_and_what_it_had_is_unknown() -> None:
    dns = {WWW: ["127.0.0.1"]}
    async with web_server(answering()) as port:
        url = f"http://{WWW}:{port}/"
        asking = Asking({"url": url, "per_address": True}, dns=dns)
        before = await asking.read()
        del dns[WWW]
        after = await asking.read()

    assert read(before) == UP
    assert [dict(entity) for entity in after.entities] == [
        {"target": url},
        {"target": url, "address": "127.0.0.1"},
    ]
    assert [read(after, place) for place in (0, 1)] == [{"up": 0}, {}]
    assert reason(after) == "the name does not resolve"


async def test_a_name_is_reached_wherever_it_answers() -> None:
    """Without `per_address` one address that answers is enough, as for a visitor."""
    async with web_server(answering(), "127.0.0.2") as port:
        dns: dict[str, Sequence[str]] = {WWW: ["127.0.0.1", "127.0.0.2"]}
        batch = await Asking({"url": f"http://{WWW}:{port}/"}, dns=dns).read()

    assert read(batch) == UP


async def test_many_are_asked_at_once() -> None:
    async def slow(_request: web.BaseRequest) -> web.Response:
        await anyio.sleep(0.2)
        return web.Response()

    async with web_server(slow) as port:
        targets = [{"url": f"http://127.0.0.1:{port}/{n}"} for n in range(40)]
        began = anyio.current_time()
        batch = await Asking(*targets).read()

    assert all(read(batch, place) == UP for place in range(40))
    assert anyio.current_time() - began < 4
