"""`watcher status`: whether the daemon lives, what it sees, what is open and what is still to be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from watcher.app import book
from watcher.cli.incidents import show_incidents
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import say, show_json, show_table
from watcher.cli.telling import moment, one_line
from watcher.config import Config
from watcher.model.incident import Incident, Status
from watcher.model.ports import IncidentQuery, Owner
from watcher.model.presentation import incident_json
from watcher.model.sample import Sight
from watcher.model.time import MINUTE, SECOND, Instant, rfc3339
from watcher.model.words import span
from watcher.runtime.clock import SystemClock

MOST: Final = 1_000
"""Open incidents that are asked for."""
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """All that `status` knows."""

    at: Instant
    owner: Owner | None
    sights: Sequence[Sight]
    """Of the sources in the configuration: what others have left behind is nobody's concern."""
    incidents: Sequence[Incident]
    backlog: Mapping[str, int]

    @property
    def any_down(self) -> bool:
        """Whether some stream was not answered when last asked."""
        return any(not sight.up for sight in self.sights)


async def status(*, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """Say how the daemon stands; exit 1 when a source is down. Works beside a running daemon."""
    standing = await _standing(configured(config, secrets=False))
    if json:
        show_json(_json(standing))
    else:
        _show(standing)
    return 1 if standing.any_down else 0


async def _standing(settings: Config) -> Standing:
    names = {source.name for source in settings.sources}
    query = IncidentQuery(status=frozenset({Status.OPEN, Status.ACKNOWLEDGED}), limit=MOST)
    async with book.history(settings.database) as history:
        return Standing(
            at=SystemClock().now(),
            owner=await history.owner(),
            sights=[sight for sight in await history.sights() if sight.source in names],
            incidents=await history.incidents(query),
            backlog=await history.backlog(),
        )


def _show(standing: Standing) -> None:
    say(f"daemon     {_daemon(standing)}")
    say(f"incidents  {len(standing.incidents)} open")
    say(f"messages   {_backlog(standing.backlog)}")
    say()
    if standing.sights:
        rows = [_row(sight, standing.at) for sight in standing.sights]
        show_table(("SOURCE", "STREAM", "STATE", "FOR", "ASKED", "BEHIND", ""), rows)
    else:
        say("no source has been asked yet")
    if standing.incidents:
        say()
        show_incidents(standing.incidents[:SHOWN], standing.at)


def _daemon(standing: Standing) -> str:
    owner = standing.owner
    if owner is None:
        return "not running"
    if not owner.alive:
        return f"not running; {owner.holder} was last seen {moment(owner.seen)}"
    return f"running for {span(max(0, standing.at - owner.since))}, {owner.holder}"


def _backlog(backlog: Mapping[str, int]) -> str:
    owed = ", ".join(f"{target} {count}" for target, count in backlog.items())
    return f"{sum(backlog.values())} to be told ({owed})" if backlog else "all told"


def _row(sight: Sight, now: Instant) -> tuple[str | Text, ...]:
    state = Text("up", style="green") if sight.up else Text(f"down ({sight.family})", style="bold red")
    lasting = span(max(0, now - sight.since)) if sight.since else ""
    asked = f"{span(max(0, now - sight.at))} ago"
    behind = span(sight.behind) if sight.behind >= MINUTE or not sight.caught_up else ""
    return (sight.source, sight.stream, state, lasting, asked, behind, one_line(sight.message))


def _json(standing: Standing) -> dict[str, object]:
    owner = standing.owner
    return {
        "at": rfc3339(standing.at),
        "daemon": None
        if owner is None
        else {
            "alive": owner.alive,
            "holder": owner.holder,
            "since": rfc3339(owner.since),
            "seen": rfc3339(owner.seen),
        },
        "streams": [_sight_json(sight) for sight in standing.sights],
        "incidents": [incident_json(incident) for incident in standing.incidents],
        "backlog": dict(standing.backlog),
    }


def _sight_json(sight: Sight) -> dict[str, object]:
    return {
        "source": sight.source,
        "vendor": sight.vendor,
        "stream": sight.stream,
        "up": sight.up,
        "family": sight.family,
        "message": sight.message,
        "at": rfc3339(sight.at),
        "since": rfc3339(sight.since) if sight.since else None,
        "caught_up": sight.caught_up,
        "behind_seconds": sight.behind / SECOND,
    }
