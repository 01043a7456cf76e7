"""Incidents that shipped rules open in their own proofs, as the book holds them when people are told."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from watcher.engine.engine import Engine
from watcher.model.incident import Change, Incident, IncidentKey, Transition
from watcher.model.message import Due, Message, Telling
from watcher.model.rule import Rule
from watcher.model.time import MINUTE, Instant
from watcher.notify.render import Renderer
from watcher.notify.stages import Reason
from watcher.notify.stages.plan import Case, Word, single
from watcher.notify.story import Guidance
from watcher.notify.voice import Voice
from watcher.rulebook.cases import Case as Proof
from watcher.rulebook.cases import RuleTests
from watcher.rulebook.harness import load_proof
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import builtin_folder
from watcher.rulebook.timeline import Timeline
from watcher.store.amend import amend, begin

PROOFS: Final = sorted(builtin_folder().rglob("*.test.yaml"))
TOLD: Final[Mapping[Change, Telling]] = {
    Change.OPENED: Telling.OPENED,
    Change.ROSE: Telling.ROSE,
    Change.UNJUDGED: Telling.UNJUDGED,
    Change.REOPENED: Telling.REOPENED,
    Change.RESOLVED: Telling.RESOLVED,
    Change.WITHDRAWN: Telling.WITHDRAWN,
}


def messages(proof: Path) -> dict[Telling, Message]:
    """What a receiver is told in the first case of a proof that tells of an opening and of an end."""
    tests, rule = load_proof(proof)
    for case in tests.file.cases:
        told = dict(reversed([*_told(rule, tests, case)]))
        if {Telling.OPENED, Telling.RESOLVED} <= told.keys():
            wanted = [telling for telling in TOLD.values() if telling in told]
            return {telling: _message(rule, telling, told[telling]) for telling in wanted}
    raise AssertionError(f"{proof}: no case opens and ends an incident")


def _told(rule: Rule, tests: RuleTests, case: Proof) -> Iterator[tuple[Telling, Incident]]:
    engine, book = Engine([bind(rule)]), dict[tuple[IncidentKey, Instant], Incident]()
    line = Timeline(case.series(), tests.file.width, tests.file.step, case.corrections(), case.records())
    for step in range(line.steps + 1):
        for end, batches in line.send(step * line.step + line.lag):
            for batch in batches:
                engine.ingest(batch)
            for transition in engine.evaluate(end):
                incident = _applied(book, transition)
                if incident is not None and transition.change in TOLD:
                    yield TOLD[transition.change], incident


def _applied(book: dict[tuple[IncidentKey, Instant], Incident], transition: Transition) -> Incident | None:
    key, before = transition.key, book.pop((transition.key, transition.was), None)
    if transition.change is Change.OPENED:
        before = begin(transition, f"0192f0c1-0000-7000-8000-{len(book) + 1:012}")
    elif before is not None:
        before = amend(before, transition)
    if before is not None:
        book[key, transition.opened_at] = before
    return before


def _message(rule: Rule, telling: Telling, incident: Incident) -> Message:
    now = (incident.resolved_at or incident.detected_at) + MINUTE
    guidance = {rule.id: Guidance(rule.why, rule.runbook)}
    row = Due(1, telling, "mail/0", incident, now, attempts=0, held=False)
    word = Word(Case(incident, (row,)), telling, Reason.TOLD)
    return Renderer(guidance, voices={"mail/0": Voice("Europe/Berlin")}).message(single(word), now=now)
