"""Huawei's `SDK-HMAC-SHA256` (vendors/huawei_dsc.md, section 2): headers that sign one request. Pure."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from watcher.collect.credentials import host_of
from watcher.collect.http import Request
from watcher.model.time import Instant, to_datetime

ALGORITHM: Final = "SDK-HMAC-SHA256"
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """An access key; `token` goes with a temporary one."""

    access: str
    secret: str
    token: str = ""


def signed(request: Request, key: Key, now: Instant) -> Mapping[str, str]:
    """The request's headers, with those that sign it. What is signed is what is sent, `Host` included."""
    headers = {**request.headers, "Host": host_of(request.url), "X-Sdk-Date": sdk_date(now)}
    if key.token:
        headers["X-Security-Token"] = key.token
    names = ";".join(sorted(map(str.lower, headers)))
    text = f"{ALGORITHM}\n{headers['X-Sdk-Date']}\n{_hash(canonical(request, headers).encode())}"
    signature = hmac.new(key.secret.encode(), text.encode(), sha256).hexdigest()
    credentials = f"Access={key.access}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "Authorization": f"{ALGORITHM} {credentials}"}


def canonical(request: Request, headers: Mapping[str, str]) -> str:
    """The text whose hash is signed. The path in it ends in a slash, whatever is sent."""
    lowered = sorted((name.lower(), value.strip()) for name, value in headers.items())
    path = encoded(unquote(urlsplit(request.url).path), safe="/")
    lines = (
        request.method,
        path if path.endswith("/") else f"{path}/",
        _query(request.query),
        "".join(f"{name}:{value}\n" for name, value in lowered),
        ";".join(name for name, _ in lowered),
        _hash(request.body or b""),
    )
    return "\n".join(lines)


def encoded(text: str, *, safe: str = "") -> str:
    """Percent-encoded; only letters, digits, `-_.~` and what is named safe stay."""
    return quote(text, safe=safe)


def sdk_date(now: Instant) -> str:
    """`20261122T013000Z`."""
    return to_datetime(now).strftime("%Y%m%dT%H%M%SZ")


def _query(pairs: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in sorted(pairs))


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
