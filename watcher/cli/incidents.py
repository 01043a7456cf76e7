"""`watcher incidents list`: what was found."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from watcher.app import book
from watcher.cli.loading import book_of, configured
from watcher.cli.login import login
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, MomentOption
from watcher.cli.screen import say, severity_cell, show_json, show_table
from watcher.cli.telling import lasted, moment, one_line, standing
from watcher.document.complaints import nearest
from watcher.errors import UserError
from watcher.model.incident import Incident, Status
from watcher.model.ports import IncidentQuery
from watcher.model.presentation import incident_json
from watcher.model.rule import Severity
from watcher.model.time import Instant
from watcher.runtime.clock import SystemClock


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Filter:
    """Which incidents are asked for."""

    status: Annotated[
        tuple[Status, ...], Parameter(negative="", help="Only those that stand so; may be repeated.")
    ] = ()
    severity: Annotated[Severity | None, Parameter(help="Only those of this severity.")] = None
    rule: Annotated[str, Parameter(help="Only those of this rule.")] = ""
    label: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Only those with this label, as resource=shop; may be repeated."),
    ] = ()
    assignee: Annotated[str, Parameter(help="Only those that are theirs.")] = ""
    mine: Annotated[bool, Parameter(negative="", help="Only those assigned to this login.")] = False
    flapping: Annotated[
        bool | None, Parameter(help="Only those that flap, or that did when they ended; or only the others.")
    ] = None
    since: Annotated[
        MomentOption | None,
        Parameter(help="Only those that lasted later: 6h for six hours ago, or 2026-11-22T03:00Z."),
    ] = None
    until: Annotated[MomentOption | None, Parameter(help="Only those that began earlier.")] = None

    def query(self, limit: int = 0, *, shadow: bool | None = None) -> IncidentQuery:
        """The same for the book.

        Raises:
            UserError: a label is not written as name=value, or it is asked for two assignees.
        """
        if self.mine and self.assignee:
            raise UserError("--mine and --assignee name two people; write one of them")
        return IncidentQuery(
            status=frozenset(self.status),
            severity=self.severity,
            rule=self.rule,
            labels=_labels(self.label),
            since=self.since,
            until=self.until,
            limit=limit,
            shadow=shadow,
            assignee=login() if self.mine else self.assignee,
            flapping=self.flapping,
        )


EVERYTHING: Final = Filter()


async def list_incidents(
    *,
    only: Filter = EVERYTHING,
    limit: Annotated[int, Parameter(validator=Number(gte=1), help="At most so many.")] = 100,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """List incidents, the newest first."""
    query = only.query(limit)
    async with book.history(book_of(config)) as history:
        incidents = await history.incidents(query)
    if only.rule and not incidents:
        doubt(only.rule, config)
    if json:
        wide = await book.widened(book_of(config), incidents)
        show_json({"incidents": [incident_json(incident) for incident in wide]})
    else:
        show_incidents(incidents, SystemClock().now())
    return 0


def show_incidents(incidents: Sequence[Incident], now: Instant) -> None:
    """A table, or the word that there are none."""
    if not incidents:
        say("no incidents")
        return
    rows = [
        (
            one.id,
            moment(one.opened_at),
            lasted(one, now),
            severity_cell(one.severity),
            standing(one, now),
            one.key.rule,
            one_line(one.summary),
        )
        for one in incidents
    ]
    columns = ("ID", "OPENED", "LASTED", "SEVERITY", "STATUS", "RULE", "SUMMARY")
    show_table(columns, rows, spare=("RULE", "LASTED", "OPENED", "STATUS", "SEVERITY"))


def doubt(rule: str, config: Path) -> None:
    """Say that no rule of this id is configured, where the configuration is right enough to tell."""
    try:
        known = [one.id for one in configured(config, secrets=False).rules]
    except UserError:
        return
    if rule not in known:
        sys.stderr.write(f"no rule `{rule}` is configured; {nearest(rule, known)}\n")


def _labels(texts: Sequence[str]) -> Mapping[str, str]:
    pairs = [text.partition("=") for text in texts]
    if wrong := next(
        (text for text, pair in zip(texts, pairs, strict=True) if not pair[0] or not pair[1]), ""
    ):
        raise UserError(f"--label {wrong}: write it as resource=shop")
    return {name: value for name, _, value in pairs}
