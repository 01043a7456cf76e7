"""Whether a request carries the signature of its key: checked over what was received, byte for byte."""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from watcher.model.time import Instant
from watcher.simulate.swiftfederation.answers import Refused
from watcher.simulate.swiftfederation.settings import CLOCK_WINDOW
from watcher.simulate.wire import as_sent

_AUTHORIZATION: Final = re.compile(r"HMAC-SHA256 ([^\s:]+):([0-9a-f]{64})")
_DATE: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_NONCE: Final = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Received:
    """What of a request is signed, as it came."""

    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    """Names in lower case."""
    body: bytes

    def header(self, name: str) -> str:
        """The first of that name, else empty."""
        return next((value for known, value in self.headers if known == name), "")


@dataclass(frozen=True, slots=True)
class Gate:
    """The gateway: one key, and the nonces it has seen."""

    key_id: str
    key_secret: str
    refuse_replays: bool = False
    _nonces: set[str] = field(default_factory=set)

    def check(self, request: Received, now: Instant) -> None:
        """Let a request through.

        Raises:
            Refused: with the code of the first thing that is wrong.
        """
        found = _AUTHORIZATION.fullmatch(request.header("authorization"))
        if found is None:
            raise Refused(400, "AuthorizationFormat.Invalid")
        if not _same(found[1], self.key_id):
            raise Refused(401, "AccessCredential.Invalid")
        _check_date(request.header("x-sfd-date"), now)
        nonce = request.header("x-sfd-nonce")
        if not _NONCE.fullmatch(nonce) or (self.refuse_replays and nonce in self._nonces):
            raise Refused(400, "Nonce.Invalid")
        text = string_to_sign(request, self.key_id)
        if not _same(found[2], hmac.new(as_sent(self.key_secret), text, sha256).hexdigest()):
            raise Refused(401, "Signature.NotMatch")
        self._nonces.add(nonce)


def string_to_sign(request: Received, key_id: str) -> bytes:
    """By the version that the request names; none named is 1.

    Raises:
        Refused: it names another.
    """
    version = request.header("x-sfd-signature-version")
    if version == "2":
        custom = sorted(header for header in request.headers if header[0].startswith("x-sfd-"))
        named = [("host", request.header("host")), *custom]
        lines = [request.method, request.path, *(f"{name}:{value}" for name, value in named)]
    elif version in {"", "1"}:
        lines = [request.method, request.path, request.header("x-sfd-date"), request.header("x-sfd-nonce")]
    else:
        raise Refused(400, "Signature.Version.Invalid")
    return as_sent("\n".join([*lines, key_id, ""])) + request.body


def _check_date(text: str, now: Instant) -> None:
    if not _DATE.fullmatch(text):
        raise Refused(400, "Timestamp.Invalid")
    try:
        date = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Refused(400, "Timestamp.Invalid") from error
    if abs(round(date.timestamp() * 1_000) - now) > CLOCK_WINDOW:
        raise Refused(400, "Signature.Expired")


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(as_sent(left), as_sent(right))
