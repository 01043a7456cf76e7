"""HTTP probes against real servers."""

import asyncio
import errno
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog
import trustme
from aiohttp import web

from tests.vendors.http_servers import AT, UP, Asking, answering, read, reason, recorded, web_server
from tests.vendors.tls_servers import issued, serving
from watcher.collect.hosts import NobodySays
from watcher.collect.probing import BUDGET, LONGEST
from watcher.collect.vendors.http.probe import Outcome, failed
from watcher.errors import NetworkFailed
from watcher.model.time import SECOND, Duration

WWW = "www.example.com"


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
    assert reason(batch) == "the answer is not HTTP"


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


async def test_a_target_that_hangs_for_as_long_as_it_may_is_down() -> None:
    """The longest timeout that may be configured leaves time for names and for others before it."""
    longest = LONGEST // SECOND
    assert BUDGET - BUDGET // 3 >= LONGEST + 10 * SECOND
    Asking({"url": "http://a", "timeout": f"{longest}s"}, timeout=f"{longest}s")
    async with serving(None) as mute:
        batch = await Asking({"url": f"http://{mute}/", "timeout": "1s"}, budget=2 * SECOND).read()

    assert read(batch) == {"up": 0}


@pytest.mark.parametrize("per_address", [False, True])
async def test_where_no_name_server_answers_for_any_it_is_our_own_network_that_fails(
    per_address: bool,  # noqa: FBT001 - both ways
) -> None:
    async def nobody(host: str, timeout: Duration) -> Sequence[str]:  # noqa: ASYNC109 - as the real one
        raise NobodySays(f"{host} did not resolve within {timeout}")

    names = [{"url": f"http://{n}.example/", "per_address": per_address} for n in "ab"]
    with pytest.raises(NetworkFailed, match=r"be probed: http://a\.example/: a.example did not"):
        await Asking(*names, look_up=nobody).read()
    async with web_server(answering()) as port:
        batch = await Asking(*names, {"url": f"http://127.0.0.1:{port}/"}, look_up=nobody).read()

    assert sorted(read(batch, place)["up"] for place in range(3)) == [0, 0, 1]


async def test_a_name_that_is_said_not_to_be_is_a_reading_even_of_the_only_target() -> None:
    batch = await Asking({"url": "http://missing.example/"}).read()

    assert read(batch) == {"up": 0}


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.ENETDOWN])
def test_a_network_that_is_not_there_may_be_our_own(number: int) -> None:
    outcome = failed(OSError(number, "words with http://an.address/"))

    assert isinstance(outcome, Outcome)
    assert (outcome.is_up, outcome.is_near) == (False, True)
    assert "http" not in outcome.fault


async def test_headers_may_be_long_and_what_is_too_long_is_said_in_words() -> None:
    async with web_server(answering("", 200, **{"X-Policy": "x" * 20_000})) as port:
        assert read(await Asking({"url": f"http://127.0.0.1:{port}/"}).read()) == UP
    async with web_server(answering("", 200, **{"X-Policy": "x" * 70_000})) as port:
        batch = await Asking({"url": f"http://127.0.0.1:{port}/"}).read()

    assert reason(batch) == "a header of the answer is longer than 64 KiB"


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


async def test_a_url_that_became_none_is_told_of_and_the_others_are_probed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROBE_URL", "http://127.0.0.1/")
    async with web_server(answering()) as port:
        asking = Asking({"url": {"env": "PROBE_URL"}}, {"url": f"http://127.0.0.1:{port}/"})
        for wrong in ("http://[::1/", "nothing", f"http://{'x' * 64}.example/"):
            monkeypatch.setenv("PROBE_URL", wrong)
            batch = await asking.read()
            found = {
                dict(entity)["target"]: read(batch, place) for place, entity in enumerate(batch.entities)
            }
            assert found == {"{env: PROBE_URL}": {"up": 0}, f"http://127.0.0.1:{port}/": UP}


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
