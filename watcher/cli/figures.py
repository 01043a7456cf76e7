"""`watcher incidents stats`: how many, how soon found, acknowledged and over, and which rules are noise."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from watcher.app import book
from watcher.cli.incidents import EVERYTHING, Filter, doubt
from watcher.cli.loading import book_of
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import say, show_json, show_table
from watcher.model.rule import Severity
from watcher.model.statistics import BRIEF, Brief, Group, Spread, Statistics, statistics
from watcher.model.time import SECOND, Duration
from watcher.model.words import number, percent, span


async def show_figures(
    *,
    only: Filter = EVERYTHING,
    most: Annotated[int, Parameter(validator=Number(gte=1), help="At most so many rules.")] = 20,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Say how many incidents there were, how long people took, and which rules nobody attends to.

    Incidents of rules on trial and of drills are left out; what is withdrawn is counted by itself.
    """
    query = only.query(shadow=False)
    found: list[Brief] = []
    async with book.history(book_of(config)) as history:
        async for page in history.briefs(query):
            found += page
    if only.rule and not found:
        doubt(only.rule, config)
    figures = statistics(found)
    if json:
        show_json(_json(figures))
    else:
        _show(figures, most)
    return 0


def _show(figures: Statistics, most: int) -> None:
    total = figures.total
    if not total.incidents and not total.withdrawn:
        say("no incidents")
        return
    severities = ", ".join(
        f"{total.severities[severity]} {severity}"
        for severity in reversed(Severity)
        if severity in total.severities
    )
    say(f"{total.incidents} incidents{f': {severities}' if severities else ''}; {total.standing} not over")
    if total.affected:
        say(f"about {number(round(total.affected))} requests affected beyond what is usual")
    say(f"{total.withdrawn} withdrawn, {total.flapping} flapping, {total.brief} over within {span(BRIEF)}")
    say()
    spreads = (
        ("to detect", total.to_detect),
        ("to acknowledge", total.to_acknowledge),
        ("to resolve", total.to_resolve),
    )
    show_table(("TIME", "OF", "MEAN", "MEDIAN", "P90"), [(what, *_cells(one)) for what, one in spreads])
    say()
    rules = [_row(rule, group) for rule, group in [*figures.rules.items()][:most]]
    columns = ("RULE", "INCIDENTS", "UNATTENDED", "BRIEF", "WITHDRAWN", "MTTA", "MTTR")
    show_table(columns, rows=rules, spare=("WITHDRAWN", "BRIEF"))
    if len(figures.rules) > most:
        say(f"and {len(figures.rules) - most} rules more; --most shows more of them")


def _cells(spread: Spread) -> Sequence[str]:
    return str(spread.count), *map(_span, (spread.mean, spread.median, spread.p90))


def _row(rule: str, group: Group) -> Sequence[str]:
    noise = f" ({percent(group.noise)})" if group.noise else ""
    return (
        rule,
        str(group.incidents),
        f"{group.unattended}{noise}",
        str(group.brief),
        str(group.withdrawn),
        _span(group.to_acknowledge.mean),
        _span(group.to_resolve.mean),
    )


def _span(duration: Duration | None) -> str:
    return "" if duration is None else span(duration)


def _json(figures: Statistics) -> dict[str, object]:
    rules = [{"rule": rule} | _group(group) for rule, group in figures.rules.items()]
    return _group(figures.total) | {"rules": rules}


def _group(group: Group) -> dict[str, object]:
    return {
        "incidents": group.incidents,
        "severities": {str(severity): group.severities.get(severity, 0) for severity in Severity},
        "standing": group.standing,
        "withdrawn": group.withdrawn,
        "unattended": group.unattended,
        "noise": group.noise,
        "brief": group.brief,
        "flapping": group.flapping,
        "returns": group.returns,
        "requests_affected": group.affected,
        "time_to_detect_seconds": _spread(group.to_detect),
        "time_to_acknowledge_seconds": _spread(group.to_acknowledge),
        "time_to_resolve_seconds": _spread(group.to_resolve),
    }


def _spread(spread: Spread) -> dict[str, object]:
    figures = {"mean": spread.mean, "median": spread.median, "p90": spread.p90}
    seconds = {name: None if value is None else value / SECOND for name, value in figures.items()}
    return {"count": spread.count, **seconds}
