"""One exchange with a receiver, and what its answer means: told, try again, or never."""

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote, unquote_plus
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from watcher.document.redaction import redact
from watcher.document.secrets import Secret, SecretUrl
from watcher.errors import DeliveryFailed, DeliveryRejected, SecretUnavailable
from watcher.model.time import SECOND, Duration
from watcher.notify.senders.tls import tls_words

TIMEOUT: Final[Duration] = 25 * SECOND
"""Of a whole exchange: shorter than a lane waits, so that the reason is ours to tell."""
CONNECT: Final[Duration] = 10 * SECOND

_READ: Final = 64 * 1024
"""Bytes of an answer that are looked at."""
_SHOWN: Final = 160
"""Characters of an answer that a person is shown."""
_MAY_PASS: Final = frozenset({401, 403, 404, 407, 408, 409, 421, 423, 425, 429})
"""Refusals that end by themselves or by somebody's hand, without the message being another."""
_TOKEN_LENGTH: Final = 6
"""Shorter parts of an address are words, unless the configuration says that they are secrets."""
_TOKEN: Final = re.compile(r"(?=[^/]*\d)[^/]{6,}|[^/]{20,}")
"""A part of a path that may be a token: with a digit in it, or longer than words are."""
_JSON: Final = {"Content-Type": "application/json"}

_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "its name does not resolve"),
    (aiohttp.ConnectionTimeoutError, "no connection in time"),
    (TimeoutError, "no answer in time"),
    (aiohttp.ClientConnectorError, "no connection"),
    (aiohttp.ServerDisconnectedError, "it closed the connection without an answer"),
    (aiohttp.InvalidURL, "its address is no URL"),
)
"""What happened, by the first class that fits: the exceptions' own messages may hold the address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether it was taken."""
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, where the receiver asks for it; a date is reckoned by the receiver's own clock."""
        asked = self.headers.get("Retry-After", "")
        if asked.isascii() and asked.isdigit():
            return float(asked)
        try:
            until = parsedate_to_datetime(asked)
            return max(0.0, (until - parsedate_to_datetime(self.headers.get("Date", ""))).total_seconds())
        except (ValueError, TypeError):  # TypeError: one of them names no zone
            return None


def sending_session() -> aiohttp.ClientSession:
    """The session that all senders share, its owner's to close.

    It keeps no cookies, and has any number of connections, so that receivers that hang keep none from the
    others.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "watcher"},
    )


class Poster:
    """Posts over one session. Redirects are not followed: they would carry secrets to a host nobody named.

    Proxies are the environment's, as apprise has it. aiohttp would look for them, and for a `.netrc`, in
    another thread at every request; here each host is looked up once.
    """

    def __init__(self, session: aiohttp.ClientSession, *, timeout: Duration = TIMEOUT) -> None:
        """`session` is shared and its owner's to close."""
        self._session = session
        self._limits = aiohttp.ClientTimeout(
            total=timeout / SECOND, sock_connect=min(CONNECT, timeout) / SECOND
        )
        self._address: tuple[str, URL, str | None] = ("", URL(), None)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post JSON; the answer of whatever status.

        Raises:
            DeliveryFailed: no answer came.
        """
        return await self._exchange("POST", url, body, {**_JSON, **headers})

    async def get(self, url: str) -> Answer:
        """Ask; the answer of whatever status.

        Raises:
            DeliveryFailed: no answer came.
        """
        return await self._exchange("GET", url, None, {})

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        try:
            address, proxy = self._parsed(url)
            async with self._session.request(
                method,
                address,
                data=body,
                headers=headers,
                timeout=self._limits,
                proxy=proxy,
                allow_redirects=False,
            ) as answer:
                return Answer(answer.status, answer.headers, await answer.content.read(_READ))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryFailed(_why(error)) from error

    def _parsed(self, url: str) -> tuple[URL, str | None]:
        """The address and its proxy; looked up anew when a secret in it has changed."""
        if url != self._address[0]:
            address = URL(url)
            proxy = None if proxy_bypass(address.host or "") else getproxies().get(address.scheme)
            self._address = url, address, proxy
        return self._address[1:]


def ensure_taken(answer: Answer, *, hidden: Callable[[], Collection[str]] = tuple) -> None:
    """Pass where it was taken; `hidden` gives texts that the words must not hold, if there are to be any.

    Raises:
        DeliveryFailed: the same may be taken later.
        DeliveryRejected: it never will.
    """
    if answer.is_success:
        return
    words = _words(answer, hidden())
    if 300 <= answer.status < 400:
        raise DeliveryFailed(f"{words}; redirects are not followed: write the address it leads to")
    if 400 <= answer.status < 500 and answer.status not in _MAY_PASS:
        raise DeliveryRejected(words)
    raise DeliveryFailed(words, retry_after=answer.retry_after)


def revealed(secret: Secret | SecretUrl) -> str:
    """The value as it is now.

    Raises:
        DeliveryFailed: it is not there; somebody may put it there.
    """
    try:
        return secret.reveal()
    except SecretUnavailable as error:
        raise DeliveryFailed(f"{error}; {error.hint}") from error


def texts_of(url: SecretUrl) -> frozenset[str]:
    """Every text of an address that may be a secret, as written and decoded: receivers echo what they refuse.

    Those are what it refers to, values of its query, and of its path what looks like a token. Plain words
    (`/services`, `?format=json`) are none: without them nobody would understand the answer.
    """
    address = revealed(url)
    plain, _, query = address.partition("?")
    path = plain.partition("://")[2].partition("/")[2]
    parts = {part for part in path.split("/") if _TOKEN.fullmatch(part)}
    parts |= {part for part in re.split("[&=#]", query) if len(part) >= _TOKEN_LENGTH}
    decoded = {unquote(part) for part in parts} | {unquote_plus(part) for part in parts}
    return frozenset({address, *url.values(), *parts, *decoded})


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientSSLError):
        return tls_words(error)
    if type(error) is aiohttp.ClientConnectorError and error.os_error.errno:
        return f"no connection: {os.strerror(error.os_error.errno)}"
    return next((word for kind, word in _WORDS if isinstance(error, kind)), type(error).__name__)


def _words(answer: Answer, hidden: Collection[str]) -> str:
    try:
        phrase = f" {HTTPStatus(answer.status).phrase}"
    except ValueError:
        phrase = ""
    said = " ".join(answer.body.decode("utf-8", "replace").split())
    said = redact(said, hidden)
    if not said or said.startswith("<"):  # a page for people says less than its status
        return f"it answered {answer.status}{phrase}"
    return f"it answered {answer.status}{phrase}: {said[:_SHOWN]}"
