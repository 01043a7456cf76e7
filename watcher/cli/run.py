"""`watcher run`: the daemon. It says nothing on stdout; its log goes to stderr."""

import logging
from collections.abc import Sequence

import structlog

from watcher import app
from watcher.cli import systemd
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, ForOption
from watcher.cli.signals import stopping
from watcher.config import Config
from watcher.model.ports import Committed, Tick


async def run(*, config: ConfigOption = DEFAULT_CONFIG, for_: ForOption = None) -> int:
    """Watch until SIGTERM or Ctrl-C, which let what is under way be finished."""
    settings = configured(config, level=logging.INFO)
    _announce(settings)
    listener = _Listener()
    if not settings.sources:
        listener.ready()
    async with stopping(for_) as stop:
        try:
            await app.run(settings, stop=stop, listen=listener.hear)
        finally:
            systemd.notify("STOPPING=1")
    structlog.get_logger().info("stopped")
    return 0


class _Listener:
    """Tells systemd of the first tick, and the log of each incident that changes."""

    def __init__(self) -> None:
        self._is_ready = False

    def hear(self, _tick: Tick, committed: Sequence[Committed]) -> None:
        """One tick was committed."""
        self.ready()
        for one in committed:
            structlog.get_logger().info(
                "incident",
                change=str(one.change),
                id=one.incident.id,
                rule=one.incident.key.rule,
                severity=str(one.incident.severity),
                summary=one.incident.summary,
            )

    def ready(self) -> None:
        """The database is open, the engine rebuilt, and the path goes."""
        if not self._is_ready:
            self._is_ready = True
            systemd.notify("READY=1")


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
        log.warning("configuration_warning", problem=str(warning))
    if settings.http is not None:
        log.warning("not_served_yet", section="http")
