"""One exchange over real loopback sockets: what arrives, and what every way to fail is called."""

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import web

from watcher.collect.http import Handler, Request, Response
from watcher.collect.transport import BODY_LIMIT, aiohttp_exchange, client_session
from watcher.errors import (
    CollectError,
    ContractBroken,
    NetworkFailed,
    RequestRefused,
    UserError,
    VendorFailed,
)
from watcher.model.time import SECOND

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "s3cret"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with client_session() as session:
        yield session


@pytest.fixture
def exchange(session: aiohttp.ClientSession) -> Handler:
    return aiohttp_exchange(session, timeout=5 * SECOND)


@asynccontextmanager
async def server(answering: Answering, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answering)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[str]:
    """A server that reads a request, sends these bytes and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def failure(exchange: Handler, url: str) -> CollectError:
    """How an exchange failed; no failure ever shows what was asked."""
    with pytest.raises(CollectError) as caught:
        await exchange(Request("GET", url, query=(("token", SECRET),), headers={"X-Token": SECRET}))
    assert SECRET not in str(caught.value)
    return caught.value


async def echo(request: web.Request) -> web.Response:
    body = (await request.read()).decode()
    return web.json_response(
        {"method": request.method, "target": request.raw_path, "body": body, "headers": dict(request.headers)}
    )


async def test_the_query_arrives_byte_for_byte_with_its_order_and_repeats(exchange: Handler) -> None:
    query = (("metric", "b"), ("metric", "a"), ("start", "2026-11-22T03:00:00"), ("name", "ä b+c/~"))
    async with server(echo) as base:
        response = await exchange(Request("GET", f"{base}/a%2Fb/", query=query))

    asked = b"/a%2Fb/?metric=b&metric=a&start=2026-11-22T03%3A00%3A00&name=%C3%A4%20b%2Bc%2F~"
    assert asked in response.body


async def test_a_form_is_sent_urlencoded_and_bytes_as_they_are(exchange: Handler) -> None:
    async with server(echo) as base:
        form = await exchange(Request("POST", base, form=(("username", "me"), ("password", "a&b c"))))
        body = await exchange(Request("POST", base, body=b"raw", headers={"X-Sign": "1"}))

    assert b'"body": "username=me&password=a%26b+c"' in form.body
    assert b"application/x-www-form-urlencoded" in form.body
    assert b'"body": "raw"' in body.body
    assert b'"X-Sign": "1"' in body.body


@pytest.mark.parametrize("status", [200, 204, 403, 429, 500])
async def test_an_answer_of_any_status_is_a_response(status: int, exchange: Handler) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Retry-After": "7"})

    async with server(answer) as base:
        response = await exchange(Request("GET", base))

    assert (response.status, response.headers["retry-after"]) == (status, "7")


async def test_cookies_are_neither_kept_nor_sent(exchange: Handler) -> None:
    async def answer(request: web.Request) -> web.Response:
        response = web.Response(text=str(dict(request.cookies)))
        response.set_cookie("session", "1")
        return response

    async with server(answer) as base:
        answers = [await exchange(Request("GET", base)) for _ in range(2)]

    assert [answer.body for answer in answers] == [b"{}", b"{}"]


async def test_a_redirect_within_the_origin_is_followed(exchange: Handler) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/v1":
            raise web.HTTPMovedPermanently("/v1/?" + request.query_string)
        return web.Response(text=request.raw_path)

    async with server(answer) as base:
        response = await exchange(Request("GET", f"{base}/v1", query=(("a", "1"),)))

    assert response.body == b"/v1/?a=1"


@pytest.mark.parametrize("target", ["http://elsewhere.test/", "https://127.0.0.1/", "/again"])
async def test_a_redirect_elsewhere_or_in_a_circle_is_not_followed(target: str, exchange: Handler) -> None:
    async def answer(_request: web.Request) -> web.Response:
        raise web.HTTPFound(target)

    async with server(answer) as base:
        error = await failure(exchange, base)

    assert isinstance(error, ContractBroken)


async def test_a_post_is_never_sent_twice_by_a_redirect(exchange: Handler) -> None:
    async def answer(_request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async with server(answer) as base:
        with pytest.raises(ContractBroken, match="307"):
            await exchange(Request("POST", base))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_an_answer_over_the_limit_is_refused_also_when_it_unpacks_to_that(
    packed: bool,  # noqa: FBT001 - a parameter of the test, not of an interface
    exchange: Handler,
) -> None:
    body = bytes(BODY_LIMIT + 1)

    async def answer(_request: web.Request) -> web.Response:
        if packed:
            return web.Response(body=gzip.compress(body, 1), headers={"Content-Encoding": "gzip"})
        return web.Response(body=body)

    async with server(answer) as base:
        error = await failure(exchange, base)

    assert isinstance(error, ContractBroken)
    assert "larger than 64 MiB" in str(error)


async def test_a_vendor_that_says_nothing_is_waited_for_as_long_as_configured(
    session: aiohttp.ClientSession,
) -> None:
    over = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async with server(answer) as base:
        error = await failure(aiohttp_exchange(session, timeout=50), base)
        over.set()

    assert isinstance(error, NetworkFailed)
    assert str(error).endswith(": no answer in time")


async def test_a_request_says_what_it_means_when_its_answer_comes_too_late(
    session: aiohttp.ClientSession,
) -> None:
    over = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async with server(answer) as base:
        request = Request("GET", base, late=VendorFailed)
        with pytest.raises(VendorFailed, match="no answer in time"):
            await aiohttp_exchange(session, timeout=50)(request)
        over.set()

    with pytest.raises(NetworkFailed):
        await aiohttp_exchange(session, timeout=SECOND)(replace(request, url="http://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("answer", "family", "words"),
    [
        (b"", "network", "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "network", "the answer broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "contract", "the answer is not HTTP"),
    ],
)
async def test_a_connection_that_breaks_says_how(
    answer: bytes, family: str, words: str, exchange: Handler
) -> None:
    async with raw_server(answer) as base:
        error = await failure(exchange, base)

    assert (error.family, str(error)) == (family, f"{base.removeprefix('http://')}: {words}")


async def test_a_request_is_sent_once_also_where_a_kept_connection_is_dropped(exchange: Handler) -> None:
    """A second one would pass by the limit of the source, and repeat what was signed for one."""
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as listening:
        base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        await exchange(Request("GET", f"{base}/1"))
        error = await failure(exchange, f"{base}/2")

    assert [head.split(b"?")[0].split(b" HTTP")[0] for head in asked] == [b"GET /1", b"GET /2"]
    assert str(error).endswith("closed the connection without an answer")


async def test_a_closed_port_is_a_network_failure(exchange: Handler) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = await failure(exchange, f"http://127.0.0.1:{unused.getsockname()[1]}")

    assert isinstance(error, NetworkFailed)
    assert str(error).endswith(": connection refused")


async def test_a_name_that_does_not_resolve_is_a_network_failure(exchange: Handler) -> None:
    assert isinstance(await failure(exchange, "http://nothing.invalid"), NetworkFailed)


async def test_a_proxy_that_is_not_there_is_named_without_its_password(
    session: aiohttp.ClientSession,
) -> None:
    proxied = aiohttp_exchange(session, timeout=SECOND, proxy=lambda: f"http://me:{SECRET}@127.0.0.1:1")
    error = await failure(proxied, "http://vendor.test")

    assert str(error) == "vendor.test:80: the proxy cannot be reached"


async def test_what_a_proxy_refuses_is_no_answer_of_the_vendor(session: aiohttp.ClientSession) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=407)

    async with server(refuse) as proxy:
        proxied = aiohttp_exchange(session, timeout=SECOND, proxy=lambda: proxy)
        errors = [await failure(proxied, f"{scheme}://vendor.test") for scheme in ("http", "https")]

    assert [str(error) for error in errors] == [
        "vendor.test:80: the proxy refused",
        "vendor.test:443: the proxy refused",
    ]
    assert {type(error) for error in errors} == {NetworkFailed}


@pytest.mark.parametrize("url", ["ftp://vendor/", "vendor", "http://", "http://vendor:port/"])
async def test_a_url_that_is_none_is_our_fault(url: str, exchange: Handler) -> None:
    assert isinstance(await failure(exchange, url), RequestRefused)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def serving(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_with_its_ca_file_a_private_vendor_is_trusted(
    session: aiohttp.ClientSession, authority: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with server(echo, serving(authority, "127.0.0.1")) as base:
        response: Response = await aiohttp_exchange(session, timeout=5 * SECOND, ca_file=ca_file)(
            Request("GET", base)
        )

    assert response.status == 200


@pytest.mark.parametrize("name", ["127.0.0.1", "elsewhere.test"], ids=["untrusted", "wrong name"])
async def test_a_vendor_that_cannot_be_trusted_is_not_asked(
    name: str, exchange: Handler, authority: trustme.CA
) -> None:
    async with server(echo, serving(authority, name)) as base:
        error = await failure(exchange, base)

    assert isinstance(error, NetworkFailed)
    assert "TLS: certificate not trusted, " in str(error)


async def test_plain_http_where_tls_was_meant_is_a_failed_handshake(exchange: Handler) -> None:
    async with server(echo) as base:
        error = await failure(exchange, base.replace("http://", "https://"))

    assert "TLS: handshake failed" in str(error)


def test_a_ca_file_that_cannot_be_used_is_said_at_start(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(UserError, match="holds no certificate"):
        aiohttp_exchange(session, timeout=SECOND, ca_file=tmp_path / "ca.pem")
    with pytest.raises(UserError, match="no such file"):
        aiohttp_exchange(session, timeout=SECOND, ca_file=tmp_path / "absent.pem")
