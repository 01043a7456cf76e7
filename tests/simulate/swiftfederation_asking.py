"""A client of the simulated SwiftFederation, written from the vendor's page and not from ours."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from tests.simulate.asking import NOON, Client
from watcher.model.time import HOUR, Instant, rfc3339, to_datetime

PATH = "/cdn/v1.0/analytics/originHttpCodes"
KEY_ID, KEY_SECRET = "AKDEMO0000000001", "SKDEMO00000000000000000000000001"
SHOP, BLOG, EMPTY = "shop.example.com", "blog.example.com", "empty.example.com"


NOW = "now"
"""In place of a date: what the client's clock shows."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, to be changed by who wants it wrong."""

    body: bytes
    method: str = "POST"
    path: str = PATH
    version: str | None = "2"
    date: str | None = NOW
    nonce: str | None = "15121"
    key_id: str = KEY_ID
    key_secret: str = KEY_SECRET
    authorization: str | None = None
    """In place of the right one."""
    sent: bytes | None = None
    """In place of the body that was signed."""
    content_type: str = "application/json; charset=utf-8"
    custom: tuple[tuple[str, str], ...] = ()
    unsigned: tuple[tuple[str, str], ...] = ()

    def headers(self, host: str, path: str) -> Mapping[str, str]:
        said = {
            "X-SFD-Date": self.date,
            "X-SFD-Nonce": self.nonce,
            "X-SFD-Signature-Version": self.version,
            **dict(self.custom),
        }
        own = {name: value for name, value in said.items() if value is not None}
        if self.version is None:
            text = (
                f"{self.method}\n{path}\n{own.get('X-SFD-Date')}\n{own.get('X-SFD-Nonce')}\n{self.key_id}\n"
            )
        else:
            lines = "".join(f"{name.lower()}:{own[name]}\n" for name in sorted(own, key=str.lower))
            text = f"{self.method}\n{path}\nhost:{host}\n{lines}{self.key_id}\n"
        signature = hmac.new(self.key_secret.encode(), text.encode() + self.body, sha256).hexdigest()
        right = f"HMAC-SHA256 {self.key_id}:{signature}"
        given = right if self.authorization is None else self.authorization
        return {**own, **dict(self.unsigned), "Content-Type": self.content_type, "Authorization": given}


def question(names: object = (SHOP,), ago: int = HOUR, length: int = HOUR, **changed: object) -> bytes:
    """A body; `changed` fields are replaced, or taken away by None."""
    fields = {
        "serviceNames": names,
        "startTime": rfc3339(NOON - ago),
        "endTime": rfc3339(NOON - ago + length),
    }
    left = {name: value for name, value in (fields | changed).items() if value is not None}
    return json.dumps(left).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """Of an error, which holds nothing else but a message."""
        assert set(self.body) == {"code", "message"}
        return str(self.body["code"])


async def ask(client: Client, call: Call, *, prefixed: bool = False) -> Answer:
    announced = client.simulation.announced["swiftfederation"]
    base = announced.base_url if prefixed else announced.root_url
    url = base + call.path
    host, _, path = url.removeprefix("http://").partition("/")
    if call.date == NOW:
        call = replace(call, date=written(client.clock.now()))
    headers = call.headers(host, f"/{path}")
    body = call.body if call.sent is None else call.sent
    async with client.session.request(call.method, url, data=body, headers=headers) as response:
        return Answer(response.status, await response.json(), response.headers)


async def asked(client: Client, body: bytes) -> Answer:
    return await ask(client, Call(body))


def written(instant: Instant) -> str:
    return to_datetime(instant).strftime("%Y%m%dT%H%M%SZ")
