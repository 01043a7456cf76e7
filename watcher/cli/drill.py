"""`watcher drill`: an incident that nothing is behind, taken through the whole path."""

import sys
from typing import Annotated

from cyclopts import Parameter

from watcher.app import drills
from watcher.app.drills import Order, Outcome
from watcher.cli.loading import configured
from watcher.cli.login import login
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, DurationOption, JsonOption
from watcher.cli.screen import say, show_json, show_table
from watcher.document.complaints import nearest
from watcher.errors import UserError
from watcher.model.ports import Delivery
from watcher.model.presentation import incident_json
from watcher.model.rule import Severity
from watcher.model.time import SECOND, rfc3339


async def drill(
    rule: Annotated[str, Parameter(help="Whose incident to play.")],
    /,
    *,
    severity: Annotated[Severity | None, Parameter(help="Another severity than the rule's.")] = None,
    label: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", help="A label of the incident, as resource=shop, for routes; may be repeated."
        ),
    ] = (),
    lasts: Annotated[DurationOption, Parameter(help="How long until it is over.")] = 5 * SECOND,
    wait: Annotated[DurationOption, Parameter(help="How long messages may take beyond that.")] = 60 * SECOND,
    who: Annotated[str, Parameter(name="--as", help="Who does it; without it, this login.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Open a marked incident, tell everybody whom its routes name, resolve it; exit 1 when one was not told.

    The running daemon carries it out; where none runs, the command does. It waits for no group, digest or
    mute of its routes; what is silenced stays untold.
    """
    settings = configured(config)
    known = {one.id: one for one in settings.rules}
    if rule not in known:
        sys.stderr.write(f"no rule `{rule}` is configured; {nearest(rule, [*known])}\n")
        return 1
    order = Order(known[rule], who or login(), severity, _labels(label), lasts, wait)
    outcome = await drills.drill(settings, order)
    if json:
        show_json(_json(outcome))
    else:
        _show(outcome)
    return 0 if outcome.is_told else 1


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for text, (name, _, value) in zip(texts, pairs, strict=True):
        if not name or not value:
            raise UserError(f"--label {text}: write it as resource=shop")
    return {name: value for name, _, value in pairs}


def _show(outcome: Outcome) -> None:
    if outcome.incident is None:
        say("the daemon did not take it up in time; see `watcher status`")
        return
    by = "the running daemon" if outcome.by_daemon else "this command, as no daemon runs"
    say(f"{outcome.incident.id}: {outcome.incident.summary} (carried out by {by})")
    say()
    if not outcome.deliveries:
        say("nobody was owed a word of it: no route leads anywhere; see `watcher routes test`")
        return
    rows = [(one.target, str(one.telling), _state(one), _detail(one)) for one in outcome.deliveries]
    show_table(("TARGET", "TELLING", "RESULT", ""), rows)


def _state(delivery: Delivery) -> str:
    if delivery.state == "done":
        return "told"
    if delivery.state == "due":
        return f"not yet: {delivery.reason}" if delivery.reason else "not yet"
    return "given up" if delivery.state == "dead" else f"not told: {delivery.reason}"


def _detail(delivery: Delivery) -> str:
    """What its state does not say yet."""
    return "" if delivery.detail == delivery.reason else delivery.detail


def _json(outcome: Outcome) -> dict[str, object]:
    incident = outcome.incident
    return {
        "told": outcome.is_told,
        "by_daemon": outcome.by_daemon,
        "incident": None if incident is None else incident_json(incident),
        "deliveries": [
            {
                "target": one.target,
                "telling": str(one.telling),
                "state": one.state,
                "attempts": one.attempts,
                "at": rfc3339(one.at),
                "reason": one.reason,
                "detail": one.detail,
            }
            for one in outcome.deliveries
        ],
    }
