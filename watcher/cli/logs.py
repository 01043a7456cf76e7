"""Logs: to stderr, for people on a terminal and for machines elsewhere, without any secret."""

import logging
import os
import sys
from collections.abc import Collection, MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import Processor

from watcher.cli.plain import printable
from watcher.document.redaction import redactor
from watcher.errors import UserError

SHAPE: Final = "WATCHER_LOG"
_FIRST: Final = ("timestamp", "level", "event")
KEPT_APART: Final = ("apprise", "mail.log", "aiohttp.access")
"""Libraries whose log lines carry payloads, or say what ours say already."""


def set_up(secrets: Collection[str] = (), *, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """From now on log to `stream` (stderr). `secrets` is looked at on each line, so it may grow.

    The variable WATCHER_LOG chooses `console`, `logfmt` or `json`; without it, a terminal gets `console`
    and all else `logfmt`.

    Raises:
        UserError: WATCHER_LOG says something else.
    """
    out = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redactor(secrets),
            *_shape(out),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, _Foreign)] + [_Foreign()]
    root.setLevel(logging.WARNING)
    for name in KEPT_APART:
        logging.getLogger(name).propagate = False


class _Foreign(logging.Handler):
    """What libraries log through the standard library goes the same way as our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record on."""
        log = structlog.get_logger().bind(logger=record.name)
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def _shape(out: TextIO) -> list[Processor]:
    shape = os.environ.get(SHAPE) or ("console" if out.isatty() else "logfmt")
    match shape:
        case "console":
            colors = out.isatty() and "NO_COLOR" not in os.environ
            return [_printable, structlog.dev.ConsoleRenderer(colors=colors)]
        case "logfmt":
            return [_printable, structlog.processors.LogfmtRenderer(key_order=_FIRST, drop_missing=True)]
        case "json":
            return [structlog.processors.JSONRenderer(ensure_ascii=False)]
    raise UserError(f"{SHAPE}={shape}: write console, logfmt or json")


def _printable(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value)
    return event
