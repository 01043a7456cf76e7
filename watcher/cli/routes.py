"""`watcher routes`: who would be told of an incident, when, and through which route."""

import json as plain_json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter

from watcher.app import silences
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, MomentOption
from watcher.cli.screen import say, show_json, show_table
from watcher.config import Config
from watcher.document.complaints import nearest
from watcher.document.node import Mark
from watcher.errors import DatabaseUnusable, SecretUnavailable, StoreUnavailable, UserError
from watcher.model.rule import Mode, Severity
from watcher.model.silence import Silence
from watcher.model.time import format_duration, rfc3339
from watcher.notify.facts import times
from watcher.notify.foretelling import Forecast, Foretold, foretell
from watcher.notify.routing import Route, Router, RouteSettings
from watcher.notify.stages import Suppressions
from watcher.runtime.clock import SystemClock


async def try_routes(
    *,
    labels: Annotated[
        str, Parameter(help="Of the incident, as source=cdnv,resource=shop,rule=http_5xx_spike.")
    ] = "",
    severity: Annotated[str, Parameter(help="Its severity: info, warning or critical.")] = "warning",
    at: Annotated[MomentOption | None, Parameter(help="When it opens; now.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Say who would be told of an incident with these labels, and when; exit 1 when that is nobody.

    Silences and maintenance that hold then are reckoned with; other open incidents are not.
    """
    settings = configured(config, secrets=False)
    wanted = _labels(labels, severity, settings)
    moment = SystemClock().now() if at is None else at
    router = Router(settings.routes, settings.receivers)
    suppressions = Suppressions(await _silences(settings), settings.maintenance)
    forecast = foretell(router, wanted, at=moment, times=settings.times, suppressions=suppressions)
    if json:
        show_json(_json(forecast, settings, wanted))
    else:
        _show(forecast, settings)
    return 0 if forecast.told else 1


async def _silences(settings: Config) -> tuple[Silence, ...]:
    """Those in the book; where it cannot be read, routes can be tried all the same."""
    try:
        return tuple(await silences.so_far(settings.database))
    except (DatabaseUnusable, StoreUnavailable, SecretUnavailable) as error:
        sys.stderr.write(f"note: silences are not reckoned with: {error}\n")
        return ()


def _labels(text: str, severity: str, settings: Config) -> Mapping[str, str]:
    """What the routes match on; the vendor follows from the source.

    Raises:
        UserError: no labels, or no severity.
    """
    pairs = [part.partition("=") for part in text.split(",") if part]
    if any(not name or not equals for name, equals, _ in pairs):
        raise UserError(f"--labels {text}: write them as source=cdnv,resource=shop")
    labels = {name.strip(): value.strip() for name, _, value in pairs}
    labels.setdefault("severity", severity)
    try:
        Severity.parse(labels["severity"])
    except ValueError as error:
        raise UserError(f"--severity: {error}") from None
    _remark(labels.get("rule", ""), settings)
    vendors = {source.name: source.vendor for source in settings.sources}
    if labels.get("source") in vendors:
        labels.setdefault("vendor", vendors[labels["source"]])
    return labels


def _remark(rule: str, settings: Config) -> None:
    """Note what routes do not know of a rule; they are tried all the same."""
    modes = {one.id: one.mode for one in settings.rules}
    if rule and rule not in modes:
        sys.stderr.write(f"note: no rule `{rule}` is in force; {nearest(rule, modes)}\n")
    elif modes.get(rule) is Mode.SHADOW:
        sys.stderr.write(
            f"note: rule `{rule}` is of mode shadow: nobody is told of it while it is; "
            "this is what its routes would do\n"
        )


def _show(forecast: Forecast, settings: Config) -> None:
    if forecast.told:
        rows = [
            (one.target, rfc3339(one.at), _place(one.route, settings), "; ".join(_notes(one, settings)))
            for one in forecast.told
        ]
        show_table(("TOLD", "AT", "ROUTE", ""), rows)
    else:
        say("nobody would be told")
    if forecast.passed:
        say()
        skipped = [
            (_place(one.route, settings), ", ".join(one.route.settings.to), one.why)
            for one in forecast.passed
        ]
        show_table(("NOT TAKEN", "TO", "WHY"), skipped)
    if forecast.untold:
        say()
        say(f"not told   {', '.join(forecast.untold)}")


def _notes(one: Foretold, settings: Config) -> list[str]:
    """What puts it off, with whom it is told, and what follows."""
    notes = [f"{pause.reason} until {rfc3339(pause.until)}" for pause in one.pauses]
    if one.group:
        labels = ", ".join(f"{name} {value or '(none)'}" for name, value in _group(one).items())
        notes.append(f"in one message with others of {labels or 'the route'}")
    route = one.route.settings
    if route.repeat:
        notes.append(_repeated(route))
    notes.append(f"at most {_rate(one, settings)} before messages are gathered")
    return notes


def _repeated(route: RouteSettings) -> str:
    less = f", then less often, up to {format_duration(route.repeat_max)}" if route.repeat_max else ""
    often = f", {times(route.repeat_times)} at most" if route.repeat_times else ""
    return f"again every {format_duration(route.repeat)}{less}{often}"


def _group(one: Foretold) -> dict[str, str]:
    return dict(plain_json.loads(one.group)) if one.group else {}


def _rate(one: Foretold, settings: Config) -> str:
    name = one.target.rpartition("/")[0]
    return next(str(receiver.rate) for receiver in settings.receivers if receiver.name == name)


def _mark(route: Route, settings: Config) -> Mark | None:
    """Where it stands in the file; None where the file has no routes."""
    found = [at for at, one in enumerate(settings.routes) if one is route.settings]
    return settings.document.mark(("routes", found[0])) if found else None


def _place(route: Route, settings: Config) -> str:
    mark = _mark(route, settings)
    return route.name if mark is None else f"{route.name} ({mark.file}:{mark.line})"


def _json(forecast: Forecast, settings: Config, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "labels": dict(labels),
        "told": [
            {
                "target": one.target,
                "at": rfc3339(one.at),
                "route": _route_json(one.route, settings),
                "pauses": [{"reason": pause.reason, "until": rfc3339(pause.until)} for pause in one.pauses],
                "group": _group(one),
                "repeat": format_duration(one.route.settings.repeat),
                "repeat_max": format_duration(one.route.settings.repeat_max),
                "repeat_times": one.route.settings.repeat_times,
                "rate": _rate(one, settings),
            }
            for one in forecast.told
        ],
        "passed": [
            {"route": _route_json(one.route, settings), "to": list(one.route.settings.to), "why": one.why}
            for one in forecast.passed
        ],
        "untold": list(forecast.untold),
    }


def _route_json(route: Route, settings: Config) -> dict[str, Any]:
    mark = _mark(route, settings)
    return {"name": route.name, "file": mark and mark.file, "line": mark and mark.line}
