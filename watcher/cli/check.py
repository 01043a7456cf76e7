"""`watcher check`: whether the configuration is right, and what it sets up."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import say, show_json
from watcher.config import Config
from watcher.errors import ConfigurationError

NOT_SERVED = ("http",)
"""Sections that are accepted and that nothing acts on yet."""


def check(*, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """Read the configuration, its secrets and its rules; exit 2 with every problem there is."""
    try:
        settings = configured(config)
    except ConfigurationError as error:
        if json:
            show_json({"ok": False, "problems": [asdict(problem) for problem in error.problems]})
        raise
    if json:
        show_json(_summary(settings))
    else:
        _show(settings, config)
    return 0


def _show(settings: Config, path: Path) -> None:
    sources = [f"{source.name} ({source.vendor})" for source in settings.sources]
    receivers = [f"{one.name} ({len(one.targets())})" for one in settings.receivers]
    say(f"{path}: right")
    say(f"database   {settings.database}")
    say(f"sources    {_listed(sources)}")
    say(f"rules      {_listed([rule.id for rule in settings.rules])}")
    say(f"receivers  {_listed(receivers)}")
    say(f"routes     {len(settings.routes) or 'none: every receiver is told of everything'}")
    for section in _not_served(settings):
        say(f"note: `{section}` is accepted, and nothing serves it yet")
    for warning in settings.warnings:
        say(f"warning: {warning}")


def _summary(settings: Config) -> dict[str, object]:
    return {
        "ok": True,
        "database": str(settings.database),
        "sources": [{"name": source.name, "vendor": source.vendor} for source in settings.sources],
        "rules": [rule.id for rule in settings.rules],
        "receivers": [
            {"name": one.name, "urls": len(one.urls), "targets": len(one.targets())}
            for one in settings.receivers
        ],
        "routes": len(settings.routes),
        "not_served": _not_served(settings),
        "warnings": [asdict(warning) for warning in settings.warnings],
        "problems": [],
    }


def _not_served(settings: Config) -> list[str]:
    return [section for section in NOT_SERVED if getattr(settings, section) is not None]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
