"""How one receiver is spoken to: in its zone, with links or commands, in the shapes its targets take."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from watcher.model.incident import Incident
from watcher.model.time import MINUTE, Instant, to_datetime, zone_of

SILENCE_FOR: Final = "2h"
"""How long the silence lasts that a message offers."""


class Shape(StrEnum):
    """What a message may be made into beside its text."""

    HTML = "html"
    BLOCKS = "blocks"


@dataclass(frozen=True, slots=True)
class Voice:
    """One target's."""

    zone: str = "UTC"
    """An IANA name, known to be one."""
    public_url: str = ""
    """Where people reach watcher's page; empty: they are given commands."""
    shapes: frozenset[Shape] = frozenset(Shape)

    def moment(self, instant: Instant) -> str:
        """``2026-11-22 04:00 CET``, with seconds where there are any."""
        local = to_datetime(instant).astimezone(zone_of(self.zone))
        shape = "%Y-%m-%d %H:%M:%S %Z" if instant % MINUTE else "%Y-%m-%d %H:%M %Z"
        return local.strftime(shape)

    def steps(self, incident: Incident) -> "tuple[Step, ...]":
        """What can be done next: to see it; while it stands, to take it and to silence it."""
        details = self._step("Details", f"watcher incidents show {incident.id}", incident)
        if incident.over:
            return (details,)
        acknowledge = f"watcher incidents ack {incident.id}"
        silence = f"watcher silences add --incident {incident.id} --for {SILENCE_FOR}"
        return (
            details,
            self._step("Acknowledge", acknowledge, incident, "acknowledge"),
            self._step("Silence", silence, incident, "silence"),
        )

    @property
    def everything(self) -> str:
        """Where all incidents are: an address where there is one, else a command."""
        return f"{self.public_url.rstrip('/')}/incidents" if self.public_url else "watcher incidents list"

    def _step(self, name: str, command: str, incident: Incident, page: str = "") -> "Step":
        if not self.public_url:
            return Step(name, command)
        base = f"{self.public_url.rstrip('/')}/incidents/{quote(incident.id, safe='')}"
        return Step(name, command, f"{base}/{page}" if page else base)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do next: a command, and its page where there is one."""

    name: str
    command: str
    url: str = ""

    @property
    def words(self) -> str:
        """The address where there is one, else the command."""
        return self.url or self.command


UTC_VOICE: Final = Voice()
"""Of who has said nothing about it."""
