"""`watcher init`: a configuration to start from."""

from pathlib import Path
from typing import Final

import orjson

from watcher.cli.options import DEFAULT_CONFIG, ConfigOption
from watcher.cli.screen import say
from watcher.config import json_schema
from watcher.errors import UserError

TEMPLATE: Final = Path(__file__).with_name("watcher.example.yaml")
SCHEMA: Final = "watcher.schema.json"


def init(*, config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Write a commented configuration, and beside it the schema that lets an editor help with it."""
    if config.exists():
        raise UserError(f"{config}: there is such a file already; remove it, or name another with -c")
    schema = config.with_name(SCHEMA)
    try:
        config.parent.mkdir(parents=True, exist_ok=True)
        schema.write_bytes(
            orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        )
        config.write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{error.filename or config}: cannot be written: {error.strerror}") from error
    named = "" if config == DEFAULT_CONFIG else f" -c {config}"
    say(f"wrote {config} and {schema}. Next:")
    say()
    say("  1. edit it, and set the variables it names")
    say(f"  2. watcher check{named}")
    say(f"     watcher notify test oncall{named}")
    say(f"     watcher sources test{named}")
    say(f"     watcher run{named}")
    return 0
