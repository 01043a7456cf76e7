"""How a source's settings become a line to its vendor, and what that line keeps from sight."""

from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from watcher.app.lines import Shared, chance, line_to
from watcher.collect.line import LEARNED, learning
from watcher.collect.transport import client_session
from watcher.config import load_config
from watcher.model.ports import Clock
from watcher.model.sample import Poll

CONFIG = """
database: sqlite:///a.db
sources: [{{name: c, vendor: cdnvideo, username: someone, password: pass-word-1, base_url: "{url}"}}]
"""


async def unsent(_poll: Poll) -> None:
    """Nothing is polled."""


async def token(_request: web.Request) -> web.Response:
    return web.json_response({"token": "cdn1_learned", "lifetime": 21_600_000})


async def accounts(_request: web.Request) -> web.Response:
    return web.json_response([{"name": "shop", "status": "active"}])


async def test_a_token_that_the_vendor_gives_is_kept_from_sight_like_what_is_configured(
    tmp_path: Path, clock: Clock
) -> None:
    app = web.Application()
    app.router.add_post("/app/oauth/v1/token/", token)
    app.router.add_get("/app/inventory/v1/accounts/", accounts)
    path = tmp_path / "watcher.yaml"
    async with TestServer(app) as server, client_session() as session:
        path.write_text(CONFIG.format(url=f"http://127.0.0.1:{server.port}"))
        config = load_config(path)
        line = line_to(config, config.sources[0], Shared(session, clock, chance()), unsent)
        streams = await line.collector.streams()

    assert {stream.name.partition("/")[0] for stream in streams} == {"shop"}
    assert {"pass-word-1", "cdn1_learned"} <= line.secrets


def test_of_what_is_learned_the_newest_is_remembered_and_what_is_configured_always() -> None:
    secrets = {"configured"}
    learn = learning(secrets)
    for number in range(100):
        learn(f"token-{number}")
        learn("configured")

    assert secrets == {"configured", *(f"token-{number}" for number in range(100 - LEARNED, 100))}
