"""Receivers that listen for as long as a test runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiosmtpd.smtp import SMTP
from yarl import URL

from tests.notify.servers import Handler, Hook, Mailbox, Served, serving
from tests.notify.slack_server import Workspace


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """Serves each handler that it is given on a port of its own."""
    async with AsyncExitStack() as stack:

        async def serve(handler: Handler) -> str:
            return await stack.enter_async_context(serving(handler))

        yield serve


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    yield box
    server.close()
    await server.wait_closed()


@pytest.fixture
async def hook(served: Served) -> Hook:
    hook = Hook()
    hook.port = URL(await served(hook.answer)).port or 0
    return hook


@pytest.fixture
async def workspace(served: Served) -> Workspace:
    workspace = Workspace()
    workspace.url = f"{await served(workspace.post_message)}/api"
    return workspace


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
