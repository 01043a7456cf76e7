"""What `watcher demo` shows: what it started, how far it has read, what it found, and what was told."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from watcher.cli.plain import printable
from watcher.cli.screen import ROOM, STYLES, screen
from watcher.cli.telling import lasted, one_line
from watcher.model.incident import Change, Incident
from watcher.model.ports import Clock, Committed, Tick
from watcher.model.sample import Sight
from watcher.model.time import MINUTE, Duration, Instant, floor, to_datetime
from watcher.model.words import number, span
from watcher.simulate.mail_catcher import Mail, MailCatcher
from watcher.simulate.serve import Simulation
from watcher.simulate.truth import Planted
from watcher.simulate.webhook_catcher import Hook, WebhookCatcher

BODY_LINES: Final = 2
"""Lines of a message's text that are shown."""
INDENT: Final = 21
"""Columns of the time and the word before a message."""
QUIET: Final = frozenset({Change.MOVED, Change.STEADY})
"""Changes that are recorded and told to nobody."""


class Backfill:
    """How far the streams have come: what is settled and unread, then and now."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], Duration] = {}
        self._sights: dict[tuple[str, str], Sight] = {}
        self.samples = 0

    def see(self, tick: Tick) -> None:
        """Take the polls of one tick."""
        for poll in tick.polls:
            key = (poll.sight.source, poll.sight.stream)
            self._first.setdefault(key, poll.sight.behind)
            self._sights[key] = poll.sight
            self.samples += sum(batch.size for batch in poll.batches)

    @property
    def total(self) -> Duration:
        """What there was to read at first, over all streams."""
        return sum(self._first.values())

    @property
    def read(self) -> Duration:
        """How much of it has been read."""
        return self.total - sum(min(sight.behind, self._first[key]) for key, sight in self._sights.items())

    @property
    def over(self) -> bool:
        """Whether there was something to read and all streams have caught up."""
        return self.total > 0 and all(sight.caught_up for sight in self._sights.values())


class DemoScreen:
    """Everything the demo prints. A context manager: the progress bar is there within it."""

    def __init__(self, folder: Path, clock: Clock, out: Console | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._out = out or screen()
        self._backfill = Backfill()
        self._began: Instant = clock.now()
        self._incidents: dict[str, Incident] = {}
        self._told = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=self._out,
            transient=True,
            disable=not self._out.is_terminal,
        )
        self._bar = self._progress.add_task("reading the past", total=None)
        self._reading = True

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, simulation: Simulation, mails: MailCatcher, hooks: WebhookCatcher) -> None:
        """Say what runs and where."""
        self._say("The real daemon, on vendors that are simulated over real sockets.", "bold")
        self._say()
        for name, served in simulation.announced.items():
            self._say(f"  {name:<16} {served.base_url}")
        for name, port in simulation.tls.ports.items():
            self._say(f"  {'tls':<16} {simulation.tls.host}:{port}  ({name})")
        for url in simulation.sites.urls.values():
            self._say(f"  {'http':<16} {url}")
        self._say(f"  {'mail':<16} smtp://127.0.0.1:{mails.port}  (what arrives is shown below)")
        self._say(f"  {'webhook':<16} {hooks.url}  (the same)")
        self._say(f"  {'files':<16} {self._folder}  (watcher.yaml, .db and .log)")
        self._say()
        self._plants(simulation.planted(), self._clock.now())
        self._say()
        self._say("Reading the last 6 h, oldest first. Ctrl-C ends this.")

    def _plants(self, planted: Sequence[Planted], now: Instant) -> None:
        """What is there to be found, and what is not: so that a reader can judge the daemon."""
        self._say("Planted, with the rule that should find it:")
        for one in planted:
            if one.rule is not None:
                begins = f", in {span(one.start - now)}" if one.start > now else ""
                self._say(f"  {one.vendor:<16} {one.words + begins:<36} {one.rule}")
        spared = [one.words for one in planted if one.rule is None and one.vendor != "tls"]
        if spared:
            self._say(f"and what should wake nobody: {', '.join(spared)}.")

    def listen(self, tick: Tick, committed: Sequence[Committed]) -> None:
        """Hear what one tick of the daemon became."""
        if self._reading:
            self._backfill.see(tick)
            self._show_progress()
        for change in committed:
            self._incidents[change.incident.id] = change.incident
            if change.change not in QUIET:
                self._show_change(change.change, change.incident)

    def mail(self, mail: Mail) -> None:
        """Show a mail as it arrived."""
        self._show_message(
            "mail",
            f"to {', '.join(one.partition('@')[0] for one in mail.recipients)}",
            mail.subject,
            mail.body(),
        )

    def hook(self, hook: Hook) -> None:
        """Show a webhook as it arrived: its title, and of how many incidents JSON came with it."""
        body: dict[str, Any] = hook.body if isinstance(hook.body, dict) else {}
        about = len(body.get("incidents", ()))
        self._show_message("webhook", f"JSON of {about}" if about else "JSON", str(body.get("title", "")))

    def ended(self) -> None:
        """Say what there is to look at now."""
        config = self._folder / "watcher.yaml"
        self._say()
        standing = sum(not incident.over for incident in self._incidents.values())
        counted = f"{len(self._incidents)} incidents, {standing} of them open; {self._told} messages"
        self._say(f"Stopped after {span(self._clock.now() - self._began)}: {counted}.", "bold")
        self._say(f"The database is {self._folder / 'watcher.db'}. To try next:")
        self._say()
        for command in self._commands():
            self._say(f"  {program()} {command} -c {config}")

    def _commands(self) -> Iterator[str]:
        yield "incidents list"
        worst = max(self._incidents.values(), key=lambda incident: incident.severity, default=None)
        yield "rules list" if worst is None else f"incidents show {worst.id}"
        yield "incidents list --json"

    def _show_progress(self) -> None:
        read, total = self._backfill.read, self._backfill.total
        self._progress.update(self._bar, completed=read, total=total or None)
        if self._backfill.over:
            self._reading = False
            self._progress.stop()
            took = span(self._clock.now() - self._began)
            self._say(f"{self._time()}  caught up: {number(self._backfill.samples)} samples in {took}", "dim")

    def _show_change(self, change: Change, incident: Incident) -> None:
        head = Text(f"{change:<9} ", style="green" if change is Change.RESOLVED else "bold")
        head.append(f"{incident.severity!s:<9}", style=STYLES[incident.severity])
        body = Text(printable(one_line(incident.summary)))
        body.append(f"  ({self._when(change, incident)})", style="dim")
        self._show(head, body)

    def _when(self, change: Change, incident: Incident) -> str:
        if change is Change.RESOLVED:
            now = f"; now {one_line(incident.recovery.text)}" if incident.recovery is not None else ""
            return f"lasted {lasted(incident, self._clock.now())}{now}"
        age = floor(self._clock.now() - incident.opened_at, MINUTE)
        ago = f", {span(age)} ago" if age > 0 else ""
        return f"since {to_datetime(incident.opened_at):%H:%M}Z{ago}"

    def _show_message(self, kind: str, where: str, title: str, text: str = "") -> None:
        self._told += 1
        line = Text(printable(one_line(title)))
        line.append(f"  ({where})", style="dim")
        self._show(Text(f"{kind:<9} ", style="magenta"), line)
        new = [
            body.strip()
            for body in text.splitlines()
            if body.strip() and body.strip().casefold() not in title.casefold()
        ]
        for body in new[:BODY_LINES]:
            self._show(None, Text(printable(body), style="dim"))

    def _show(self, head: Text | None, body: Text) -> None:
        """One line that begins with the time; what a terminal has no room for goes on below its text."""
        start = Text(" " * INDENT) if head is None else Text(f"{self._time()}  ").append_text(head)
        room = self._out.width - start.cell_len
        lines = body.wrap(self._out, room) if self._out.is_terminal and room > ROOM else [body]
        for line in lines:
            line.rstrip()
            self._out.print(start + line)
            start = Text(" " * start.cell_len)

    def _time(self) -> str:
        return f"{to_datetime(self._clock.now()):%H:%M:%S}Z"

    def _say(self, line: str = "", style: str = "") -> None:
        self._out.print(Text(printable(line), style=style))


def program() -> str:
    """How this program was called, so that what it says to type next works."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{sys.executable} -m watcher"
    found = shutil.which("watcher")
    return "watcher" if found is not None and Path(found).samefile(called) else str(called)
