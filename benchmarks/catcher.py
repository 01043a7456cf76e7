"""A webhook receiver in a process of its own that costs next to nothing: the sender is measured.

`python -m benchmarks.catcher` prints its port and serves until its input ends.
A path that begins with `/hang` is never answered.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_END: Final = b"\r\n\r\n"
_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


class Catching(asyncio.Protocol):
    """Answers every complete request with 204, or not at all."""

    def __init__(self) -> None:
        self._read = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what is complete by now."""
        self._read += data
        while (request := self._next()) is not None:
            if self._transport is not None and b" /hang" not in request[:40]:
                self._transport.write(_ANSWER)

    def _next(self) -> bytes | None:
        head, found, rest = self._read.partition(_END)
        lowered = head.lower()
        start = lowered.find(b"content-length:")
        length = int(lowered[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if not found or len(rest) < length:
            return None
        self._read = rest[length:]
        return head


@contextmanager
def catcher() -> Iterator[str]:
    """A running one: its address, `http://127.0.0.1:PORT`."""
    command = [sys.executable, "-m", "benchmarks.catcher"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ourselves
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Catching, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
