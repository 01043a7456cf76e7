"""What a request claims: who sent it, when, and what its signature must be of. Both kinds of signature.

Everything is computed over what was received: whatever parameters there are (empty ones too), and whatever
headers the client says to have signed.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote

from watcher.simulate.alibaba.answers import Refused
from watcher.simulate.wire import as_sent

Pairs: TypeAlias = Sequence[tuple[str, str]]

ACS3: Final = "ACS3-HMAC-SHA256"
_AUTHORIZATION: Final = re.compile(
    rf"{ACS3} Credential=(?P<key>[^,\s]+),\s*SignedHeaders=(?P<names>[^,\s]+),\s*Signature=(?P<signature>\S+)"
)
_NONCONFORMING: Final = "The request signature does not conform to Aliyun standards."


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came."""

    method: str
    paths: tuple[str, ...]
    """As the vendor knows it, and as it was sent under the prefix of the common port."""
    query: Pairs
    form: Pairs
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def classic(self) -> bool:
        """Whether it is signed in its parameters, or not at all."""
        return "authorization" not in self.headers

    @property
    def wants_xml(self) -> bool:
        """Classic calls are answered in XML unless they ask for JSON; others only when they ask for it."""
        asked = dict((*self.query, *self.form)).get("Format", "XML" if self.classic else "JSON")
        return asked.upper() != "JSON"


@dataclass(frozen=True, slots=True)
class Claim:
    """Not yet believed."""

    key_id: str
    token: str
    nonce: str
    date: str
    action: str
    version: str
    signature: str
    texts: tuple[str, ...]
    """Strings to sign, any of which the signature may be of; the first is the vendor's own."""
    sign: Callable[[str, str], str]
    """Secret and text to signature."""


def claim(received: Received) -> Claim:
    """What the request says of itself.

    Raises:
        Refused: it lacks something that every request must have.
    """
    return _classic(received) if received.classic else _acs3(received)


def _classic(received: Received) -> Claim:
    pairs = [*received.query, *received.form]
    given = dict(pairs)
    if not given.get("AccessKeyId"):
        raise Refused(400, "MissingAccessKeyId", "AccessKeyId is mandatory for this action.")
    for name in ("Signature", "SignatureNonce"):
        if not given.get(name):
            raise Refused(400, "MissingParameter", f"{name} is mandatory for this action.")
    if (given.get("SignatureMethod"), given.get("SignatureVersion")) != ("HMAC-SHA1", "1.0"):
        raise Refused(400, "IncompleteSignature", _NONCONFORMING)
    query = canonical([pair for pair in pairs if pair[0] != "Signature"])
    return Claim(
        key_id=given["AccessKeyId"],
        token=given.get("SecurityToken", ""),
        nonce=given["SignatureNonce"],
        date=given.get("Timestamp", ""),
        action=given.get("Action", ""),
        version=given.get("Version", ""),
        signature=given["Signature"],
        texts=(f"{received.method}&%2F&{encoded(query)}",),
        sign=classic_signature,
    )


def _acs3(received: Received) -> Claim:
    headers = received.headers
    parts = _AUTHORIZATION.fullmatch(headers["authorization"])
    if parts is None:
        raise Refused(400, "IncompleteSignature", _NONCONFORMING)
    names = parts["names"].split(";")
    must = {name for name in headers if name.startswith("x-acs-") or name in {"host", "content-type"}}
    if unsigned := sorted(must - set(names)) or sorted(set(names) - set(headers)):
        raise Refused(400, "IncompleteSignature", f"{_NONCONFORMING} SignedHeaders: {', '.join(unsigned)}")
    if not headers.get("x-acs-signature-nonce"):
        raise Refused(400, "MissingParameter", "x-acs-signature-nonce is mandatory for this action.")
    return Claim(
        key_id=parts["key"],
        token=headers.get("x-acs-security-token", ""),
        nonce=headers["x-acs-signature-nonce"],
        date=headers.get("x-acs-date", ""),
        action=headers.get("x-acs-action", ""),
        version=headers.get("x-acs-version", ""),
        signature=parts["signature"],
        texts=tuple(_acs3_text(received, path, names) for path in received.paths),
        sign=acs3_signature,
    )


def _acs3_text(received: Received, path: str, names: Sequence[str]) -> str:
    lines = "".join(f"{name}:{received.headers[name].strip()}\n" for name in sorted(names))
    payload = hashlib.sha256(received.body).hexdigest()
    request = f"{received.method}\n{path}\n{canonical(received.query)}\n{lines}\n{';'.join(names)}\n{payload}"
    return f"{ACS3}\n{hashlib.sha256(as_sent(request)).hexdigest()}"


def encoded(text: str) -> str:
    """Percent-encoded UTF-8; letters, digits and `-_.~` stay."""
    return quote(text, safe="-_.~", errors="replace")


def canonical(pairs: Pairs) -> str:
    """Sorted by name, empty values included."""
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in sorted(pairs))


def classic_signature(secret: str, text: str) -> str:
    """HMAC-SHA1 under the secret and an ampersand, in base64."""
    return base64.b64encode(hmac.digest(f"{secret}&".encode(), text.encode(), "sha1")).decode()


def acs3_signature(secret: str, text: str) -> str:
    """HMAC-SHA256 under the secret, in hexadecimal digits."""
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()
