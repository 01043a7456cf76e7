"""`watcher incidents ack`, `note`, `assign`, `snooze`, `resolve`: what people do to incidents."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter

from watcher.app import acts as app
from watcher.app.acts import Answer, Deed
from watcher.cli.loading import book_of
from watcher.cli.login import login
from watcher.cli.named import the_one
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, DurationOption, FutureOption, JsonOption
from watcher.cli.screen import say, show_json
from watcher.cli.telling import moment, one_line
from watcher.config import load_patience
from watcher.errors import UserError
from watcher.model.act import Act, ActKind, ActState
from watcher.model.incident import Incident
from watcher.model.presentation import act_json, incident_json
from watcher.model.time import Instant
from watcher.runtime.clock import SystemClock

LONGEST: Final = 4_000
"""Characters of a note."""

Ids = Annotated[str, Parameter(help="Ids of incidents, or as much of their beginning as no other has.")]
Words = Annotated[str, Parameter(help="Ids of incidents, then the text.")]
Message = Annotated[str, Parameter(name=["--message", "-m"], help="Why; it stands in the timeline.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Who:
    """Who does it, and how the answer looks."""

    name: Annotated[str, Parameter(name="--as", help="Who does it; without it, this login.")] = ""
    config: ConfigOption = DEFAULT_CONFIG
    json: JsonOption = False

    def person(self) -> str:
        """A name for the timeline."""
        return _text(self.name, "--as") or login()


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Span:
    """How long it holds."""

    duration: Annotated[DurationOption | None, Parameter(name="--for", help="For so long, as 2h.")] = None
    until: Annotated[
        FutureOption | None, Parameter(help="Until then, as 2026-11-23T08:00Z, or 2h for in two hours.")
    ] = None

    def end(self, now: Instant) -> Instant | None:
        """When it is over; None where nothing was said.

        Raises:
            UserError: both were said, or what was said has passed.
        """
        if self.duration is not None and self.until is not None:
            raise UserError("--for and --until say the same; write one of them")
        end = self.until if self.duration is None else now + self.duration
        if end is not None and end <= now:
            raise UserError(f"{moment(end)} has passed; write a time to come")
        return end


_ME: Final = Who()
_OPEN_END: Final = Span()


async def acknowledge(*ids: Ids, message: Message = "", span: Span = _OPEN_END, who: Who = _ME) -> int:
    """Say that somebody is at it: reminders stop until it is over, or until the acknowledgement lapses."""
    deed = Deed(ActKind.ACKNOWLEDGE, who.person(), _text(message), span.end(SystemClock().now()))
    return await _do(ids, deed, who)


async def unacknowledge(*ids: Ids, message: Message = "", who: Who = _ME) -> int:
    """Take an acknowledgement back: the incident is open again, and reminded of."""
    return await _do(ids, Deed(ActKind.UNACKNOWLEDGE, who.person(), _text(message)), who)


async def note(*words: Words, message: Message = "", who: Who = _ME) -> int:
    """Write a line into the timeline: `note ID TEXT`, or `note ID... -m TEXT`."""
    ids, text = _split(words, message, "what the note says, as `watcher incidents note ID TEXT`")
    return await _do(ids, Deed(ActKind.NOTE, who.person(), text), who)


async def assign(
    *words: Annotated[str, Parameter(help="Ids of incidents, then the name.")],
    to: Annotated[str, Parameter(help="Whose it is from now on.")] = "",
    nobody: Annotated[bool, Parameter(negative="", help="It is nobody's any more.")] = False,
    who: Who = _ME,
) -> int:
    """Say whose it is: `assign ID NAME`, or `assign ID... --to NAME`."""
    wanted = "whose it is, as `watcher incidents assign ID NAME`"
    ids, name = (words, "") if nobody else _split(words, to, wanted)
    return await _do(ids, Deed(ActKind.ASSIGN, who.person(), name), who)


async def snooze(
    *ids: Ids,
    message: Message = "",
    span: Span = _OPEN_END,
    end: Annotated[bool, Parameter(negative="", help="End the snooze now.")] = False,
    who: Who = _ME,
) -> int:
    """Tell nothing of it for a while, but its end; then tell how it stands."""
    until = span.end(SystemClock().now())
    if end == (until is not None):
        raise UserError("how long? write --for 2h, --until TIME, or --end to end the snooze")
    return await _do(ids, Deed(ActKind.SNOOZE, who.person(), _text(message), until), who)


async def resolve(*ids: Ids, message: Message = "", who: Who = _ME) -> int:
    """End it by hand. What is bad goes on is another incident only after a clear reading."""
    return await _do(ids, Deed(ActKind.RESOLVE, who.person(), _text(message)), who)


async def _do(ids: Sequence[str], deed: Deed, who: Who) -> int:
    if not ids:
        raise UserError("which incident? name one by its id; `watcher incidents list` shows them")
    answer = await app.act(book_of(who.config), ids, deed, unacknowledge_after=load_patience(who.config))
    for name, found in answer.unclear.items():
        the_one(name, found)
    refused = [act for act in answer.acts if act.state is ActState.REFUSED]
    for act in refused:
        sys.stderr.write(f"{act.incident_id}: {act.detail}\n")
    if who.json:
        show_json(_json(answer))
    else:
        _say(answer)
    return 1 if refused or answer.unclear else 0


def _say(answer: Answer) -> None:
    incidents = {one.id: one for one in answer.incidents}
    for act in answer.acts:
        if act.state is ActState.APPLIED:
            say(f"{act.incident_id}  {_outcome(act, incidents[act.incident_id])}")
        elif act.state is ActState.ASKED:
            say(f"{act.incident_id}  written down; {_waits(answer)}")


def _outcome(act: Act, incident: Incident) -> str:
    match act.kind:
        case ActKind.ACKNOWLEDGE:
            until = f" until {moment(incident.unack_at)}" if incident.unack_at is not None else ""
            return f"acknowledged by {act.who}{until}"
        case ActKind.UNACKNOWLEDGE:
            return "open again"
        case ActKind.NOTE:
            return "noted"
        case ActKind.ASSIGN:
            return f"assigned to {act.text or 'nobody'}"
        case ActKind.SNOOZE:
            return f"snoozed until {moment(act.until)}" if act.until is not None else "snoozed no longer"
        case ActKind.RESOLVE:
            end = incident.resolved_at
            return (
                "resolved" if end is None else f"resolved as of {moment(end)}: {one_line(incident.summary)}"
            )


def _waits(answer: Answer) -> str:
    if answer.owner is None:
        return "the next daemon applies it"
    return (
        f"watcher pid {answer.owner.pid} on host {answer.owner.host} has not taken it up yet, "
        "and does once it reaches the database; see `watcher status`"
    )


def _json(answer: Answer) -> dict[str, object]:
    return {
        "acts": [act_json(act) for act in answer.acts],
        "incidents": [incident_json(incident) for incident in answer.incidents],
    }


def _split(words: Sequence[str], text: str, wanted: str) -> tuple[Sequence[str], str]:
    """Ids and a text that is the last of the words unless it was given apart."""
    ids, said = (words, text) if text else (words[:-1], words[-1] if words else "")
    if not ids or not _text(said):
        raise UserError(f"say which incident and {wanted}")
    return ids, _text(said)


def _text(text: str, of: str = "the text") -> str:
    if len(text) > LONGEST:
        raise UserError(f"{of} has {len(text)} characters; {LONGEST} are the most")
    return text.strip()
