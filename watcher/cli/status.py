"""`watcher status`: whether the daemon lives, what it sees, what is open and what is still to be told."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from rich.text import Text

from watcher.app import book
from watcher.cli.incidents import show_incidents
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import say, show_json, show_table
from watcher.cli.telling import moment, one_line
from watcher.config import Config
from watcher.model.hand import GivenUp
from watcher.model.incident import Incident, Status
from watcher.model.ports import Failing, IncidentQuery, Owner, Stored
from watcher.model.presentation import incident_json
from watcher.model.sample import BACKFILL, Sight
from watcher.model.time import DAY, MINUTE, SECOND, Instant, rfc3339
from watcher.model.words import span
from watcher.runtime.clock import SystemClock

MOST: Final = 1_000
"""Open incidents that are asked for."""
SHOWN: Final = 20


class State(StrEnum):
    """What is known of a stream."""

    UP = "up"
    DOWN = "down"
    WAITING = "waiting"
    """It has not been asked yet."""
    UNSEEN = "unseen"
    """There is no daemon that sees it: how it was when last asked says nothing of now."""


STYLES: Final = {State.UP: "green", State.DOWN: "bold red", State.WAITING: "yellow", State.UNSEEN: "yellow"}


@dataclass(frozen=True, slots=True)
class Standing:
    """All that `status` knows."""

    at: Instant
    owner: Owner | None
    sights: Sequence[Sight]
    """Of the sources in the configuration: what others have left behind is nobody's concern."""
    incidents: Sequence[Incident]
    backlog: Mapping[str, int]
    failing: Mapping[str, Failing]
    """Targets for which messages wait, by name."""
    given_up: Sequence[GivenUp]
    """Within the last day."""
    stored: Stored

    @property
    def lives(self) -> bool:
        """Whether a daemon watches."""
        return self.owner is not None and self.owner.alive

    @property
    def is_well(self) -> bool:
        """Whether a daemon watches, and no stream left its last question unanswered."""
        return self.lives and all(self.state(sight) is not State.DOWN for sight in self.sights)

    def state(self, sight: Sight) -> State:
        """What is known of a stream now."""
        if not self.lives:
            return State.UNSEEN
        return _last_state(sight)


def _last_state(sight: Sight) -> State:
    if sight.up:
        return State.UP
    return State.DOWN if sight.family else State.WAITING


async def status(*, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """Say how the daemon stands; exit 1 when it is not heard from, or a stream is down."""
    standing = await _standing(configured(config, secrets=False))
    if json:
        show_json(_json(standing))
    else:
        _show(standing)
    return 0 if standing.is_well else 1


async def _standing(settings: Config) -> Standing:
    names = {source.name for source in settings.sources}
    standing = frozenset({Status.OPEN, Status.ACKNOWLEDGED})
    query = IncidentQuery(status=standing, limit=MOST, shadow=False)
    async with book.readers(settings.database) as readers:
        history, now = readers.history, SystemClock().now()
        return Standing(
            at=now,
            owner=await history.owner(),
            sights=[sight for sight in await history.sights() if sight.source in names and _counts(sight)],
            incidents=await history.incidents(query),
            backlog=await history.backlog(),
            failing=await history.failing(),
            given_up=await history.given_up(since=now - DAY),
            stored=await readers.recording.stored(),
        )


def _counts(sight: Sight) -> bool:
    """Reading a span again is nobody's concern once it is done."""
    return not sight.stream.endswith(BACKFILL) or sight.behind > 0


def _show(standing: Standing) -> None:
    say(f"daemon     {_daemon(standing)}")
    say(f"incidents  {len(standing.incidents)} open")
    say(f"messages   {_backlog(standing.backlog)}")
    for one in standing.failing.values():
        say(f"           {one.target} fails since {moment(one.since)}: {one_line(one.detail)}")
    for lost in standing.given_up:
        say(f"given up   {lost.count} to {lost.target}, last {moment(lost.at)}: {one_line(lost.detail)}")
    if standing.stored.samples:
        say(f"history    {standing.stored.samples:,} samples, {standing.stored.bytes / 1e6:,.1f} MB")
    say()
    if standing.sights:
        rows = [_row(sight, standing) for sight in standing.sights]
        show_table(("SOURCE", "STREAM", "STATE", "FOR", "ASKED", "AGAIN", "BEHIND", ""), rows)
    else:
        say("no source has been asked yet")
    if standing.incidents:
        say()
        show_incidents(standing.incidents[:SHOWN], standing.at)


def _daemon(standing: Standing) -> str:
    owner = standing.owner
    if owner is None:
        return "not running"
    if owner.alive:
        return f"running for {span(max(0, standing.at - owner.since))}, pid {owner.pid} on host {owner.host}"
    silent = f"not heard from for {span(max(0, standing.at - owner.seen))}"
    match owner.process_alive:
        case True:
            return f"{silent}; pid {owner.pid} is alive: see its log (database_unavailable)"
        case False:
            return f"not running; pid {owner.pid} was last seen {moment(owner.seen)}"
        case None:
            return f"{silent}; look for pid {owner.pid} on host {owner.host}"


def _backlog(backlog: Mapping[str, int]) -> str:
    owed = ", ".join(f"{target} {count}" for target, count in backlog.items())
    return f"{sum(backlog.values())} to be told ({owed})" if backlog else "all told"


def _row(sight: Sight, standing: Standing) -> tuple[str | Text, ...]:
    state = standing.state(sight)
    words = f"{state} ({sight.family})" if state is State.DOWN else str(state)
    lasting = behind = asked = ""
    if state is not State.UNSEEN:
        lasting = span(max(0, standing.at - sight.since)) if sight.since else ""
        behind = span(sight.behind) if sight.behind >= MINUTE or not sight.caught_up else ""
    if _last_state(sight) is not State.WAITING:
        asked = f"{span(max(0, standing.at - sight.at))} ago"
    shown = Text(words, style=STYLES[state])
    again = _again(sight, standing.at) if state is State.DOWN else ""
    return (sight.source, sight.stream, shown, lasting, asked, again, behind, one_line(sight.message))


def _again(sight: Sight, now: Instant) -> str:
    """When a stream that is down is asked again."""
    if not sight.next_try:
        return "when told"
    return f"in {span(sight.next_try - now)}" if sight.next_try > now else "now"


def _json(standing: Standing) -> dict[str, object]:
    return {
        "at": rfc3339(standing.at),
        "daemon": _daemon_json(standing.owner),
        "streams": [_sight_json(sight, standing.state(sight)) for sight in standing.sights],
        "incidents": [incident_json(incident) for incident in standing.incidents],
        "backlog": dict(standing.backlog),
        "failing": [
            {"target": one.target, "since": rfc3339(one.since), "detail": one.detail}
            for one in standing.failing.values()
        ],
        "given_up": [
            {"target": one.target, "count": one.count, "at": rfc3339(one.at), "detail": one.detail}
            for one in standing.given_up
        ],
        "history": asdict(standing.stored),
    }


def _daemon_json(owner: Owner | None) -> dict[str, object]:
    return {
        "alive": owner is not None and owner.alive,
        "holder": owner and owner.holder,
        "since": owner and rfc3339(owner.since),
        "seen": owner and rfc3339(owner.seen),
        "process_alive": owner and owner.process_alive,
    }


def _sight_json(sight: Sight, state: State) -> dict[str, object]:
    return {
        "source": sight.source,
        "vendor": sight.vendor,
        "stream": sight.stream,
        "state": str(state),
        "up": {State.UP: True, State.DOWN: False}.get(state),
        "family": sight.family,
        "message": sight.message,
        "at": rfc3339(sight.at),
        "since": rfc3339(sight.since) if sight.since else None,
        "caught_up": sight.caught_up,
        "behind_seconds": sight.behind / SECOND,
        "next_try": rfc3339(sight.next_try) if state is State.DOWN and sight.next_try else None,
    }
