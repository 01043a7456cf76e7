"""Plans to messages: stories given shape by templates. A template that fails never stops a message."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Final

import structlog
from jinja2 import BaseLoader, FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from watcher.model.incident import Incident
from watcher.model.message import Message, Telling
from watcher.model.presentation import incident_json
from watcher.model.rule import Severity
from watcher.model.time import Instant
from watcher.notify import story as stories
from watcher.notify.stages import DIGEST, Plan
from watcher.notify.story import Guidance, Story

TEST: Final = "test"
"""The kind of a message that a person asked for, to see whether it arrives."""

_SHIPPED: Final = Path(__file__).parent / "templates"
_BROKEN: Final = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What an expression in a template may raise."""

_log = structlog.get_logger()


class Renderer:
    """Makes messages. Pure but for a log line when a template fails."""

    def __init__(self, guidance: Mapping[str, Guidance], templates: BaseLoader | None = None) -> None:
        """`guidance` by rule; rules it lacks say nothing of why and what to do."""
        self._guidance = guidance
        self._loader = templates

    def message(self, plan: Plan, *, now: Instant) -> Message:
        """What the target of a plan is told."""
        if plan.kind == DIGEST:
            return self._digest(plan, now)
        incident = plan.incidents[0]
        tale = self._story(incident, Telling(plan.kind), now)
        text, html = self._shape("incident", plain=_plain([tale]), story=tale)
        return Message(
            key=plan.key,
            kind=plan.kind,
            severity=Severity.INFO if plan.kind == Telling.WITHDRAWN else incident.severity,
            recovery=plan.kind == Telling.RESOLVED and stories.recovered(incident),
            title=tale.title,
            text=text,
            html=html,
            facts=_facts(incident, plan),
        )

    def trial(self, target: str, *, now: Instant) -> Message:
        """What `watcher notify test` sends."""
        text = f"A test by watcher at {stories.moment(now)}. {target} can be told of incidents."
        return Message(
            key=f"{TEST}:{target}:{now}",
            kind=TEST,
            severity=Severity.INFO,
            recovery=False,
            title=f"Test: watcher reaches {target}",
            text=text,
            html=f"<p>{escape(text)}</p>",
            facts={},
        )

    def _digest(self, plan: Plan, now: Instant) -> Message:
        tales = [self._story(incident, Telling.REMINDER, now) for incident in plan.incidents]
        recovery = all(map(stories.recovered, plan.incidents))
        title, lead = _heading(plan.incidents, recovery=recovery)
        text, html = self._shape(DIGEST, plain=_plain(tales), lead=lead, stories=tales)
        return Message(
            key=plan.key,
            kind=DIGEST,
            severity=plan.severity,
            recovery=recovery,
            title=title,
            text=text,
            html=html,
            facts={"incidents": [_facts(incident, plan) for incident in plan.incidents]},
        )

    def _story(self, incident: Incident, telling: Telling, now: Instant) -> Story:
        guidance = self._guidance.get(incident.key.rule, Guidance())
        return stories.tell(incident, telling, now=now, guidance=guidance)

    def _shape(self, name: str, *, plain: str, **values: object) -> tuple[str, str]:
        text = self._render(f"{name}.txt.j2", plain, values)
        html = self._render(f"{name}.html.j2", f"<pre>{escape(plain)}</pre>", values)
        return text, html

    def _render(self, template: str, fallback: str, values: Mapping[str, object]) -> str:
        try:
            return self._environment.get_template(template).render(values).strip()
        except _BROKEN as error:
            _log.warning("template_failed", template=template, error=str(error))
            return fallback

    @cached_property
    def _environment(self) -> ImmutableSandboxedEnvironment:
        return ImmutableSandboxedEnvironment(
            loader=self._loader or FileSystemLoader(_SHIPPED),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html.j2"),
            trim_blocks=True,
            lstrip_blocks=True,
        )


def _facts(incident: Incident, plan: Plan) -> dict[str, object]:
    return incident_json(incident) | {"key": plan.keys[incident.id]}


def _heading(incidents: Sequence[Incident], *, recovery: bool) -> tuple[str, str]:
    """Title and first sentence of a digest."""
    count = len(incidents)
    going_on = sum(not incident.over for incident in incidents)
    lead = f"Found while catching up with what happened before: {count} incidents, {going_on} of them open."
    if recovery:
        return f"Resolved while catching up: {count} incidents", lead
    highest = max(incident.severity for incident in incidents)
    return f"[{highest}] {count} incidents found while catching up, {going_on} open", lead


def _plain(tales: Sequence[Story]) -> str:
    """All that matters without any template."""
    return "\n\n".join(
        "\n".join(
            [tale.headline, tale.lead, *(f"{name}: {value}" for name, value in tale.facts), tale.command]
        )
        for tale in tales
    )
