"""`watcher rules why` and `rules why-not`: the bins, the baseline and the gates behind a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from watcher.app import backtest as app
from watcher.app import book
from watcher.app.feeds import Feed
from watcher.app.questions import Answer, Unclear, asked, asked_of_leaves
from watcher.cli.backtest import NONE, Samples, feed, rules_in_force
from watcher.cli.loading import book_of
from watcher.cli.named import the_one
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, MomentOption
from watcher.cli.screen import say, show_json, show_table
from watcher.cli.telling import moment, one_line
from watcher.cli.verdicts import gate_json, group_words, show_leaves, step_json
from watcher.document.complaints import nearest
from watcher.engine.detector import Gate
from watcher.engine.engine import BoundRule
from watcher.engine.inspection import figure, figures, stopped_by
from watcher.errors import UserError
from watcher.model.incident import Incident
from watcher.model.ports import IncidentQuery
from watcher.model.presentation import incident_json
from watcher.model.rule import Rule
from watcher.model.time import Instant, rfc3339
from watcher.runtime.rerun import Step

_MOST_GROUPS: Final = 50
"""Groups that are listed."""
_MOST_LEAVES: Final = 20
"""Incidents that a wider one explains, which are explained in turn."""
PENDING: Final = "pending"
"""The alert state of what is bad and has yet to last (Prometheus)."""
RulesOption = Annotated[Path | None, Parameter(name="--rules", help="Rules of this folder, and no others.")]


async def why(
    incident: Annotated[str, Parameter(help="Its id, or as much of its beginning as no other has.")],
    /,
    *,
    of: Samples = NONE,
    rules: RulesOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Show what an incident was raised for: bins, baseline, and each gate it passed."""
    chosen = None if of.samples and config == DEFAULT_CONFIG else config
    known = rules_in_force(rules, chosen)
    async with feed(of, chosen) as samples:
        looked = await _looked(incident, samples, known, of, config)
        found = the_one(incident, looked.beginning)
        if found is None:
            return 1
        bound = _rule(found.key.rule, known)
        if leaves := [one for one in looked.leaves if one.key.labels != found.key.labels]:
            shown = leaves[:_MOST_LEAVES]
            answers = await asked_of_leaves(samples, bound, found.opened_at, shown)
            return show_leaves(found, leaves, answers, json=json)
        answer = await asked(samples, bound, dict(found.key.labels), found.opened_at, fired=True)
    return _tell(answer, found, json=json)


async def why_not(
    rule: Annotated[str, Parameter(help="Its id.")],
    /,
    *,
    labels: Annotated[str, Parameter(help="The group, as resource=shop,source=cdnv; enough to name one.")],
    at: Annotated[MomentOption, Parameter(help="When: 2026-11-22T03:00Z, or 6h for six hours ago.")],
    of: Samples = NONE,
    rules: RulesOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Show which gate kept a rule quiet at a time; exit 1 when it did fire.

    As in: watcher rules why-not http_5xx_spike --labels resource=shop --at 2026-11-22T03:10Z
    """
    chosen = None if of.samples and config == DEFAULT_CONFIG else config
    bound = _rule(rule, rules_in_force(rules, chosen))
    wanted = _labels(labels, bound.rule)
    async with feed(of, chosen) as samples:
        answer = await asked(samples, bound, wanted, at)
    code = _tell(answer, None, json=json)
    return 1 if isinstance(answer, Answer) and answer.incident is not None else code


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was looked up of an id, or its beginning."""

    beginning: Sequence[Incident]
    leaves: Sequence[Incident] = ()
    """What the only one of these explains, where that is a wider incident; the earliest first."""


async def _looked(
    wanted: str, samples: Feed, known: Sequence[BoundRule], of: Samples, config: Path
) -> _Looked:
    """Those whose id begins so: in the book; of imported samples, of what a backtest of them finds."""
    if of.samples:
        (test,) = await app.judged(samples, [known])
        every = test.incidents()
        found = [one for one in every if one.id.startswith(wanted.lower())]
        leaves = [one for one in every if len(found) == 1 and one.parent_id == found[0].id]
        return _Looked(found, sorted(leaves, key=_begun))
    async with book.history(book_of(config)) as history:
        found = [*await history.beginning(wanted)]
        if len(found) != 1:
            return _Looked(found)
        query = IncidentQuery(rule=found[0].key.rule, parent=found[0].id, limit=book.EVERY)
        return _Looked(found, sorted(await history.incidents(query), key=_begun))


def _begun(incident: Incident) -> tuple[Instant, str]:
    return incident.opened_at, incident.id


def _rule(name: str, known: Sequence[BoundRule]) -> BoundRule:
    """The rule of this id.

    Raises:
        UserError: none is in force.
    """
    for bound in known:
        if bound.rule.id == name:
            return bound
    raise UserError(f"no rule `{name}` is in force; {nearest(name, [bound.rule.id for bound in known])}")


def _labels(text: str, rule: Rule) -> Mapping[str, str]:
    """The labels of a group of the rule.

    Raises:
        UserError: they are not written as name=value, or no group of the rule has such.
    """
    pairs = [part.partition("=") for part in text.split(",") if part]
    if not pairs or any(not name or not value for name, _, value in pairs):
        raise UserError(f"--labels {text}: write them as resource=shop,source=cdnv")
    wanted = {name.strip(): value.strip() for name, _, value in pairs}
    known = ("source", "vendor", *rule.by)
    if strange := [name for name in wanted if name not in known]:
        complaints = [
            f"--labels: no group of `{rule.id}` has a label `{name}`; {nearest(name, known)}"
            for name in strange
        ]
        raise UserError("\n".join(complaints))
    return wanted


def _tell(answer: Answer | Unclear, incident: Incident | None, *, json: bool) -> int:
    if isinstance(answer, Unclear):
        return _tell_unclear(answer, json=json)
    if json:
        show_json(_answer_json(answer, incident or answer.incident))
    else:
        _show(answer, incident or answer.incident)
    return 0


def _tell_unclear(answer: Unclear, *, json: bool) -> int:
    """No group has the labels: an answer too, as a rule that judges nothing there cannot fire.

    Raises:
        UserError: several have them, and each may have another answer.
    """
    if answer.matching:
        told = "\n".join(f"  {group_words(group)}" for group in answer.matching[:_MOST_GROUPS])
        raise UserError(f"--labels: {len(answer.matching)} groups have these; name one of them:\n{told}")
    if json:
        groups = [dict(group) for group in answer.known]
        stopped = {"name": "group"}
        show_json({"fired": False, "stopped_by": stopped, "gates": [], "bins": [], "groups": groups})
        return 0
    say(f"the rule judges no group with {group_words(answer.asked)}", "bold")
    say("it judges:" if answer.known else "it judges none: no series plays it")
    for group in answer.known[:_MOST_GROUPS]:
        say(f"  {group_words(group)}")
    if (more := len(answer.known) - _MOST_GROUPS) > 0:
        say(f"  and {more} more")
    return 0


def _show(answer: Answer, incident: Incident | None) -> None:
    say(f"{answer.rule.id}  {group_words(answer.labels)}", "bold")
    if incident is not None:
        end = "" if incident.resolved_at is None else f" to {moment(incident.resolved_at)}"
        say(f"fired: {moment(incident.opened_at)}{end}  {one_line(incident.summary)}")
    elif (gate := answer.stopped_by) is not None:
        pending = "pending, " if answer.decisive is not None and answer.decisive.state == PENDING else ""
        judged = None if answer.decisive is None else answer.decisive.judged
        say(f"did not fire at {moment(answer.at)}: {pending}{stopped_by(gate, judged)}")
    else:
        say(f"did not fire at {moment(answer.at)}")
    say()
    if answer.decisive is not None:
        judged = answer.decisive.judged
        say(f"gates of the bin {moment(judged.start)} to {moment(judged.end)}", "bold")
    for gate in answer.gates:
        say(f"  {_mark(answer, gate)}  {gate.name:<12} {figures(gate):<24} {gate.text}")
    say()
    _show_bins(answer)


def _mark(answer: Answer, gate: Gate) -> str:
    if gate.passed:
        return "passed "
    pending = gate.name == "for" and answer.decisive is not None and answer.decisive.state == PENDING
    return PENDING if pending else "STOPPED"


def _show_bins(answer: Answer) -> None:
    roles = [*dict.fromkeys(role for step in answer.steps for role in step.judged.values)]
    rows = [
        (
            ("> " if step is answer.decisive else "  ") + moment(step.judged.start),
            *(figure(step.judged.values[role]) if role in step.judged.values else "-" for role in roles),
            _usual(step),
            step.judged.reading,
            step.state,
            _kept_by(step),
            one_line(step.judged.evidence.text),
        )
        for step in answer.steps
    ]
    columns = ("  BIN", *(role.upper() for role in roles), "USUAL", "READING", "STATE", "STOPPED BY", "SEEN")
    if rows:
        show_table(columns, rows, spare=("USUAL", "STATE"))


def _kept_by(step: Step) -> str:
    """What kept a bin from firing: the first gate it did not pass, or that it has yet to last."""
    gate = step.judged.stopped_by
    if gate is not None:
        return gate.name
    return PENDING if step.state == PENDING else ""


def _usual(step: Step) -> str:
    evidence = step.judged.evidence
    if evidence.range is not None:
        return " to ".join(figure(bound) for bound in evidence.range)
    return "" if evidence.expected is None else figure(evidence.expected)


def _answer_json(answer: Answer, incident: Incident | None) -> dict[str, object]:
    return {
        "rule": answer.rule.id,
        "labels": dict(answer.labels),
        "at": rfc3339(answer.at),
        "fired": incident is not None,
        "incident": None if incident is None else incident_json(incident),
        "state": answer.decisive.state if answer.decisive else None,
        "stopped_by": None if (gate := answer.stopped_by) is None else gate_json(gate),
        "gates": [gate_json(gate) for gate in answer.gates],
        "bins": [step_json(step) for step in answer.steps],
    }
