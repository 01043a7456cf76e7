"""`watcher backtest`: the incidents that rules would have raised."""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from watcher.app import backtest as app
from watcher.app import book, settings
from watcher.app.feeds import Feed, Imported, Recorded, metrics
from watcher.cli.incidents import show_incidents
from watcher.cli.loading import book_of, configured
from watcher.cli.options import DurationOption, JsonOption, MomentOption
from watcher.cli.plain import printable
from watcher.cli.screen import say, show_json
from watcher.cli.telling import moment, one_line
from watcher.document.complaints import nearest
from watcher.engine.engine import BoundRule
from watcher.errors import UserError
from watcher.longformat.finding import Sought, find
from watcher.model.incident import Incident, Status
from watcher.model.metrics import METRICS
from watcher.model.presentation import incident_json
from watcher.model.time import Instant
from watcher.runtime.backtest import Backtest
from watcher.runtime.clock import SystemClock
from watcher.runtime.comparison import Comparison, Moved, compare


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Samples:
    """What is judged."""

    samples: Annotated[
        tuple[Path, ...],
        Parameter(
            consume_multiple=True,
            negative="",
            help="Files in the long format: CSV, JSON Lines or Parquet, also gzipped. "
            "Without any, what the daemon of the configuration has recorded.",
        ),
    ] = ()
    settle: Annotated[
        DurationOption | None,
        Parameter(help="Age at which an imported bin is settled; without it, when it arrives."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Span:
    """Which incidents are told."""

    since: Annotated[
        MomentOption | None,
        Parameter(
            name="--from", help="Only incidents that lasted later; what came before is still learned from."
        ),
    ] = None
    until: Annotated[
        MomentOption | None, Parameter(name="--to", help="Read no bin that begins then or later.")
    ] = None


ALL = Span()
NONE = Samples()


async def backtest(
    *,
    of: Samples = NONE,
    span: Span = ALL,
    rules: Annotated[Path | None, Parameter(help="Rules of this folder, and no others.")] = None,
    against: Annotated[
        Path | None,
        Parameter(help="Rules to compare with: what is gained, lost and moved; exit 1 if anything."),
    ] = None,
    config: Annotated[
        Path | None,
        Parameter(name=["--config", "-c"], help="The configuration: its rules, and its recorded history."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Say which incidents rules would have raised; with --against, what differs from those of other rules."""
    if span.since is not None and span.until is not None and span.since >= span.until:
        raise UserError("--from is not before --to: no time is left between them")
    sets = [rules_in_force(rules, config), *([app.rules_of(against)] if against is not None else [])]
    async with feed(of, config, until=span.until) as samples:
        tests = await app.judged(samples, sets)
        _say_unasked(samples, sets)
    _say_refused(tests[0], of.samples)
    found, *others = [test.incidents(span.since, span.until) for test in tests]
    comparison = compare(others[0], found) if others else None
    if json:
        show_json(_answer(found, comparison))
    elif comparison is not None:
        _show_comparison(comparison)
    else:
        _show(found)
    return 1 if comparison is not None and comparison.differs else 0


def _say_refused(test: Backtest, files: Sequence[Path]) -> None:
    """Say how much of what was read cannot be so, and where in the files the first of it stands."""
    counts, firsts = sorted(test.refused().items()), test.refused_first()
    if not counts:
        return
    sought = [Sought(source, *astuple(firsts[source, reason])) for (source, reason), _ in counts]
    for ((source, reason), count), found in zip(counts, find(files, sought), strict=True):
        at = "" if found is None else f"{found.file}:{found.line}:1: "
        first = "" if found is None else f"; the first is {found.series.metric[0]} {found.value:g}"
        sys.stderr.write(printable(f"{at}{source}: {count} refused: {reason}{first}") + "\n")


def _say_unasked(samples: Feed, sets: Sequence[Sequence[BoundRule]]) -> None:
    """Say which imported metrics no rule looks at: a misspelt one would look like a quiet night."""
    if not isinstance(samples, Imported):
        return
    asked = frozenset[str]().union(*(metrics(rules) for rules in sets))
    if not (came := samples.metrics()):
        sys.stderr.write("there is not a single sample in these files\n")
    for metric in sorted(came - asked - METRICS.keys()):
        sys.stderr.write(f"no rule looks at `{metric}`: {nearest(metric, METRICS)}\n")


@asynccontextmanager
async def feed(of: Samples, config: Path | None, *, until: Instant | None = None) -> AsyncIterator[Feed]:
    """The samples that were named, or else the recorded ones.

    Raises:
        UserError: neither is there, or something in them is wrong.
    """
    if of.samples:
        yield Imported.of(of.samples, settle=of.settle, until=until)
        return
    if config is None:
        raise UserError(
            "no samples; name files with --samples, or with -c a configuration that has recorded some"
        )
    if of.settle is not None:
        raise UserError("--settle is for --samples; what was recorded says itself when it had settled")
    async with book.recording(book_of(config)) as recording:
        yield Recorded(recording, until)


def rules_in_force(folder: Path | None, config: Path | None) -> list[BoundRule]:
    """The rules of a folder, else those of the configuration, else the shipped ones."""
    if folder is not None:
        return app.rules_of(folder)
    return settings.rules(None if config is None else configured(config, secrets=False))


def _answer(found: Sequence[Incident], comparison: Comparison | None) -> dict[str, object]:
    answer: dict[str, object] = {"incidents": [incident_json(one) for one in found]}
    if comparison is not None:
        answer["gained"] = [incident_json(one) for one in comparison.gained]
        answer["lost"] = [incident_json(one) for one in comparison.lost]
        answer["moved"] = [
            {"was": incident_json(one.was), "now": incident_json(one.now)} for one in comparison.moved
        ]
    return answer


def _show(found: Sequence[Incident]) -> None:
    show_incidents(found, _end(found))
    if not found:
        return
    say()
    say(_totals(found), "bold")
    counts = Counter(one.key.rule for one in found if one.status is not Status.WITHDRAWN)
    for rule, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        say(f"{number:>6}  {rule}")


def _end(found: Sequence[Incident]) -> Instant:
    """The newest time that is known of: one that is still open has lasted until then."""
    times = [time for one in found for time in (one.detected_at, one.resolved_at) if time is not None]
    return max(times, default=SystemClock().now())


def _totals(found: Sequence[Incident]) -> str:
    standing = [one for one in found if one.status is not Status.WITHDRAWN]
    severities = Counter(one.severity for one in standing)
    parts = ", ".join(f"{number} {severity}" for severity, number in sorted(severities.items(), reverse=True))
    still = sum(not one.over for one in standing)
    words = [f"{len(standing)} incident{'s' * (len(standing) != 1)}" + (f": {parts}" if parts else "")]
    words += [f"{still} still open"] if still else []
    withdrawn = len(found) - len(standing)
    words += [f"{withdrawn} withdrawn"] if withdrawn else []
    return "; ".join(words)


def _show_comparison(comparison: Comparison) -> None:
    for sign, word, incidents in (
        ("+", "gained", comparison.gained),
        ("-", "lost", comparison.lost),
    ):
        say(f"{len(incidents)} {word}", "bold")
        for one in incidents:
            say(f"  {sign} {_line(one)}")
    say(f"{len(comparison.moved)} moved", "bold")
    for moved in comparison.moved:
        say(f"  ~ {_line(moved.now)}")
        say(f"      {_change(moved)}")


def _line(incident: Incident) -> str:
    return f"{_from_to(incident)}  {incident.severity}  {incident.key.rule}  {one_line(incident.summary)}"


def _from_to(incident: Incident) -> str:
    end = "still open" if incident.resolved_at is None else moment(incident.resolved_at)
    return f"{moment(incident.opened_at)} to {end}"


def _change(moved: Moved) -> str:
    said = [f"was {_from_to(moved.was)}"] if _from_to(moved.was) != _from_to(moved.now) else []
    if moved.was.severity != moved.now.severity:
        said.append(f"was {moved.was.severity}")
    return ", ".join(said) or f"was {moved.was.resolution or 'open'}"
