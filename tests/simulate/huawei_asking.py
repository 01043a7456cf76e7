"""How tests ask the simulated Huawei, signed as its page says."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from tests.simulate.asking import NOON, Client
from watcher.collect.http import Request
from watcher.collect.vendors.huawei_dsc.signing import Key, signed
from watcher.model.time import MINUTE, Instant
from watcher.simulate.huawei.server import Huawei
from watcher.simulate.huawei.settings import HuaweiSettings

PROJECT = "0123456789abcdef0123456789abcdef"
PATH = f"/v1/{PROJECT}/openapi/called-records"
DEMO = HuaweiSettings()
KEY = Key(DEMO.access_key, DEMO.secret_key)
Query = Sequence[tuple[str, str]]
LOGIN = {
    "identity": {
        "methods": ["password"],
        "password": {
            "user": {"name": "demo", "password": "demo-password", "domain": {"name": "demo-account"}}
        },
    },
    "scope": {"project": {"id": PROJECT}},
}


def huawei(client: Client) -> Huawei:
    server = client.simulation.server(Huawei)
    assert isinstance(server, Huawei)
    return server


async def send(
    client: Client, headers: Mapping[str, str], query: Query = (), *, path: str = PATH
) -> tuple[int, Any]:
    url = client.simulation.announced["huawei"].root_url + path
    text = f"{url}?{urlencode(query, quote_via=quote, safe='')}" if query else url
    async with client.session.get(text, headers=headers) as response:
        return response.status, await response.json()


async def ask(
    client: Client, query: Query = (), *, key: Key = KEY, at: Instant | None = None, path: str = PATH
) -> tuple[int, Any]:
    """Signed as the page says."""
    url = client.simulation.announced["huawei"].root_url + path
    headers = signed(Request("GET", url, query), key, client.clock.now() if at is None else at)
    return await send(client, headers, query, path=path)


async def login(client: Client, auth: object = LOGIN) -> tuple[int, str, Any]:
    url = client.simulation.announced["huawei"].root_url + "/v3/auth/tokens"
    async with client.session.post(url, data=json.dumps({"auth": auth})) as response:
        return response.status, response.headers.get("X-Subject-Token", ""), await response.json()


def minute(ago: int = 10, *, limit: int = 2000, marker: str = "") -> Query:
    start = NOON - ago * MINUTE
    query = [("start_time", str(start)), ("end_time", str(start + MINUTE - 1)), ("limit", str(limit))]
    return [*query, ("marker", marker)] if marker else query
