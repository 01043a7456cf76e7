"""Hop 1: one HTTP exchange over aiohttp; whatever goes wrong leaves here as an error of our tree."""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from watcher.collect.http import Handler, Request, Response
from watcher.collect.trust import loading
from watcher.errors import CollectError, ContractBroken, NetworkFailed, RequestRefused, SecretUnavailable
from watcher.model.time import SECOND, Duration

BODY_LIMIT: Final = 64 * 1024 * 1024
"""Bytes, after decompression."""
HEADER_LIMIT: Final = 64 * 1024
"""Bytes of one header of an answer: some vendors give tokens of 20 KB in one."""
CONNECT: Final[Duration] = 10 * SECOND
REDIRECTS: Final = {301, 302, 303, 307, 308}
HOPS: Final = 3
PROXY_REFUSES: Final = 407
"""Of a request in clear: that for a tunnel fails as such."""

_CHUNK: Final = 256 * 1024

_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "the name does not resolve"),
    (aiohttp.ClientProxyConnectionError, "the proxy cannot be reached"),
    (aiohttp.ClientHttpProxyError, "the proxy refused"),
    (aiohttp.ServerFingerprintMismatch, "TLS: another certificate than the pinned one"),
    (aiohttp.ConnectionTimeoutError, "no connection in time"),
    (TimeoutError, "no answer in time"),
    (aiohttp.ServerDisconnectedError, "closed the connection without an answer"),
    (aiohttp.ClientConnectionResetError, "closed the connection while we asked"),
    (aiohttp.ClientPayloadError, "the answer broke off"),
)
"""What happened, by the first class that fits. Messages of the exceptions themselves may hold URLs."""


def client_session() -> aiohttp.ClientSession:
    """The session all sources share: no cookies, nothing from the environment. Its owner closes it."""
    session = aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "watcher"},
        trust_env=False,
        max_field_size=HEADER_LIMIT,
    )
    # Else a GET whose kept connection is dropped is sent again at once, past the limit and signed as before.
    session._retry_connection = False  # noqa: SLF001 - as aiohttp's own test client does; there is no option
    return session


def aiohttp_exchange(
    session: aiohttp.ClientSession,
    *,
    timeout: Duration,
    proxy: Callable[[], str] | None = None,
    ca_file: Path | None = None,
) -> Handler:
    """The innermost handler of one source: one request, one answer of any status.

    `proxy` is asked for each time, since a secret in it may change.

    With a `ca_file`, only the authorities in it are trusted. Redirects are followed for GET and within one
    origin; elsewhere credentials would go to a host nobody configured.

    Raises:
        UserError: the `ca_file` cannot be read.
    """
    trust: ssl.SSLContext | bool = True if ca_file is None else _trust(ca_file)
    seconds = timeout / SECOND
    limits = aiohttp.ClientTimeout(total=seconds, connect=min(CONNECT / SECOND, seconds), sock_read=seconds)

    async def once(request: Request, url: URL) -> Response:
        body, headers = _body(request)
        try:
            answer = await session.request(
                request.method,
                url,
                headers=headers,
                data=body,
                timeout=limits,
                proxy=_revealed(proxy),
                ssl=trust,
                allow_redirects=False,
            )
            async with answer:
                if answer.status == PROXY_REFUSES:
                    raise NetworkFailed(f"{url.host}:{url.port}: the proxy refused", status=answer.status)
                lowered = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, lowered, await _read(answer))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _wrapped(error, url, request.late) from error

    async def exchange(request: Request) -> Response:
        url = _url(request)
        for _ in range(HOPS + 1):
            response = await once(request, url)
            if response.status not in REDIRECTS:
                return response
            url = _next(request, url, response)
        raise ContractBroken(f"{url.host}: redirects in a circle")

    return exchange


def _revealed(proxy: Callable[[], str] | None) -> str | None:
    try:
        return None if proxy is None else proxy()
    except SecretUnavailable as error:
        raise NetworkFailed(f"the proxy is not known: {error}; {error.hint}") from error


def _trust(ca_file: Path) -> ssl.SSLContext:
    with loading(ca_file):
        return ssl.create_default_context(cafile=ca_file)


def _url(request: Request) -> URL:
    """The request's URL with its query, exactly as given: yarl would encode it anew and break signatures."""
    text = request.url
    if request.query:
        joint = "&" if "?" in text else "?"
        text += joint + urlencode(request.query, quote_via=quote, safe="")
    try:
        url = URL(text, encoded=True)
        usable = url.scheme in {"http", "https"} and bool(url.host) and bool(url.port)
    except ValueError as error:
        raise RequestRefused("the URL of the request cannot be read") from error
    if not usable:
        raise RequestRefused("the URL of the request is not http:// or https:// and a host")
    return url


def _body(request: Request) -> tuple[bytes | None, dict[str, str]]:
    headers = dict(request.headers)
    if request.form is None:
        return request.body, headers
    if "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return urlencode(request.form).encode(), headers


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise ContractBroken(
                f"{answer.url.host}: the answer is larger than {BODY_LIMIT >> 20} MiB", status=answer.status
            )
    return bytes(body)


def _next(request: Request, url: URL, response: Response) -> URL:
    """Where a redirect may lead: the same origin, for a GET."""
    try:
        target = url.join(URL(response.headers.get("location", ""), encoded=True))
        origin = target.origin()
    except ValueError as error:
        raise ContractBroken(
            f"{url.host}: HTTP {response.status} leads nowhere", status=response.status
        ) from error
    if origin != url.origin() or request.method != "GET":
        raise ContractBroken(
            f"{url.host}: HTTP {response.status} leads to {origin}, which is not followed; "
            "check base_url and the network between",
            status=response.status,
        )
    return target


def _wrapped(error: Exception, url: URL, late: type[CollectError]) -> CollectError:
    host = f"{url.host}:{url.port}"
    if isinstance(error, aiohttp.ClientResponseError) and not isinstance(error, aiohttp.ClientHttpProxyError):
        return ContractBroken(f"{host}: the answer is not HTTP")
    connected = not isinstance(error, aiohttp.ConnectionTimeoutError)
    family = late if isinstance(error, TimeoutError) and connected else NetworkFailed
    return family(f"{host}: {what_happened(error)}")


def what_happened(error: Exception) -> str:
    """What aiohttp or the system ran into, in words without any URL."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"TLS: {_tls_reason(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"TLS: {_tls_reason(error.os_error)}"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    return _strerror(error) if isinstance(error, OSError) else type(error).__name__


def _tls_reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted, {error.verify_message}"
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    return "handshake failed" + (f", {reason.lower().replace('_', ' ')}" if reason else "")


def _strerror(error: OSError) -> str:
    """The system's words; asyncio puts addresses into its own."""
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__
