"""`watcher sources`: what is read, and whether it answers."""

import sys
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from watcher.app import trials
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import show_json, show_table
from watcher.document.complaints import nearest
from watcher.model.time import format_duration

_CADENCE = ("every", "settle", "backfill")


def list_sources(*, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """List the sources of the configuration."""
    settings = configured(config, secrets=False)
    sources = [
        {"name": source.name, "vendor": source.vendor}
        | {key: format_duration(getattr(source, key)) for key in _CADENCE}
        for source in settings.sources
    ]
    if json:
        show_json({"sources": sources})
    else:
        show_table(("SOURCE", "VENDOR", "EVERY", "SETTLE", "BACKFILL"), [[*one.values()] for one in sources])
    return 0


async def try_sources(
    *names: Annotated[str, Parameter(help="Sources to try; without any, all.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Read the newest window of each stream for real; exit 1 when one is not answered."""
    settings = configured(config)
    known = [source.name for source in settings.sources]
    if unknown := [name for name in names if name not in known]:
        for name in unknown:
            sys.stderr.write(f"no source `{name}`; {nearest(name, known)}\n")
        return 1
    tests = await trials.try_sources(settings, names)
    if json:
        show_json({"streams": [asdict(test) for test in tests]})
    else:
        rows = [
            (test.source, test.stream, "up" if test.ok else f"down ({test.family})", test.words)
            for test in tests
        ]
        show_table(("SOURCE", "STREAM", "STATE", ""), rows)
    return 0 if all(test.ok for test in tests) else 1
