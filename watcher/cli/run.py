"""`watcher run`: the daemon. It says nothing on stdout; its log goes to stderr."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import structlog

from watcher.app import daemon
from watcher.cli import systemd
from watcher.cli.leaving import Unwaited
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, ForOption
from watcher.cli.signals import stopping
from watcher.config import Config
from watcher.errors import UserError
from watcher.model.ports import Committed, Tick


async def run(*, config: ConfigOption = DEFAULT_CONFIG, for_: ForOption = None) -> int:
    """Watch until SIGTERM or Ctrl-C, which let what is under way be finished; SIGHUP reloads."""
    asyncio.get_running_loop().set_default_executor(Unwaited())
    generations = _Generations(config, configured(config, level=logging.INFO))
    async with stopping(for_, hangup=generations.reload) as stop:
        try:
            await generations.run(stop)
        finally:
            systemd.notify("STOPPING=1")
    structlog.get_logger().info("stopped")
    return 0


class _Generations:
    """One daemon after the other: a reload drains the running one and starts the next.

    All state is in the database, so the next goes on where the last one stopped, with the credentials, rules
    and receivers of the file as it is now. A file with a problem changes nothing.
    """

    def __init__(self, path: Path, settings: Config) -> None:
        self._path = path
        self._settings = settings
        self._former: Config | None = None
        """What ran before the last reload, to go back to."""
        self._end = anyio.Event()

    async def reload(self) -> None:
        """Read the file again, and let the running daemon end if it is right."""
        structlog.get_logger().info("reloading", config=str(self._path))
        try:
            settings = await anyio.to_thread.run_sync(partial(configured, self._path, level=logging.INFO))
        except UserError as error:
            _refuse(error)
            return
        self._former, self._settings = self._settings, settings
        self._end.set()

    async def run(self, stop: anyio.Event) -> None:
        """Run daemons until told to stop."""
        while not stop.is_set():
            self._end = anyio.Event()
            try:
                await self._run_one(self._settings, stop)
            except* UserError as errors:
                if self._former is None:
                    raise
                _refuse(errors)
                self._settings, self._former = self._former, None

    async def _run_one(self, settings: Config, stop: anyio.Event) -> None:
        _announce(settings)
        listener = _Listener(partial(self._ready, settings))
        if not settings.sources:
            listener.ready()
        async with anyio.create_task_group() as group:
            group.start_soon(_pass_on, stop, self._end)
            await daemon.run(settings, stop=self._end, listen=listener.hear)
            group.cancel_scope.cancel()

    def _ready(self, settings: Config) -> None:
        """The daemon of these settings goes; one that a reload has already told to end says nothing of it."""
        systemd.notify("READY=1")
        if self._former is not None and settings is self._settings:
            structlog.get_logger().info("reloaded")


def _refuse(error: BaseException) -> None:
    """A reload that cannot be: every problem in a line, and what ran before goes on."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            _refuse(one)
        return
    for line in str(error).splitlines():
        structlog.get_logger().error("reload_refused", problem=line)


async def _pass_on(stop: anyio.Event, end: anyio.Event) -> None:
    await stop.wait()
    end.set()


class _Listener:
    """Says that a daemon is ready, once, and tells the log of each incident that changes."""

    def __init__(self, on_ready: Callable[[], None]) -> None:
        self._on_ready = on_ready
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
            self._on_ready()


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
