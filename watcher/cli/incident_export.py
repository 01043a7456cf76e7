"""`watcher incidents export`: all of the book, an incident a line, for spreadsheets and other tools."""

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TextIO, TypeAlias

import orjson
from cyclopts import Parameter

from watcher.app import book
from watcher.cli.incidents import EVERYTHING, Filter, doubt
from watcher.cli.loading import book_of
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption
from watcher.errors import UserError
from watcher.longformat.writing import opened
from watcher.model.ports import Story
from watcher.model.presentation import entry_json, incident_json


class Format(StrEnum):
    """How lines are written."""

    JSONL = "jsonl"
    CSV = "csv"


Write: TypeAlias = Callable[[Story], None]


async def export(
    *,
    out: Annotated[
        Path | None, Parameter(help="The file: .jsonl or .csv, with .gz packed; without it, stdout.")
    ] = None,
    shape: Annotated[
        Format | None, Parameter(name="--format", help="jsonl or csv, where the file's name does not say.")
    ] = None,
    only: Filter = EVERYTHING,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Write incidents with their timelines, the oldest first: JSON Lines, or CSV where that is asked for."""
    query, at = only.query(), book_of(config)
    count, widen = 0, await book.widener(at)
    async with book.history(at) as history:
        with _opened(out) as text:
            write = _writer(text, shape or _named(out))
            async for page in history.stories(query):
                for story in page:
                    write(replace(story, incident=widen(story.incident)))
                count += len(page)
    if only.rule and not count:
        doubt(only.rule, config)
    if out is not None:
        sys.stderr.write(f"{count} incidents written to {out}\n")
    return 0


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    try:
        with opened(out) as text:
            yield text
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from error


def _named(out: Path | None) -> Format:
    return Format.CSV if out is not None and ".csv" in out.suffixes else Format.JSONL


def _writer(text: TextIO, shape: Format) -> Write:
    return _csv(text) if shape is Format.CSV else _json_lines(text)


def _json_lines(text: TextIO) -> Write:
    def write(story: Story) -> None:
        timeline = {"timeline": [entry_json(entry) for entry in story.timeline]}
        text.write(orjson.dumps(incident_json(story.incident) | timeline).decode() + "\n")

    return write


_COLUMNS: Final = (
    "id",
    "rule",
    "severity",
    "status",
    "resolution",
    "source",
    "vendor",
    "summary",
    "opened_at",
    "detected_at",
    "acknowledged_at",
    "resolved_at",
    "duration_seconds",
    "time_to_detect_seconds",
    "time_to_acknowledge_seconds",
    "time_to_resolve_seconds",
    "requests_affected",
    "worst",
    "affects",
    "acknowledged_by",
    "assignee",
    "returns",
    "flapping",
    "parent_id",
    "merged_into",
    "drill",
    "shadow",
    "labels",
    "timeline",
)


def _csv(text: TextIO) -> Write:
    """Labels, timeline and what is affected are JSON in one cell each: they differ from line to line."""
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()

    def write(story: Story) -> None:
        labels = dict(story.incident.key.labels)
        cells: Mapping[str, object] = incident_json(story.incident) | {
            "source": labels.get("source"),
            "vendor": labels.get("vendor"),
            "worst": story.incident.peak.text if story.incident.peak is not None else None,
            "affects": orjson.dumps(incident_json(story.incident)["affects"]).decode(),
            "labels": orjson.dumps(labels).decode(),
            "timeline": orjson.dumps([entry_json(entry) for entry in story.timeline]).decode(),
        }
        writer.writerow({name: _cell(value) for name, value in cells.items()})

    return write


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
