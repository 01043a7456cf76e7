"""Whether a request's `SDK-HMAC-SHA256` signature is right, by what was received."""

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self
from urllib.parse import quote, unquote

from multidict import CIMultiDictProxy

from watcher.model.time import SECOND, Instant, parse_rfc3339
from watcher.simulate.huawei.answers import rejected
from watcher.simulate.wire import as_sent

ALGORITHM: Final = "SDK-HMAC-SHA256"
_HEADER: Final = re.compile(
    rf"{ALGORITHM} Access=(?P<access>[^,\s]+),\s*SignedHeaders=(?P<names>[^,\s]+),"
    r"\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_NEEDED: Final = {"host", "x-sdk-date"}


@dataclass(frozen=True, slots=True)
class Received:
    """A request, byte for byte as it came."""

    method: str
    target: str
    """Path and query as they stand in the request's first line."""
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What an `Authorization` header says."""

    access: str
    names: tuple[str, ...]
    signature: str

    @classmethod
    def read(cls, header: str) -> Self:
        """From the header.

        Raises:
            Refused: it is not of the documented form.
        """
        found = _HEADER.fullmatch(header)
        if found is None:
            raise rejected("verify aksk signature fail, malformed Authorization header")
        return cls(found["access"], tuple(found["names"].split(";")), found["signature"])


def signed_at(headers: CIMultiDictProxy[str]) -> Instant:
    """The time in `X-Sdk-Date`.

    Raises:
        Refused: it is not there, or no time.
    """
    found = _DATE.fullmatch(headers.get("X-Sdk-Date", ""))
    if found is not None:
        year, month, day, hour, minute, second = found.groups()
        try:
            return parse_rfc3339(f"{year}-{month}-{day}T{hour}:{minute}:{second}Z") // SECOND * SECOND
        except ValueError:
            pass  # a 30th of February
    raise rejected("verify aksk signature fail, invalid x-sdk-date")


def is_right(request: Received, claim: Claim, secret: str) -> bool:
    """Whether the claim's signature is that of the request. Compared in constant time."""
    if not _NEEDED.issubset(claim.names) or not all(name in request.headers for name in claim.names):
        return False
    date = request.headers["X-Sdk-Date"]
    hashed = sha256(as_sent(canonical(request, claim.names))).hexdigest()
    text = f"{ALGORITHM}\n{date}\n{hashed}"
    expected = hmac.new(secret.encode(), as_sent(text), sha256).hexdigest()
    return hmac.compare_digest(expected, claim.signature)


def canonical(request: Received, names: tuple[str, ...]) -> str:
    """The text whose hash is signed: the path in it always ends in a slash."""
    path, _, query = request.target.partition("?")
    return "\n".join(
        (
            request.method,
            _path(path),
            _query(query),
            "".join(f"{name}:{request.headers[name].strip()}\n" for name in sorted(names)),
            ";".join(sorted(names)),
            _body(request),
        )
    )


def _path(path: str) -> str:
    coded = "/".join(_encoded(segment) for segment in unquote(path).split("/"))
    return coded if coded.endswith("/") else f"{coded}/"


def _query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    decoded = sorted((unquote(name), unquote(value)) for name, _, value in pairs)
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in decoded)


def _body(request: Received) -> str:
    said = request.headers.get("X-Sdk-Content-Sha256", "")
    return said if said and request.body else sha256(request.body).hexdigest()


def _encoded(text: str) -> str:
    return quote(text, safe="")
