"""`watcher silences add`, `list`, `end`, `preview`: what nobody is told of for a time."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter

from watcher.app import silences as app
from watcher.cli.acting import LONGEST, Span
from watcher.cli.incidents import show_incidents
from watcher.cli.loading import book_of
from watcher.cli.login import login
from watcher.cli.named import the_one
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, FutureOption, JsonOption
from watcher.cli.plain import printable
from watcher.cli.recurring import maintenance_in, recurrence
from watcher.cli.screen import say, show_json, show_table
from watcher.cli.telling import moment, one_line
from watcher.errors import UserError
from watcher.model.labels import Matcher
from watcher.model.presentation import incident_json
from watcher.model.recurrence import Recurrence
from watcher.model.recurrence import Span as Stretch
from watcher.model.silence import Silence
from watcher.model.silence_words import matcher_words, recurrence_words, silence_json
from watcher.model.time import Instant
from watcher.runtime.clock import SystemClock

SHOWN: Final = 3
"""Occurrences of one that comes back that are shown."""

Matchers = Annotated[
    str,
    Parameter(
        help="What it hides, as resource=shop, rule=~http_.*, severity=info; one label twice is either."
    ),
]
IncidentOption = Annotated[str, Parameter(help="This incident and its returns, by its id.")]
Every = Annotated[
    str, Parameter(help='When it holds: "mon-fri 22:00-06:00 Europe/Berlin"; without a zone in UTC.')
]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Times:
    """When it holds."""

    start: Annotated[FutureOption | None, Parameter(name="--from", help="From then on; without it, now.")] = (
        None
    )
    every: Every = ""

    def begin(self, now: Instant) -> Instant:
        """From when on."""
        return now if self.start is None else self.start

    @property
    def recurrence(self) -> Recurrence | None:
        """When it comes back, if it does."""
        return recurrence(self.every) if self.every else None


_TIMES: Final = Times()
_OPEN_END: Final = Span()


async def add(
    *matchers: Matchers,
    reason: Annotated[str, Parameter(help="Why, for those who wonder why nobody was told.")] = "",
    incident: IncidentOption = "",
    times: Times = _TIMES,
    span: Span = _OPEN_END,
    name: Annotated[str, Parameter(name="--as", help="Who does it; without it, this login.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Tell nobody of what matches, but its end where the beginning was told; then how it stands.

    Judging and recording go on. What is still open when the silence ends is told then.
    """
    now = SystemClock().now()
    start, ends = times.begin(now), _end(span, times, now)
    if ends is not None and ends <= start:
        raise UserError(f"it would end at {moment(ends)}, before it starts at {moment(start)}")
    if not reason.strip() and not incident:
        raise UserError('why? write --reason "the origin moves": who is not told will ask')
    meant = await _meant(matchers, incident, config)
    if meant is None:
        return 1
    why = _short(reason.strip(), "--reason") or f"incident {incident}"
    who = _short(name.strip(), "--as") or login()
    silence = Silence(app.new_id(), meant, start, ends, who, why, now, times.recurrence)
    if silence.over(now):
        raise UserError("it would never hold: no time of --every lies between its start and its end")
    hidden = await app.add(book_of(config), silence)
    if json:
        hides = [incident_json(one) for one in hidden]
        show_json({"silence": silence_json(silence, now, SHOWN), "hides": hides})
    else:
        say(f"{silence.id}  {matcher_words(silence.matchers)}  {_when(silence, now)}")
        say(f"hides {len(hidden)} of the incidents that are open" if hidden else "no open incident matches")
    return 0


async def list_silences(
    *,
    everything: Annotated[bool, Parameter(name="--all", negative="", help="Those that are over, too.")] = (
        False
    ),
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """List silences and the configuration's maintenance windows, with the next times of what comes back."""
    now = SystemClock().now()
    windows = maintenance_in(config)
    listed = [*windows, *await app.every(book_of(config))]
    shown = [one for one in listed if everything or not one.over(now)]
    if json:
        show_json({"silences": [_listed_json(one, now, windows) for one in shown]})
    elif shown:
        rows = [
            (one.id, _state(one, now), _when(one, now), matcher_words(one.matchers), one.author, one.reason)
            for one in shown
        ]
        columns = ("ID", "STATE", "WHEN", "HIDES", "BY", "REASON")
        show_table(columns, [tuple(map(one_line, row)) for row in rows], spare=("BY", "STATE"))
    else:
        say("no silences")
    return 0


async def end(
    silence: Annotated[str, Parameter(help="Its id, or as much of its beginning as no other has.")],
    /,
    *,
    name: Annotated[str, Parameter(name="--as", help="Who does it; without it, this login.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """End a silence now: what it hid and is still open is told within a minute."""
    if any(window.id == silence for window in maintenance_in(config)):
        raise UserError(f"{silence} is a window of the configuration; take it out of `maintenance` there")
    found = _only(silence, await app.meant(book_of(config), silence))
    if found is None:
        return 1
    ended = await app.end(book_of(config), found, who=_short(name.strip(), "--as") or login())
    now = SystemClock().now()
    if json:
        show_json({"silence": silence_json(ended.silence, now, SHOWN), "was_over": ended.was_over})
    else:
        say(f"{ended.silence.id}  {'was over already' if ended.was_over else 'ended'}")
    return 0


async def preview(
    *matchers: Matchers,
    incident: IncidentOption = "",
    every: Every = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Show what such a silence would hide: of what is open, and of the last seven days."""
    meant = await _meant(matchers, incident, config)
    if meant is None:
        return 1
    now = SystemClock().now()
    silence = Silence("", meant, now, None, "", "", now, recurrence(every) if every else None)
    found = await app.preview(book_of(config), silence, now)
    if json:
        open_ones, past = ([incident_json(one) for one in some] for some in (found.standing, found.past))
        show_json({"open": open_ones, "last_seven_days": past})
        return 0
    say(f"{len(found.standing)} open now", "bold")
    if found.standing:
        show_incidents(found.standing, now)
    say()
    say(f"{len(found.past)} in the last seven days", "bold")
    if found.past:
        show_incidents(found.past, now)
    return 0


def _end(span: Span, times: Times, now: Instant) -> Instant | None:
    """`--for` counts from the start; one that comes back needs no end."""
    if span.duration is not None and span.until is None:
        return times.begin(now) + span.duration
    ends = span.end(now)
    if ends is None and not times.every:
        raise UserError("how long? write --for 2h or --until TIME; --every holds until it is ended")
    return ends


async def _meant(texts: Sequence[str], incident: str, config: ConfigOption) -> tuple[Matcher, ...] | None:
    """The matchers; None where an incident is named that there is not."""
    if bool(texts) == bool(incident):
        raise UserError("what does it hide? write matchers, as resource=shop, or --incident ID")
    if not incident:
        return _matchers(texts)
    found, matchers = await app.matchers_of_incident(book_of(config), incident)
    return None if the_one(incident, found) is None else matchers


def _matchers(texts: Sequence[str]) -> tuple[Matcher, ...]:
    """One label may stand several times: it is then any of its values.

    Raises:
        UserError: one is not written as label=value, or its regular expression does not compile.
    """
    specs: dict[str, list[str]] = {}
    for text in texts:
        label, equals, value = text.partition("=")
        if not label.strip() or not equals:
            raise UserError(f"{text}: write it as resource=shop, or resource=~shop-.*")
        specs.setdefault(label.strip(), []).append(value)
    try:
        return tuple(_matcher(label, values) for label, values in specs.items())
    except ValueError as error:
        raise UserError(str(error)) from None


def _matcher(label: str, values: Sequence[str]) -> Matcher:
    if len(values) == 1:
        return Matcher.parse(label, values[0])
    if regex := next((value for value in values if value.startswith("~")), ""):
        raise ValueError(f"{label}={regex}: with other values, write one expression, as {label}=~a|b.*")
    return Matcher(label, tuple(values))


def _only(named: str, found: Sequence[Silence]) -> Silence | None:
    if len(found) == 1:
        return found[0]
    what = f"several silences begin with {named}; write more of it:" if found else f"no silence is {named}"
    for line in (what, *(f"  {one.id}  {matcher_words(one.matchers)}  {one.reason}" for one in found)):
        sys.stderr.write(f"{printable(one_line(line) if line is not what else line)}\n")
    return None


def _state(silence: Silence, now: Instant) -> str:
    if silence.over(now):
        return f"ended by {silence.ended_by}" if silence.ended_by else "over"
    return "active" if silence.until(now) is not None else "waits"


def _when(silence: Silence, now: Instant) -> str:
    """Its times; of one that comes back the present or next ones."""
    ends = silence.end
    if silence.recurrence is None:
        return f"{moment(silence.starts_at)} to {'its end' if ends is None else moment(ends)}"
    spans = silence.spans(now, SHOWN)
    times = "; ".join(_stretch(span) for span in spans)
    return f"{recurrence_words(silence.recurrence)}{f': {times}' if times else ''}"


def _stretch(span: Stretch) -> str:
    return f"{moment(span.start)} to {moment(span.end)}"


def _listed_json(silence: Silence, now: Instant, windows: Sequence[Silence]) -> dict[str, object]:
    return silence_json(silence, now, SHOWN) | {"configured": silence in windows}


def _short(text: str, of: str) -> str:
    if len(text) > LONGEST:
        raise UserError(f"{of} has {len(text)} characters; {LONGEST} are the most")
    return text
