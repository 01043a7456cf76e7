"""One probe of one URL: a fresh connection, redirects if asked for, and what came of it."""

import errno
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, AddressFamily
from typing import Final

import aiohttp
import anyio
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from watcher.collect.hosts import NobodySays, Resolve, Unresolved
from watcher.collect.transport import HEADER_LIMIT, REDIRECTS, what_happened
from watcher.collect.vendors.http.answer import Answer, fault
from watcher.collect.vendors.http.settings import HttpTarget
from watcher.document.secrets import Secret, SecretUrl
from watcher.errors import NetworkFailed, SecretUnavailable
from watcher.model.time import SECOND, Duration
from watcher.model.words import span

BODY_LIMIT: Final = 1024 * 1024
"""Bytes of a body that are read and looked at."""
_CHUNK: Final = 64 * 1024
_OURS: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
"""What keeps this machine from asking, and says nothing of who was to answer."""
_NO_NETWORK: Final = {errno.ENETUNREACH, errno.ENETDOWN}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one probe went."""

    fault: str = ""
    """Empty: the answer was as expected."""
    status: int | None = None
    seconds: float | None = None
    """Until the whole answer was there; None where none came."""
    facts: Mapping[str, str] = field(default_factory=dict)
    is_near: bool = False
    """The fault may be one of our own network: it is, if all targets have such a one."""

    @property
    def is_up(self) -> bool:
        """Whether the answer was as expected."""
        return not self.fault


@dataclass(frozen=True, slots=True)
class Prober:
    """What all probes of a source share."""

    trust: ssl.SSLContext
    look_up: Resolve
    timeout: Duration
    proxy: SecretUrl | None = None

    def takes(self, target: HttpTarget) -> Duration:
        """How long a probe may."""
        return target.timeout or self.timeout

    async def probe(self, target: HttpTarget, addresses: Sequence[str] = ()) -> Outcome | str:
        """Ask once, at one of these addresses of the host where some are given.

        A failure is an outcome. A text is none: why we could not ask. Raises nothing but cancellation.
        """
        timeout = self.takes(target)
        began = anyio.current_time()
        try:
            with anyio.fail_after(timeout / SECOND):
                answer = await self._answer(target, addresses)
        except TimeoutError:
            return Outcome(f"no answer within {span(timeout)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failed(error)
        except SecretUnavailable as error:
            return str(error)
        seconds = anyio.current_time() - began
        why = fault(answer, target.expect_status, target.expect_body)
        facts = {"status": str(answer.status), "reason": why}
        return Outcome(why, answer.status, seconds, {key: fact for key, fact in facts.items() if fact})

    async def _answer(self, target: HttpTarget, addresses: Sequence[str]) -> Answer:
        url = URL(target.url.reveal())
        headers = {name: _revealed(value) for name, value in target.headers.items()}
        pinned = {host: addresses for host in (url.host, url.raw_host) if host and addresses}
        async with self._session(pinned) as session:
            for _ in range(target.max_redirects + 1):
                answer = await self._once(session, target.method, url, headers)
                if not (target.follow_redirects and answer.location):
                    return answer
                leads_to = _next(url, answer)
                if leads_to.origin() == url.origin():
                    leads_to = leads_to.with_user(url.user).with_password(url.password)
                else:
                    headers = {}  # they were meant for the host that is configured
                url = leads_to
        raise _TooMany(f"more than {target.max_redirects} redirects")

    async def _once(
        self, session: aiohttp.ClientSession, method: str, url: URL, headers: Mapping[str, str]
    ) -> Answer:
        proxy = None if self.proxy is None else self.proxy.reveal()
        async with session.request(
            method, url, headers=headers, allow_redirects=False, proxy=proxy
        ) as response:
            location = response.headers.get("Location", "") if response.status in REDIRECTS else ""
            return Answer(response.status, await _body(response), location)

    def _session(self, pinned: Mapping[str, Sequence[str]]) -> aiohttp.ClientSession:
        """For one probe: what it measures holds a connection and a handshake of its own."""
        connector = aiohttp.TCPConnector(
            ssl=self.trust,
            resolver=_Resolver(self.look_up, self.timeout, pinned),
            use_dns_cache=False,
            force_close=True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": "watcher"},
            trust_env=False,
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
        )


def failed(error: Exception) -> Outcome | str:
    """How a probe went that ended in an error; in words where we could not ask."""
    if isinstance(error, OSError) and error.errno in _OURS:
        return f"could not ask: {what_happened(error)}"
    words = _words(error)
    return Outcome(words, facts={"reason": words}, is_near=_is_near(error))


def unresolved(name: Unresolved) -> Outcome | str:
    """How the probe of a name without an address went."""
    return (
        Outcome(name.why, facts={"reason": name.why}, is_near=not name.is_said) if name.is_asked else name.why
    )


class _TooMany(ValueError):
    """Redirects without an end."""


class _Nowhere(ValueError):
    """A redirect to what is no HTTP address."""


class _Resolver(AbstractResolver):
    """Names as probes look them up; a pinned one is at its addresses, whatever the name server says.

    So the URL keeps its host: in the Host header, in the handshake and on the certificate.
    """

    def __init__(self, look_up: Resolve, timeout: Duration, pinned: Mapping[str, Sequence[str]]) -> None:
        self._look_up = look_up
        self._timeout = timeout
        self._pinned = pinned

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:
        del family  # both kinds are tried
        try:
            found = self._pinned.get(host) or await self._look_up(host, self._timeout)
        except NetworkFailed as error:
            raise OSError(str(error)) from error
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=AF_INET6 if ip_address(address).version == 6 else AF_INET,
                proto=0,
                flags=0,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Holds nothing."""


async def _body(response: aiohttp.ClientResponse) -> str:
    """The body's beginning, as text: bytes that are none become replacement characters."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) >= BODY_LIMIT:
            break
    try:
        return bytes(body[:BODY_LIMIT]).decode(response.charset or "utf-8", errors="replace")
    except LookupError:
        return bytes(body[:BODY_LIMIT]).decode("utf-8", errors="replace")


def _next(url: URL, answer: Answer) -> URL:
    """Where a redirect leads, without a user whom the redirect may name.

    Raises:
        _Nowhere: to something that is no HTTP address.
    """
    try:
        target = url.join(URL(answer.location)).with_user(None)
        if target.origin().scheme in {"http", "https"}:
            return target
    except ValueError:
        pass
    raise _Nowhere(f"HTTP {answer.status} leads nowhere")


def _words(error: Exception) -> str:
    """What went wrong; messages of the exceptions themselves may hold URLs."""
    if isinstance(error, _TooMany | _Nowhere):
        return str(error)
    if any(isinstance(cause, LineTooLong) for cause in _causes(error)):
        return f"a header of the answer is longer than {HEADER_LIMIT >> 10} KiB"
    is_proxy = isinstance(error, aiohttp.ClientHttpProxyError)
    if isinstance(error, aiohttp.ClientResponseError) and not is_proxy:
        return "the answer is not HTTP"
    return what_happened(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _is_near(error: Exception) -> bool:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return any(isinstance(cause, NobodySays) for cause in _causes(error.os_error))
    lost = isinstance(error, OSError) and error.errno in _NO_NETWORK
    return lost or isinstance(error, aiohttp.ClientProxyConnectionError)


def _revealed(value: str | Secret) -> str:
    return value if isinstance(value, str) else value.reveal()
