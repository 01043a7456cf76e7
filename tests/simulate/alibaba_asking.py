"""A client of the simulated Alibaba Cloud that signs as the page says, by code of its own."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, urlencode

from yarl import URL

from tests.simulate.asking import Client
from watcher.model.time import to_datetime
from watcher.simulate.alibaba.server import Alibaba

ID: Final = "LTAIDEMO00000000"
SECRET: Final = "demo-access-key-secret-0000000"
RESOURCES: Final[Sequence[Mapping[str, Any]]] = (
    {"id": "shop", "cname": "Shop.example.com", "origin": "o1.example.net", "requests_per_minute": 1},
    {"id": "blog", "origin": "o1.example.net", "type": "video", "requests_per_minute": 1},
    {"id": "files", "origin": "192.0.2.7", "type": "download", "requests_per_minute": 1},
    {"id": "other", "origin": "o2.example.net", "vendors": ["cdnvideo"], "requests_per_minute": 1},
)


def encoded(text: str) -> str:
    return quote(text, safe="~")


def canonical(pairs: Mapping[str, str]) -> str:
    return "&".join(f"{encoded(name)}={encoded(pairs[name])}" for name in sorted(pairs))


@dataclass(slots=True)
class Caller:
    """Each call has a nonce and the present time unless a test says otherwise; None leaves a field out."""

    client: Client
    secret: str = SECRET
    count: int = field(default=0)

    @property
    def server(self) -> Alibaba:
        return self.client.simulation.server(Alibaba)

    @property
    def root(self) -> str:
        return self.client.simulation.announced["alibaba"].root_url

    def now(self) -> str:
        return to_datetime(self.client.clock.at).strftime("%Y-%m-%dT%H:%M:%SZ")

    def nonce(self) -> str:
        self.count += 1
        return f"nonce-{self.count}"

    async def classic(
        self,
        sources: str | None,
        method: str = "POST",
        *,
        form: bool = False,
        sent_by: str = "",
        change: Mapping[str, str | None] = MappingProxyType({}),
    ) -> tuple[int, Any]:
        """By the old signature; `form` sends all in the body, `sent_by` by another method than signed."""
        given: dict[str, str | None] = {
            "Action": "DescribeDomainsBySource",
            "Version": "2018-05-10",
            "Format": "JSON",
            "AccessKeyId": ID,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": self.nonce(),
            "Timestamp": self.now(),
            "Sources": sources,
            **change,
        }
        pairs = {name: text for name, text in given.items() if text is not None and name != "Signature"}
        text = f"{method}&%2F&{encoded(canonical(pairs))}"
        mac = hmac.new(f"{self.secret}&".encode(), text.encode(), hashlib.sha1)
        pairs["Signature"] = change.get("Signature") or base64.b64encode(mac.digest()).decode()
        sent: dict[str, Any] = {"data": pairs} if form else {"params": pairs}
        return await self.ask(sent_by or method, f"{self.root}/", **sent)

    async def acs3(
        self,
        sources: str | None,
        method: str = "POST",
        *,
        url: str = "",
        path: str = "/",
        unsigned: Sequence[str] = (),
        **more: str | None,
    ) -> tuple[int, Any]:
        """By the new signature; `more` are headers with `_` for `-`, signed unless they are `unsigned`."""
        url = url or f"{self.root}/"
        headers: dict[str, str | None] = {
            "host": url.split("/")[2],
            "content-type": "application/octet-stream",
            "x-acs-action": "DescribeDomainsBySource",
            "x-acs-version": "2018-05-10",
            "x-acs-date": self.now(),
            "x-acs-signature-nonce": self.nonce(),
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
            **{name.replace("_", "-"): text for name, text in more.items() if name != "credential"},
        }
        sent = {name: text for name, text in headers.items() if text is not None}
        query = {} if sources is None else {"Sources": sources}
        signed = {name: text for name, text in sent.items() if name not in unsigned}
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        payload = hashlib.sha256(b"").hexdigest()
        request = f"{method}\n{path}\n{canonical(query)}\n{lines}\n{names}\n{payload}"
        text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        key = more.get("credential") or ID
        sent["Authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}"
        )
        return await self.ask(method, url, params=query, headers=sent)

    async def ask(self, method: str, url: str, **more: Any) -> tuple[int, Any]:  # noqa: ANN401 - as aiohttp takes it
        query = urlencode(more.pop("params", {}), quote_via=quote, safe="~")
        at = URL(f"{url}?{query}" if query else url, encoded=True)
        async with self.client.session.request(method, at, **more) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else text
