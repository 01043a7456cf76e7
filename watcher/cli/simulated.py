"""The text of a configuration that reads what is simulated."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

Entry = Mapping[str, Any]


def configuration_text(heading: str, sources: Sequence[Entry], receivers: Sequence[Entry] = ()) -> str:
    """A configuration of these, its database beside it."""
    return "\n".join(_lines(heading, sources, receivers))


def _lines(heading: str, sources: Sequence[Entry], receivers: Sequence[Entry]) -> Iterator[str]:
    yield heading
    yield "database: sqlite:///watcher.db"
    for section, entries in (("sources", sources), ("receivers", receivers)):
        if entries:
            yield f"{section}:"
            yield from (f"  - {orjson.dumps(entry).decode()}" for entry in entries)  # JSON is YAML
    yield ""
