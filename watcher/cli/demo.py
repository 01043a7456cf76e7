"""`watcher demo`: the real daemon on real sockets, reading simulated vendors at which things go wrong."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

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
from watcher.simulate.troubles import ErrorBurst
from watcher.simulate.webhook_catcher import WebhookCatcher, webhook_catcher

LIVE: Final = ErrorBurst.model_validate(
    {"kind": "5xx_burst", "resource": "images", "start": "+1m", "lasts": "6m", "share": 0.2}
)
"""What begins while somebody watches: beside the scenario's own, which began before."""
PACE: Final = {"every": "10s", "settle": "90s", "limit": 500}
"""No vendor would allow it; it lets six hours be read in seconds and news arrive while one watches."""
OWN_PACE: Final[Mapping[str, Mapping[str, Any]]] = {
    "swiftfederation": {"settle": "4m"},
    "leaseweb": {"settle": "4m", "backfill": "6h"},
    "huawei_dsc": {"backfill": "4h"},
    "alibaba_cdn": {"limit": 20},
}
"""Where numbers settle later, each minute of the past is a call, or the vendor's limit is simulated too."""


async def demo(*, for_: ForOption = None) -> int:
    """Watch the daemon find problems at simulated vendors. Ctrl-C ends it."""
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
    receivers = [
        {"name": "mail", "urls": [mails.apprise_url]},
        {"name": "hook", "urls": [hooks.apprise_url]},
    ]
    heading = "# Written by `watcher demo`. Its servers end with it; the database stays."
    return configuration_text(heading, list(_sources(simulation, Path(authority).name)), receivers)


def _sources(simulation: Simulation, authority: str) -> Iterator[Mapping[str, Any]]:
    for served in simulation.announcement().values():
        source = served["source"] | PACE | OWN_PACE.get(served["source"]["vendor"], {})
        yield source | ({"ca_file": authority} if "ca_file" in source else {})


def _scenario() -> Scenario:
    scenario = load_scenario()
    return scenario.model_copy(update={"troubles": (*scenario.troubles, LIVE)})
