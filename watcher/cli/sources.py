"""`watcher sources`: what is read, and whether it answers."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from watcher.app import book, trials
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import say, show_json, show_table
from watcher.collect.collector import SourceSettings
from watcher.collect.trial import Trial
from watcher.config import Config
from watcher.document.complaints import nearest
from watcher.errors import StoreError, UserError
from watcher.model.time import Duration, format_duration


async def list_sources(*, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """List the sources of the configuration, and the `settle` that each one's bins suggest."""
    settings = configured(config, secrets=False)
    measured = await _measured(settings)
    sources = [_listed(source, measured.get(source.name, {})) for source in settings.sources]
    if json:
        show_json({"sources": sources})
    else:
        rows = [[str(value or "") for name, value in one.items() if name != "streams"] for one in sources]
        show_table(("SOURCE", "VENDOR", "EVERY", "SETTLE", "SUGGESTED", "BACKFILL"), rows)
    return 0


def _listed(source: SourceSettings, measured: Mapping[str, Duration]) -> dict[str, object]:
    return {
        "name": source.name,
        "vendor": source.vendor,
        "every": format_duration(source.every),
        "settle": format_duration(source.settle),
        "suggested_settle": format_duration(max(measured.values())) if measured else None,
        "backfill": format_duration(source.backfill),
        "streams": {stream: format_duration(settle) for stream, settle in measured.items()},
    }


async def _measured(settings: Config) -> Mapping[str, Mapping[str, Duration]]:
    """By source and stream: the age by which bins had their last value, as far as a database knows it."""
    measured: dict[str, dict[str, Duration]] = {}
    try:
        async with book.history(settings.database) as history:
            for sight in await history.sights():
                if sight.suggested_settle is not None:
                    measured.setdefault(sight.source, {})[sight.stream] = sight.suggested_settle
    except (UserError, StoreError):
        return {}
    return measured


def _state(test: Trial) -> str:
    if test.ok:
        return "up"
    return f"down ({test.family})" if test.family else "in part"


async def try_sources(
    *names: Annotated[str, Parameter(help="Sources to try; without any, all.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Read the newest window of each stream for real; exit 1 when one is not answered."""
    settings = configured(config)
    if unknown(settings, names):
        return 1
    tests = await trials.try_sources(settings, names)
    if json:
        show_json({"streams": [asdict(test) for test in tests]})
    else:
        rows = [(test.source, test.stream, _state(test), test.words) for test in tests]
        show_table(("SOURCE", "STREAM", "STATE", ""), rows)
        for source, advice in dict.fromkeys((test.source, test.advice) for test in tests if test.advice):
            say(f"{source}: {advice}")
    return 0 if all(test.ok for test in tests) else 1


def unknown(settings: Config, names: Iterable[str]) -> bool:
    """Whether any of these is no source; said on stderr."""
    known = [source.name for source in settings.sources]
    others = [name for name in names if name not in known]
    for name in others:
        sys.stderr.write(f"no source `{name}`; {nearest(name, known)}\n")
    return bool(others)
