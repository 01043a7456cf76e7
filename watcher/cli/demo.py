"""`watcher demo`: the real daemon on real sockets, reading a simulated CDN in which things go wrong."""

import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import anyio

from watcher.app import daemon
from watcher.app.settings import load
from watcher.cli import logs
from watcher.cli.demo_screen import DemoScreen
from watcher.cli.options import ForOption
from watcher.cli.signals import stopping
from watcher.cli.simulated import configuration_text
from watcher.runtime.clock import SystemClock
from watcher.simulate.mail_catcher import MailCatcher, mail_catcher
from watcher.simulate.scenario import Scenario, load_scenario
from watcher.simulate.serve import Simulation, serve
from watcher.simulate.webhook_catcher import WebhookCatcher, webhook_catcher
from watcher.simulate.world import ErrorBurst

LIVE: Final = ErrorBurst.model_validate(
    {"kind": "5xx_burst", "resource": "images", "start": "+1m", "lasts": "6m", "share": 0.2}
)
"""What begins while somebody watches: beside the scenario's own, which began before."""
PACE: Final = {"every": "10s", "settle": "90s", "limit": 500}
"""No vendor would allow it; it lets six hours be read in seconds and news arrive while one watches."""


async def demo(*, for_: ForOption = None) -> int:
    """Watch the daemon find problems in a simulated CDN. Ctrl-C ends it."""
    folder = Path(tempfile.mkdtemp(prefix="watcher-demo-"))
    screen = DemoScreen(folder, SystemClock())
    with (folder / "watcher.log").open("w", encoding="utf-8") as log:
        logs.set_up(stream=log)
        try:
            async with stopping(for_) as stop:
                await play(folder, screen, stop)
        finally:
            logs.set_up()
    screen.ended()
    return 0


async def play(folder: Path, screen: DemoScreen, stop: anyio.Event) -> None:
    """Serve, watch and show until `stop` is set."""
    async with AsyncExitStack() as stack:
        simulation = await stack.enter_async_context(serve(_scenario(), clock=SystemClock()))
        mails = await stack.enter_async_context(mail_catcher(on_mail=screen.mail))
        hooks = await stack.enter_async_context(webhook_catcher(on_hook=screen.hook))
        path = folder / "watcher.yaml"
        path.write_text(configuration(simulation, mails, hooks, folder=folder), encoding="utf-8")
        settings = load(path)
        screen.started(simulation, mails, hooks)
        stack.enter_context(screen)
        await daemon.run(settings, stop=stop, listen=screen.listen)


def configuration(simulation: Simulation, mails: MailCatcher, hooks: WebhookCatcher, *, folder: Path) -> str:
    """The text of a configuration that reads the simulation and tells the catchers.

    The certificate authority is copied into the folder: the file stays right when the servers are gone.
    """
    authority = shutil.copy(simulation.tls.ca_file, folder / "ca.pem")
    sources = [served["source"] | PACE for served in simulation.announcement().values()]
    for source in sources:
        if "ca_file" in source:
            source["ca_file"] = Path(authority).name
    receivers = [
        {"name": "mail", "urls": [mails.apprise_url]},
        {"name": "hook", "urls": [hooks.apprise_url]},
    ]
    heading = "# Written by `watcher demo`. Its servers end with it; the database stays."
    return configuration_text(heading, sources, receivers)


def _scenario() -> Scenario:
    scenario = load_scenario()
    return scenario.model_copy(update={"troubles": (*scenario.troubles, LIVE)})
