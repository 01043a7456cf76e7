"""Name servers that do not answer: sources and receivers wait, and a stop waits for none of them."""

import os
import signal
import sys
from pathlib import Path
from time import monotonic
from typing import Final

import anyio
import pytest

from tests.e2e.town import configured, polled, shell
from watcher.model.time import SECOND
from watcher.runtime.daemon import DRAIN

HANGING: Final = """
import socket, sys, time

known = socket.getaddrinfo

def asked(host, *more, **named):
    if "hang.example" in str(host):
        print("asked for", host, file=sys.stderr, flush=True)
        time.sleep(120)
    return known(host, *more, **named)

socket.getaddrinfo = asked
from watcher.cli.main import main
sys.exit(main())
"""
"""The daemon on a machine whose resolver hangs, as it does in C: nobody can interrupt it."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("receiver", "host"),
    [
        ({"webhook": {"url": "http://hook.hang.example/"}}, "hook.hang.example"),
        ({"urls": ["mailto://mail.hang.example?from=w@example.com&to=o@example.com"]}, "mail.hang.example"),
    ],
)
async def test_a_stop_waits_for_no_name_server(
    tmp_path: Path, receiver: dict[str, object], host: str
) -> None:
    source = {"name": "web", "vendor": "http", "targets": [{"url": "https://www.hang.example/"}]}
    config = configured(tmp_path / "watcher.yaml", [source], receivers=[{"name": "ops", **receiver}])
    log = config.with_suffix(".log")
    with log.open("wb") as file:
        command = [sys.executable, "-c", HANGING, "run", "-c", str(config)]
        async with await anyio.open_process(command, stdin=None, stdout=file, stderr=file) as daemon:
            async with anyio.create_task_group() as drill:
                await until_logged(log, "asked for b'www.hang.example'", "asked for www.hang.example")
                drill.start_soon(shell, config, "drill", "http_5xx_spike", "--lasts", "1h")
                await until_logged(log, f"asked for b'{host}'", f"asked for {host}")
                drill.cancel_scope.cancel()
            os.kill(daemon.pid, signal.SIGTERM)
            began = monotonic()
            code = await daemon.wait()

    assert code == 0
    assert monotonic() - began < DRAIN / SECOND + 10
    assert "event=stopped" in log.read_text()


async def until_logged(log: Path, *words: str) -> None:
    """One of them stands in the log."""
    await polled(lambda: any(one in log.read_text() for one in words), seconds=60)
