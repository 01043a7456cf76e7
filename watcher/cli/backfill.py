"""`watcher sources backfill`: read a span of one source once more, and show how far that is."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from watcher.app import backfill as app
from watcher.app.backfill import Outcome
from watcher.cli.loading import configured
from watcher.cli.main import DONE, INTERRUPTED
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, MomentOption
from watcher.cli.plain import printable
from watcher.cli.screen import say, show_json, show_table
from watcher.cli.signals import stopping
from watcher.cli.sources import unknown
from watcher.cli.telling import moment
from watcher.engine.engine import HORIZON
from watcher.errors import UserError
from watcher.model.sample import BACKFILL, Cursor
from watcher.model.time import Instant, rfc3339
from watcher.model.words import percent, span
from watcher.runtime.clock import SystemClock

EXIT: Final = {Outcome.DONE: DONE, Outcome.STOPPED: INTERRUPTED, Outcome.NO_DAEMON: 1}
_WAITING: Final = (
    "the daemon has not taken it up yet: it does as soon as it knows the streams of this source, which "
    "`watcher status` shows; a daemon with another configuration never does"
)
_STEP: Final = 0.1
"""Of a span, between two lines where there is no terminal."""


async def backfill(
    name: Annotated[str, Parameter(help="The source.")],
    *,
    since: MomentOption,
    until: MomentOption | None = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Read a span of one source once more, oldest first, within its limit of requests.

    A running daemon does it beside what it reads anyway; Ctrl-C then ends only this view of it. Without one,
    this process is the daemon of this source until all is read.

    Raises:
        UserError: the span is empty.
    """
    settings = configured(config)
    if unknown(settings, [name]):
        return 1
    now = SystemClock().now()
    if since >= (now if until is None else min(now, until)):
        raise UserError("--since is not before the end of the span; write 6h or 2026-11-22T03:00:00Z")
    with _shown() as shown:
        async with stopping(None) as stop:
            outcome = await app.backfill(settings, name, since, until, tell=shown.hear, stop=stop)
    if json:
        show_json({"outcome": outcome, "streams": [_json(cursor) for cursor in shown.cursors]})
    else:
        _say(outcome, shown.cursors, now)
    return EXIT[outcome]


class _Shown:
    """How far it is, on stderr: bars on a terminal, else a line at each tenth."""

    def __init__(self, bars: Progress | None) -> None:
        self.cursors: Sequence[Cursor] = ()
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._has_waited = False

    def hear(self, progress: app.Progress) -> None:
        """It is so far."""
        self.cursors = progress.cursors
        if progress.waiting and not self._has_waited:
            self._has_waited = True
            sys.stderr.write(f"{_WAITING}\n")
        for cursor in progress.cursors:
            sight = progress.sights.get(cursor.stream)
            trouble = (
                "" if sight is None or sight.up or not sight.family else f"{sight.family}: {sight.message}"
            )
            if self._bars is None:
                self._line(cursor, trouble)
            else:
                self._bar(self._bars, cursor, printable(trouble))

    def _bar(self, bars: Progress, cursor: Cursor, trouble: str) -> None:
        if cursor.stream not in self._tasks:
            name = cursor.stream.removesuffix(BACKFILL)
            self._tasks[cursor.stream] = bars.add_task(name, total=_length(cursor), trouble="")
        done = cursor.position - cursor.since
        bars.update(self._tasks[cursor.stream], completed=done, trouble=trouble)

    def _line(self, cursor: Cursor, trouble: str) -> None:
        part = (cursor.position - cursor.since) / _length(cursor)
        if part - self._said.get(cursor.stream, -1) >= _STEP or (part == 1 != self._said.get(cursor.stream)):
            self._said[cursor.stream] = part
            name = cursor.stream.removesuffix(BACKFILL)
            words = f"{name}: {percent(part)}, read to {moment(cursor.position)}; {trouble}".rstrip("; ")
            sys.stderr.write(printable(words) + "\n")


@contextmanager
def _shown() -> Iterator[_Shown]:
    if not sys.stderr.isatty():
        yield _Shown(None)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[trouble]}", markup=False),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as bars:
        yield _Shown(bars)


def _say(outcome: Outcome, cursors: Sequence[Cursor], now: Instant) -> None:
    if cursors:
        rows = [
            (cursor.stream.removesuffix(BACKFILL), moment(cursor.since), moment(cursor.position))
            for cursor in cursors
        ]
        show_table(("STREAM", "FROM", "READ TO"), rows)
    elif outcome is Outcome.DONE:
        say("nothing of that span had been read yet: the daemon reads it in its turn")
    if any(cursor.since < now - HORIZON for cursor in cursors):
        say(f"what is older than {span(HORIZON)} judges nothing any more")
    match outcome:
        case Outcome.STOPPED:
            say("not all is read yet: the daemon goes on with it, at its next start if none runs")
        case Outcome.NO_DAEMON:
            say("the daemon has gone: the next one goes on with it; start it with `watcher run`")


def _length(cursor: Cursor) -> int:
    return max(1, (cursor.until or cursor.position) - cursor.since)


def _json(cursor: Cursor) -> dict[str, object]:
    return {
        "stream": cursor.stream.removesuffix(BACKFILL),
        "since": rfc3339(cursor.since),
        "until": rfc3339(cursor.until or cursor.position),
        "position": rfc3339(cursor.position),
    }
