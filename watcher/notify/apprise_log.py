"""What apprise says of an attempt, dug out of its log: the reasons stand in debug lines."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import unquote, urlsplit

from watcher.document.secrets import MASK

LOGGER: Final = "apprise"

_OPEN: Final = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms"})
"""Schemes whose hosts are hosts; elsewhere they may be tokens."""
_HOST: Final = re.compile(r"localhost|\d+\.\d+\.\d+\.\d+|[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}", re.IGNORECASE)
_TOKEN_LENGTH: Final = 6
"""Shorter parts of a URL are words, not secrets; a shorter password is masked only where it is a word."""
_REASON: Final = re.compile(r"(?:Socket Exception|Response Details)\s*:\s*(.+)", re.DOTALL)
"""The debug lines that say why. Others hold payloads and are never looked at."""
_SENT: Final = re.compile(r"Sent Email to (?:.*<)?([^<>\s]+@[^<>\s]+?)>?\.?$")
_CAUSE: Final = re.compile(r"Caused by \w+\(.*?\): (.*)")
"""The end of an HTTP client's story; what stands before it holds the address."""
_LENGTH: Final = 200
"""Characters of a reason."""


class Said:
    """The lines of one attempt: those logged in its thread."""

    def __init__(self) -> None:
        self._warnings: list[str] = []
        self._reasons: list[str] = []
        self.reached: set[str] = set()
        """Mail addresses that took the message."""

    def hear(self, record: logging.LogRecord) -> None:
        """Keep what tells how it went."""
        line = record.getMessage()
        if record.levelno >= logging.WARNING:
            self._warnings.append(line)
        elif found := _REASON.match(line):
            self._reasons.append(found[1])
        elif found := _SENT.match(line):
            self.reached.add(found[1])

    def words(self, otherwise: str) -> str:
        """The last complaint with its reason, on one line."""
        complaint = self._warnings[-1] if self._warnings else otherwise
        reason = _tidy(self._reasons[-1]) if self._reasons else ""
        return f"{complaint.rstrip('. ')}: {reason}" if reason and reason not in complaint else complaint


class Ear(logging.Filter):
    """Of apprise's logger: hears every line, and lets no handler see those that may hold payloads."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it goes on to handlers."""
        said = getattr(_thread, "said", None)
        if said is not None:
            said.hear(record)
        return record.levelno >= logging.WARNING


_thread: Final = threading.local()


@contextmanager
def listening() -> Iterator[Said]:
    """Hear what apprise logs in this thread while the body runs."""
    _thread.said = Said()
    try:
        yield _thread.said
    finally:
        _thread.said = None


def set_up() -> None:
    """Once, when apprise is loaded: its lines come to the ear, and its payloads to nobody."""
    own = logging.getLogger(LOGGER)
    own.propagate = False
    own.addFilter(Ear())
    own.addHandler(logging.NullHandler())
    own.setLevel(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def redacted(text: str, url: str) -> str:
    """The text without anything of the URL that may be a secret, as written or decoded."""
    plain = url.partition("://")[0].lower() in _OPEN
    parts = re.split(r"[/?&=@:#,]+", url.partition("://")[2])
    secrets = [part for part in parts if len(part) >= _TOKEN_LENGTH and not (plain and _HOST.fullmatch(part))]
    forms = {form for part in (*secrets, urlsplit(url).password or "") for form in (part, unquote(part))}
    for form in sorted(forms - {""}, key=len, reverse=True):
        words = re.escape(form) if len(form) >= _TOKEN_LENGTH else rf"(?<!\w){re.escape(form)}(?!\w)"
        text = re.sub(words, MASK, text)
    return text


def _tidy(reason: str) -> str:
    """``(451, b'try later')`` is ``451 try later``; a page for people says nothing here."""
    text = re.sub(r"\((\d{3}), b?['\"](.*?)['\"]\)", r"\1 \2", reason)
    text = re.sub(r"^b(['\"])(.*)\1$", r"\2", " ".join(text.split())).strip()
    if text.startswith("<"):
        return ""
    if found := _CAUSE.search(text):
        text = found[1].rstrip("\"')")
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"
