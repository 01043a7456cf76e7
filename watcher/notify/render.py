"""Plans to messages: stories given shape by templates. A template that fails never stops a message."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Final, TypeVar

import structlog
from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader

from watcher.model.incident import Incident
from watcher.model.message import Message, Telling
from watcher.model.presentation import incident_json
from watcher.model.rule import Severity
from watcher.model.time import Instant
from watcher.notify import story as stories
from watcher.notify.facts import recovered
from watcher.notify.gathering import heading
from watcher.notify.sandbox import LimitedEnvironment
from watcher.notify.senders.slack import literal
from watcher.notify.stages import DIGEST, GROUP, Plan
from watcher.notify.story import Guidance, Story
from watcher.notify.voice import UTC_VOICE, Shape, Voice

TEST: Final = "test"
"""The kind of a message that a person asked for, to see whether it arrives."""
SHIPPED: Final = Path(__file__).parent / "templates"
KINDS: Final = ("incident", DIGEST)
"""What there are templates for: one incident, and several."""
SHAPES: Final = {"txt": "plain text", "html": "a mail's page", "slack": "Slack's blocks, as JSON"}
"""What there are templates of, by the name's second part."""

T = TypeVar("T")

_log = structlog.get_logger()


@dataclass(slots=True)
class _Flaws:
    """What went wrong in the templates of one message."""

    found: list[str] = field(default_factory=list)

    def add(self, template: str, error: Exception) -> None:
        words = f"template {template}: {type(error).__name__}: {error}"
        self.found.append(words)
        _log.warning("template_failed", template=template, error=f"{type(error).__name__}: {error}")

    def __str__(self) -> str:
        return "; ".join(self.found)


class Renderer:
    """Makes messages. Pure but for a log line when a template fails."""

    def __init__(
        self,
        guidance: Mapping[str, Guidance],
        templates: BaseLoader | None = None,
        *,
        voices: Mapping[str, Voice] | None = None,
    ) -> None:
        """`guidance` by rule; rules it lacks say nothing of why and what to do.

        `templates` come before the shipped ones. `voices` by target; those it lacks hear UTC and commands.
        """
        self._guidance = guidance
        self._own = templates
        self._voices = voices or {}

    def message(self, plan: Plan, *, now: Instant) -> Message:
        """What the target of a plan is told."""
        voice = self._voices.get(plan.rows[0].target, UTC_VOICE)
        if plan.kind in {DIGEST, GROUP}:
            return self._several(plan, voice, now)
        return self._one(plan, voice, now)

    def facts(self, incident: Incident, target: str) -> dict[str, object]:
        """One incident as JSON-ready values: its contract's, why it matters, what to do, and links."""
        guidance = self._guidance.get(incident.key.rule, Guidance())
        steps = self._voices.get(target, UTC_VOICE).steps(incident)
        return incident_json(incident) | {
            "why": guidance.why,
            "runbook": guidance.runbook,
            "links": {_LINKS[step.name]: step.url for step in steps if step.url},
        }

    def trial(self, target: str, *, now: Instant) -> Message:
        """What `watcher notify test` sends."""
        at = self._voices.get(target, UTC_VOICE).moment(now)
        text = f"A test by watcher at {at}. {target} can be told of incidents."
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

    def _one(self, plan: Plan, voice: Voice, now: Instant) -> Message:
        incident = plan.incidents[0]
        tale = self._story(incident, Telling(plan.kind), voice, now)
        flaws = _Flaws()
        shape = self._shaper("incident", flaws, [tale], story=tale)
        return Message(
            key=plan.key,
            kind=plan.kind,
            severity=Severity.INFO if plan.kind == Telling.WITHDRAWN else incident.severity,
            recovery=plan.kind == Telling.RESOLVED and recovered(incident),
            title=tale.title,
            text=shape.text(),
            html=shape.html() if Shape.HTML in voice.shapes else "",
            facts=self._facts(incident, plan, tale.title),
            blocks=shape.blocks() if Shape.BLOCKS in voice.shapes else (),
            colour=tale.colour,
            flaw=str(flaws),
        )

    def _several(self, plan: Plan, voice: Voice, now: Instant) -> Message:
        told = [(one, plan.tellings.get(one.id, Telling.REMINDER)) for one in (*plan.incidents, *plan.more)]
        tales = [self._story(one, telling, voice, now) for one, telling in told]
        title, lead = heading(plan)
        flaws = _Flaws()
        full, brief = tales[: len(plan.incidents)], tales[len(plan.incidents) :]
        shape = self._shaper(
            DIGEST, flaws, tales, lead=lead, stories=full, more=brief, everything=voice.everything
        )
        facts: dict[str, object] = {
            "incidents": [
                self._facts(one, plan, tale.title) for (one, _), tale in zip(told, tales, strict=True)
            ]
        }
        return Message(
            key=plan.key,
            kind=plan.kind,
            severity=plan.severity,
            recovery=all(recovered(one) for one, _ in told),
            title=title,
            text=shape.text(),
            html=shape.html() if Shape.HTML in voice.shapes else "",
            facts=facts | ({"group": dict(plan.group)} if plan.kind == GROUP else {}),
            blocks=shape.blocks() if Shape.BLOCKS in voice.shapes else (),
            colour=max(tales, key=lambda tale: _URGENCY.get(tale.badge, 0)).colour,
            flaw=str(flaws),
        )

    def _story(self, incident: Incident, telling: Telling, voice: Voice, now: Instant) -> Story:
        guidance = self._guidance.get(incident.key.rule, Guidance())
        return stories.tell(incident, telling, now=now, guidance=guidance, voice=voice)

    def _facts(self, incident: Incident, plan: Plan, title: str) -> dict[str, object]:
        key = plan.keys.get(incident.id, plan.key)
        return self.facts(incident, plan.rows[0].target) | {"key": key, "title": title}

    def _shaper(self, kind: str, flaws: _Flaws, tales: Sequence[Story], **values: object) -> "_Shaper":
        environments = [self._shipped] if self._own is None else [self._preferred, self._shipped]
        return _Shaper(kind, environments, flaws, tales, values)

    @cached_property
    def _preferred(self) -> LimitedEnvironment:
        return environment(self._own)

    @cached_property
    def _shipped(self) -> LimitedEnvironment:
        return environment()


@dataclass(frozen=True, slots=True)
class _Shaper:
    """One story in the shapes asked for: by the operator's template, else the shipped one, else plain."""

    kind: str
    environments: Sequence[LimitedEnvironment]
    flaws: _Flaws
    tales: Sequence[Story]
    values: Mapping[str, object]

    def text(self) -> str:
        return self._complete(self._made("txt", str, _plain(self.tales)))

    def html(self) -> str:
        return self._made("html", str, f"<pre>{escape(_plain(self.tales))}</pre>")

    def blocks(self) -> Sequence[Mapping[str, object]]:
        return self._made("slack", blocks_of, ())

    def _complete(self, text: str) -> str:
        """With id and summary of every incident, whatever a template leaves out: they are promised."""
        left_out = [tale for tale in self.tales if tale.incident_id not in text or tale.headline not in text]
        return "\n".join([text, "", *(f"{tale.incident_id} {tale.headline}" for tale in left_out)]).strip()

    def _made(self, shape: str, read: Callable[[str], T], fallback: T) -> T:
        name = f"{self.kind}.{shape}.j2"
        for environment in self.environments:
            try:
                return read(environment.text(name, self.values))
            except Exception as error:  # noqa: BLE001 - an operator's template may raise anything, and stops no page
                self.flaws.add(name, error)
        return fallback


def environment(own: BaseLoader | None = None) -> LimitedEnvironment:
    """Where templates are rendered: an operator's own before the shipped ones."""
    shipped = FileSystemLoader(SHIPPED)
    filters: dict[str, Callable[..., object]] = {"mrkdwn": literal, "cut": _cut, "aligned": _aligned}
    return LimitedEnvironment(shipped if own is None else ChoiceLoader([own, shipped]), filters)


def blocks_of(text: str) -> Sequence[Mapping[str, object]]:
    """Slack's blocks from what a template wrote.

    Raises:
        ValueError: it is not a JSON list of objects with a `type`.
    """
    read = json.loads(text)
    if not isinstance(read, list) or not all(isinstance(one, dict) and "type" in one for one in read):
        raise ValueError("expected a JSON list of blocks, each with a `type`")
    if not read:
        raise ValueError("expected at least one block")
    return read


_LINKS: Final = {"Details": "incident", "Acknowledge": "acknowledge", "Silence": "silence"}
_URGENCY: Final = {str(severity): int(severity) for severity in Severity}


def _aligned(pairs: Iterable[tuple[str, str]], width: int, indent: str = "") -> str:
    """Pairs a line each, their values below each other."""
    return "\n".join(f"{indent}{f'{name}:':<{width}} {value}" for name, value in pairs)


def _cut(text: str, length: int) -> str:
    """At most so many characters: Slack refuses a block whose text is too long."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _plain(tales: Sequence[Story]) -> str:
    """All that matters without any template."""
    return "\n\n".join(
        "\n".join(
            [
                tale.headline,
                tale.lead,
                *(f"{name}: {value}" for name, value in tale.facts),
                f"Incident: {tale.incident_id}",
                *(f"{step.name}: {step.words}" for step in tale.steps),
            ]
        )
        for tale in tales
    )
