"""`watcher run`: the daemon. It says nothing on stdout; its log goes to stderr."""

import logging

import structlog

from watcher import app
from watcher.cli import systemd
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, ForOption
from watcher.cli.signals import stopping
from watcher.config import Config


async def run(*, config: ConfigOption = DEFAULT_CONFIG, for_: ForOption = None) -> int:
    """Watch until SIGTERM or Ctrl-C, which let what is under way be finished."""
    settings = configured(config, level=logging.INFO)
    log = structlog.get_logger()
    _announce(settings)
    async with stopping(for_) as stop:
        systemd.notify("READY=1")
        try:
            await app.run(settings, stop=stop)
        finally:
            systemd.notify("STOPPING=1")
    log.info("stopped")
    return 0


def _announce(settings: Config) -> None:
    """One line for what is set up, and one for each thing that is probably not meant."""
    log = structlog.get_logger()
    log.info(
        "starting",
        config=str(settings.path),
        database=str(settings.database),
        sources=",".join(source.name for source in settings.sources),
        rules=len(settings.rules),
        receivers=",".join(receiver.name for receiver in settings.receivers),
    )
    for warning in settings.warnings:
        log.warning("configuration", problem=str(warning))
    if settings.http is not None:
        log.warning("not served yet", section="http")
