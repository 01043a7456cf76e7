"""Who we are to SwiftFederation: a signature over the very bytes sent, or a header. Both are middlewares.

Every attempt is signed anew, with its own date and nonce. The layout of version 2 is the one that gives the
signature of the vendor's own example; an older page shows a blank line more, which does not.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from yarl import URL

from watcher.collect.credentials import header_value, host_of, revealed
from watcher.collect.http import Handler, Middleware, Request, Response
from watcher.collect.vendors.swiftfederation.settings import (
    BearerAuth,
    HeaderAuth,
    HmacAuth,
    NoAuth,
    SwiftfederationSettings,
)
from watcher.document.secrets import Secret
from watcher.model.time import Instant, to_datetime

DATE: Final = "X-SFD-Date"
NONCE: Final = "X-SFD-Nonce"
VERSION: Final = "X-SFD-Signature-Version"
FZONE: Final = "X-SFD-FZone"
_NONCE_DIGITS: Final = 15
"""The vendor takes up to 18 and recommends 5, which soon come again."""


def credential(settings: SwiftfederationSettings, now: Callable[[], Instant]) -> Middleware:
    """What the settings name."""
    custom = {FZONE: settings.fzone} if settings.fzone else {}
    match settings.auth:
        case HmacAuth() as auth:
            return Signing(auth, custom, now)
        case BearerAuth() as auth:
            return GivenHeader("Authorization", auth.token, custom, scheme="Bearer ")
        case HeaderAuth() as auth:
            return GivenHeader(auth.name, auth.value, custom)
        case NoAuth():
            return Unsigned(custom)


@dataclass(frozen=True, slots=True)
class Call:
    """What of a request is signed."""

    method: str
    path: str
    """As it is sent, prefixes of a gateway included."""
    host: str
    headers: Mapping[str, str]
    """Those that begin with `X-SFD-`."""
    body: bytes


def string_to_sign_v2(call: Call, key_id: str) -> bytes:
    """Method, path, host, each `X-SFD-*` header by lower-case name, key id and body, a line each."""
    named = sorted((name.lower(), value) for name, value in call.headers.items())
    lines = (
        call.method.upper(),
        call.path,
        f"host:{call.host}",
        *(f"{name}:{value}" for name, value in named),
        key_id,
    )
    return "\n".join(lines).encode() + b"\n" + call.body


def string_to_sign_v1(call: Call, key_id: str) -> bytes:
    """Method, path, date, nonce, key id and body, a line each; other headers are not signed."""
    lines = (call.method.upper(), call.path, call.headers[DATE], call.headers[NONCE], key_id)
    return "\n".join(lines).encode() + b"\n" + call.body


def signature(key_secret: str, string_to_sign: bytes) -> str:
    """HMAC-SHA256 in lower-case hexadecimal."""
    return hmac.new(key_secret.encode(), string_to_sign, sha256).hexdigest()


class Signing:
    """The vendor's signature, of version 1 or 2."""

    def __init__(self, auth: HmacAuth, custom: Mapping[str, str], now: Callable[[], Instant]) -> None:
        self._auth = auth
        self._custom = custom
        self._now = now

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send it signed. `Host` is sent as it was signed, not as the transport would write it.

        Raises:
            AuthenticationFailed: the keys cannot be read, or are none that a header could carry.
        """
        key_id, key_secret = header_value(self._auth.access_key_id), revealed(self._auth.access_key_secret)
        url = URL(request.url, encoded=True)
        headers = {**self._custom, DATE: _date(self._now()), NONCE: _nonce()}
        second = self._auth.kind == "sfd_hmac_v2"
        if second:
            headers[VERSION] = "2"
        host = host_of(request.url)
        call = Call(request.method, url.raw_path, host, headers, request.body or b"")
        text = string_to_sign_v2(call, key_id) if second else string_to_sign_v1(call, key_id)
        authorization = f"HMAC-SHA256 {key_id}:{signature(key_secret, text)}"
        signed = {**request.headers, "Host": host, **headers, "Authorization": authorization}
        return await call_next(replace(request, headers=signed, dated=True))


class GivenHeader:
    """A secret in a header, the same each time."""

    def __init__(self, name: str, value: Secret, custom: Mapping[str, str], *, scheme: str = "") -> None:
        self._name = name
        self._value = value
        self._custom = custom
        self._scheme = scheme

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send it with the header.

        Raises:
            AuthenticationFailed: its value cannot be read, or is none that a header could carry.
        """
        value = self._scheme + header_value(self._value)
        headers = {**request.headers, **self._custom, self._name: value}
        return await call_next(replace(request, headers=headers))


class Unsigned:
    """Nothing but the custom headers: a gateway in between signs."""

    def __init__(self, custom: Mapping[str, str]) -> None:
        self._custom = custom

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send it."""
        return await call_next(replace(request, headers={**request.headers, **self._custom}))


def _date(now: Instant) -> str:
    return to_datetime(now).strftime("%Y%m%dT%H%M%SZ")


def _nonce() -> str:
    least = 10 ** (_NONCE_DIGITS - 1)
    return str(least + secrets.randbelow(9 * least))
