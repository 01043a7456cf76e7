"""Who we are to Alibaba Cloud: both of its signatures, as middlewares that sign every attempt anew.

Each attempt has its own nonce and timestamp: the vendor refuses a nonce that it has seen and a time that is
more than 15 minutes off.
"""

import base64
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias
from urllib.parse import quote
from uuid import uuid4

from watcher.collect.collector import Access
from watcher.collect.credentials import header_value, host_of, revealed
from watcher.collect.http import Handler, Middleware, Request, Response
from watcher.collect.vendors.alibaba_cdn.api import ACTION, VERSION, SignatureRefused
from watcher.collect.vendors.alibaba_cdn.settings import Acs3Auth, RpcAuth
from watcher.document.secrets import Secret
from watcher.errors import AuthenticationFailed
from watcher.model.time import Instant, to_datetime

ACS3: Final = "ACS3-HMAC-SHA256"
FORM: Final = "application/x-www-form-urlencoded"
"""Said of the empty body, so that no HTTP library adds a content type that nobody signed."""

Pairs: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """Revealed credentials; nothing prints them."""

    id: str
    secret: str
    token: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Signed:
    """A request ready to be sent, and the text that its signature is of."""

    request: Request
    text: str


def credential(auth: RpcAuth | Acs3Auth, access: Access) -> Middleware:
    """The signature that the settings name."""
    return (RpcSignature if isinstance(auth, RpcAuth) else Acs3Signature)(auth, access.now)


class _Signature(ABC):
    """What both have in common: secrets read at each use, and what a refused signature means."""

    def __init__(
        self,
        auth: RpcAuth | Acs3Auth,
        now: Callable[[], Instant],
        nonce: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._auth = auth
        self._now = now
        self._nonce = nonce

    @abstractmethod
    def signed(self, request: Request, keys: Keys) -> Signed:
        """The request with all that the vendor wants to see, signed now."""

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send it signed.

        Raises:
            AuthenticationFailed: the credentials are not available, or the vendor rejects them.
        """
        keys = self._keys()
        signed = self.signed(request, keys)
        try:
            return await call_next(signed.request)
        except SignatureRefused as error:
            words = f"{error}; {_why(error.vendor_signed, signed.text)}"
            raise AuthenticationFailed(words, status=error.status) from None

    @staticmethod
    def _sent(secret: Secret) -> str:
        """The value of one that is not only signed with, but sent."""
        return revealed(secret)

    def _keys(self) -> Keys:
        token = self._auth.security_token
        return Keys(
            self._sent(self._auth.access_key_id),
            revealed(self._auth.access_key_secret),
            self._sent(token) if token is not None else "",
        )


class RpcSignature(_Signature):
    """HMAC-SHA1 over all parameters; the vendor's pages call it V2, its parameter says 1.0."""

    def signed(self, request: Request, keys: Keys) -> Signed:
        """With the common parameters in the query."""
        common = {
            "AccessKeyId": keys.id,
            "Action": ACTION,
            "Format": "JSON",
            "SignatureMethod": "HMAC-SHA1",
            "SignatureNonce": self._nonce(),
            "SignatureVersion": "1.0",
            "Timestamp": timestamp(self._now()),
            "Version": VERSION,
            **({"SecurityToken": keys.token} if keys.token else {}),
        }
        query = (*common.items(), *request.query)
        text = rpc_string_to_sign(request.method, query)
        signature = ("Signature", rpc_signature(text, keys.secret))
        return Signed(
            replace(request, query=(*query, signature), headers=_headers(request), dated=True), text
        )


class Acs3Signature(_Signature):
    """HMAC-SHA256 over query and headers; the vendor recommends it."""

    @staticmethod
    def _sent(secret: Secret) -> str:
        return header_value(secret)

    def signed(self, request: Request, keys: Keys) -> Signed:
        """With everything common in headers, all of them signed."""
        headers = {
            **_headers(request),
            "accept": "application/json",
            "x-acs-action": ACTION,
            "x-acs-content-sha256": hashlib.sha256(request.body or b"").hexdigest(),
            "x-acs-date": timestamp(self._now()),
            "x-acs-signature-nonce": self._nonce(),
            "x-acs-version": VERSION,
            **({"x-acs-security-token": keys.token} if keys.token else {}),
        }
        text = acs3_string_to_sign(request.method, request.query, headers)
        authorization = (
            f"{ACS3} Credential={keys.id},SignedHeaders={';'.join(sorted(headers))},"
            f"Signature={acs3_signature(text, keys.secret)}"
        )
        return Signed(replace(request, headers={**headers, "authorization": authorization}, dated=True), text)


def encoded(text: str) -> str:
    """Percent-encoded UTF-8 but for `-_.~` and ASCII letters and digits: just as the transport sends it."""
    return quote(text, safe="")


def canonical(parameters: Pairs) -> str:
    """Parameters sorted by name, empty values included."""
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in sorted(parameters))


def rpc_string_to_sign(method: str, parameters: Pairs) -> str:
    """Of the classic signature. The method is part of it: a GET's is not valid for a POST."""
    return f"{method}&{encoded('/')}&{encoded(canonical(parameters))}"


def rpc_signature(string_to_sign: str, secret: str) -> str:
    """Base64 of the HMAC-SHA1 under the secret and an ampersand."""
    digest = hmac.digest(f"{secret}&".encode(), string_to_sign.encode(), "sha1")
    return base64.b64encode(digest).decode()


def acs3_string_to_sign(method: str, query: Pairs, headers: Mapping[str, str]) -> str:
    """Of the new signature, over all the headers given (names in lower case). The path is always `/`."""
    lines = "".join(f"{name}:{value.strip()}\n" for name, value in sorted(headers.items()))
    names, payload = ";".join(sorted(headers)), headers["x-acs-content-sha256"]
    request = f"{method}\n/\n{canonical(query)}\n{lines}\n{names}\n{payload}"
    return f"{ACS3}\n{hashlib.sha256(request.encode()).hexdigest()}"


def acs3_signature(string_to_sign: str, secret: str) -> str:
    """Hexadecimal HMAC-SHA256 under the secret itself."""
    return hmac.new(secret.encode(), string_to_sign.encode(), "sha256").hexdigest()


def timestamp(at: Instant) -> str:
    """`2026-11-22T01:30:00Z`: whole seconds."""
    return to_datetime(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def _headers(request: Request) -> dict[str, str]:
    """Those that an HTTP library would else add by itself."""
    return {"content-type": FORM, "host": host_of(request.url)}


def _why(vendor_signed: str, we_signed: str) -> str:
    """Which of the two a refused signature is: a wrong secret, or a request that changed on its way."""
    ours = we_signed.rsplit(maxsplit=1)[-1]  # all of the one text, the digest in the other
    if any(word.rstrip(".,;\"')]}").endswith(ours) for word in vendor_signed.split()):
        return "the vendor signed the same text, so the access key secret is wrong"
    if "string to sign" in vendor_signed.lower():
        return "the vendor signed another text: a proxy or gateway between may change requests"
    return "check the access key secret"
