"""Verdicts as JSON and in brief: gates, judged bins, and what a wider incident explains."""

from collections.abc import Mapping, Sequence

from watcher.app.questions import Answer
from watcher.cli.screen import say, show_json, show_table
from watcher.cli.telling import moment, one_line
from watcher.engine.detector import Gate
from watcher.engine.inspection import figures
from watcher.model.incident import Incident
from watcher.model.labels import LabelSet
from watcher.model.presentation import evidence_json, incident_json
from watcher.model.time import rfc3339
from watcher.runtime.rerun import Step


def group_words(labels: LabelSet) -> str:
    """``resource=shop,source=cdnv``: as `--labels` takes it."""
    return ",".join(f"{name}={value}" for name, value in labels)


def show_leaves(wider: Incident, leaves: Sequence[Incident], answers: Sequence[Answer], *, json: bool) -> int:
    """What a wider incident explains, and of its first leaves in brief what each was raised for."""
    told = list(zip(leaves, answers, strict=False))
    if json:
        show_json(_wider_json(wider, leaves, told))
        return 0
    say(f"{wider.key.rule}  {group_words(wider.key.labels)}", "bold")
    end = "" if wider.resolved_at is None else f" to {moment(wider.resolved_at)}"
    say(f"fired: {moment(wider.opened_at)}{end}  {one_line(wider.summary)}")
    say()
    say(f"it explains {len(leaves)} incidents, which failed together", "bold")
    rows = [
        (
            leaf.id,
            _own(leaf, wider),
            moment(leaf.opened_at),
            one_line((answer.decisive.judged if answer.decisive else leaf).evidence.text),
            "; ".join(f"{gate.name} {figures(gate)}".rstrip() for gate in answer.gates),
        )
        for leaf, answer in told
    ]
    show_table(("ID", "GROUP", "OPENED", "SEEN", "GATES PASSED"), rows, spare=("OPENED", "SEEN"))
    if len(leaves) > len(told):
        say(f"and {len(leaves) - len(told)} more: watcher incidents list --rule {wider.key.rule}")
    say("watcher rules why ID shows the bins of one of them")
    return 0


def _own(leaf: Incident, wider: Incident) -> str:
    return group_words(tuple(pair for pair in leaf.key.labels if pair not in wider.key.labels))


def _wider_json(
    wider: Incident, leaves: Sequence[Incident], told: Sequence[tuple[Incident, Answer]]
) -> Mapping[str, object]:
    brief = [
        {
            "incident": incident_json(leaf),
            "bin": None if answer.decisive is None else step_json(answer.decisive),
            "gates": [gate_json(gate) for gate in answer.gates],
        }
        for leaf, answer in told
    ]
    return {
        "rule": wider.key.rule,
        "labels": dict(wider.key.labels),
        "at": rfc3339(wider.opened_at),
        "fired": True,
        "incident": incident_json(wider),
        "state": None,
        "stopped_by": None,
        "gates": [],
        "bins": [],
        "explains": len(leaves),
        "leaves": brief,
    }


def gate_json(gate: Gate) -> dict[str, object]:
    """One question and its answer."""
    return {
        "name": gate.name,
        "passed": gate.passed,
        "seen": gate.seen,
        "limit": gate.limit,
        "text": gate.text,
    }


def step_json(step: Step) -> dict[str, object]:
    """One judged bin and the state that it left behind."""
    judged = step.judged
    return {
        "start": rfc3339(judged.start),
        "end": rfc3339(judged.end),
        "values": dict(judged.values),
        "reading": judged.reading,
        "state": step.state,
        "stopped_by": None if (gate := judged.stopped_by) is None else gate.name,
        "evidence": evidence_json(judged.evidence),
    }
