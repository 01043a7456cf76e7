"""Reads an operator's templates before anybody is told by them: names, syntax, fields that there are not."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import Final

from jinja2 import FileSystemLoader, TemplateSyntaxError, UndefinedError

from watcher.document.complaints import nearest
from watcher.errors import Problem
from watcher.model.incident import Evidence, Incident, IncidentKey, Resolution, Status
from watcher.model.labels import label_set
from watcher.model.message import Telling
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE, Instant, parse_rfc3339
from watcher.notify.render import KINDS, SHAPES, SHIPPED, blocks_of, environment
from watcher.notify.stages import DIGEST
from watcher.notify.story import Guidance, Story, tell
from watcher.notify.voice import Voice

NAMES: Final = tuple(f"{kind}.{shape}.j2" for kind in KINDS for shape in SHAPES)
"""Templates that an operator may replace."""

_ABSENT: Final = re.compile(r"'(?:[\w.]*\.)?(?P<owner>\w+) object' has no attribute '(?P<name>\w+)'")
"""How Jinja says that a value has no such field."""
_PARTS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    part.__name__: (f"a {word}", [name for name in vars(part) if not name.startswith("_")])
    for part, word in ((Story, "story"), (Guidance, "story's guidance"))
}
"""What templates speak of: by class its name in words, and its fields."""
_T: Final[Instant] = parse_rfc3339("2026-11-22T03:00:00Z")


def template_problems(folder: Path) -> Iterator[Problem]:
    """What is wrong with the templates in a folder that is there, each at its file and line."""
    files = sorted(path for path in folder.iterdir() if path.suffix == ".j2")
    if not files:
        yield Problem(str(folder), 1, 1, "it holds no template", f"known: {', '.join(NAMES)}")
    shipped = {path.name for path in SHIPPED.iterdir()}
    for path in files:
        if path.name in NAMES:
            yield from _read(folder, path)
        elif path.name in shipped or not _is_named_by_another(path, files):
            yield Problem(str(path), 1, 1, f"no message is made of {path.name}", nearest(path.name, NAMES))


def _is_named_by_another(path: Path, files: list[Path]) -> bool:
    """Whether another template includes or imports it."""
    return any(
        path.name in other.read_text(encoding="utf-8", errors="replace") for other in files if other != path
    )


def _read(folder: Path, path: Path) -> Iterator[Problem]:
    """Its first problem: rendered once of an incident that says all, once of one that says little."""
    own = environment(FileSystemLoader(folder))
    try:
        for values in _samples(path.name.partition(".")[0]):
            text = own.text(path.name, values)
            if path.name.endswith(".slack.j2"):
                blocks_of(text)
    except TemplateSyntaxError as error:
        yield Problem(error.filename or str(path), error.lineno, 1, error.message or "bad syntax")
    except Exception as error:  # noqa: BLE001 - a template's expressions may raise anything
        lines = [
            frame.lineno or 1 for frame in extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        yield Problem(str(path), lines[-1] if lines else 1, 1, *_words(error))


def _words(error: Exception) -> tuple[str, str]:
    """What is wrong, and what was probably meant."""
    absent = _ABSENT.search(str(error)) if isinstance(error, UndefinedError) else None
    made_of = _PARTS.get(absent["owner"]) if absent else None
    if absent and made_of:
        part, known = made_of
        return f"{part} has no `{absent['name']}`", nearest(absent["name"], known)
    return f"{type(error).__name__}: {error}", "messages would be sent by the shipped template"


def _samples(kind: str) -> Iterator[Mapping[str, object]]:
    for stories in ((_story(_FULL),), (_story(_SPARSE, Guidance()), _story(_OVER))):
        if kind == DIGEST:
            yield {
                "lead": "a lead",
                "stories": stories,
                "more": stories,
                "everything": "watcher incidents list",
            }
        else:
            yield from ({"story": story} for story in stories)


def _story(incident: Incident, guidance: Guidance | None = None) -> Story:
    given = Guidance("why", "what to do") if guidance is None else guidance
    telling = Telling.RESOLVED if incident.over else Telling.OPENED
    voice = Voice(public_url="https://watcher.example.com") if guidance is None else Voice()
    return tell(incident, telling, now=_T + HOUR, guidance=given, voice=voice)


_READING: Final = Evidence(
    start=_T,
    end=_T + 5 * MINUTE,
    seen=0.124,
    expected=0.002,
    range=(0.001, 0.004),
    requests=48_210.0,
    text="5xx 12.4 %",
    parts=({"status": "502", "share": "97 %"},),
    exemplars=({"url": "https://www.example.com/"},),
)
_SPARSE: Final = Incident(
    id="00000000-0000-7000-8000-000000000000",
    key=IncidentKey("http_5xx_spike", label_set({"source": "sample", "vendor": "sample"})),
    severity=Severity.WARNING,
    status=Status.OPEN,
    summary="sample",
    opened_at=_T,
    detected_at=_T,
    evidence=Evidence(_T, _T),
)
_FULL: Final = Incident(
    id="00000000-0000-7000-8000-000000000001",
    key=IncidentKey(
        "http_5xx_spike", label_set({"source": "sample", "vendor": "sample", "resource": "shop"})
    ),
    severity=Severity.CRITICAL,
    status=Status.ACKNOWLEDGED,
    summary="resource shop: 5xx 12.4 %",
    opened_at=_T,
    detected_at=_T + MINUTE,
    evidence=_READING,
    acknowledged_at=_T + 2 * MINUTE,
    acknowledged_by="ada",
    assignee="ada",
    returns=2,
    flapping=True,
    affected=5_000.0,
)
_OVER: Final = Incident(
    id="00000000-0000-7000-8000-000000000002",
    key=_FULL.key,
    severity=Severity.CRITICAL,
    status=Status.RESOLVED,
    summary="resource shop: 5xx 12.4 %",
    opened_at=_T,
    detected_at=_T + MINUTE,
    evidence=_READING,
    resolution=Resolution.RECOVERED,
    resolved_at=_T + HOUR,
    recovery=_READING,
    peak=_READING,
    affected=5_000.0,
)
