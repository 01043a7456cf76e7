"""Debian's Alertmanager as a child process, with a receiver of its own that listens here."""

import json
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import anyio
import pytest
from aiohttp import web

from tests.notify.servers import serving

BINARY: Final = "prometheus-alertmanager"


@dataclass
class Alertmanager:
    """A running one, and what it told its receiver."""

    url: str
    told: list[dict[str, Any]] = field(default_factory=list)

    async def alerts(self, session: aiohttp.ClientSession) -> list[dict[str, Any]]:
        """What stands there now."""
        async with session.get(f"{self.url}/api/v2/alerts") as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found

    async def hear(self, request: web.Request) -> web.Response:
        self.told.append(await request.json())
        return web.Response()

    def states(self) -> list[tuple[str, str]]:
        """Status and severity of every alert it told of, in order."""
        return [
            (alert["status"], alert["labels"]["severity"]) for told in self.told for alert in told["alerts"]
        ]


@asynccontextmanager
async def alertmanager(folder: Path) -> AsyncIterator[Alertmanager]:
    """Run it; the test says so where Debian's package is not there."""
    binary = shutil.which(BINARY)
    if binary is None:
        # A program of Debian's that no package index carries: where it is not, that is reported, and the
        # sender is still tested against a server that speaks its documented answers (test_alertmanager.py).
        pytest.skip(f"{BINARY} is not installed: apt-get install -y {BINARY}")
    found = Alertmanager(f"http://127.0.0.1:{_free_port()}")
    async with serving(found.hear) as receiver:
        config = folder / "alertmanager.yml"
        config.write_text(_configuration(f"{receiver}/"))
        async with _running(binary, folder, found):
            yield found


@asynccontextmanager
async def _running(binary: str, folder: Path, found: Alertmanager) -> AsyncIterator[None]:
    command = [
        binary,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={found.url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with (folder / "alertmanager.log").open("w") as log:
        async with await anyio.open_process(command, stdin=None, stdout=log, stderr=log) as process:
            try:
                await _ready(found.url)
                yield
            finally:
                process.kill()
                await process.wait()


def _configuration(receiver: str) -> str:
    route = {"receiver": "here", "group_by": ["incident"], "group_wait": "50ms", "group_interval": "100ms"}
    here = {"name": "here", "webhook_configs": [{"url": receiver, "send_resolved": True}]}
    return json.dumps({"route": route, "receivers": [here]})


async def _ready(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        with anyio.fail_after(20):
            while True:
                try:
                    async with session.get(f"{url}/-/ready") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await anyio.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
