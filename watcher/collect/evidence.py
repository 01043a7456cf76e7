"""Answers that were not as documented, kept for a bug report: redacted, capped, few."""

import os
import re
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from watcher.collect.decode import masked
from watcher.collect.http import Handler, Request, Response
from watcher.document.redaction import redact
from watcher.errors import ContractBroken
from watcher.model.time import DAY, Duration, Instant, rfc3339

BODY: Final = 64 * 1024
"""Bytes of an answer that are kept."""
FILES: Final = 5
"""Kept of each source: the newest."""
SAME: Final[Duration] = DAY
"""How long the same complaint about the same call is not written again."""
_EXCHANGES: Final = 3
"""Of one question: what broke the contract is most often the last answer, or it and one before do not fit."""
_COMPLAINTS: Final = 256
_PERSONAL: Final = re.compile(
    r"""(?P<key>\b\w*?(?:user|owner|operator|person|contact|mail|phone|mobile|(?:^|\b|_)ip(?:_|\b)|account_name
                      |domain_name|fail_reason)\w*["']?\s*[:=]\s*)
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"? | [\[{][^\]}]*[\]}]? | [^\s,;&<>}\]"']+)
      | (?P<address>[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+ | \b\d{1,3}(?:\.\d{1,3}){3}\b)""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
"""What stands after a name that looks like a person's or a machine's of theirs, and mail and IP addresses."""
_TELLING: Final = range(3, 101)
"""Characters of such a value that is masked elsewhere in the text too: fewer stand in any text."""
_LONG: Final = re.compile(r"[\w-]{64,}")
"""Longer than what is worth reading; without such runs masking takes linear time."""
_HEADERS: Final = ("content-type", "content-length", "content-encoding", "date", "server", "retry-after")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the beginning of its answer."""

    request: Request
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    size: int


_recorded: ContextVar[deque[Exchange] | None] = ContextVar("recorded", default=None)


@contextmanager
def recording() -> Iterator[deque[Exchange]]:
    """The last exchanges made for one question, by whatever task of it."""
    exchanges: deque[Exchange] = deque(maxlen=_EXCHANGES)
    token = _recorded.set(exchanges)
    try:
        yield exchanges
    finally:
        _recorded.reset(token)


async def record(request: Request, call_next: Handler) -> Response:
    """Middleware: remember the exchange for as long as its question lasts. A login is never remembered."""
    response = await call_next(request)
    exchanges = _recorded.get()
    if exchanges is not None and request.retry:
        headers = tuple((name, response.headers[name]) for name in _HEADERS if name in response.headers)
        body = response.body
        exchanges.append(Exchange(request, response.status, headers, body[:BODY], len(body)))
    return response


class Evidence:
    """The folder of one source's odd answers."""

    def __init__(self, folder: Path, source: str) -> None:
        """The folder is made when there is something to keep."""
        self._folder = folder
        self._source = source
        self._complaints: dict[tuple[str, str], tuple[Instant, Path]] = {}
        self._unwritable = False

    def keep(
        self, error: ContractBroken, exchanges: Collection[Exchange], secrets: Collection[str], now: Instant
    ) -> Path | None:
        """Where the answers are that an error complains of; None where there are none, or no place for them.

        The same complaint, but for its figures, is written once a day.
        """
        if not exchanges:
            return None
        complaint = (urlsplit([*exchanges][-1].request.url).path, re.sub(r"\d+", "0", str(error)))
        since, path = self._complaints.get(complaint, (now - SAME, None))
        if path is not None and now - since < SAME and path.exists():
            return path
        text = _report(error, exchanges, secrets, now)
        path = self._write(text, now)
        if path is not None:
            if len(self._complaints) >= _COMPLAINTS:
                self._complaints.clear()
            self._complaints[complaint] = (now, path)
        return path

    def _write(self, text: str, now: Instant) -> Path | None:
        moment = rfc3339(now).replace(":", "").replace(".", "")
        path = self._folder / f"{self._source}.{moment}.txt"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text)
            for old in sorted(self._folder.glob(f"{self._source}.????-??-??T*Z.txt"))[:-FILES]:
                old.unlink()
        except OSError as error:
            if not self._unwritable:
                log = structlog.get_logger().bind(source=self._source)
                log.warning("answer_not_kept", folder=str(self._folder), why=error.strerror)
            self._unwritable = True
            return None
        self._unwritable = False
        return path


def _report(
    error: ContractBroken, exchanges: Collection[Exchange], secrets: Collection[str], now: Instant
) -> str:
    """Known secrets go first, since what is masked by its look may take a part of one with it."""
    longest = max(map(len, secrets), default=0)
    parts = [
        "An answer that is not as documented; what looks like a secret or a person is masked.",
        "Read it before sending it.",
        f"{rfc3339(now)}  {redact(str(error), secrets)}",
    ]
    for exchange in exchanges:
        request = exchange.request
        address = "/".join(map(_readable, redact(request.url, secrets).split("/")))
        parts.append(f"\n{request.method} {address}")
        parts += [f"  {_readable(redact(f'{name}={value}', secrets))}" for name, value in request.query]
        parts.append(f"HTTP {exchange.status}, {exchange.size} bytes")
        parts += [f"{name}: {redact(value, secrets)}" for name, value in exchange.headers]
        body, cut = exchange.body.decode("utf-8", errors="replace"), ""
        if exchange.size > BODY:
            body, cut = body[: len(body) - longest], f"\n[the first {BODY} bytes]"  # one may be cut in two
        parts.append("\n" + _readable(redact(body, secrets)) + cut)
    return _impersonal("\n".join(parts)) + "\n"


def _readable(text: str) -> str:
    return masked(_LONG.sub("***", text))


def _impersonal(text: str) -> str:
    """Without what tells of people: values by their keys, wherever else they stand, and addresses."""
    found = {match["quoted"] or match["address"] or "" for match in _PERSONAL.finditer(text)}
    clean = _PERSONAL.sub(lambda match: f"{match['key'] or ''}***", text)
    return redact(clean, {value for value in found if len(value) in _TELLING})
